import { ASSERTION_REASONS, type AssertionReason } from './webauthn.ts'

const OWN_REASONS = [
  // 1: shape, signature, audience, times
  'message_malformed',
  'grant_too_large',
  'grant_format',
  'grant_header_member',
  'grant_alg',
  'grant_typ',
  'grant_key_unknown',
  'grant_signature',
  'grant_claims',
  'grant_issuer',
  'grant_audience',
  'grant_lifetime',
  'grant_not_yet_valid',
  'grant_expired',
  'beat_missing',
  'key_set_behind',
  // 2: tenant, tool, arguments, decision record
  'tenant_not_served',
  'tool_unknown',
  'contract_changed',
  'decision_hash_differs',
  'decision_disagrees',
  'decision_forbids',
  'tier_not_supported',
  'clearance_differs',
  'precondition_differs',
  'idempotency_key_differs',
  'credential_differs',
  'credential_not_allowed',
  'arguments_malformed',
  'arguments_not_canonical',
  'input_hash_differs',
  'arguments_invalid',
  // 3: the policy that this executor pinned, decided again; its own floor
  'policy_missing',
  'policy_epoch_ahead',
  'policy_superseded',
  'policy_fingerprint_differs',
  'decision_time_differs',
  'decision_record_malformed',
  'decision_differs',
  'below_floor',
  // the record of the decision, which costs a read
  'decision_event_missing',
  'decision_event_malformed',
  'decision_event_signature',
  'decision_event_differs',
  // 4: approvals
  'approvals_differ',
  'evidence_unexpected',
  'evidence_wrong_kind',
  'quorum_not_met',
  'approver_twice',
  'approver_is_initiator',
  'deadline_extended',
  'run_by_passed',
  'host_statement_signature',
  'host_statement_is_a_deny',
  'host_statement_other_action',
  'pins_unreadable',
  'credential_not_pinned',
  'approver_lacks_role',
  // … and those of the assertion itself
  // 5: what stands still
  'freezes_behind',
  'frozen',
  // 5: what was approved with it, read again
  'precondition_changed',
  'precondition_unreadable',
  // 6: single use
  'grant_used',
  'action_claimed',
  'action_cancelled',
  'store_unreachable',
  'journal_unwritable',
  'audit_unreachable',
  // before 1: this process cannot take more
  'executor_busy',
  'executor_stopping',
  // between 4 and 6: the tool cannot take more now
  'tool_busy',
  'tool_unavailable',
] as const

export type AdmissionReason = (typeof OWN_REASONS)[number] | AssertionReason

/** Every reason why a granted action is not admitted, by step of spec/protocol.md §4. */
export const ADMISSION_REASONS: readonly AdmissionReason[] = [...OWN_REASONS, ...ASSERTION_REASONS]

/**
 * Nothing was claimed for good, and this action may come again, with this grant or the next one.
 * All other refusals are final.
 */
export const RETRYABLE_REASONS: readonly AdmissionReason[] = [
  'grant_not_yet_valid',
  'grant_expired',
  'beat_missing',
  'key_set_behind',
  'policy_missing',
  'policy_epoch_ahead',
  'policy_superseded',
  'freezes_behind',
  'frozen',
  'precondition_unreadable',
  'store_unreachable',
  'journal_unwritable',
  'audit_unreachable',
  'executor_busy',
  'executor_stopping',
  'tool_busy',
  'tool_unavailable',
]

export interface Refused {
  readonly ok: false
  readonly reason: AdmissionReason
  /** A member's name or place for this side's audit and log; never a value. */
  readonly detail?: string
}

export type Admission<T> = { readonly ok: true; readonly value: T } | Refused

export function refused(reason: AdmissionReason, detail?: string): Refused {
  return detail === undefined ? { ok: false, reason } : { ok: false, reason, detail }
}
