import type { DecisionRecord, Json, Proposal } from '@trustgw/protocol'
import type { Clock } from '@trustgw/runtime'
import type { AgentDirectory } from '../agents/agent-directory.ts'
import { evaluate, evaluationOf, type PolicyInForce } from '../decide/evaluator.ts'
import { authorize, type GrantIssuer } from '../grant/grant-issuer.ts'
import type { RegisteredTool, ToolDirectory } from '../registry/tool-directory.ts'
import { type ActionRecord, argumentsOf } from './action-record.ts'
import type { AuditTrail } from './audit-trail.ts'
import type { Planned } from './planned.ts'
import { toolSummary } from './tool-summary.ts'

export interface ReviewDeps {
  readonly tools: ToolDirectory
  readonly agents: AgentDirectory
  readonly issuer: GrantIssuer
  readonly policy: () => PolicyInForce
  readonly trail: AuditTrail
  readonly clock: Clock
}

/** Decides, and looks at everything again before a grant is made (spec/protocol.md §5). */
export class Review {
  readonly #deps: ReviewDeps

  constructor(deps: ReviewDeps) {
    this.#deps = deps
  }

  /** What policy says of a proposal now. */
  decide(proposal: Proposal, tool: RegisteredTool): DecisionRecord {
    return this.#decide(proposal, tool, argumentsOf(proposal))
  }

  /** A fresh decision for an action that was sent back; what was approved before is void. */
  async evaluateAgain(record: ActionRecord): Promise<Planned> {
    const { proposal } = record
    const { round } = record.state.kind === 'proposed' ? record.state : { round: null }
    const fits = ({ state }: ActionRecord): boolean =>
      state.kind === 'proposed' && state.round === round
    const tool = this.#deps.tools.find(proposal.tenant, proposal.tool_id)
    if (tool === undefined || !this.#isActive(proposal)) {
      const reason =
        tool === undefined ? 'the tool is not served any more' : 'the agent is not active any more'
      return { event: { kind: 'evaluated', decision: { outcome: 'deny', reason } }, fits }
    }
    const args = argumentsOf(proposal)
    const decision = this.#decide(proposal, tool, args)
    const decision_event = await this.#deps.trail.decided(proposal, decision)
    const summary = toolSummary(tool, decision, args)
    return {
      event: { kind: 'evaluated', decision: evaluationOf(decision) },
      fits,
      change: (before) => ({
        ...before,
        tool: summary,
        decision,
        decision_event,
        evidence: [],
        grant: null,
      }),
    }
  }

  /** A signed grant, or that something changed. With `recheck`, everything is looked at first. */
  release(record: ActionRecord, recheck: boolean): Planned {
    const { proposal, state } = record
    // A grant is for the very state it was made from, not for what another process made of it.
    const issued = 'issued' in state ? state.issued.length : null
    const fits = ({ state: now }: ActionRecord): boolean =>
      now.kind === 'authorized' &&
      state.kind === 'authorized' &&
      now.round === state.round &&
      now.issued.length === issued
    const tool = this.#deps.tools.find(proposal.tenant, proposal.tool_id)
    const changed = recheck ? this.#changedSince(record, tool) : undefined
    if (changed !== undefined || tool === undefined)
      return { event: { kind: 'changed', reason: changed ?? 'tool_gone' }, fits }
    const authorization = authorize(record, tool)
    if (!authorization.ok) return { event: { kind: 'changed', reason: authorization.reason }, fits }
    const { token, claims, expires_at } = this.#deps.issuer.issue(authorization.value)
    return {
      event: { kind: 'grant_issued', jti: claims.jti, exp: expires_at },
      fits,
      change: (before) => ({
        ...before,
        grant: token,
        granted_to: [...new Set([...before.granted_to, claims.aud])],
      }),
    }
  }

  #decide(proposal: Proposal, tool: RegisteredTool, args: Json): DecisionRecord {
    return evaluate(this.#deps.policy(), proposal, { tool, args, now: this.#deps.clock.now() })
  }

  #isActive({ tenant, principal }: Proposal): boolean {
    return this.#deps.agents.isActive(tenant, principal.client)
  }

  #changedSince(record: ActionRecord, tool: RegisteredTool | undefined): string | undefined {
    const { proposal, decision } = record
    if (tool === undefined) return 'tool_gone'
    if (tool.contract_hash !== decision.contract_hash) return 'contract_changed'
    if (!this.#isActive(proposal)) return 'agent_inactive'
    if (this.#deps.policy().compiled.fingerprint !== decision.policy_fingerprint)
      return 'policy_changed'
    const again = this.decide(proposal, tool)
    return again.effect === decision.effect &&
      again.tier === decision.tier &&
      again.rule_id === decision.rule_id
      ? undefined
      : 'decision_changed'
  }
}
