import { type ActionEffect as Effect, initialState, step } from '@trustgw/core'
import type { Clock, Logger } from '@trustgw/runtime'
import { evaluationOf } from '../decide/evaluator.ts'
import type { ActionRecord } from './action-record.ts'
import type { Review } from './review.ts'
import { takePlanned } from './take-step.ts'

export interface OpeningDeps {
  readonly review: Review
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
  const decision = evaluationOf(decided.decision)
  const { state, effects } = step(initialState(now), { kind: 'evaluated', decision }, now)
  const record = { ...decided, state }
  const issue = effects.find((effect) => effect.kind === 'issue_grant')
  if (issue === undefined) return { record, effects }
  const planned = issue.recheck ? undefined : deps.review.grant(record)
  if (planned === undefined) return { record, effects }
  const granted = takePlanned(record, planned, deps)
  // What sends an allowed action back is found again once it is stored.
  if (granted.record.state.kind !== 'dispatched') return { record, effects }
  const others = effects.filter((effect) => effect !== issue)
  return { record: granted.record, effects: [...others, ...granted.effects] }
}
