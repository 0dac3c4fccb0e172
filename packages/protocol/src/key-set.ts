/**
 * Which keys are believed, in one signed document (spec/protocol.md §4 "Key sets"): by the operator's
 * root key, or, for grant keys of gateways and nothing else, by a rotation key that the root named.
 */
import { base64urlDecode } from './bytes.ts'
import { canonicalize } from './canonical.ts'
import { msField, nameField, publicKeyField, tenantField } from './fields.ts'
import { type JsonObject, parseJsonObject } from './json.ts'
import { type JwsSigner, type JwsVerifier, signJws, verifyJws } from './jws.ts'
import { readKeyOffer } from './key-offer.ts'
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
} from './shape.ts'
import type { TenantId } from './subjects.ts'

export const KEY_SET_TYP = 'key-set+jwt'
export const KEY_DELEGATION_TYP = 'key-delegation+jwt'
/** Keys of a set, those that are history included. */
export const KEY_SET_KEYS_MAX = 512
/** Keys that a rotation key added since the newest set of the root. */
export const KEY_SET_OFFERS_MAX = 64
/** Largest signed key set, in bytes of its token. */
export const KEY_SET_MAX_BYTES = 262_144
/** Largest value of the bucket `keys`. */
export const SEALED_KEY_SET_MAX_BYTES = 614_400
/** In the place of the tenant, for what is of none: no tenant is called so. */
export const OF_NO_TENANT = '_all'
/** Where the newest set stands in the bucket `keys`. */
export const NEWEST_KEY_SET_KEY = '_all.newest'
export const KEY_TOKEN_MAX_BYTES = 4_096
const DELEGATION_MAX_MS = 366 * 86_400_000

/** A key has one role and is looked up for no other. */
export const KEY_ROLES = ['operator', 'grant', 'host', 'session', 'result', 'audit', 'log'] as const
export type KeyRole = (typeof KEY_ROLES)[number]
/** The operator's root is pinned apart and never in a set. */
export type ListedRole = Exclude<KeyRole, 'operator'>

export interface KeyEntry {
  readonly kid: string
  readonly role: ListedRole
  /** Who holds the private half: `gateway`, `host`, `exec-<profile>`, `log`. */
  readonly component: string
  /** The raw Ed25519 key, base64url. */
  readonly public_key: string
  /** Believed for this tenant only; null: for all. */
  readonly tenant: TenantId | null
  readonly not_before: number
  /** From here on it signs nothing that is believed; null while nobody said when. */
  readonly not_after: number | null
  readonly status: 'active' | 'revoked'
  /** When it got this status: signatures of a revoked key are void from here on. */
  readonly since: number
}

/** A key stays listed for ever: what it signed in its time still verifies. */
export interface KeySet {
  readonly v: 1
  /** Grows with every set. */
  readonly epoch: number
  readonly issued_at: number
  readonly keys: readonly KeyEntry[]
}

/** The value under {@link NEWEST_KEY_SET_KEY} in the bucket `keys`. */
export interface SealedKeySet {
  readonly v: 1
  /** JWS of {@link KEY_SET_TYP}. */
  readonly set: string
  /** JWS of {@link KEY_DELEGATION_TYP} by the root; null where the root itself signed `set`. */
  readonly delegation: string | null
  /** The newest set of the root, which a rotation key may change in few ways only; else null. */
  readonly base: string | null
  /** For each key that is not in `base`: the gateway's own offer of it. */
  readonly offers: readonly string[]
}

/** What the root says of a key that may rotate others for a time. */
export interface KeyDelegation {
  readonly kid: string
  readonly public_key: string
  readonly roles: readonly 'grant'[]
  readonly not_before: number
  readonly not_after: number
}

const LISTED_ROLES = ['grant', 'host', 'session', 'result', 'audit', 'log'] as const
const tokenField = (max: number): Shape<string> => stringShape({ min: 1, max, characters: 'token' })

export const keyEntryShape: Shape<KeyEntry> = objectShape({
  kid: nameField,
  role: oneOfShape(...LISTED_ROLES),
  component: nameField,
  public_key: publicKeyField,
  tenant: nullableShape(tenantField),
  not_before: msField,
  not_after: nullableShape(msField),
  status: oneOfShape('active', 'revoked'),
  since: msField,
})

export const keySetShape: Shape<KeySet> = objectShape({
  v: oneOfShape(1),
  epoch: integerShape({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  issued_at: msField,
  keys: arrayShape(keyEntryShape, { min: 1, max: KEY_SET_KEYS_MAX }),
})

export const sealedKeySetShape: Shape<SealedKeySet> = objectShape({
  v: oneOfShape(1),
  set: tokenField(KEY_SET_MAX_BYTES),
  delegation: nullableShape(tokenField(KEY_TOKEN_MAX_BYTES)),
  base: nullableShape(tokenField(KEY_SET_MAX_BYTES)),
  offers: arrayShape(tokenField(KEY_TOKEN_MAX_BYTES), { max: KEY_SET_OFFERS_MAX }),
})

export const keyDelegationShape: Shape<KeyDelegation> = objectShape({
  kid: nameField,
  public_key: publicKeyField,
  roles: arrayShape(oneOfShape('grant'), { min: 1, max: 1 }),
  not_before: msField,
  not_after: msField,
})

export type KeySetRefusal =
  | 'key_set_malformed'
  /** Neither the root's nor that of a key which it named, or the signature does not hold. */
  | 'key_set_signature'
  /** A delegation that is not the root's, is for another key, or is out of its time. */
  | 'key_set_delegation'
  /** A rotation key changed more than grant keys, or brought one that no gateway offers. */
  | 'key_set_not_allowed'

/** A set whose signatures hold. */
export interface VerifiedKeySet {
  readonly set: KeySet
  readonly by: 'operator' | 'delegate'
  /** Epoch of the newest set of the root that it stands on; its own where the root signed it. */
  readonly base_epoch: number
  readonly sealed: SealedKeySet
}

export interface KeySetDeps {
  /** The operator's root keys, as pinned. */
  readonly rootKeyFor: (kid: string) => JwsVerifier | undefined
  readonly verifierOf: (publicKey: Uint8Array) => JwsVerifier | undefined
  /** When the set is first seen here, Unix milliseconds; undefined for what was verified before. */
  readonly now: number | undefined
}

/**
 * Reads a sealed key set and checks who vouches for it. NOT checked: the epoch against what is held
 * already, revocations that were heard before; the key book does.
 */
export function checkKeySet(
  bytes: Uint8Array,
  deps: KeySetDeps,
): Result<VerifiedKeySet, KeySetRefusal> {
  const parsed = parseJsonObject(bytes, { maxBytes: SEALED_KEY_SET_MAX_BYTES })
  const read = parsed.ok ? readShape(sealedKeySetShape, parsed.value) : parsed
  if (!read.ok) return refuse('key_set_malformed', read.detail)
  const sealed = read.value
  if (sealed.delegation !== null) return checkDelegated(sealed, sealed.delegation, deps)
  if (sealed.base !== null || sealed.offers.length > 0) return refuse('key_set_malformed', 'base')
  const set = readKeySet(sealed.set, deps.rootKeyFor)
  if (!set.ok) return set
  return ok({ set: set.value, by: 'operator', base_epoch: set.value.epoch, sealed })
}

function checkDelegated(
  sealed: SealedKeySet,
  token: string,
  deps: KeySetDeps,
): Result<VerifiedKeySet, KeySetRefusal> {
  if (sealed.base === null) return refuse('key_set_malformed', 'base')
  const base = readKeySet(sealed.base, deps.rootKeyFor)
  if (!base.ok) return base
  const delegation = readKeyDelegation(token, deps)
  if (!delegation.ok) return delegation
  const { kid, verify, covers } = delegation.value
  const set = readKeySet(sealed.set, (wanted) => (wanted === kid ? verify : undefined))
  if (!set.ok) return set
  const { epoch, issued_at } = set.value
  if (!covers(issued_at) || (deps.now !== undefined && !covers(deps.now)))
    return refuse('key_set_delegation', 'time')
  if (epoch <= base.value.epoch) return refuse('key_set_not_allowed', 'epoch')
  const problem = changeProblem(base.value, set.value, { offers: sealed.offers, deps })
  if (problem !== undefined) return refuse('key_set_not_allowed', problem)
  return ok({ set: set.value, by: 'delegate', base_epoch: base.value.epoch, sealed })
}

function readKeySet(
  token: string,
  keyFor: (kid: string) => JwsVerifier | undefined,
): Result<KeySet, KeySetRefusal> {
  const verified = verifyJws(token, { typ: KEY_SET_TYP, maxBytes: KEY_SET_MAX_BYTES, keyFor })
  if (!verified.ok) return refuse('key_set_signature', verified.reason)
  const read = readShape(keySetShape, verified.value.payload)
  if (!read.ok) return refuse('key_set_malformed', read.detail)
  const kids = new Set(read.value.keys.map(({ kid }) => kid))
  return kids.size === read.value.keys.length ? read : refuse('key_set_malformed', 'kid twice')
}

interface OpenDelegation {
  readonly kid: string
  readonly verify: JwsVerifier
  readonly not_after: number
  readonly covers: (time: number) => boolean
}

/** Reads the root's word for a rotation key. NOT checked: that now is within its time. */
export function readKeyDelegation(
  token: string,
  deps: Pick<KeySetDeps, 'rootKeyFor' | 'verifierOf'>,
): Result<OpenDelegation, 'key_set_delegation'> {
  const verified = verifyJws(token, {
    typ: KEY_DELEGATION_TYP,
    maxBytes: KEY_TOKEN_MAX_BYTES,
    keyFor: deps.rootKeyFor,
  })
  if (!verified.ok) return refuse('key_set_delegation', verified.reason)
  const read = readShape(keyDelegationShape, verified.value.payload)
  if (!read.ok) return refuse('key_set_delegation', read.detail)
  const { kid, public_key, not_before, not_after } = read.value
  if (not_after - not_before > DELEGATION_MAX_MS) return refuse('key_set_delegation', 'too long')
  const raw = base64urlDecode(public_key)
  const verify = raw === undefined ? undefined : deps.verifierOf(raw)
  if (verify === undefined) return refuse('key_set_delegation', 'key')
  const covers = (time: number): boolean => time >= not_before && time < not_after
  return ok({ kid, verify, not_after, covers })
}

interface ChangeContext {
  readonly offers: readonly string[]
  readonly deps: KeySetDeps
}

/** What a rotation key changed and may not have; undefined where all of it is its business. */
function changeProblem(base: KeySet, set: KeySet, context: ChangeContext): string | undefined {
  if (set.issued_at < base.issued_at) return 'issued_at'
  const after = new Map(set.keys.map((entry) => [entry.kid, entry]))
  for (const entry of base.keys) {
    const now = after.get(entry.kid)
    if (now === undefined) return `${entry.kid} is gone`
    if (!isAllowedChange(entry, now, base.issued_at)) return `${entry.kid} differs`
    after.delete(entry.kid)
  }
  const offered = offeredKeys(base, set.issued_at, context)
  for (const entry of after.values()) {
    const isOffered = offered.get(entry.kid) === entry.public_key
    if (!isGatewayGrant(entry) || !isOffered) return `${entry.kid} is not offered by a gateway`
    if (entry.not_before < base.issued_at || entry.since < base.issued_at)
      return `${entry.kid} is dated back`
  }
  return undefined
}

export const isGatewayGrant = ({ role, component, tenant }: KeyEntry): boolean =>
  role === 'grant' && component === 'gateway' && tenant === null

/** Retiring and revoking, of grant keys only, and never the other way round. */
function isAllowedChange(from: KeyEntry, to: KeyEntry, after: number): boolean {
  const { not_after, status, since } = to
  if (canonicalize({ ...from }) === canonicalize({ ...to })) return true
  const rest = { ...to, not_after: from.not_after, status: from.status, since: from.since }
  if (canonicalize({ ...rest }) !== canonicalize({ ...from }) || !isGatewayGrant(from)) return false
  if (from.not_after !== null && (not_after === null || not_after > from.not_after)) return false
  if (status === from.status) return since === from.since
  return status === 'revoked' && since >= after
}

/** Public keys by kid that a gateway's audit key, as the root listed it, vouches for. */
function offeredKeys(
  base: KeySet,
  at: number,
  { offers, deps }: ChangeContext,
): ReadonlyMap<string, string> {
  const auditKeyFor = (kid: string): JwsVerifier | undefined => {
    const entry = base.keys.find((key) => key.kid === kid)
    const isAudit = entry?.role === 'audit' && entry.component === 'gateway'
    if (!isAudit || entry.status === 'revoked') return undefined
    if (at < entry.not_before || (entry.not_after !== null && at >= entry.not_after))
      return undefined
    const raw = base64urlDecode(entry.public_key)
    return raw === undefined ? undefined : deps.verifierOf(raw)
  }
  return new Map(
    offers.flatMap((token) => {
      const offer = readKeyOffer(token, { auditKeyFor, verifierOf: deps.verifierOf })
      return offer.ok ? [[offer.value.kid, offer.value.public_key] as const] : []
    }),
  )
}

interface Signer {
  readonly kid: string
  readonly sign: JwsSigner
}

export function signKeySet(set: KeySet, { kid, sign }: Signer): string {
  const payload = { ...set, keys: set.keys.map((entry) => ({ ...entry })) }
  return signJws({ typ: KEY_SET_TYP, kid, payload }, sign)
}

export function sealedKeySetJson(sealed: SealedKeySet): JsonObject {
  return { ...sealed, offers: [...sealed.offers] }
}

/** The root's word that another key may rotate grant keys, for at most 366 days. */
export function signKeyDelegation(delegation: KeyDelegation, { kid, sign }: Signer): string {
  const payload = { ...delegation, roles: [...delegation.roles] }
  return signJws({ typ: KEY_DELEGATION_TYP, kid, payload }, sign)
}
