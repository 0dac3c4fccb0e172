/**
 * Policy on its way to those who decide by it (spec/protocol.md §4 "Trust roots"): a bundle of every
 * layer of one tenant, with its epoch inside, sealed by the operator's root key, by a key to which
 * the root delegated that, or by the passkey of a pinned admin. Never by the gateway.
 */
import type { PasskeyAssertion } from './approval.ts'
import { passkeyAssertionShape } from './approval.ts'
import { base64urlDecode } from './bytes.ts'
import { canonicalize } from './canonical.ts'
import {
  base64urlField,
  hashField,
  msField,
  nameField,
  publicKeyField,
  tenantField,
} from './fields.ts'
import { type Hash, hashText, type Sha256 } from './hash.ts'
import { type JsonObject, parseJsonObject } from './json.ts'
import { type JwsSigner, type JwsVerifier, signJws, verifyJws } from './jws.ts'
import { ok, type Result, refuse } from './result.ts'
import {
  arrayShape,
  integerShape,
  nullableShape,
  objectShape,
  oneOfShape,
  readShape,
  type Shape,
  stringShape,
  taggedShape,
} from './shape.ts'
import { nonceField, type PolicyStatement } from './statement.ts'
import type { TenantId } from './subjects.ts'

export const POLICY_SEAL_TYP = 'policy-seal+jwt'
export const POLICY_DELEGATION_TYP = 'policy-delegation+jwt'
/** Largest sealed bundle, in bytes of its JSON text: one value of the bucket `policies`. */
export const POLICY_BUNDLE_MAX_BYTES = 614_400
/** Longest policy of a bundle once it is unpacked, in UTF-8 bytes. */
export const POLICY_TEXT_MAX_BYTES = 4_194_304
/** All of them together: a bundle of a few kilobytes can unpack to a thousand times as much. */
export const POLICY_BUNDLE_TEXT_MAX_BYTES = 16_777_216
export const POLICY_BUNDLE_MAX_LAYERS = 256
/** The role that a pinned person must have for a passkey to seal a bundle. */
export const POLICY_ADMIN_ROLE = 'admin'
/** The key under which a tenant's newest bundle stands in the bucket `policies`. */
export const NEWEST_BUNDLE_KEY = 'newest'

const TOKEN_MAX_BYTES = 4_096
const DELEGATION_MAX_MS = 366 * 86_400_000

export type PolicyLayer = 'platform' | 'tenant' | 'workspace' | 'agent'

/** One policy file. `scope` is the workspace or the agent's subject that it is for, else null. */
export interface BundledPolicy {
  readonly layer: PolicyLayer
  readonly scope: string | null
  /** As findings name it. */
  readonly file: string
  /** The file's UTF-8 text, raw DEFLATE (RFC 1951), base64url. */
  readonly deflated: string
}

export interface PolicyBundle {
  readonly v: 1
  readonly tenant: TenantId
  /** Grows with every bundle of the tenant. */
  readonly epoch: number
  readonly issued_at: number
  readonly policies: readonly BundledPolicy[]
}

/** What vouches for a bundle. */
export type PolicyProof =
  | {
      readonly kind: 'key'
      /** JWS of {@link POLICY_SEAL_TYP}. */
      readonly seal: string
      /** JWS of {@link POLICY_DELEGATION_TYP} by the operator; null where the operator sealed it. */
      readonly delegation: string | null
    }
  | {
      readonly kind: 'passkey'
      readonly admin: string
      readonly nonce: string
      readonly assertion: PasskeyAssertion
    }

/** The value under `<tenant>.newest` and `<tenant>.e<epoch>` in the bucket `policies`. */
export interface SealedBundle {
  readonly v: 1
  /** The JCS text of the {@link PolicyBundle}: what is hashed. */
  readonly bundle: string
  readonly proof: PolicyProof
}

interface Seal {
  readonly tenant: TenantId
  readonly epoch: number
  readonly bundle_hash: Hash
}

/** What the operator's root says of a key that may seal bundles of one tenant for a time. */
export interface PolicyDelegation {
  readonly tenant: TenantId
  readonly kid: string
  /** The raw Ed25519 key, base64url. */
  readonly public_key: string
  readonly not_before: number
  readonly not_after: number
}

export const epochField: Shape<number> = integerShape({ min: 1, max: Number.MAX_SAFE_INTEGER })

export const policyBundleShape: Shape<PolicyBundle> = objectShape({
  v: oneOfShape(1),
  tenant: tenantField,
  epoch: epochField,
  issued_at: msField,
  policies: arrayShape(
    objectShape({
      layer: oneOfShape('platform', 'tenant', 'workspace', 'agent'),
      scope: nullableShape(nameField),
      file: stringShape({ min: 1, max: 300 }),
      deflated: base64urlField({ min: 1, max: POLICY_BUNDLE_MAX_BYTES }),
    }),
    { min: 1, max: POLICY_BUNDLE_MAX_LAYERS },
  ),
})

const proofShape: Shape<PolicyProof> = taggedShape('kind', {
  key: objectShape({
    kind: oneOfShape('key'),
    seal: stringShape({ min: 1, max: TOKEN_MAX_BYTES, characters: 'token' }),
    delegation: nullableShape(stringShape({ min: 1, max: TOKEN_MAX_BYTES, characters: 'token' })),
  }),
  passkey: objectShape({
    kind: oneOfShape('passkey'),
    admin: nameField,
    nonce: nonceField,
    assertion: passkeyAssertionShape,
  }),
})

export const sealedBundleShape: Shape<SealedBundle> = objectShape({
  v: oneOfShape(1),
  bundle: stringShape({ min: 1, max: POLICY_BUNDLE_MAX_BYTES, characters: 'any' }),
  proof: proofShape,
})

const sealShape: Shape<Seal> = objectShape({
  tenant: tenantField,
  epoch: epochField,
  bundle_hash: hashField,
})

const delegationShape: Shape<PolicyDelegation> = objectShape({
  tenant: tenantField,
  kid: nameField,
  public_key: publicKeyField,
  not_before: msField,
  not_after: msField,
})

/** A bundle with its hash and what vouches for it; nothing of the proof is checked. */
export interface UnverifiedBundle {
  readonly bundle: PolicyBundle
  readonly bundle_hash: Hash
  readonly proof: PolicyProof
}

export type BundleRefusal =
  /** Not strict JSON of the form, or not canonical. */
  | 'bundle_malformed'
  /** Neither the operator's key nor one that it delegated to, or the signature does not hold. */
  | 'bundle_seal'
  /** A delegation that is not the operator's, is for another tenant or key, or is out of its time. */
  | 'bundle_delegation'
  /** The seal is of another bundle. */
  | 'bundle_seal_differs'

/** Reads a sealed bundle. NOT checked: the proof, the epoch, that the policies load. */
export function readSealedBundle(
  bytes: Uint8Array,
  sha256: Sha256,
): Result<UnverifiedBundle, 'bundle_malformed'> {
  const outer = parseJsonObject(bytes, { maxBytes: POLICY_BUNDLE_MAX_BYTES })
  const sealed = outer.ok ? readShape(sealedBundleShape, outer.value) : outer
  if (!sealed.ok) return refuse('bundle_malformed', sealed.detail)
  const { bundle: text, proof } = sealed.value
  const inner = parseJsonObject(text, { maxBytes: POLICY_BUNDLE_MAX_BYTES })
  if (!inner.ok) return refuse('bundle_malformed', inner.detail)
  if (canonicalize(inner.value) !== text) return refuse('bundle_malformed', 'not canonical')
  const bundle = readShape(policyBundleShape, inner.value)
  if (!bundle.ok) return refuse('bundle_malformed', bundle.detail)
  return ok({ bundle: bundle.value, bundle_hash: hashText(sha256, text), proof })
}

export interface SealDeps {
  /** The operator's root keys. */
  readonly operatorKeyFor: (kid: string) => JwsVerifier | undefined
  /** The verifier of a raw Ed25519 key; undefined for bytes that are no key. */
  readonly verifierOf: (publicKey: Uint8Array) => JwsVerifier | undefined
  /** When the bundle was first seen here, Unix milliseconds. */
  readonly now: number
}

/**
 * Whether a proof by key holds. A delegation must cover the time at which the bundle says it was
 * made and the time at which it is first seen: a key that is stolen later cannot date back. A proof
 * by passkey is `bundle_seal` here; only who holds pins can check one, over {@link policyStatement}.
 */
export function checkSeal(
  { bundle, bundle_hash, proof }: UnverifiedBundle,
  deps: SealDeps,
): Result<'operator' | 'delegate', BundleRefusal> {
  if (proof.kind !== 'key') return refuse('bundle_seal', 'not sealed by a key')
  const delegate = proof.delegation === null ? null : delegateOf(proof.delegation, bundle, deps)
  if (delegate !== null && !delegate.ok) return delegate
  const keyFor = delegate === null ? deps.operatorKeyFor : delegate.value
  const verified = verifyJws(proof.seal, {
    typ: POLICY_SEAL_TYP,
    maxBytes: TOKEN_MAX_BYTES,
    keyFor,
  })
  if (!verified.ok) return refuse('bundle_seal', verified.reason)
  const seal = readShape(sealShape, verified.value.payload)
  if (!seal.ok) return refuse('bundle_seal', seal.detail)
  const { tenant, epoch, bundle_hash: hash } = seal.value
  const same = tenant === bundle.tenant && epoch === bundle.epoch && hash === bundle_hash
  if (!same) return refuse('bundle_seal_differs')
  return ok(delegate === null ? 'operator' : 'delegate')
}

function delegateOf(
  token: string,
  { tenant, issued_at }: PolicyBundle,
  deps: SealDeps,
): Result<SealDeps['operatorKeyFor'], 'bundle_delegation'> {
  const verified = verifyJws(token, {
    typ: POLICY_DELEGATION_TYP,
    maxBytes: TOKEN_MAX_BYTES,
    keyFor: deps.operatorKeyFor,
  })
  if (!verified.ok) return refuse('bundle_delegation', verified.reason)
  const read = readShape(delegationShape, verified.value.payload)
  if (!read.ok) return refuse('bundle_delegation', read.detail)
  const { kid, public_key, not_before, not_after } = read.value
  if (read.value.tenant !== tenant) return refuse('bundle_delegation', 'tenant')
  if (not_after - not_before > DELEGATION_MAX_MS) return refuse('bundle_delegation', 'too long')
  const covers = (time: number): boolean => time >= not_before && time < not_after
  if (!covers(issued_at) || !covers(deps.now)) return refuse('bundle_delegation', 'time')
  const raw = base64urlDecode(public_key)
  const verify = raw === undefined ? undefined : deps.verifierOf(raw)
  if (verify === undefined) return refuse('bundle_delegation', 'key')
  return ok((wanted) => (wanted === kid ? verify : undefined))
}

/** What a passkey signed, rebuilt by whoever checks it. */
export function policyStatement(
  { bundle, bundle_hash }: Pick<UnverifiedBundle, 'bundle' | 'bundle_hash'>,
  { admin, nonce }: { readonly admin: string; readonly nonce: string },
): PolicyStatement {
  const { tenant, epoch, issued_at } = bundle
  return { typ: 'trustgw/bundle/1', tenant, epoch, bundle_hash, issued_at, admin, nonce }
}

/** Who seals with a key. */
export interface BundleSealer {
  readonly kid: string
  readonly sign: JwsSigner
  readonly delegation: string | null
}

/** The JCS text of a bundle and its hash: what is sealed. */
export function bundleText(
  sha256: Sha256,
  bundle: PolicyBundle,
): { readonly text: string; readonly bundle_hash: Hash } {
  const text = canonicalize({
    ...bundle,
    policies: bundle.policies.map((policy) => ({ ...policy })),
  })
  return { text, bundle_hash: hashText(sha256, text) }
}

/** Seals with the operator's key or a delegate's. The caller checks that the policies load. */
export function sealBundle(
  sha256: Sha256,
  bundle: PolicyBundle,
  { kid, sign, delegation }: BundleSealer,
): SealedBundle {
  const { text, bundle_hash } = bundleText(sha256, bundle)
  const payload = { tenant: bundle.tenant, epoch: bundle.epoch, bundle_hash }
  const seal = signJws({ typ: POLICY_SEAL_TYP, kid, payload }, sign)
  return { v: 1, bundle: text, proof: { kind: 'key', seal, delegation } }
}

export function sealedBundleJson({ v, bundle, proof }: SealedBundle): JsonObject {
  return {
    v,
    bundle,
    proof: proof.kind === 'key' ? { ...proof } : { ...proof, assertion: { ...proof.assertion } },
  }
}

/** The operator's word that another key may seal bundles of one tenant, for at most 366 days. */
export function signDelegation(
  delegation: PolicyDelegation,
  operator: { readonly kid: string; readonly sign: JwsSigner },
): string {
  const { kid, sign } = operator
  return signJws({ typ: POLICY_DELEGATION_TYP, kid, payload: { ...delegation } }, sign)
}
