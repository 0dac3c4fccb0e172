import {
  base64urlDecode,
  checkSeal,
  type JwsVerifier,
  ok,
  POLICY_ADMIN_ROLE,
  type PolicyProof,
  policyStatement,
  type Result,
  refuse,
  type Sha256,
  type UnverifiedBundle,
} from '@trustgw/protocol'
import { type PolicyBookRefusal, verifierOf } from '@trustgw/runtime'
import { CoseKey } from '../admit/cose-key.ts'
import { challengeOf, checkAssertion, decodeAssertion } from '../admit/webauthn.ts'
import type { PinSource } from '../pins/pin-registry.ts'

/** Whom this executor believes about policy. */
export interface BundleTrust {
  /** The operator's root keys. */
  readonly operatorKeyFor: (kid: string) => JwsVerifier | undefined
  readonly pins: PinSource
  readonly sha256: Sha256
}

/**
 * Who vouches for a bundle (spec/protocol.md §4 "Trust roots"): `operator`, `delegate`, or
 * `admin <person>`. `now` is when it is first seen here, Unix milliseconds. NOT checked: tenant and
 * epoch against what is pinned, that the policies load; the policy book does.
 */
export async function verifyBundle(
  bundle: UnverifiedBundle,
  trust: BundleTrust,
  now: number,
): Promise<Result<string, PolicyBookRefusal>> {
  const { proof } = bundle
  if (proof.kind === 'passkey') return await checkAdmin(bundle, proof, trust)
  const { operatorKeyFor } = trust
  return checkSeal(bundle, { operatorKeyFor, verifierOf, now })
}

/** An assertion over exactly this bundle by a person whom this executor pinned as an admin. */
async function checkAdmin(
  unverified: UnverifiedBundle,
  proof: Extract<PolicyProof, { kind: 'passkey' }>,
  trust: BundleTrust,
): Promise<Result<string, 'bundle_passkey'>> {
  const { admin, assertion } = proof
  const pins = await trust.pins.current()
  if (!pins.ok) return refuse('bundle_passkey', 'pins_unreadable')
  const pin = pins.value.find(
    ({ tenant, person, credential_id }) =>
      tenant === unverified.bundle.tenant &&
      person === admin &&
      credential_id === assertion.credential_id,
  )
  if (pin === undefined) return refuse('bundle_passkey', 'credential_not_pinned')
  if (!pin.roles.includes(POLICY_ADMIN_ROLE)) return refuse('bundle_passkey', 'not_an_admin')
  const key = CoseKey.parse(base64urlDecode(pin.public_key) ?? new Uint8Array())
  const decoded = decodeAssertion(assertion)
  if (key === undefined) return refuse('bundle_passkey', 'pins_unreadable')
  if (decoded === undefined) return refuse('bundle_passkey', 'assertion_malformed')
  const challenge = challengeOf(trust.sha256, policyStatement(unverified, proof))
  const { rp_id, origins } = pin
  const problem = checkAssertion(decoded, { key, rp_id, origins, challenge })
  return problem === undefined ? ok(`admin ${admin}`) : refuse('bundle_passkey', problem)
}
