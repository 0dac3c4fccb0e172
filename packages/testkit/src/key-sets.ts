import { join } from 'node:path'
import {
  base64urlEncode,
  type KeyEntry,
  type KeySet,
  type SealedKeySet,
  sealedKeySetJson,
  signKeyDelegation,
  signKeySet,
  utf8Encode,
} from '@trustgw/protocol'
import {
  type GeneratedKey,
  generateSigningKey,
  keyIdOf,
  loadKeyFolder,
  loadTrust,
  type NamedKey,
  type PublicKey,
  pinRoots,
  writeKeySet,
} from '@trustgw/runtime'

const DAY_MS = 86_400_000

/** A key with the id that it would have. */
export function namedKey(role: string): NamedKey {
  const key: GeneratedKey = generateSigningKey()
  return { kid: keyIdOf(role, key.publicKey), publicKey: key.publicKey, sign: key.sign }
}

/** An entry of a key set, active and without an end but for what is changed. */
export function keyEntry(
  key: Pick<NamedKey, 'kid' | 'publicKey'>,
  of: Pick<KeyEntry, 'role' | 'component'> & Partial<KeyEntry>,
): KeyEntry {
  return {
    kid: key.kid,
    public_key: base64urlEncode(key.publicKey),
    tenant: null,
    not_before: 0,
    not_after: null,
    status: 'active',
    since: 0,
    ...of,
  }
}

/** An operator of a test. */
export class TestOperator {
  readonly key: NamedKey

  constructor(key: NamedKey = namedKey('operator')) {
    this.key = key
  }

  get root(): PublicKey {
    const { kid, publicKey } = this.key
    return { kid, publicKey, role: 'operator', component: 'operator' }
  }

  sealed(
    keys: readonly KeyEntry[],
    head: Partial<Pick<KeySet, 'epoch' | 'issued_at'>> = {},
  ): SealedKeySet {
    const set: KeySet = { v: 1, epoch: 1, issued_at: Date.now(), keys, ...head }
    return { v: 1, set: signKeySet(set, this.key), delegation: null, base: null, offers: [] }
  }

  /** A rotation key's delegation, for a day from `from` on. */
  delegation(rotation: Pick<NamedKey, 'kid' | 'publicKey'>, from: number = Date.now()): string {
    const public_key = base64urlEncode(rotation.publicKey)
    const times = { not_before: from, not_after: from + DAY_MS }
    return signKeyDelegation(
      { kid: rotation.kid, public_key, roles: ['grant'], ...times },
      this.key,
    )
  }

  /** A trust folder as `init` leaves it. */
  async fill(dir: string, sealed: SealedKeySet): Promise<void> {
    await pinRoots(dir, [this.root])
    await writeKeySet(dir, sealedBytes(sealed))
  }
}

export function sealedBytes(sealed: SealedKeySet): Uint8Array {
  return utf8Encode(JSON.stringify(sealedKeySetJson(sealed)))
}

/** The key with which the gateway of a system on this machine signs, as a thief would take it. */
export async function stolenGrantKey(stateDir: string): Promise<NamedKey> {
  const listed = (await loadTrust(join(stateDir, 'gateway', 'trust'))).keyFor({ role: 'grant' })
  const keys = await loadKeyFolder(join(stateDir, 'gateway', 'grant'), 'grant')
  const found = keys.find(({ kid }) => listed(kid) !== undefined)
  if (found === undefined) throw new Error('the gateway has no key that is believed')
  return found
}
