/** Steps up to the clearance: policy's decision and people's (spec/protocol.md §5). */
import { clausesAfter, judgeApprover, judgeApprovers } from '@trustgw/protocol'
import type { Effect, EventMap } from './events.ts'
import {
  audit,
  cancel,
  deny,
  expire,
  ignore,
  issueGrant,
  leave,
  outstanding,
  passed,
  requestApproval,
  type Step,
  same,
} from './parts.ts'
import {
  type Authorized,
  DECISION_ROUNDS_MAX,
  type Dispatched,
  type PendingApproval,
  type Preparing,
  type Proposed,
  type Scheduled,
} from './state.ts'

export function evaluated(
  state: Proposed | Preparing,
  { decision }: EventMap['evaluated'],
  now: number,
): Step {
  const live = { since: now, round: state.round, issued: state.issued, cancel: state.cancel }
  if (decision.outcome === 'deny') return deny(state, decision.reason, now)
  if (decision.outcome === 'proof') return deny(state, 'proof_unavailable', now)
  if (state.round > DECISION_ROUNDS_MAX) return deny(state, 'too_many_changes', now)
  if (decision.outcome === 'prepare') {
    if (state.kind === 'preparing') return ignore(state, 'impossible_here')
    const preparing: Preparing = { kind: 'preparing', ...live, prepare_by: decision.prepare_by }
    return same(preparing, [
      audit(state, preparing, 'evaluated', { outcome: 'prepare' }),
      ...outstanding(preparing, now),
    ])
  }
  const next: Authorized | PendingApproval =
    decision.outcome === 'allow'
      ? { kind: 'authorized', ...live, run_by: decision.run_by, need: null, evidence: [] }
      : {
          kind: 'pending_approval',
          ...live,
          decide_by: decision.decide_by,
          run_by: decision.run_by,
          need: decision.need,
          evidence: [],
        }
  return same(next, [
    audit(state, next, 'evaluated', { outcome: decision.outcome }),
    ...onward(next),
  ])
}

/** What follows a decision: asking people, running, or honouring a cancel that came before it. */
function onward(state: Authorized | PendingApproval): readonly Effect[] {
  if (state.cancel !== null) return [{ kind: 'feed', event: { kind: 'tick' } }]
  if (state.kind === 'authorized') return [issueGrant(state, false)]
  return [
    audit(state, state, 'approval_requested', { tier: state.need.tier }),
    requestApproval(state),
  ]
}

export function rememberCancel(
  state: Proposed | Preparing | Dispatched,
  { by }: EventMap['cancel_requested'],
  now: number,
): Step {
  if (state.cancel !== null) return ignore(state, 'cancel_pending')
  const next = { ...state, cancel: { by, at: now } }
  return same(next, [audit(state, next, 'cancel_requested', { by })])
}

export const cancelNow = (
  state: PendingApproval | Authorized | Scheduled,
  event: EventMap['cancel_requested'],
  now: number,
): Step => cancel(state, event.by, now)

export function pendingTick(state: PendingApproval, _event: unknown, now: number): Step {
  if (state.cancel !== null) return cancel(state, state.cancel.by, now)
  if (passed(state.decide_by, now)) return expire(state, 'approval', now)
  return passed(state.run_by, now) ? expire(state, 'run_by', now) : same(state)
}

export function approvalGranted(
  state: PendingApproval,
  event: EventMap['approval_granted'],
  now: number,
): Step {
  const timely = pendingTick(state, event, now)
  if (timely.state !== state) return timely
  const { approver, tier, ref } = event.evidence
  if (tier < state.need.tier) return ignore(state, 'tier_too_low')
  if (approver === state.need.initiator) return ignore(state, 'initiator_approved')
  if (state.evidence.some((given) => given.approver === approver)) {
    return ignore(state, 'same_approver')
  }
  const approvers = clausesAfter(state.need.approvers, now - state.need.asked_at)
  const adds = judgeApprover(approvers, state.evidence, event.evidence.roles)
  if (adds !== 'counts') return ignore(state, `approver_${adds}`)
  const evidence = [...state.evidence, event.evidence]
  if (judgeApprovers(approvers, evidence) !== 'met') {
    const waiting: PendingApproval = { ...state, evidence }
    return same(waiting, [audit(state, waiting, 'approval_counted', { approver, evidence: ref })])
  }
  const { round, issued, run_by, need } = state
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
    audit(state, next, 'approved', { approver, evidence: ref }),
    issueGrant(next, true),
  ])
}

export function approvalDenied(
  state: PendingApproval,
  { by, reason }: EventMap['approval_denied'],
  now: number,
): Step {
  return leave(state, { kind: 'denied', since: now, reason, by }, { by, reason })
}
