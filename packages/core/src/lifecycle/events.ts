/** What may happen to an action, and what is to be done about it (spec/protocol.md §5). */
import type { AuditEventType } from '@trustgw/protocol'
import type { ActionState, Evidence, Need, ResultSummary } from './state.ts'

/** A decision as far as the life of an action is concerned. Times in Unix milliseconds. */
export type Evaluation =
  | { readonly outcome: 'allow'; readonly run_by: number }
  | { readonly outcome: 'prepare'; readonly prepare_by: number }
  | { readonly outcome: 'deny'; readonly reason: string }
  | {
      readonly outcome: 'pending'
      readonly decide_by: number
      readonly run_by: number
      readonly need: Need
    }
  /** Tier 3, until presentations are built (spec/policy.md "Decision"). */
  | { readonly outcome: 'proof' }

export interface EventMap {
  readonly evaluated: { readonly kind: 'evaluated'; readonly decision: Evaluation }
  /** Checked evidence of one person's yes. */
  readonly approval_granted: { readonly kind: 'approval_granted'; readonly evidence: Evidence }
  readonly approval_denied: {
    readonly kind: 'approval_denied'
    readonly by: string
    readonly reason: string
  }
  readonly cancel_requested: { readonly kind: 'cancel_requested'; readonly by: string }
  /** Time passed. */
  readonly tick: { readonly kind: 'tick' }
  /** A process took the stored state up again: what is outstanding is to be done once more. */
  readonly recovered: { readonly kind: 'recovered' }
  /** The action waits out an undo window before it is dispatched. */
  readonly undo_window: { readonly kind: 'undo_window'; readonly not_before: number }
  /** Policy, contract, agent or limits are not those of the decision any more. */
  readonly changed: { readonly kind: 'changed'; readonly reason: string }
  /** A grant was signed and recorded, and not sent yet. */
  readonly grant_issued: {
    readonly kind: 'grant_issued'
    readonly jti: string
    readonly exp: number
  }
  /** The executor holds the action: journal and nonce are claimed under this grant. */
  readonly executor_claimed: {
    readonly kind: 'executor_claimed'
    readonly jti: string
    readonly result_by: number
  }
  /**
   * The executor refused this grant for good. Not for "claimed already" (that is
   * `executor_claimed`), nor for "expired" or "store unreachable" (those wait for the tick).
   */
  readonly executor_refused: {
    readonly kind: 'executor_refused'
    readonly jti: string
    readonly reason: string
  }
  /** The action's journal entry is claimed for its end: no grant of it can be used any more. */
  readonly claim_cancelled: { readonly kind: 'claim_cancelled' }
  /** This grant and its grace are over, and nobody holds the action. */
  readonly grant_unclaimed: { readonly kind: 'grant_unclaimed'; readonly jti: string }
  readonly result_succeeded: {
    readonly kind: 'result_succeeded'
    readonly jti: string
    readonly result: ResultSummary
  }
  readonly result_failed: {
    readonly kind: 'result_failed'
    readonly jti: string
    readonly result: ResultSummary
  }
  readonly result_unknown: {
    readonly kind: 'result_unknown'
    readonly jti: string
    readonly reason: string
  }
  /** The connector, asked by idempotency key, knows the call as done, as not done, or not at all. */
  readonly reconciled_ok: { readonly kind: 'reconciled_ok'; readonly result: ResultSummary }
  readonly reconciled_failed: { readonly kind: 'reconciled_failed'; readonly result: ResultSummary }
  readonly reconciled_unclear: { readonly kind: 'reconciled_unclear'; readonly reason: string }
  readonly human_resolved: {
    readonly kind: 'human_resolved'
    readonly by: string
    readonly succeeded: boolean
    readonly result: ResultSummary
  }
}

export type EventKind = keyof EventMap
export type ActionEvent = EventMap[EventKind]

export const EVENT_KINDS: readonly EventKind[] = [
  'evaluated',
  'approval_granted',
  'approval_denied',
  'cancel_requested',
  'tick',
  'recovered',
  'undo_window',
  'changed',
  'grant_issued',
  'executor_claimed',
  'executor_refused',
  'claim_cancelled',
  'grant_unclaimed',
  'result_succeeded',
  'result_failed',
  'result_unknown',
  'reconciled_ok',
  'reconciled_failed',
  'reconciled_unclear',
  'human_resolved',
]

/** The audit events that steps ask for. */
export type AuditType = Extract<
  AuditEventType,
  | 'evaluated'
  | 'denied'
  | 'approval_requested'
  | 'approval_counted'
  | 'approved'
  | 'scheduled'
  | 'sent_back'
  | 'grant_issued'
  | 'grant_lapsed'
  | 'claim_found'
  | 'claimed'
  | 'refused'
  | 'succeeded'
  | 'failed'
  | 'unknown_outcome'
  | 'reconciled'
  | 'needs_human'
  | 'cancel_requested'
  | 'cancelled'
  | 'expired'
>

/**
 * What the shell does after the new state is stored, in this order. `audit` comes before what it
 * vouches for: nothing after it happens before the event is acknowledged as stored
 * (spec/protocol.md §7).
 */
export type Effect =
  | {
      readonly kind: 'audit'
      readonly type: AuditType
      readonly from: ActionState['kind']
      readonly to: ActionState['kind']
      /** Facts of the event: ids, hashes, reason codes; never arguments. */
      readonly detail: Readonly<Record<string, string | number>>
    }
  | { readonly kind: 'evaluate' }
  | { readonly kind: 'read_precondition' }
  | {
      readonly kind: 'request_approval'
      readonly need: Need
      readonly decide_by: number
      readonly run_by: number
    }
  | { readonly kind: 'withdraw_approval' }
  /** Show people what runs by itself soon, so that they can stop it. */
  | { readonly kind: 'offer_stop'; readonly not_before: number; readonly run_by: number }
  /** With `recheck`, look at everything again first, and send `changed` if it differs. */
  | { readonly kind: 'issue_grant'; readonly recheck: boolean; readonly run_by: number }
  | { readonly kind: 'dispatch'; readonly jti: string; readonly grant_exp: number }
  /** Have the executor claim the action's journal entry so that it never runs, if it is free still. */
  | { readonly kind: 'cancel_claim' }
  /** Find out whether an executor claimed the action under a grant that is over by now. */
  | { readonly kind: 'find_claim'; readonly jti: string }
  /** Ask the connector by idempotency key what became of the call. */
  | { readonly kind: 'reconcile'; readonly jti: string }
  | { readonly kind: 'ask_human'; readonly jti: string; readonly reason: string }
  /** Give this event to `step` next, on the state just stored. */
  | { readonly kind: 'feed'; readonly event: ActionEvent }

/** Why an event changed nothing. */
export type Ignored =
  | 'final_state'
  | 'impossible_here'
  | 'already_running'
  | 'cancel_pending'
  | 'too_early'
  | 'unknown_grant'
  | 'grant_reused'
  | 'grant_lifetime'
  | 'same_approver'
  | 'approver_lacks_role'
  | 'approver_not_needed'
  | 'approver_not_yet'
  | 'initiator_approved'
  | 'tier_too_low'
