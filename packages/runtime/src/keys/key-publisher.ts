import {
  KEY_OFFER_MAX_BYTES,
  type KeyEntry,
  type KeyOffer,
  NEWEST_KEY_SET_KEY,
  readKeyOffer,
  type SealedKeySet,
  sealedKeySetJson,
  utf8Encode,
  type VerifiedKeySet,
} from '@trustgw/protocol'
import type { Clock } from '../clock/clock.ts'
import { verifierOf } from '../crypto/ed25519.ts'
import type { RecordStore } from '../store/record-store.ts'
import type { KeyBook } from './key-book.ts'
import { type KeySetSigner, sealNext } from './next-key-set.ts'

const WRITE_TRIES = 8

/** A key set that cannot be put on the bus. */
export class KeySetFault extends Error {
  readonly code: 'key_set_contended' | 'key_set_refused'
  constructor(code: KeySetFault['code'], message: string) {
    super(message)
    this.name = 'KeySetFault'
    this.code = code
  }
}

/** An offer of a gateway, and its token. */
export interface OpenOffer {
  readonly offer: KeyOffer
  readonly token: string
}

export interface KeyChange {
  readonly keys: readonly KeyEntry[]
  /** Of keys that are new in it. */
  readonly offers?: readonly string[]
}

export interface KeyPublisherDeps {
  readonly book: KeyBook
  /** The bucket `keys`. */
  readonly sets: RecordStore
  /** The bucket `key_offers`. */
  readonly offers: RecordStore
  readonly clock: Clock
}

/** Who may sign key sets, at the bus: the operator's commands and the holder of the rotation key. */
export class KeyPublisher {
  readonly #deps: KeyPublisherDeps

  constructor(deps: KeyPublisherDeps) {
    this.#deps = deps
  }

  /** Next keys for which a gateway vouches and which are in no set yet. */
  async offers(): Promise<readonly OpenOffer[]> {
    const { keys } = this.#deps.book
    const auditKeyFor = keys.keyFor({ role: 'audit', component: 'gateway' })
    return (await this.#deps.offers.list()).flatMap(({ value }) => {
      if (value.length > KEY_OFFER_MAX_BYTES) return []
      const token = new TextDecoder().decode(value)
      const read = readKeyOffer(token, { auditKeyFor, verifierOf })
      if (!read.ok || keys.find(read.value.kid, 'grant') !== undefined) return []
      return [{ offer: read.value, token }]
    })
  }

  /**
   * Signs what `change` makes of the newest set (undefined: nothing) and puts it on the bus, where this
   * reader takes it like any other. `KeySetFault`, `BusFault`.
   */
  async publish(
    change: (newest: VerifiedKeySet) => KeyChange | undefined,
    signer: KeySetSigner,
  ): Promise<VerifiedKeySet> {
    const { book, clock } = this.#deps
    for (let turn = 0; turn < WRITE_TRIES; turn += 1) {
      await book.refresh()
      const { newest } = book
      const changed = change(newest)
      if (changed === undefined) return newest
      const next = sealNext(newest, changed, { ...signer, now: clock.now() })
      if (!(await this.#write(next, newest))) continue
      await book.refresh()
      if (book.newest.sealed.set === next.set) return book.newest
      throw new KeySetFault('key_set_refused', 'this key may not make that change')
    }
    throw new KeySetFault('key_set_contended', 'others write key sets at the same time: again')
  }

  /** Puts the set that is known here on the bus where that has none, or nothing that holds. */
  async publishKnown(): Promise<void> {
    const { newest } = this.#deps.book
    await this.#write(newest.sealed, newest)
  }

  /** False when somebody else wrote meanwhile. Junk in the place of the newest is written over. */
  async #write(next: SealedKeySet, seen: VerifiedKeySet): Promise<boolean> {
    const { book, sets } = this.#deps
    const bytes = utf8Encode(JSON.stringify(sealedKeySetJson(next)))
    const before = await sets.get(NEWEST_KEY_SET_KEY)
    if (before === undefined) return (await sets.create(NEWEST_KEY_SET_KEY, bytes)).ok
    if (Buffer.compare(before.value, bytes) === 0) return true
    await book.refresh()
    if (book.newest !== seen) return false
    return (await sets.replace(NEWEST_KEY_SET_KEY, bytes, before.revision)).ok
  }
}
