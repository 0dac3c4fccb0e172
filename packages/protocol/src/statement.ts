import { type Tier, tierShape } from './decision.ts'
import {
  actionIdField,
  base64urlField,
  countField,
  hashField,
  msField,
  nameField,
  tenantField,
} from './fields.ts'
import { type Hash, hashJson, type Sha256 } from './hash.ts'
import type { ActionId } from './ids.ts'
import type { JsonObject } from './json.ts'
import { type OnBehalfOf, onBehalfOfShape, type Principal, principalShape } from './principal.ts'
import { objectShape, oneOfShape, type Shape, stringShape, taggedShape } from './shape.ts'
import type { TenantId } from './subjects.ts'

/** What may be done with an action by an approver. */
export type Verdict = 'approve' | 'deny'

/**
 * `trustgw/approval/1` (spec/protocol.md §3): what an approver signs. The WebAuthn challenge is the
 * SHA-256 of its canonical form, so a signature over it is for exactly this action.
 */
export interface ApprovalStatement {
  readonly typ: 'trustgw/approval/1'
  readonly action_id: ActionId
  readonly tenant: TenantId
  readonly workspace: string
  readonly principal: Principal
  readonly on_behalf_of: OnBehalfOf
  readonly credential_ref: string
  readonly tool_id: string
  readonly contract_hash: Hash
  readonly input_hash: Hash
  readonly precondition_hash: Hash
  readonly rule_id: string
  readonly policy_fingerprint: Hash
  readonly tier: Tier
  readonly verdict: Verdict
  readonly approver: string
  readonly decide_by: number
  readonly run_by: number
  readonly nonce: string
}

/** `trustgw/login/1`: proves presence to the host at sign-in; never approves anything. */
export interface LoginStatement {
  readonly typ: 'trustgw/login/1'
  readonly tenant: TenantId
  readonly origin: string
  readonly rp_id: string
  readonly nonce: string
  readonly expires_at: number
}

/** `trustgw/enrol/1`: the challenge under which a passkey is made; an authenticator signs no assertion over it. */
export interface EnrolStatement {
  readonly typ: 'trustgw/enrol/1'
  readonly tenant: TenantId
  readonly person: string
  readonly purpose: 'login' | 'approval'
  readonly nonce: string
  readonly expires_at: number
}

/** `trustgw/bundle/1`: a pinned admin's passkey puts a policy bundle in force (spec/protocol.md §4). */
export interface PolicyStatement {
  readonly typ: 'trustgw/bundle/1'
  readonly tenant: TenantId
  readonly epoch: number
  readonly bundle_hash: Hash
  readonly issued_at: number
  readonly admin: string
  readonly nonce: string
}

/** Everything whose hash may become a WebAuthn challenge. There is no other. */
export type SignedStatement = ApprovalStatement | LoginStatement | EnrolStatement | PolicyStatement

export const nonceField: Shape<string> = base64urlField({ min: 22, max: 64 })
const originField: Shape<string> = stringShape({ min: 8, max: 300, characters: 'token' })

export const approvalStatementShape: Shape<ApprovalStatement> = objectShape({
  typ: oneOfShape('trustgw/approval/1'),
  action_id: actionIdField,
  tenant: tenantField,
  workspace: nameField,
  principal: principalShape,
  on_behalf_of: onBehalfOfShape,
  credential_ref: nameField,
  tool_id: nameField,
  contract_hash: hashField,
  input_hash: hashField,
  precondition_hash: hashField,
  rule_id: nameField,
  policy_fingerprint: hashField,
  tier: tierShape,
  verdict: oneOfShape('approve', 'deny'),
  approver: nameField,
  decide_by: msField,
  run_by: msField,
  nonce: nonceField,
})

const loginStatementShape: Shape<LoginStatement> = objectShape({
  typ: oneOfShape('trustgw/login/1'),
  tenant: tenantField,
  origin: originField,
  rp_id: nameField,
  nonce: nonceField,
  expires_at: msField,
})

const enrolStatementShape: Shape<EnrolStatement> = objectShape({
  typ: oneOfShape('trustgw/enrol/1'),
  tenant: tenantField,
  person: nameField,
  purpose: oneOfShape('login', 'approval'),
  nonce: nonceField,
  expires_at: msField,
})

const policyStatementShape: Shape<PolicyStatement> = objectShape({
  typ: oneOfShape('trustgw/bundle/1'),
  tenant: tenantField,
  epoch: countField,
  bundle_hash: hashField,
  issued_at: msField,
  admin: nameField,
  nonce: nonceField,
})

/** The registry of statements; a text of another `typ` is no statement. */
export const signedStatementShape: Shape<SignedStatement> = taggedShape('typ', {
  'trustgw/approval/1': approvalStatementShape,
  'trustgw/login/1': loginStatementShape,
  'trustgw/enrol/1': enrolStatementShape,
  'trustgw/bundle/1': policyStatementShape,
})

function statementJson(statement: SignedStatement): JsonObject {
  return 'principal' in statement
    ? { ...statement, principal: { ...statement.principal } }
    : { ...statement }
}

/** SHA-256 over the canonical form; its 32 bytes are the WebAuthn challenge. */
export function statementHash(sha256: Sha256, statement: SignedStatement): Hash {
  return hashJson(sha256, statementJson(statement))
}

/** The approval statement as the payload of the host's JWS at tier 1. */
export function approvalStatementJson(statement: ApprovalStatement): JsonObject {
  return statementJson(statement)
}
