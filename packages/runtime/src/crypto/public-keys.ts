import {
  CLOCK_SKEW_MAX_SECONDS,
  type JwsVerifier,
  type KeyRole,
  type TenantId,
} from '@trustgw/protocol'
import { systemClock } from '../clock/system-clock.ts'
import { verifierOf } from './ed25519.ts'

/** In which time a key is believed, Unix milliseconds. */
export interface KeyValidity {
  readonly notBefore: number
  readonly notAfter: number | null
  /** From here on its signatures are void, and now it is believed for nothing. */
  readonly revokedSince: number | null
}

/** A key whose signatures are believed, in one role only. */
export interface PublicKey {
  readonly kid: string
  readonly role: KeyRole
  /** The raw 32 bytes. */
  readonly publicKey: Uint8Array
  /** Who holds the private half: `gateway`, `host`, `exec-<profile>`, `log`, `operator`. */
  readonly component: string
  /** Believed for this tenant only; absent: for all. */
  readonly tenant?: TenantId
  /** Absent for a pinned root, which has no end but another pin. */
  readonly validity?: KeyValidity
}

export interface KeyQuery {
  readonly role: KeyRole
  readonly component?: string
  readonly tenant?: TenantId
  /**
   * When it was signed, for what is on record; absent: now. `ever`: at some time, for what has no
   * time of its own; a revoked key is not among these.
   */
  readonly at?: number | 'ever'
}

const SKEW_MS = CLOCK_SKEW_MAX_SECONDS * 1000

interface Listed {
  readonly key: PublicKey
  readonly verify: JwsVerifier
}

/** The public keys that are believed, as they are now: a key set that is verified replaces them. */
export class PublicKeys {
  readonly #now: () => number
  #listed: ReadonlyMap<string, Listed> = new Map()

  /** `TypeError` on a key id that comes twice or a key that is not 32 bytes. */
  constructor(keys: readonly PublicKey[], now: () => number = () => systemClock.now()) {
    this.#now = now
    this.replace(keys)
  }

  get keys(): readonly PublicKey[] {
    return [...this.#listed.values()].map(({ key }) => key)
  }

  /** Lookups that were handed out answer by these keys from here on. `TypeError` as above. */
  replace(keys: readonly PublicKey[]): void {
    const listed = new Map<string, Listed>()
    for (const key of keys) {
      // Making a verifier costs as much as a verification.
      const before = this.#listed.get(key.kid)
      const isSame =
        before !== undefined && Buffer.compare(before.key.publicKey, key.publicKey) === 0
      const verify = isSame ? before.verify : verifierOf(key.publicKey)
      if (verify === undefined || listed.has(key.kid)) throw new TypeError('key set')
      listed.set(key.kid, { key, verify })
    }
    this.#listed = listed
  }

  /** The lookup to give to `verifyJws`: only keys of this role (and holder, and tenant), in their time. */
  keyFor(query: KeyQuery): (kid: string) => JwsVerifier | undefined {
    return (kid) => {
      const found = this.#listed.get(kid)
      if (found === undefined || !matches(found.key, query)) return undefined
      return isOfTime(found.key.validity, query.at, this.#now()) ? found.verify : undefined
    }
  }

  /** The entry of a key id, in a role, whatever its time. */
  find(kid: string, role: KeyRole): PublicKey | undefined {
    const found = this.#listed.get(kid)
    return found?.key.role === role ? found.key : undefined
  }
}

function matches(key: PublicKey, query: KeyQuery): boolean {
  if (key.role !== query.role) return false
  if (query.component !== undefined && key.component !== query.component) return false
  return key.tenant === undefined || key.tenant === query.tenant
}

function isOfTime(
  validity: KeyValidity | undefined,
  at: number | 'ever' | undefined,
  now: number,
): boolean {
  if (validity === undefined) return true
  const { notBefore, notAfter, revokedSince } = validity
  if (at === 'ever') return revokedSince === null
  if (revokedSince !== null && (at === undefined || at >= revokedSince)) return false
  const time = at ?? now
  return time >= notBefore - SKEW_MS && (notAfter === null || time < notAfter + SKEW_MS)
}
