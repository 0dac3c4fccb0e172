import type { Operation } from '@trustgw/protocol'
import type { ReviewRefusal } from './review.ts'

const VERBS: Readonly<Record<Operation, string>> = {
  read: 'read with',
  create: 'create something with',
  update: 'change something with',
  delete: 'delete something with',
  transfer: 'move money or rights with',
}

/** `refund-bot wants to move money with “Refund an order”`: the part between the names. */
export function operationVerb(operation: Operation, movesMoney: boolean): string {
  return movesMoney ? 'move' : VERBS[operation]
}

const NOUNS: Readonly<Record<Operation, string>> = {
  read: 'Read',
  create: 'Create',
  update: 'Change',
  delete: 'Delete',
  transfer: 'Transfer',
}

export function operationNoun(operation: Operation): string {
  return NOUNS[operation]
}

const MISMATCHES: Readonly<Record<ReviewRefusal, string>> = {
  arguments_unreadable: 'The arguments are not strict JSON, so what they mean is not certain.',
  arguments_not_canonical: 'The arguments are not in canonical form, so their hash says nothing.',
  input_hash_differs: 'The arguments on this card are not the ones that the decision was made for.',
  contract_hash_differs:
    'The description of the tool is not the one that the decision was made for.',
  tool_differs: 'The decision is for another tool.',
  action_differs: 'The decision is for another action.',
  tenant_differs: 'The action belongs to another tenant.',
  precondition_differs:
    'What was read for the action is not what its tool asks for, or not what was hashed.',
  not_an_approval: 'The decision does not ask for an approval.',
}

export function mismatchSentence(reason: ReviewRefusal): string {
  return MISMATCHES[reason]
}

const PROBLEMS: ReadonlyMap<string, string> = new Map([
  [
    'initiator_cannot_approve',
    'This action was proposed on your behalf, so somebody else must decide.',
  ],
  ['approver_not_needed', 'Enough people with your roles have approved; others are still asked.'],
  ['approver_not_yet', 'Others are asked before you; you can approve after them.'],
  ['role_missing', 'This takes a role that you do not have.'],
  ['initiator_cannot_settle', 'This was done on your behalf, so somebody else must find out.'],
  ['not_unsettled', 'Somebody else settled it, or its end came to be known meanwhile.'],
  ['tool_changed', 'The tool changed again, or somebody else ordered. Look at it once more.'],
  ['not_pending', 'Somebody else decided first, or the action has ended.'],
  ['too_late', 'The time to decide is over.'],
  ['assertion_refused', 'The passkey’s answer did not fit this action. Nothing was approved.'],
  ['approver_differs', 'The server named somebody else as approver. Nothing was signed.'],
  ['deadline_differs', 'The server moved a deadline shown on this card. Nothing was signed.'],
  [
    'enrolment_refused',
    'This link is unknown, was used already, or has expired. Ask for a new one.',
  ],
  ['wrong_credential', 'That passkey is for approvals. Choose the one named “(sign-in)”.'],
  ['login_refused', 'This passkey is not known here, or the sign-in took too long. Try again.'],
  [
    'no_approval_credential',
    'You have no approval passkey here, so there is nothing to sign with.',
  ],
  ['ceremony_unknown', 'That took too long. Begin again.'],
  ['too_many_attempts', 'Too many attempts. Wait a minute, then try again.'],
  ['bus_unavailable', 'The message bus cannot be reached just now. Try again in a moment.'],
  ['passkey_cancelled', 'The passkey dialog was closed or timed out. Nothing was signed.'],
  ['passkey_unavailable', 'This browser offers no passkeys on this address.'],
  ['passkey_failed', 'The passkey could not be used. Nothing was signed.'],
  ['tier_unsupported', 'This action needs a proof that this page cannot present.'],
  [
    'policy_changed',
    'Somebody else applied a policy meanwhile. Look at it, then apply yours again.',
  ],
  [
    'policy_unverified',
    'Nobody known here sealed the stored policy, so nothing is built on it. Ask the operator.',
  ],
  ['policy_too_large', 'These policies are too large for one bundle.'],
  ['seal_refused', 'The passkey’s answer did not fit this policy. Nothing was applied.'],
  ['bundle_unreadable', 'The server’s bundle could not be read. Nothing was signed.'],
  ['bundle_hash_differs', 'The server named another hash than its bundle has. Nothing was signed.'],
  ['bundle_place_differs', 'The server’s bundle is for another place in time. Nothing was signed.'],
  [
    'bundle_texts_differ',
    'The server’s bundle holds other policies than this page. Nothing was signed.',
  ],
  ['not_frozen', 'This freeze is over already.'],
  ['signature_refused', 'The passkey’s answer did not fit this statement. Nothing was done.'],
  [
    'statement_differs',
    'The server asked for another statement than this page. Nothing was signed.',
  ],
  ['time_differs', 'The server’s statement is of another time. Nothing was signed.'],
  ['fingerprint_differs', 'The passkey has another fingerprint than this page shows.'],
  ['pin_exists', 'An admin has pinned this passkey already.'],
  ['pin_revoked', 'This passkey was revoked. It is never pinned again.'],
  ['step_up_required', 'This takes your sign-in passkey again. Nothing was changed.'],
  ['last_admin', 'Without this person there is no admin any more. Make another one first.'],
  ['person_exists', 'This name belongs to somebody, or did. Choose another one.'],
  ['recovery_by_other', 'Another admin must recover you.'],
  ['unknown_person', 'Nobody here has this name any more.'],
  ['last_passkey', 'This is your last passkey for signing in. Add another one first.'],
  ['too_many_passkeys', 'You have as many passkeys as one person may have. Remove one first.'],
  ['registration_refused', 'The new passkey was refused. Nothing was changed.'],
  ['unknown_session', 'This session has ended already.'],
  ['unknown_credential', 'This passkey is not there any more.'],
  ['offline', 'The server did not answer. Nothing was sent twice; try again.'],
  ['no_session', 'You are signed out. Sign in again, then decide.'],
  ['unreadable', 'The server’s answer could not be read, so it was not used.'],
])

/** A sentence for a stable code; `fallback` is the server's own title. */
export function problemSentence(code: string, fallback: string): string {
  return PROBLEMS.get(code) ?? fallback
}
