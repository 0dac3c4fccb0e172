import { canonicalize, type DecisionRecord, decisionJson, type Proposal } from '@trustgw/protocol'
import type { Clock } from '@trustgw/runtime'
import type { AgentDirectory } from '../agents/agent-directory.ts'
import type { Decided, Undecided } from '../decide/decided.ts'
import type { Decider } from '../decide/decider.ts'
import { evaluationOf, firstEvaluation } from '../decide/evaluator.ts'
import { type FreezeView, standsStill } from '../decide/freeze-view.ts'
import { authorize, type GrantIssuer } from '../grant/grant-issuer.ts'
import { STORE_WITHIN_MS } from '../limits/ledger.ts'
import type { RegisteredTool, ToolDirectory } from '../registry/tool-directory.ts'
import {
  type ActionRecord,
  argumentsOf,
  type CountedIn,
  type DecisionEvent,
} from './action-record.ts'
import type { AuditTrail } from './audit-trail.ts'
import type { Planned } from './planned.ts'
import { toolSummary } from './tool-summary.ts'

export interface ReviewDeps {
  readonly tools: ToolDirectory
  readonly agents: AgentDirectory
  readonly issuer: GrantIssuer
  readonly decider: Decider
  readonly trail: AuditTrail
  readonly freezes: FreezeView
  readonly clock: Clock
}

type ReleaseProblem = Undecided | 'decision_stale' | 'grant_not_signed'

/** An action that is there could not be decided now; it is taken up again. */
export class UndecidedFault extends Error {
  readonly code: ReleaseProblem
  constructor(reason: ReleaseProblem) {
    super(`no decision could be made: ${reason}`)
    this.name = 'UndecidedFault'
    this.code = reason
  }
}

const UNDECIDABLE = {
  no_tool: 'the tool is not served any more',
  tool_held: 'the tool changed, and nobody has looked at the change yet',
  no_agent: 'the agent is not active any more',
  other_tool: 'the agent may not call this tool any more',
  no_policy: 'no policy is in force',
}

export const TOOL_CHANGED = 'the tool changed while this waited for approval'

/** Decides again, and looks at everything again before a grant is made (spec/protocol.md §5). */
export class Review {
  readonly #deps: ReviewDeps

  constructor(deps: ReviewDeps) {
    this.#deps = deps
  }

  /**
   * A fresh decision for an action that was sent back; what was approved before is void. Throws
   * `UndecidedFault` while none can be made; without any policy in force the action is denied.
   */
  async evaluateAgain(record: ActionRecord): Promise<Planned> {
    const { decider, tools } = this.#deps
    const { proposal } = record
    const { round } = record.state.kind === 'proposed' ? record.state : { round: null }
    const fits = ({ state }: ActionRecord): boolean =>
      state.kind === 'proposed' && state.round === round
    const deny = (why: keyof typeof UNDECIDABLE): Planned => ({
      event: { kind: 'evaluated', decision: { outcome: 'deny', reason: UNDECIDABLE[why] } },
      fits,
    })
    const tool = tools.find(proposal.tenant, proposal.tool_id)
    if (tool === undefined)
      return deny(tools.isHeld(proposal.tenant, proposal.tool_id) ? 'tool_held' : 'no_tool')
    if (!this.isActive(record)) return deny('no_agent')
    if (!this.#mayCall(record, tool)) return deny('other_tool')
    const decided = await decider.decide(proposal, tool, record)
    if (!decided.ok) {
      if (decided.reason === 'no_policy') return deny('no_policy')
      throw new UndecidedFault(decided.reason)
    }
    const { decision, hint } = decided.value
    const decision_event = await this.#recorded(proposal, decided.value)
    const { counted, superfluous } = placesOf(record, decided.value)
    const summary = toolSummary(tool, decision, argumentsOf(proposal))
    return {
      event: { kind: 'evaluated', decision: firstEvaluation(decision, summary.prepares) },
      fits,
      change: (before) => ({
        ...before,
        tool: summary,
        decision,
        decision_event,
        evidence: [],
        grant: null,
        precondition: null,
        counted,
        hint,
      }),
      // The places of the decision that does not stand: the earlier one's, or these.
      done: (isStored) => decider.giveBack(isStored ? superfluous : decided.value.counted),
    }
  }

  /** The decision's event, once it is stored; else the places that the decision took are given back. */
  async #recorded(proposal: Proposal, { decision, counted }: Decided): Promise<DecisionEvent> {
    const { decider, trail, clock } = this.#deps
    try {
      const event = await trail.decided(proposal, decision)
      if (clock.now() - decision.decided_at <= STORE_WITHIN_MS) return event
      throw new UndecidedFault('decision_stale')
    } catch (error) {
      await decider.giveBack(counted)
      throw error
    }
  }

  /** Whether a freeze keeps an action from starting. */
  isFrozen({ proposal }: ActionRecord): boolean {
    const { tools, freezes } = this.#deps
    const tool = tools.find(proposal.tenant, proposal.tool_id)
    return tool !== undefined && standsStill(freezes, proposal, tool.contract)
  }

  /**
   * A signed grant, or that something changed. With `recheck`, and when the decision is not of this
   * moment, everything is looked at first and decided anew: what was approved must come out the same,
   * and the new decision is on record before the grant. Throws `UndecidedFault`.
   */
  async release(record: ActionRecord, recheck: boolean): Promise<Planned> {
    const { decider, tools, trail } = this.#deps
    const { proposal } = record
    const tool = tools.find(proposal.tenant, proposal.tool_id)
    const granted = recheck ? undefined : this.grant(record)
    if (granted !== undefined) return granted
    const changed = this.#changedSince(record, tool)
    if (changed !== undefined || tool === undefined) return sentBack(record, changed ?? 'tool_gone')
    const again = await decider.again(record, tool)
    if (!again.ok) {
      if (again.reason === 'limits_unreadable') throw new UndecidedFault(again.reason)
      return sentBack(record, again.reason)
    }
    const decision = again.value
    if (!isSame(decision, record.decision)) return sentBack(record, 'decision_changed')
    const decision_event = await trail.decided(proposal, decision)
    const granting = this.grant({ ...record, decision, decision_event })
    if (granting === undefined) throw new UndecidedFault('grant_not_signed')
    return granting
  }

  /**
   * A signed grant for an action whose decision is of this moment; undefined where that has to be
   * made anew, or no key is there to sign it.
   */
  grant(record: ActionRecord): Planned | undefined {
    const { tools, issuer, clock } = this.#deps
    const { proposal, decision, decision_event } = record
    const tool = tools.find(proposal.tenant, proposal.tool_id)
    if (tool === undefined) return sentBack(record, 'tool_gone')
    const now = clock.now()
    const authorization = authorize(record, tool, now)
    if (!authorization.ok) {
      const { reason } = authorization
      return reason === 'decision_stale' ? undefined : sentBack(record, reason)
    }
    const signed = issuer.issue(authorization.value)
    if (signed === undefined) return undefined
    const { token, claims, expires_at } = signed
    return {
      event: { kind: 'grant_issued', jti: claims.jti, exp: expires_at },
      fits: sameClearance(record),
      change: (before) => ({
        ...before,
        decision,
        decision_event,
        grant: token,
        granted_to: [...before.granted_to.filter((to) => to !== claims.aud), claims.aud],
        grants: before.grants + 1,
        counted: before.counted === null ? null : { ...before.counted, granted_at: now },
      }),
    }
  }

  /** Whether whoever proposed this may still propose. */
  isActive({ proposal: { tenant, principal } }: Pick<ActionRecord, 'proposal'>): boolean {
    return this.#deps.agents.isActive(tenant, principal.client)
  }

  /**
   * What becomes of an action that waits and may not run as it was asked: its agent is not active any
   * more, or its tool's contract is another one; undefined where nothing changed. A tool that is not
   * served just now may come back as it was.
   */
  voided(record: ActionRecord): Planned | undefined {
    const { proposal, decision, state } = record
    const reason = this.isActive(record) ? this.#changedTool(record) : UNDECIDABLE.no_agent
    if (reason === undefined) return undefined
    return {
      event: { kind: 'changed', reason },
      fits: (now) =>
        now.state.kind === state.kind &&
        now.decision.contract_hash === decision.contract_hash &&
        now.proposal.principal.client === proposal.principal.client,
    }
  }

  #changedTool({ proposal, decision }: ActionRecord): string | undefined {
    const { tools } = this.#deps
    const { tenant, tool_id } = proposal
    const tool = tools.find(tenant, tool_id)
    const isVoid =
      tool === undefined
        ? tools.isHeld(tenant, tool_id)
        : tool.contract_hash !== decision.contract_hash
    return isVoid ? TOOL_CHANGED : undefined
  }

  #changedSince(record: ActionRecord, tool: RegisteredTool | undefined): string | undefined {
    if (tool === undefined) return 'tool_gone'
    if (tool.contract_hash !== record.decision.contract_hash) return 'contract_changed'
    if (!this.isActive(record)) return 'agent_inactive'
    return this.#mayCall(record, tool) ? undefined : 'tool_not_allowed'
  }

  /** What is read for an action is the gateway's own call. */
  #mayCall({ proposal, reads_for }: ActionRecord, { contract }: RegisteredTool): boolean {
    const { tenant, principal } = proposal
    return reads_for !== null || this.#deps.agents.mayCall(tenant, principal.client, contract)
  }
}

/**
 * Where an action counts from its new decision on, and which places are not needed any more. One that
 * is denied after a grant that lapsed keeps the places under which it may have run unseen.
 */
function placesOf(
  { counted: before, grants }: ActionRecord,
  { counted, decision }: Decided,
): { readonly counted: CountedIn | null; readonly superfluous: CountedIn | null } {
  const outcome = evaluationOf(decision).outcome
  const keeps = grants > 0 && (outcome === 'deny' || outcome === 'proof')
  return keeps ? { counted: before, superfluous: null } : { counted, superfluous: before }
}

/** A grant is for the very state it was made from, not for what another process made of it. */
function sameClearance({ state }: ActionRecord): (record: ActionRecord) => boolean {
  const issued = 'issued' in state ? state.issued.length : null
  return ({ state: now }) =>
    (now.kind === 'authorized' || now.kind === 'scheduled') &&
    now.kind === state.kind &&
    now.round === state.round &&
    now.issued.length === issued
}

function sentBack(record: ActionRecord, reason: string): Planned {
  return { event: { kind: 'changed', reason }, fits: sameClearance(record) }
}

/** Whether a decision asks for exactly what another one asked for. */
function isSame(a: DecisionRecord, b: DecisionRecord): boolean {
  return (
    a.effect === b.effect &&
    a.tier === b.tier &&
    a.rule_id === b.rule_id &&
    a.policy_fingerprint === b.policy_fingerprint &&
    obligations(a) === obligations(b)
  )
}

const obligations = (record: DecisionRecord): string =>
  canonicalize(decisionJson(record)['obligations'] ?? null)
