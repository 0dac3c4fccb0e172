/** Steps once the executor holds the action, and after its end (spec/protocol.md §5). */
import type { EventMap } from './events.ts'
import { audit, ignore, outstanding, type Step, same } from './parts.ts'
import type { ActionState, Reconciled, ResultSummary, StateMap, UnknownOutcome } from './state.ts'

type EndKind = 'succeeded' | 'failed'
export type EndEvent = EventMap['result_succeeded' | 'result_failed']

/** An action is entered at most once, under whichever of its grants was claimed. */
export function finished(state: StateMap['executing'], event: EndEvent, now: number): Step {
  const { jti, result } = event
  if (!state.issued.includes(jti)) return ignore(state, 'unknown_grant')
  const kind: EndKind = event.kind === 'result_succeeded' ? 'succeeded' : 'failed'
  const next: ActionState = { kind, since: now, jti, result }
  return same(next, [audit(state, next, kind, { jti, result_hash: result.result_hash })])
}

export function unseen(state: StateMap['executing'], reason: string, now: number): Step {
  const { round, issued, cancel: asked, jti } = state
  const next: UnknownOutcome = {
    kind: 'unknown_outcome',
    since: now,
    round,
    issued,
    cancel: asked,
    jti,
    reason,
  }
  return same(next, [
    audit(state, next, 'unknown_outcome', { jti, reason }),
    { kind: 'reconcile', jti },
  ])
}

export type Open = StateMap['unknown_outcome' | 'needs_human']

export function reconcile(
  state: Open,
  end: { readonly by: string; readonly succeeded: boolean; readonly result: ResultSummary },
  now: number,
): Step {
  const { by, succeeded, result } = end
  const kind: Reconciled['kind'] = succeeded ? 'reconciled_succeeded' : 'reconciled_failed'
  const next: ActionState = { kind, since: now, jti: state.jti, by, result }
  const detail = { jti: state.jti, by, result_hash: result.result_hash }
  return same(next, [audit(state, next, 'reconciled', detail)])
}

/** The executor's own word came late: it outranks asking. */
export function lateResult(state: Open, event: EndEvent, now: number): Step {
  if (!state.issued.includes(event.jti)) return ignore(state, 'unknown_grant')
  const succeeded = event.kind === 'result_succeeded'
  return reconcile(
    { ...state, jti: event.jti },
    { by: 'executor', succeeded, result: event.result },
    now,
  )
}

export function unclear(
  state: UnknownOutcome,
  { reason }: EventMap['reconciled_unclear'],
  now: number,
): Step {
  const next: ActionState = { ...state, kind: 'needs_human', since: now, reason }
  return same(next, [audit(state, next, 'needs_human', { reason }), ...outstanding(next, now)])
}
