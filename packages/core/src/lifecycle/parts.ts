/** What the steps share: how a step is written, what is outstanding in a state, how one ends. */
import type { AuditType, Effect, Ignored } from './events.ts'
import {
  type ActionState,
  type Authorized,
  type Cancelled,
  CLAIM_GRACE_MS,
  type Denied,
  type Dispatched,
  type Expired,
  GRANTS_PER_ACTION_MAX,
  type PendingApproval,
  type Preparing,
  type Proposed,
  type Scheduled,
} from './state.ts'

export interface Step {
  readonly state: ActionState
  readonly effects: readonly Effect[]
  /** Why nothing changed; null when something did, or when a tick had nothing to do. */
  readonly ignored: Ignored | null
}

type Detail = Readonly<Record<string, string | number>>

/** Written so that a time that is no number counts as passed. */
export const passed = (deadline: number, now: number): boolean => !(now < deadline)

export const same = (state: ActionState, effects: readonly Effect[] = []): Step => ({
  state,
  effects,
  ignored: null,
})

export const ignore = (state: ActionState, ignored: Ignored): Step => ({
  state,
  effects: [],
  ignored,
})

export function audit(
  from: ActionState,
  to: ActionState,
  type: AuditType,
  detail: Detail = {},
): Effect {
  return { kind: 'audit', type, from: from.kind, to: to.kind, detail }
}

/** What is to be done in a state, whoever takes it up. A grant that ended is not sent again. */
export function outstanding(state: ActionState, now: number): readonly Effect[] {
  if (state.kind === 'dispatched') return sent(state, now)
  if (state.kind === 'unknown_outcome') return [{ kind: 'reconcile', jti: state.jti }]
  if (state.kind === 'needs_human') {
    return [{ kind: 'ask_human', jti: state.jti, reason: state.reason }]
  }
  if (state.kind === 'proposed') return [{ kind: 'evaluate' }]
  if ('cancel' in state && state.cancel !== null) return []
  if (state.kind === 'preparing') return [{ kind: 'read_precondition' }]
  if (state.kind === 'pending_approval') return [requestApproval(state)]
  if (state.kind === 'authorized') return [issueGrant(state, true)]
  if (state.kind === 'scheduled')
    return passed(state.not_before, now) ? [issueGrant(state, true)] : offerStop(state)
  return []
}

/**
 * A grant that is over may have been claimed without word of it: only executors know. Where the action
 * would end, whoever claims its journal entry first decides; else it is enough to know who did.
 */
function sent(state: Dispatched, now: number): readonly Effect[] {
  const { cancel: asked, refused_for, jti, grant_exp } = state
  if (asked !== null || refused_for !== undefined) return [{ kind: 'cancel_claim' }]
  if (!passed(grant_exp, now)) return [{ kind: 'dispatch', jti, grant_exp }]
  if (!passed(grant_exp + CLAIM_GRACE_MS, now)) return []
  return [isSpent(state, now) ? { kind: 'cancel_claim' } : { kind: 'find_claim', jti }]
}

/** No further grant may follow. */
export const isSpent = ({ run_by, issued }: Dispatched, now: number): boolean =>
  passed(run_by, now) || issued.length >= GRANTS_PER_ACTION_MAX

export const requestApproval = ({ need, decide_by, run_by }: PendingApproval): Effect => ({
  kind: 'request_approval',
  need,
  decide_by,
  run_by,
})

/** Whoever approved has the action in view already. */
export const offerStop = ({ need, not_before, run_by }: Scheduled): readonly Effect[] =>
  need === null ? [{ kind: 'offer_stop', not_before, run_by }] : []

export const issueGrant = ({ run_by }: Authorized | Scheduled, recheck: boolean): Effect => ({
  kind: 'issue_grant',
  recheck,
  run_by,
})

/** Leaves a waiting state for good; the approval's card goes away with it. */
export function leave(from: ActionState, to: Cancelled | Expired | Denied, detail: Detail): Step {
  const withdrawn: Effect[] =
    from.kind === 'pending_approval' ? [{ kind: 'withdraw_approval' }] : []
  return same(to, [audit(from, to, to.kind, detail), ...withdrawn])
}

export const cancel = (from: ActionState, by: string, now: number): Step =>
  leave(from, { kind: 'cancelled', since: now, by }, { by })

/** An approver says no inside the undo window. */
export const stop = (from: Scheduled, by: string, reason: string, now: number): Step =>
  leave(from, { kind: 'cancelled', since: now, by, stopped_for: reason }, { approver: by, reason })

export const expire = (from: ActionState, reason: Expired['reason'], now: number): Step =>
  leave(from, { kind: 'expired', since: now, reason }, { reason })

export function deny(
  from: Proposed | Preparing | PendingApproval,
  reason: string,
  now: number,
): Step {
  return leave(from, { kind: 'denied', since: now, reason, by: null }, { reason })
}
