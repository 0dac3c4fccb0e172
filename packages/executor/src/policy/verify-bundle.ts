import {
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
import { checkPasskey } from '../pins/check-passkey.ts'
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
  const demand = { tenant: unverified.bundle.tenant, person: admin, role: POLICY_ADMIN_ROLE }
  const statement = policyStatement(unverified, proof)
  const checked = await checkPasskey(statement, assertion, demand, trust)
  return checked.ok ? ok(`admin ${admin}`) : refuse('bundle_passkey', checked.detail)
}
