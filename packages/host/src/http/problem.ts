import type { JsonObject } from '@trustgw/protocol'

/**
 * Every refusal of the API and what stands for it on the wire: one exhaustive map, so that a caller
 * learns the safe reason and never which internal check it was (spec/protocol.md §8).
 */
export const PROBLEMS = {
  body_invalid: { status: 400, title: 'The body is not what this call takes' },
  authorization_pending: { status: 400, title: 'Nobody has let this terminal in yet: ask again' },
  slow_down: { status: 400, title: 'Ask less often' },
  access_denied: { status: 400, title: 'This terminal was not let in' },
  expired_token: { status: 400, title: 'That took too long, or was used: begin again' },
  json_refused: { status: 400, title: 'The body is not strict JSON' },
  no_session: { status: 401, title: 'Sign in first' },
  login_refused: { status: 401, title: 'The sign-in was refused' },
  wrong_credential: { status: 401, title: 'This passkey is not for signing in' },
  origin_refused: { status: 403, title: 'The request comes from another origin' },
  enrolment_refused: { status: 403, title: 'The enrolment link is unknown, used or expired' },
  initiator_cannot_approve: { status: 403, title: 'Who asked for an action never approves it' },
  initiator_cannot_settle: { status: 403, title: 'Who asked for an action never settles it' },
  page_needed: { status: 403, title: 'This takes a passkey: approve it on its page' },
  step_up_required: { status: 403, title: 'Use your sign-in passkey again first' },
  channel_not_named: { status: 403, title: 'The rule does not let people approve here' },
  role_missing: { status: 403, title: 'Your roles do not cover this action' },
  not_found: { status: 404, title: 'There is nothing here' },
  unknown_person: { status: 404, title: 'Nobody here has this name' },
  unknown_credential: { status: 404, title: 'Nobody has this passkey' },
  unknown_session: { status: 404, title: 'You have no such session' },
  unknown_code: { status: 404, title: 'No terminal that waits shows this code' },
  unknown_action: { status: 404, title: 'No approval is known for this action' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  last_admin: { status: 409, title: 'Without this person there is no admin any more' },
  person_exists: { status: 409, title: 'This name belongs to somebody, or did' },
  recovery_by_other: { status: 409, title: 'Somebody else, an admin, must recover you' },
  last_passkey: { status: 409, title: 'This is your last passkey for signing in' },
  too_many_passkeys: { status: 409, title: 'You have as many passkeys as one person may have' },
  not_pending: { status: 409, title: 'The action waits for no approval any more' },
  not_unsettled: { status: 409, title: 'This run waits for nobody to find out any more' },
  approver_not_needed: {
    status: 409,
    title: 'Enough people with your roles have approved; others are still asked',
  },
  approver_not_yet: {
    status: 409,
    title: 'Others are asked before you; you can approve after them',
  },
  no_approval_credential: { status: 409, title: 'You have no passkey for approvals' },
  agent_exists: {
    status: 409,
    title: 'There is an agent key of this name already: make another one',
  },
  revoked_for_good: { status: 409, title: 'This was revoked for good: no thaw ends it' },
  not_frozen: { status: 409, title: 'This freeze does not stand any more' },
  fingerprint_differs: { status: 409, title: 'The passkey has another fingerprint' },
  pin_exists: { status: 409, title: 'An admin has pinned this passkey already' },
  pin_revoked: { status: 409, title: 'This passkey was revoked: it is never pinned again' },
  tool_changed: { status: 409, title: 'The tool changed meanwhile: look at it again' },
  policy_changed: { status: 409, title: 'Another policy was applied meanwhile: look at it first' },
  policy_unverified: {
    status: 409,
    title: 'Nobody known here vouches for the stored policy: the operator must replace it',
  },
  too_late: { status: 410, title: 'The time to decide is over' },
  ceremony_unknown: { status: 410, title: 'The ceremony is unknown, used or expired: begin again' },
  body_too_large: { status: 413, title: 'The body is too large' },
  policy_too_large: { status: 413, title: 'The policies are too large for one bundle' },
  content_type_refused: { status: 415, title: 'Content-Type must be application/json' },
  host_refused: { status: 421, title: 'The Host header does not name this service' },
  registration_refused: { status: 422, title: 'The new passkey was refused' },
  assertion_refused: { status: 422, title: 'The signature does not approve this action' },
  signature_refused: { status: 422, title: 'The signature is not yours over this statement' },
  seal_refused: { status: 422, title: 'The signature does not seal this policy' },
  too_many_attempts: { status: 429, title: 'Too many attempts: wait a little' },
  internal: { status: 500, title: 'The host failed' },
  bus_unavailable: { status: 503, title: 'The bus is not reachable: try again' },
  portal_not_built: { status: 503, title: 'The portal was not built' },
} as const

export type ProblemCode = keyof typeof PROBLEMS

/** A refusal on its way to the caller. `detail` never holds what the caller sent. */
export interface Refused {
  readonly ok: false
  readonly reason: ProblemCode
  readonly detail?: string
}

export function refused(reason: ProblemCode, detail?: string): Refused {
  return detail === undefined ? { ok: false, reason } : { ok: false, reason, detail }
}

/** RFC 9457 problem details; `code` is stable, the rest is for people. */
export function problemBody(code: ProblemCode, detail?: string): JsonObject {
  const { status, title } = PROBLEMS[code]
  const body = { type: `urn:trustgw:problem:${code}`, title, status, code }
  return detail === undefined ? body : { ...body, detail }
}
