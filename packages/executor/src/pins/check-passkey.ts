import {
  base64urlDecode,
  ok,
  type PasskeyAssertion,
  type Result,
  refuse,
  type Sha256,
  type SignedStatement,
  type TenantId,
} from '@trustgw/protocol'
import { CoseKey } from '../admit/cose-key.ts'
import { challengeOf, checkAssertion, decodeAssertion } from '../admit/webauthn.ts'
import type { Pin } from './pin.ts'
import type { PinSource } from './pin-registry.ts'

export interface PasskeyTrust {
  readonly pins: PinSource
  readonly sha256: Sha256
}

/** Whose passkey it has to be. */
export interface PasskeyDemand {
  readonly tenant: TenantId
  readonly person: string
  /** One of the pinned roles; absent: any person who is pinned. */
  readonly role?: string
}

/**
 * Whether a person whom this executor pinned signed exactly this statement (spec/protocol.md §3); else
 * why not.
 */
export async function checkPasskey(
  statement: SignedStatement,
  assertion: PasskeyAssertion,
  demand: PasskeyDemand,
  trust: PasskeyTrust,
): Promise<Result<Pin, 'passkey'>> {
  const pins = await trust.pins.current()
  if (!pins.ok) return refuse('passkey', 'pins_unreadable')
  const pin = pins.value.find(
    ({ tenant, person, credential_id }) =>
      tenant === demand.tenant &&
      person === demand.person &&
      credential_id === assertion.credential_id,
  )
  if (pin === undefined) return refuse('passkey', 'credential_not_pinned')
  if (demand.role !== undefined && !pin.roles.includes(demand.role)) {
    return refuse('passkey', `not_an_${demand.role}`)
  }
  const key = CoseKey.parse(base64urlDecode(pin.public_key) ?? new Uint8Array())
  const decoded = decodeAssertion(assertion)
  if (key === undefined) return refuse('passkey', 'pins_unreadable')
  if (decoded === undefined) return refuse('passkey', 'assertion_malformed')
  const challenge = challengeOf(trust.sha256, statement)
  const { rp_id, origins } = pin
  const problem = checkAssertion(decoded, { key, rp_id, origins, challenge })
  return problem === undefined ? ok(pin) : refuse('passkey', problem)
}
