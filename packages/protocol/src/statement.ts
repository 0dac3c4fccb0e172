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
import {
  arrayShape,
  objectShape,
  oneOfShape,
  optionalMember,
  type Shape,
  stringShape,
  taggedShape,
} from './shape.ts'
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

/** What of a tenant stands still. */
export type FreezeScope =
  | { readonly kind: 'tenant' }
  | {
      readonly kind: 'tool' | 'agent' | 'key' | 'profile' | 'credential'
      readonly name: string
    }

/**
 * `trustgw/freeze/1`: nothing that the scope covers starts, until a thaw names this one; with `final`
 * for good, which is how an agent, a key or a tool is revoked (§4 "Freeze and thaw").
 */
export interface FreezeStatement {
  readonly typ: 'trustgw/freeze/1'
  readonly tenant: TenantId
  readonly scope: FreezeScope
  readonly reason_hash: Hash
  /** The how-manieth freeze of the tenant that its maker knows; for people, nothing is decided by it. */
  readonly counter: number
  readonly final?: true
  /** A person, or the plane that says it. */
  readonly by: string
  readonly at: number
  readonly nonce: string
}

/** `trustgw/thaw/1`: ends one freeze, which it names by its hash. */
export interface ThawStatement {
  readonly typ: 'trustgw/thaw/1'
  readonly tenant: TenantId
  readonly freeze_hash: Hash
  readonly reason_hash: Hash
  readonly by: string
  readonly at: number
  readonly nonce: string
}

/** `trustgw/pin/1`: a pinned admin says whose passkey executors may trust from now on. */
export interface PinStatement {
  readonly typ: 'trustgw/pin/1'
  readonly tenant: TenantId
  readonly person: string
  readonly roles: readonly string[]
  readonly credential_id: string
  /** base64url of the COSE key. */
  readonly public_key: string
  readonly rp_id: string
  readonly origins: readonly string[]
  readonly admin: string
  readonly at: number
  readonly nonce: string
}

/** `trustgw/agent/1`: an admin registers one credential of an agent (§4 "Agents"). */
export interface AgentStatement {
  readonly typ: 'trustgw/agent/1'
  readonly tenant: TenantId
  readonly key_id: string
  /** Of the whole record: who it is, for whom it acts, what it may do. */
  readonly record_hash: Hash
  readonly admin: string
  readonly at: number
  readonly nonce: string
}

/** Everything whose hash may become a WebAuthn challenge. There is no other. */
export type SignedStatement =
  | ApprovalStatement
  | LoginStatement
  | EnrolStatement
  | PolicyStatement
  | FreezeStatement
  | ThawStatement
  | PinStatement
  | AgentStatement

const PIN_ROLES_MAX = 32
const PIN_ORIGINS_MAX = 8
const PIN_BYTES_MAX_CHARS = 1_400

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

const namedScope = <K extends string>(
  kind: K,
): Shape<{ readonly kind: K; readonly name: string }> =>
  objectShape({ kind: oneOfShape(kind), name: nameField })

export const freezeScopeShape: Shape<FreezeScope> = taggedShape('kind', {
  tenant: objectShape({ kind: oneOfShape('tenant') }),
  tool: namedScope('tool'),
  agent: namedScope('agent'),
  key: namedScope('key'),
  profile: namedScope('profile'),
  credential: namedScope('credential'),
})

export const freezeStatementShape: Shape<FreezeStatement> = objectShape({
  typ: oneOfShape('trustgw/freeze/1'),
  tenant: tenantField,
  scope: freezeScopeShape,
  reason_hash: hashField,
  counter: countField,
  final: optionalMember(oneOfShape(true)),
  by: nameField,
  at: msField,
  nonce: nonceField,
})

export const thawStatementShape: Shape<ThawStatement> = objectShape({
  typ: oneOfShape('trustgw/thaw/1'),
  tenant: tenantField,
  freeze_hash: hashField,
  reason_hash: hashField,
  by: nameField,
  at: msField,
  nonce: nonceField,
})

export const pinStatementShape: Shape<PinStatement> = objectShape({
  typ: oneOfShape('trustgw/pin/1'),
  tenant: tenantField,
  person: nameField,
  roles: arrayShape(nameField, { max: PIN_ROLES_MAX }),
  credential_id: base64urlField({ min: 1, max: PIN_BYTES_MAX_CHARS }),
  public_key: base64urlField({ min: 1, max: PIN_BYTES_MAX_CHARS }),
  rp_id: nameField,
  origins: arrayShape(originField, { min: 1, max: PIN_ORIGINS_MAX }),
  admin: nameField,
  at: msField,
  nonce: nonceField,
})

export const agentStatementShape: Shape<AgentStatement> = objectShape({
  typ: oneOfShape('trustgw/agent/1'),
  tenant: tenantField,
  key_id: nameField,
  record_hash: hashField,
  admin: nameField,
  at: msField,
  nonce: nonceField,
})

/** The registry of statements; a text of another `typ` is no statement. */
export const signedStatementShape: Shape<SignedStatement> = taggedShape('typ', {
  'trustgw/approval/1': approvalStatementShape,
  'trustgw/login/1': loginStatementShape,
  'trustgw/enrol/1': enrolStatementShape,
  'trustgw/bundle/1': policyStatementShape,
  'trustgw/freeze/1': freezeStatementShape,
  'trustgw/thaw/1': thawStatementShape,
  'trustgw/pin/1': pinStatementShape,
  'trustgw/agent/1': agentStatementShape,
})

export function statementJson(statement: SignedStatement): JsonObject {
  switch (statement.typ) {
    case 'trustgw/approval/1':
      return { ...statement, principal: { ...statement.principal } }
    case 'trustgw/freeze/1':
      return { ...statement, scope: { ...statement.scope } }
    case 'trustgw/pin/1':
      return { ...statement, roles: [...statement.roles], origins: [...statement.origins] }
    case 'trustgw/login/1':
    case 'trustgw/enrol/1':
    case 'trustgw/bundle/1':
    case 'trustgw/thaw/1':
    case 'trustgw/agent/1':
      return { ...statement }
  }
}

/** SHA-256 over the canonical form; its 32 bytes are the WebAuthn challenge. */
export function statementHash(sha256: Sha256, statement: SignedStatement): Hash {
  return hashJson(sha256, statementJson(statement))
}

/** The approval statement as the payload of the host's JWS at tier 1. */
export function approvalStatementJson(statement: ApprovalStatement): JsonObject {
  return statementJson(statement)
}
