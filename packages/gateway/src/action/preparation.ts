import { isFinal } from '@trustgw/core'
import {
  type ActionId,
  canonicalize,
  hashJson,
  hashText,
  type PreconditionRule,
  type Proposal,
  preconditionArguments,
  preconditionHash,
  preconditionValue,
  type Sha256,
  type TenantId,
} from '@trustgw/protocol'
import type { Clock } from '@trustgw/runtime'
import type { Decided } from '../decide/decided.ts'
import type { Decider } from '../decide/decider.ts'
import { evaluationOf } from '../decide/evaluator.ts'
import type { RegisteredTool, ToolDirectory } from '../registry/tool-directory.ts'
import { type ActionRecord, argumentsOf } from './action-record.ts'
import type { StoredAction } from './action-store.ts'
import type { AuditTrail } from './audit-trail.ts'
import { derivedId } from './derived-id.ts'
import type { Planned } from './planned.ts'
import { TOOL_CHANGED, UndecidedFault } from './review.ts'
import { toolSummary } from './tool-summary.ts'

/** How often the read is looked at in the store, in case another process carries it on. */
const LOOK_MS = 1_000

/** Why an action is denied whose precondition was not read. */
export type PreparationFailure = 'precondition_not_allowed' | 'precondition_failed'

export interface PreparationDeps {
  readonly tools: ToolDirectory
  readonly decider: Decider
  readonly trail: AuditTrail
  readonly sha256: Sha256
  readonly clock: Clock
  readonly stopping: () => boolean
  readonly current: (tenant: TenantId, id: ActionId) => Promise<StoredAction | undefined>
  /** Accepts the read as an action; undefined where it is there already. */
  readonly accept: (
    proposal: Proposal,
    decided: Decided,
    of: { readonly tool: ActionRecord['tool']; readonly reads_for: ActionId },
  ) => Promise<StoredAction | undefined>
  /** The later of a stored form and what this process saw since. */
  readonly latest: (stored: StoredAction) => StoredAction
  /** The next change of an action; after `ms` its stored form. */
  readonly next: (
    tenant: TenantId,
    id: ActionId,
    wait: { readonly ms: number },
  ) => Promise<StoredAction | undefined>
}

/** A read and for whom. */
interface Reading {
  readonly record: ActionRecord
  readonly rule: PreconditionRule
  readonly id: ActionId
}

/**
 * Reads what an action is bound to before people are asked or it may run (spec/protocol.md §5). The
 * read is an action of its own: the same principal's, with its own decision, which must let it run
 * without people, its own grant and its own places in limits.
 */
export class Preparation {
  readonly #deps: PreparationDeps

  constructor(deps: PreparationDeps) {
    this.#deps = deps
  }

  /**
   * What comes of an action that is being prepared; undefined when somebody else carries it on, or
   * its time ran out, which an alarm of its own ends. Begun again after a crash it finds the same read.
   */
  async run({ record }: StoredAction): Promise<Planned | undefined> {
    const { tools, current, sha256 } = this.#deps
    const { proposal, state, decision } = record
    if (state.kind !== 'preparing') return undefined
    const { tenant, action_id: action } = proposal
    const tool = tools.find(tenant, proposal.tool_id)
    const rule = tool?.contract.precondition
    if (tool?.contract_hash !== decision.contract_hash || rule === undefined || rule === null)
      return denied(record, TOOL_CHANGED)
    const id = derivedId({ tenant, action }, 'precondition', state.round, sha256)
    const reading = { record, rule, id }
    const begun = (await current(tenant, id)) ?? (await this.#begin(reading, tool))
    if (typeof begun === 'string') return denied(record, begun)
    const ended = begun === undefined ? undefined : await this.#end(begun, state.prepare_by)
    return ended === undefined ? undefined : await this.#outcome(reading, ended.record)
  }

  async #begin(
    reading: Reading,
    { contract: { profile, bundle } }: RegisteredTool,
  ): Promise<StoredAction | PreparationFailure | undefined> {
    const { tools, decider, trail, accept, current } = this.#deps
    const { record, rule, id } = reading
    const { tenant } = record.proposal
    const tool = tools.find(tenant, rule.tool)
    const args = preconditionArguments(rule, argumentsOf(record.proposal))
    if (tool === undefined || args === undefined) return 'precondition_failed'
    const { contract } = tool
    const isRead = contract.operation === 'read' && contract.precondition === null
    const isNear = contract.profile === profile && contract.bundle === bundle
    // Whatever an executor published: nothing but a read comes of preparing.
    if (!isRead || !isNear || tool.validator.check(args) !== undefined) return 'precondition_failed'
    const proposal = this.#proposal(reading, canonicalize(args))
    await trail.prepares('preparing', record, { tool: rule.tool, child: id })
    const decided = await decider.decide(proposal, tool)
    if (!decided.ok) {
      if (decided.reason === 'no_policy') return 'precondition_failed'
      throw new UndecidedFault(decided.reason)
    }
    if (evaluationOf(decided.value.decision).outcome !== 'allow') {
      await decider.giveBack(decided.value.counted)
      return 'precondition_not_allowed'
    }
    const of = {
      tool: toolSummary(tool, decided.value.decision, args),
      reads_for: record.proposal.action_id,
    }
    return (await accept(proposal, decided.value, of)) ?? (await current(tenant, id))
  }

  #proposal({ record, rule, id }: Reading, text: string): Proposal {
    const { sha256, clock } = this.#deps
    return {
      ...record.proposal,
      action_id: id,
      tool_id: rule.tool,
      arguments: text,
      input_hash: hashText(sha256, text),
      client_key: null,
      received_at: clock.now(),
    }
  }

  /** The read once it ended; undefined where that took too long. */
  async #end(begun: StoredAction, by: number): Promise<StoredAction | undefined> {
    const { clock, latest, next, stopping } = this.#deps
    const { tenant, action_id: id } = begun.record.proposal
    let stored = latest(begun)
    while (!isFinal(stored.record.state)) {
      const left = by - clock.now()
      if (left <= 0 || stopping()) return undefined
      stored = (await next(tenant, id, { ms: Math.min(left, LOOK_MS) })) ?? stored
    }
    return stored
  }

  async #outcome({ record, rule, id }: Reading, read: ActionRecord): Promise<Planned> {
    const { sha256, trail } = this.#deps
    const { result, state } = read
    // What was too long to be kept is not what the executor signed.
    const isWhole = result !== null && hashJson(sha256, result.output) === result.result_hash
    if (state.kind !== 'succeeded' || !isWhole) return denied(record, 'precondition_failed')
    const found = preconditionValue(rule, argumentsOf(record.proposal), result.output)
    if (!found.ok) return denied(record, 'precondition_failed')
    const precondition = found.value
    const precondition_hash = preconditionHash(sha256, precondition)
    await trail.prepares('prepared', record, { child: id, precondition_hash })
    return {
      event: { kind: 'evaluated', decision: evaluationOf(record.decision) },
      fits: stillPrepares(record),
      change: (before) => ({ ...before, precondition }),
    }
  }
}

function denied(record: ActionRecord, reason: PreparationFailure | typeof TOOL_CHANGED): Planned {
  return {
    event: { kind: 'evaluated', decision: { outcome: 'deny', reason } },
    fits: stillPrepares(record),
  }
}

/** What was read belongs to one decision of the action, and no other. */
function stillPrepares({ state }: ActionRecord): (record: ActionRecord) => boolean {
  return ({ state: now }) =>
    now.kind === 'preparing' && state.kind === 'preparing' && now.round === state.round
}
