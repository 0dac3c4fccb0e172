import { type ActionEffect as Effect, initialState, step } from '@trustgw/core'
import type { ActionId, Proposal, Sha256 } from '@trustgw/protocol'
import { BusFault, type Clock, type Logger } from '@trustgw/runtime'
import type { Decided } from '../decide/decided.ts'
import type { Decider } from '../decide/decider.ts'
import { firstEvaluation } from '../decide/evaluator.ts'
import { STORE_WITHIN_MS } from '../limits/ledger.ts'
import { type ActionRecord, newRecord } from './action-record.ts'
import type { AuditTrail } from './audit-trail.ts'
import { undoWindowOf } from './effects.ts'
import type { Review } from './review.ts'
import { takePlanned } from './take-step.ts'

/**
 * A new action once its proposal and decision are on record. What the decision took is given back
 * when that fails: nothing was accepted then.
 */
export async function recorded(
  proposal: Proposal,
  decided: Decided,
  deps: {
    readonly trail: AuditTrail
    readonly decider: Decider
    readonly clock: Clock
    readonly tool: ActionRecord['tool']
    /** The action whose precondition this one reads. */
    readonly reads_for: ActionId | null
  },
): Promise<Omit<ActionRecord, 'state'>> {
  const { trail, decider, clock, tool, reads_for } = deps
  try {
    const from = reads_for === null ? {} : { reads_for }
    const decision_event = await trail.accepted(proposal, decided.decision, from)
    if (clock.now() - decided.decision.decided_at > STORE_WITHIN_MS)
      throw new BusFault('store_unreachable', 'recording the decision took too long')
    return { ...newRecord(proposal, decided, tool), decision_event, reads_for }
  } catch (error) {
    await decider.giveBack(decided.counted)
    throw error
  }
}

export interface OpeningDeps {
  readonly review: Review
  readonly sha256: Sha256
  readonly clock: Clock
  readonly log: Logger
}

/**
 * What a new action is first stored as, and what is to be done once it is. One that policy allows
 * at once is stored together with its grant (spec/protocol.md §5): the signature alone sends
 * nothing, and a grant that is not stored is known to nobody. The decision's audit event must be
 * stored already: without it no grant is made.
 */
export function opening(
  decided: Omit<ActionRecord, 'state'>,
  deps: OpeningDeps,
): { readonly record: ActionRecord; readonly effects: readonly Effect[] } {
  const now = deps.clock.now()
  const decision = firstEvaluation(decided.decision, decided.tool.prepares)
  const { state, effects } = step(initialState(now), { kind: 'evaluated', decision }, now)
  const record = { ...decided, state }
  const issue = effects.find((effect) => effect.kind === 'issue_grant')
  if (issue === undefined || undoWindowOf(record) !== undefined) return { record, effects }
  const planned = issue.recheck ? undefined : deps.review.grant(record)
  if (planned === undefined) return { record, effects }
  const granted = takePlanned(record, planned, deps)
  // What sends an allowed action back is found again once it is stored.
  if (granted.record.state.kind !== 'dispatched') return { record, effects }
  const others = effects.filter((effect) => effect !== issue)
  return { record: granted.record, effects: [...others, ...granted.effects] }
}
