/**
 * Pins on their way to executors (spec/protocol.md §4 "Trust roots"): a pinned admin's statement adds
 * one, any one plane's word takes one away.
 */
import { type PasskeyAssertion, passkeyAssertionShape } from './approval.ts'
import { base64urlField, msField, reasonField, tenantField } from './fields.ts'
import type { Hash, Sha256 } from './hash.ts'
import { type JsonObject, parseJsonObject } from './json.ts'
import { type JwsSigner, type JwsVerifier, signJws, verifyJws } from './jws.ts'
import { ok, type Result, refuse } from './result.ts'
import { objectShape, oneOfShape, readShape, type Shape } from './shape.ts'
import { type PinStatement, pinStatementShape, statementJson } from './statement.ts'
import type { TenantId } from './subjects.ts'

export const PIN_REVOCATION_TYP = 'pin-revocation+jwt'
export const PIN_NOTICE_MAX_BYTES = 16_384
export const PIN_REVOCATION_MAX_BYTES = 8_192
const CREDENTIAL_ID_MAX_CHARS = 1_400

/** A value of the bucket `pins`. */
export interface PinNotice {
  readonly v: 1
  readonly statement: PinStatement
  /** By the passkey of `statement.admin`. */
  readonly assertion: PasskeyAssertion
}

/** One plane's word that a passkey counts for nothing any more. */
export interface PinRevocation {
  readonly v: 1
  readonly tenant: TenantId
  readonly credential_id: string
  readonly at: number
  readonly reason: string
}

export const pinNoticeShape: Shape<PinNotice> = objectShape({
  v: oneOfShape(1),
  statement: pinStatementShape,
  assertion: passkeyAssertionShape,
})

export const pinRevocationShape: Shape<PinRevocation> = objectShape({
  v: oneOfShape(1),
  tenant: tenantField,
  credential_id: base64urlField({ min: 1, max: CREDENTIAL_ID_MAX_CHARS }),
  at: msField,
  reason: reasonField,
})

/** Reads a notice. NOT checked: the assertion, that its signer is a pinned admin. */
export function readPinNotice(bytes: Uint8Array): Result<PinNotice, 'pin_malformed'> {
  const parsed = parseJsonObject(bytes, { maxBytes: PIN_NOTICE_MAX_BYTES })
  const read = parsed.ok ? readShape(pinNoticeShape, parsed.value) : parsed
  return read.ok ? ok(read.value) : refuse('pin_malformed', read.detail)
}

export function pinNoticeJson({ v, statement, assertion }: PinNotice): JsonObject {
  return { v, statement: statementJson(statement), assertion: { ...assertion } }
}

/**
 * How people compare a passkey aloud: SHA-256 of the COSE key's bytes, its first 16 bytes as eight
 * groups of four hex digits.
 */
export function passkeyFingerprint(sha256: Sha256, coseKey: Uint8Array): string {
  const groups = sha256(coseKey).slice(0, 32).match(/.{4}/g) ?? []
  return groups.join(' ')
}

/** The key of a notice or a revocation in the bucket `pins`: nobody can take its place before. */
export function pinKey(tenant: TenantId, hash: Hash): string {
  return `${tenant}.${hash.slice('sha256:'.length)}`
}

export function signPinRevocation(
  revocation: Omit<PinRevocation, 'v'>,
  { kid, sign }: { readonly kid: string; readonly sign: JwsSigner },
): string {
  return signJws({ typ: PIN_REVOCATION_TYP, kid, payload: { v: 1, ...revocation } }, sign)
}

/** Reads a revocation under a key of operator, host or gateway. */
export function readPinRevocation(
  token: string,
  keyFor: (kid: string) => JwsVerifier | undefined,
): Result<PinRevocation, 'pin_revocation'> {
  const expected = { typ: PIN_REVOCATION_TYP, maxBytes: PIN_REVOCATION_MAX_BYTES, keyFor }
  const verified = verifyJws(token, expected)
  if (!verified.ok) return refuse('pin_revocation', verified.reason)
  const read = readShape(pinRevocationShape, verified.value.payload)
  return read.ok ? ok(read.value) : refuse('pin_revocation', read.detail)
}
