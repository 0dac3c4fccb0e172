import {
  type ActionId,
  type ApprovalDecision,
  type ApprovalDecisionAnswer,
  hashJson,
  type JwsExpectation,
  type OutcomeDecision,
  outcomeObjection,
  type Sha256,
  type TenantId,
} from '@trustgw/protocol'
import type { Clock } from '@trustgw/runtime'
import type { ActionRecord } from '../action/action-record.ts'
import type { StoredAction } from '../action/action-store.ts'
import type { Planned } from '../action/planned.ts'
import { initiatorOf, settlersOf } from './unsettled.ts'
import { type Heard, heardBefore, verdictPlan } from './verdict.ts'

/** What an action's result says when a person found out about it. */
export const SETTLED_BY_PERSON = 'settled_by_person'

export interface VerdictsDeps {
  readonly load: (tenant: TenantId, id: ActionId) => Promise<StoredAction | undefined>
  /** Gives an event to an action; stored when it resolves. */
  readonly drive: (
    tenant: TenantId,
    id: ActionId,
    planned: Planned,
  ) => Promise<StoredAction | undefined>
  readonly sha256: Sha256
  readonly hostKeyFor: JwsExpectation['keyFor']
  readonly clock: Pick<Clock, 'now'>
}

/** What people said, from the host, given to the actions. Accepted means stored. */
export class Verdicts {
  readonly #deps: VerdictsDeps

  constructor(deps: VerdictsDeps) {
    this.#deps = deps
  }

  /** One person's verdict on an action that waits for approval. */
  async decided(decision: ApprovalDecision): Promise<ApprovalDecisionAnswer> {
    const { load, drive, sha256 } = this.#deps
    const { tenant, action_id: id } = decision
    const before = await load(tenant, id)
    if (before === undefined) return { status: 'refused', code: 'unknown_action' }
    if (heardBefore(before.record, decision, sha256))
      return { status: 'accepted', state: before.record.state.kind }
    const heard: Heard = { refusal: 'not_pending', counted: false }
    const after = await drive(tenant, id, verdictPlan(decision, heard, this.#deps))
    if (after !== undefined && heardBefore(after.record, decision, sha256))
      return { status: 'accepted', state: after.record.state.kind }
    // Counted and not there any more: something had changed, and the approval is void.
    return { status: 'refused', code: heard.counted ? 'decision_changed' : heard.refusal }
  }

  /** What a person found out about an action whose end nobody saw. The executor is not asked. */
  async settled(decision: OutcomeDecision): Promise<ApprovalDecisionAnswer> {
    const { load, drive, sha256 } = this.#deps
    const { tenant, action_id: id } = decision
    const before = await load(tenant, id)
    if (before === undefined) return { status: 'refused', code: 'unknown_action' }
    const plan = outcomePlan(decision, sha256)
    const after = isSettledBy(before.record, decision) ? before : await drive(tenant, id, plan)
    if (after !== undefined && isSettledBy(after.record, decision))
      return { status: 'accepted', state: after.record.state.kind }
    const code = after === undefined ? 'unknown_action' : objection(after.record, decision)
    return { status: 'refused', code: code ?? 'not_unsettled' }
  }
}

function outcomePlan(decision: OutcomeDecision, sha256: Sha256): Planned {
  const { person, outcome, reason } = decision
  const result_hash = hashJson(sha256, null)
  const succeeded = outcome === 'succeeded'
  return {
    event: { kind: 'human_resolved', by: person, succeeded, result: { result_hash, reason } },
    fits: (record) => objection(record, decision) === null,
    change: (before) => ({
      ...before,
      result: {
        outcome,
        reason: SETTLED_BY_PERSON,
        output: null,
        result_hash,
        provider_reference: before.result?.provider_reference ?? null,
      },
    }),
  }
}

/** Why this decision does not settle the action as it is stored; null: it does. */
function objection(record: ActionRecord, { jti, person, roles }: OutcomeDecision): string | null {
  const { state, decision } = record
  if (state.kind !== 'needs_human' || state.jti !== jti) return 'not_unsettled'
  const action = { initiator: initiatorOf(decision), roles: settlersOf(decision) }
  return outcomeObjection(action, person, roles)
}

function isSettledBy({ state }: ActionRecord, { person, outcome, jti }: OutcomeDecision): boolean {
  if (state.kind !== 'reconciled_succeeded' && state.kind !== 'reconciled_failed') return false
  return state.kind === `reconciled_${outcome}` && state.by === person && state.jti === jti
}
