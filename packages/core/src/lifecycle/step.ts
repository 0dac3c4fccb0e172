/**
 * The life of an action (spec/protocol.md §5) as one pure function. The table below is the whole of
 * it: a pair that is not there changes nothing and says so.
 *
 * Each step follows at most one arrow. Where an event proves two of them at once (a result for an
 * action whose claim was never heard of), the step takes the first and asks for the event again
 * with a `feed` effect.
 */
import {
  approvalDenied,
  approvalGranted,
  cancelNow,
  evaluated,
  pendingTick,
  rememberCancel,
} from './decision.ts'
import {
  askToCancel,
  claimCancelled,
  claimed,
  clearedTick,
  dispatchedTick,
  grantIssued,
  lateClaim,
  refused,
  resultProvesClaim,
  scheduledTick,
  sendBack,
  unclaimed,
  undoWindow,
} from './dispatch.ts'
import type { ActionEvent, EventKind, EventMap } from './events.ts'
import { finished, lateResult, reconcile, unclear, unseen } from './outcome.ts'
import { cancel, deny, ignore, outstanding, passed, type Step, same, stop } from './parts.ts'
import { type ActionState, isFinal, type StateKind, type StateMap } from './state.ts'

type Row<T> = {
  readonly [E in EventKind]: (state: T, event: EventMap[E], now: number) => Step
}
type Table = { readonly [S in StateKind]: Row<StateMap[S]> }

const impossible = (state: ActionState): Step => ignore(state, 'impossible_here')

/** What every state does with an event that its row does not name. */
const NONE = {
  evaluated: impossible,
  approval_granted: impossible,
  approval_denied: impossible,
  cancel_requested: impossible,
  tick: impossible,
  recovered: impossible,
  undo_window: impossible,
  changed: impossible,
  grant_issued: impossible,
  executor_claimed: impossible,
  executor_refused: impossible,
  claim_cancelled: impossible,
  grant_unclaimed: impossible,
  result_succeeded: impossible,
  result_failed: impossible,
  result_unknown: impossible,
  reconciled_ok: impossible,
  reconciled_failed: impossible,
  reconciled_unclear: impossible,
  human_resolved: impossible,
}

const nothing = (state: ActionState): Step => same(state)

const TABLE: Table = {
  proposed: { ...NONE, evaluated, cancel_requested: rememberCancel, tick: nothing },
  preparing: {
    ...NONE,
    evaluated,
    cancel_requested: rememberCancel,
    tick: (state, _event, now) =>
      passed(state.prepare_by, now) ? deny(state, 'precondition_timeout', now) : same(state),
  },
  pending_approval: {
    ...NONE,
    approval_granted: approvalGranted,
    approval_denied: approvalDenied,
    changed: (state, { reason }, now) => deny(state, reason, now),
    cancel_requested: cancelNow,
    tick: pendingTick,
  },
  authorized: {
    ...NONE,
    undo_window: undoWindow,
    grant_issued: grantIssued,
    changed: sendBack,
    cancel_requested: cancelNow,
    tick: clearedTick,
    executor_claimed: lateClaim,
    result_succeeded: lateClaim,
    result_failed: lateClaim,
    result_unknown: lateClaim,
  },
  scheduled: {
    ...NONE,
    grant_issued: grantIssued,
    approval_denied: (state, { by, reason }, now) => stop(state, by, reason, now),
    cancel_requested: cancelNow,
    changed: (state, { reason }, now) => cancel(state, `changed: ${reason}`, now),
    tick: scheduledTick,
  },
  dispatched: {
    ...NONE,
    executor_claimed: claimed,
    executor_refused: refused,
    result_succeeded: resultProvesClaim,
    result_failed: resultProvesClaim,
    result_unknown: resultProvesClaim,
    cancel_requested: askToCancel,
    claim_cancelled: claimCancelled,
    grant_unclaimed: unclaimed,
    tick: dispatchedTick,
  },
  executing: {
    ...NONE,
    result_succeeded: finished,
    result_failed: finished,
    result_unknown: (state, { jti, reason }, now) =>
      state.issued.includes(jti)
        ? unseen({ ...state, jti }, reason, now)
        : ignore(state, 'unknown_grant'),
    cancel_requested: (state) => ignore(state, 'already_running'),
    tick: (state, _event, now) =>
      passed(state.result_by, now) ? unseen(state, 'no_result_in_time', now) : same(state),
  },
  unknown_outcome: {
    ...NONE,
    reconciled_ok: (state, { result }, now) =>
      reconcile(state, { by: 'connector', succeeded: true, result }, now),
    reconciled_failed: (state, { result }, now) =>
      reconcile(state, { by: 'connector', succeeded: false, result }, now),
    reconciled_unclear: unclear,
    result_succeeded: lateResult,
    result_failed: lateResult,
    cancel_requested: (state) => ignore(state, 'already_running'),
    tick: nothing,
  },
  needs_human: {
    ...NONE,
    human_resolved: (state, { by, succeeded, result }, now) =>
      reconcile(state, { by, succeeded, result }, now),
    result_succeeded: lateResult,
    result_failed: lateResult,
    cancel_requested: (state) => ignore(state, 'already_running'),
    tick: nothing,
  },
  denied: NONE,
  succeeded: NONE,
  failed: NONE,
  refused: NONE,
  reconciled_succeeded: NONE,
  reconciled_failed: NONE,
  cancelled: NONE,
  expired: NONE,
}

function handle<S extends StateKind>(
  state: StateMap[S] & { readonly kind: S },
  event: ActionEvent,
  now: number,
): Step {
  const row: Row<StateMap[S]> = TABLE[state.kind]
  return react(row, state, event, now)
}

function react<T, E extends EventKind>(
  row: Row<T>,
  state: T,
  event: EventMap[E] & { readonly kind: E },
  now: number,
): Step {
  return row[event.kind](state, event, now)
}

/**
 * One step of an action's life. Total: every state takes every event, and nothing throws. What
 * changes nothing returns the same state object, with the reason in `ignored`.
 *
 * NOT checked here: that evidence, results and claims are genuine (the caller verified their
 * signatures), that the approver's roles are theirs (the host's word; the executor has its own), that
 * the decision is policy's.
 */
export function step(state: ActionState, event: ActionEvent, now: number): Step {
  if (isFinal(state)) return ignore(state, 'final_state')
  if (event.kind !== 'recovered') return handle(state, event, now)
  const timely = handle(state, { kind: 'tick' }, now)
  return timely.state === state ? same(state, outstanding(state, now)) : timely
}
