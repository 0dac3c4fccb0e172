/** Steps between clearance and the executor's claim (spec/protocol.md §5). */
import { rememberCancel } from './decision.ts'
import type { EventMap } from './events.ts'
import {
  audit,
  cancel,
  expire,
  ignore,
  isSpent,
  issueGrant,
  offerStop,
  outstanding,
  passed,
  type Step,
  same,
} from './parts.ts'
import {
  type ActionState,
  type Authorized,
  CLAIM_GRACE_MS,
  type Dispatched,
  GRANT_LIFETIME_MAX_MS,
  GRANTS_PER_ACTION_MAX,
  type Proposed,
  type Scheduled,
  STALE,
} from './state.ts'

export function clearedTick(state: Authorized | Scheduled, _event: unknown, now: number): Step {
  if (state.cancel !== null) return cancel(state, state.cancel.by, now)
  return passed(state.run_by, now) ? expire(state, 'run_by', now) : same(state)
}

export function scheduledTick(state: Scheduled, event: unknown, now: number): Step {
  const timely = clearedTick(state, event, now)
  if (timely.state !== state || !passed(state.not_before, now)) return timely
  return same(state, [issueGrant(state, true)])
}

export function undoWindow(state: Authorized, event: EventMap['undo_window'], now: number): Step {
  const timely = clearedTick(state, event, now)
  if (timely.state !== state) return timely
  const { not_before } = event
  const next: Scheduled = { ...state, kind: 'scheduled', since: now, not_before }
  return same(next, [audit(state, next, 'scheduled', { not_before }), ...offerStop(next)])
}

export function sendBack(state: Authorized, { reason }: EventMap['changed'], now: number): Step {
  const { issued, cancel: asked } = state
  const next: Proposed = {
    kind: 'proposed',
    since: now,
    round: state.round + 1,
    issued,
    cancel: asked,
  }
  return same(next, [audit(state, next, 'sent_back', { reason }), { kind: 'evaluate' }])
}

export function grantIssued(
  state: Authorized | Scheduled,
  event: EventMap['grant_issued'],
  now: number,
): Step {
  const timely = clearedTick(state, event, now)
  if (timely.state !== state) return timely
  const { jti, exp } = event
  if (state.kind === 'scheduled' && !passed(state.not_before, now))
    return ignore(state, 'too_early')
  if (state.issued.includes(jti)) return ignore(state, 'grant_reused')
  if (passed(exp, now) || !(exp - now <= GRANT_LIFETIME_MAX_MS))
    return ignore(state, 'grant_lifetime')
  const next = dispatchedFrom(state, jti, exp, now)
  return same(next, [
    audit(state, next, 'grant_issued', { jti }),
    { kind: 'dispatch', jti, grant_exp: exp },
  ])
}

function dispatchedFrom(
  state: Authorized | Scheduled,
  jti: string,
  grant_exp: number,
  now: number,
): Dispatched {
  const { round, cancel: asked, run_by, need, evidence } = state
  const issued = state.issued.includes(jti) ? state.issued : [...state.issued, jti]
  return {
    kind: 'dispatched',
    since: now,
    round,
    issued,
    cancel: asked,
    run_by,
    need,
    evidence,
    jti,
    grant_exp,
  }
}

/** Time alone ends nothing that may have been claimed: a final state would deny a side effect. */
export function dispatchedTick(state: Dispatched, _event: unknown, now: number): Step {
  const isOver = passed(state.grant_exp + CLAIM_GRACE_MS, now)
  return same(state, isOver ? outstanding(state, now) : [])
}

/** Enough for a fresh grant; for an end the entry has to be claimed. */
export function unclaimed(
  state: Dispatched,
  { jti }: EventMap['grant_unclaimed'],
  now: number,
): Step {
  if (jti !== state.jti) return ignore(state, 'unknown_grant')
  if (!passed(state.grant_exp + CLAIM_GRACE_MS, now)) return ignore(state, 'too_early')
  const isOver = state.cancel !== null || state.refused_for !== undefined || isSpent(state, now)
  if (isOver) return same(state, [{ kind: 'cancel_claim' }])
  const { round, issued, run_by, need, evidence } = state
  const next: Authorized = {
    kind: 'authorized',
    since: now,
    round,
    issued,
    cancel: null,
    run_by,
    need,
    evidence,
  }
  return same(next, [
    audit(state, next, 'grant_lapsed', { jti: state.jti }),
    issueGrant(next, true),
  ])
}

export function claimed(state: Dispatched, event: EventMap['executor_claimed'], now: number): Step {
  const { jti, result_by } = event
  if (!state.issued.includes(jti)) return ignore(state, 'unknown_grant')
  const { round, issued, cancel: asked } = state
  const next: ActionState = {
    kind: 'executing',
    since: now,
    round,
    issued,
    cancel: asked,
    jti,
    result_by,
  }
  return same(next, [audit(state, next, 'claimed', { jti })])
}

/** Whoever claims the journal first decides whether the action runs (spec/protocol.md §5). */
export function askToCancel(
  state: Dispatched,
  event: EventMap['cancel_requested'],
  now: number,
): Step {
  const asked = rememberCancel(state, event, now)
  return asked.state === state
    ? asked
    : { ...asked, effects: [...asked.effects, { kind: 'cancel_claim' }] }
}

/** It never runs now, whatever the clock says meanwhile. */
export function claimCancelled(state: Dispatched, _event: unknown, now: number): Step {
  if (state.cancel !== null) return cancel(state, state.cancel.by, now)
  if (state.refused_for !== undefined) return endRefused(state, state.refused_for, now)
  const isInTime = !passed(state.run_by, now) && state.issued.length >= GRANTS_PER_ACTION_MAX
  return expire(state, isInTime ? 'grants_used_up' : 'run_by', now)
}

/** Why an executor refuses a grant whose action was claimed for its cancel. */
const CANCELLED = 'action_cancelled'
/** … and when what was approved with the action is not so any more, which it claimed the action for. */
const CHANGED = 'precondition_changed'

/** One that refuses knows nothing of another that may be about to run it: the claim decides. */
export function refused(
  state: Dispatched,
  { jti, reason }: EventMap['executor_refused'],
  now: number,
): Step {
  if (jti !== state.jti) return ignore(state, 'unknown_grant')
  if (state.cancel !== null && reason === CANCELLED) return cancel(state, state.cancel.by, now)
  if (reason === CHANGED) return endRefused(state, STALE, now)
  if (reason === CANCELLED) return endRefused(state, reason, now)
  return same({ ...state, refused_for: reason }, [{ kind: 'cancel_claim' }])
}

function endRefused(state: Dispatched, reason: string, now: number): Step {
  const { jti } = state
  const next: ActionState = { kind: 'refused', since: now, jti, reason }
  return same(next, [audit(state, next, 'refused', { jti, reason })])
}

export type ResultEvent = EventMap['result_succeeded' | 'result_failed' | 'result_unknown']

/** A signed result proves the claim that was not heard of. */
export function resultProvesClaim(state: Dispatched, event: ResultEvent, now: number): Step {
  const claim = {
    kind: 'executor_claimed',
    jti: event.jti,
    result_by: now + CLAIM_GRACE_MS,
  } as const
  const step = claimed(state, claim, now)
  return step.state === state
    ? step
    : { ...step, effects: [...step.effects, { kind: 'feed', event }] }
}

/** The claim of an earlier grant, heard of after that grant was taken as lapsed. */
export function lateClaim(
  state: Authorized,
  event: ResultEvent | EventMap['executor_claimed'],
  now: number,
): Step {
  if (!state.issued.includes(event.jti)) return ignore(state, 'unknown_grant')
  const next = dispatchedFrom(state, event.jti, now, now)
  return same(next, [
    audit(state, next, 'claim_found', { jti: event.jti }),
    { kind: 'feed', event },
  ])
}
