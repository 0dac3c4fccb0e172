import { createHash } from 'node:crypto'
import {
  asObject,
  base64urlDecode,
  base64urlEncode,
  type PasskeyAssertion,
  parseJsonObject,
  type Sha256,
  type SignedStatement,
  statementHash,
} from '@trustgw/protocol'
import type { CoseKey } from './cose-key.ts'

/** The bytes of a WebAuthn assertion, as the browser gave them. Nothing in it is trusted yet. */
export interface Assertion {
  readonly client_data_json: Uint8Array
  readonly authenticator_data: Uint8Array
  readonly signature: Uint8Array
}

/** The challenge under which a statement is signed: the 32 bytes of its hash. */
export function challengeOf(sha256: Sha256, statement: SignedStatement): Uint8Array {
  return Buffer.from(statementHash(sha256, statement).slice('sha256:'.length), 'hex')
}

/** Undefined where a member is no base64url. */
export function decodeAssertion(assertion: PasskeyAssertion): Assertion | undefined {
  const client_data_json = base64urlDecode(assertion.client_data_json)
  const authenticator_data = base64urlDecode(assertion.authenticator_data)
  const signature = base64urlDecode(assertion.signature)
  if (client_data_json === undefined || authenticator_data === undefined) return undefined
  return signature === undefined ? undefined : { client_data_json, authenticator_data, signature }
}

/** What the pin and the executor's own statement demand of an assertion. */
export interface AssertionDemand {
  readonly key: CoseKey
  readonly rp_id: string
  /** Full origins, compared as text. */
  readonly origins: readonly string[]
  /** SHA-256 of the statement that the executor built itself. */
  readonly challenge: Uint8Array
  /** SHA-256 of the same statement with the verdict `deny`, where it has one, to tell it apart. */
  readonly deny_challenge?: Uint8Array
}

export const ASSERTION_REASONS = [
  'assertion_malformed',
  'assertion_type',
  'assertion_cross_origin',
  'assertion_origin',
  'assertion_rp_id',
  'assertion_user_not_present',
  'assertion_user_not_verified',
  'assertion_is_a_deny',
  'assertion_other_action',
  'assertion_signature',
] as const

export type AssertionReason = (typeof ASSERTION_REASONS)[number]

const CLIENT_DATA_MAX_BYTES = 4_096
const AUTHENTICATOR_DATA_BYTES = 37
const AUTHENTICATOR_DATA_MAX_BYTES = 1_024
const FLAG_USER_PRESENT = 0x01
const FLAG_USER_VERIFIED = 0x04
const FLAG_BACKUP_ELIGIBLE = 0x08
const FLAG_BACKED_UP = 0x10
const FLAG_RESERVED = 0x22
const FLAG_ATTESTED = 0x40
const FLAG_EXTENSIONS = 0x80

/**
 * Checks one assertion offline (spec/protocol.md §4 step 4; WebAuthn level 3 §7.2). Undefined when
 * it holds. The signature counter is not looked at: synced passkeys keep it at zero, and the
 * challenge is single-use through the journal. Who may approve is not checked here.
 */
export function checkAssertion(
  assertion: Assertion,
  demand: AssertionDemand,
): AssertionReason | undefined {
  const refused =
    checkClientData(assertion.client_data_json, demand) ??
    checkAuthenticatorData(assertion.authenticator_data, demand.rp_id)
  if (refused !== undefined) return refused
  const clientDataHash = createHash('sha256').update(assertion.client_data_json).digest()
  const signed = Buffer.concat([assertion.authenticator_data, clientDataHash])
  return demand.key.verifies(signed, assertion.signature) ? undefined : 'assertion_signature'
}

function checkClientData(bytes: Uint8Array, demand: AssertionDemand): AssertionReason | undefined {
  const parsed = parseJsonObject(bytes, { maxBytes: CLIENT_DATA_MAX_BYTES })
  if (!parsed.ok) return 'assertion_malformed'
  const { type, challenge, origin, crossOrigin, topOrigin } = asObject(parsed.value) ?? {}
  if (type !== 'webauthn.get') return 'assertion_type'
  if ((crossOrigin !== undefined && crossOrigin !== false) || topOrigin !== undefined) {
    return 'assertion_cross_origin'
  }
  if (typeof origin !== 'string' || !demand.origins.includes(origin)) return 'assertion_origin'
  if (challenge === base64urlEncode(demand.challenge)) return undefined
  const { deny_challenge } = demand
  return deny_challenge !== undefined && challenge === base64urlEncode(deny_challenge)
    ? 'assertion_is_a_deny'
    : 'assertion_other_action'
}

function checkAuthenticatorData(data: Uint8Array, rpId: string): AssertionReason | undefined {
  if (data.length < AUTHENTICATOR_DATA_BYTES || data.length > AUTHENTICATOR_DATA_MAX_BYTES) {
    return 'assertion_malformed'
  }
  const flags = data[32] ?? 0
  const hasExtensions = (flags & FLAG_EXTENSIONS) !== 0
  if (hasExtensions !== data.length > AUTHENTICATOR_DATA_BYTES) return 'assertion_malformed'
  if ((flags & (FLAG_RESERVED | FLAG_ATTESTED)) !== 0) return 'assertion_malformed'
  if ((flags & FLAG_BACKED_UP) !== 0 && (flags & FLAG_BACKUP_ELIGIBLE) === 0) {
    return 'assertion_malformed'
  }
  const rpIdHash = createHash('sha256').update(rpId).digest()
  if (!rpIdHash.equals(data.subarray(0, 32))) return 'assertion_rp_id'
  if ((flags & FLAG_USER_PRESENT) === 0) return 'assertion_user_not_present'
  if ((flags & FLAG_USER_VERIFIED) === 0) return 'assertion_user_not_verified'
  return undefined
}
