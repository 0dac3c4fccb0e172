import {
  isGatewayGrant,
  type JwsSigner,
  type KeyEntry,
  type KeyOffer,
  type KeySet,
  type SealedKeySet,
  signKeySet,
  type VerifiedKeySet,
} from '@trustgw/protocol'

/** Before a new key signs, so that every reader who is connected has it by then. */
export const KEY_LEAD_MS = 5_000

export interface RotationTimes {
  readonly now: number
  /** How long the old key is believed beside the new one. */
  readonly overlapMs: number
}

/** Keys of a set with the offered one in, and the one that it takes over from retired. */
export function withRotated(
  keys: readonly KeyEntry[],
  offer: KeyOffer,
  { now, overlapMs }: RotationTimes,
): readonly KeyEntry[] {
  const not_after = now + KEY_LEAD_MS + overlapMs
  const retired = keys.map((entry) => {
    const isEarlier = entry.not_after !== null && entry.not_after <= not_after
    return entry.kid === offer.replaces && !isEarlier ? { ...entry, not_after } : entry
  })
  const added: KeyEntry = {
    kid: offer.kid,
    role: 'grant',
    component: 'gateway',
    public_key: offer.public_key,
    tenant: null,
    not_before: now + KEY_LEAD_MS,
    not_after: null,
    status: 'active',
    since: now,
  }
  return [...retired, added]
}

/** Keys of a set with one of them revoked since then. */
export function withRevoked(
  keys: readonly KeyEntry[],
  kid: string,
  since: number,
): readonly KeyEntry[] {
  return keys.map((entry) =>
    entry.kid === kid && entry.status !== 'revoked'
      ? { ...entry, status: 'revoked', since }
      : entry,
  )
}

/** Whether a gateway may sign with it now or later: active, and without an end. */
export function isInUse(entry: KeyEntry): boolean {
  return isGatewayGrant(entry) && entry.status === 'active' && entry.not_after === null
}

export interface KeySetSigner {
  readonly kid: string
  readonly sign: JwsSigner
  /** The root's word for a rotation key; null for the root itself. */
  readonly delegation: string | null
}

/**
 * Signs the set that follows `newest`, or the first. A rotation key carries along the newest set of the root, and the
 * offers of what is not in it. NOT checked: that readers take it; `checkKeySet` tells.
 */
export function sealNext(
  newest: VerifiedKeySet | undefined,
  change: { readonly keys: readonly KeyEntry[]; readonly offers?: readonly string[] },
  signer: KeySetSigner & { readonly now: number },
): SealedKeySet {
  const next: KeySet = {
    v: 1,
    epoch: (newest?.set.epoch ?? 0) + 1,
    issued_at: Math.max(signer.now, newest?.set.issued_at ?? 0),
    keys: change.keys,
  }
  const token = signKeySet(next, signer)
  if (signer.delegation === null || newest === undefined)
    return { v: 1, set: token, delegation: null, base: null, offers: [] }
  const { sealed } = newest
  const offers = [...sealed.offers, ...(change.offers ?? [])]
  return {
    v: 1,
    set: token,
    delegation: signer.delegation,
    base: sealed.base ?? sealed.set,
    offers,
  }
}
