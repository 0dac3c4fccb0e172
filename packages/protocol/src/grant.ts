import { EVIDENCE_MAX } from './approvers.ts'
import { type Effect, type Tier } from './decision.ts'
import {
  actionIdField,
  countField,
  grantIdField,
  hashField,
  nameField,
  profileField,
  secondsField,
  tenantField,
} from './fields.ts'
import { type Hash, hashText, type Sha256 } from './hash.ts'
import type { ActionId, GrantId } from './ids.ts'
import type { JsonObject } from './json.ts'
import { type JwsExpectation, type JwsRefusal, type JwsSigner, signJws, verifyJws } from './jws.ts'
import { ok, type Result } from './result.ts'
import {
  arrayShape,
  objectShape,
  oneOfShape,
  readShape,
  type Shape,
  type ShapeRefusal,
  stringShape,
} from './shape.ts'
import type { Profile, TenantId } from './subjects.ts'

export const GRANT_TYP = 'execution-grant+jwt'
export const GRANT_ISSUER = 'trustgw/gateway'
/** Longest life of a grant (spec/protocol.md §4). */
export const GRANT_TTL_MAX_SECONDS = 30
/** How far two clocks may differ. */
export const CLOCK_SKEW_MAX_SECONDS = 2
export const GRANT_MAX_BYTES = 8_192
/** How much older than `iat` the decision may be that a grant names. */
export const DECISION_AGE_MAX_MS = 30_000

/** By what the action was released. */
export type Clearance = 'auto_approved' | 'human_approved' | 'elevated_approval' | 'proof_verified'

/** The clearance that belongs to a tier; there is no other pairing. */
export const CLEARANCE_OF_TIER: { readonly [T in Tier]: Clearance } = {
  0: 'auto_approved',
  1: 'human_approved',
  2: 'elevated_approval',
  3: 'proof_verified',
}

/** The effect that belongs to a tier. */
export const EFFECT_OF_TIER: { readonly [T in Tier]: Effect } = {
  0: 'allow',
  1: 'require_approval',
  2: 'require_approval',
  3: 'require_proof',
}

/** Claims of an execution grant (spec/protocol.md §4): all required, no other allowed. */
export interface GrantClaims {
  readonly iss: typeof GRANT_ISSUER
  readonly aud: Profile
  /** {@link principalText} of the principal. */
  readonly sub: string
  readonly iat: number
  readonly nbf: number
  readonly exp: number
  readonly jti: GrantId
  readonly action_id: ActionId
  readonly tenant_id: TenantId
  readonly workspace_id: string
  readonly tool_name: string
  readonly contract_hash: Hash
  readonly input_hash: Hash
  readonly precondition_hash: Hash
  readonly credential_ref: string
  readonly policy_fingerprint: Hash
  readonly policy_epoch: number
  readonly decision_hash: Hash
  readonly rule_id: string
  readonly clearance: Clearance
  /** Hashes of the evidence; empty at tier 0. */
  readonly approvals: readonly Hash[]
  readonly idempotency_key: Hash
}

export const grantClaimsShape: Shape<GrantClaims> = objectShape({
  iss: oneOfShape(GRANT_ISSUER),
  aud: profileField,
  sub: stringShape({ min: 1, max: 1_024, characters: 'token' }),
  iat: secondsField,
  nbf: secondsField,
  exp: secondsField,
  jti: grantIdField,
  action_id: actionIdField,
  tenant_id: tenantField,
  workspace_id: nameField,
  tool_name: nameField,
  contract_hash: hashField,
  input_hash: hashField,
  precondition_hash: hashField,
  credential_ref: nameField,
  policy_fingerprint: hashField,
  policy_epoch: countField,
  decision_hash: hashField,
  rule_id: nameField,
  clearance: oneOfShape('auto_approved', 'human_approved', 'elevated_approval', 'proof_verified'),
  approvals: arrayShape(hashField, { max: EVIDENCE_MAX }),
  idempotency_key: hashField,
})

export type GrantRefusal = JwsRefusal | ShapeRefusal

/** Signs the claims as they are; that they may be granted is the caller's proof to have. */
export function signGrant(claims: GrantClaims, kid: string, sign: JwsSigner): string {
  return signJws({ typ: GRANT_TYP, kid, payload: grantJson(claims) }, sign)
}

/**
 * Signature, header and shape of a grant. NOT checked here: audience, times, tool, hashes,
 * approvals, single use; that is admission's work.
 */
export function readGrant(
  token: string,
  keyFor: JwsExpectation['keyFor'],
): Result<GrantClaims, GrantRefusal> {
  const verified = verifyJws(token, { typ: GRANT_TYP, maxBytes: GRANT_MAX_BYTES, keyFor })
  if (!verified.ok) return verified
  const read = readShape(grantClaimsShape, verified.value.payload)
  return read.ok ? ok(read.value) : read
}

function grantJson(claims: GrantClaims): JsonObject {
  return { ...claims, approvals: [...claims.approvals] }
}

/** SHA-256 of the compact token: names the grant in results and records. */
export function grantHash(sha256: Sha256, token: string): Hash {
  return hashText(sha256, token)
}

/** `idempotency_key`: SHA-256 of (tenant, action_id); neither holds a line feed. */
export function idempotencyKey(sha256: Sha256, tenant: TenantId, action: ActionId): Hash {
  return hashText(sha256, `${tenant}\n${action}`)
}
