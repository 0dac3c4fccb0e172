import {
  KEY_OFFER_MAX_BYTES,
  type KeyEntry,
  type KeyOffer,
  NEWEST_KEY_SET_KEY,
  readKeyOffer,
  type SealedKeySet,
  sealedKeySetJson,
  signKeyRevocation,
  storedKey,
  utf8Encode,
  type VerifiedKeySet,
} from '@trustgw/protocol'
import {
  type BusLink,
  KeyBook,
  type KeySetSigner,
  type RecordStore,
  type Settings,
  sealNext,
  sha256,
  silentLogger,
  systemClock,
  verifierOf,
} from '@trustgw/runtime'
import { openData } from '../install/data.ts'
import { layoutOf } from '../install/layout.ts'

const WRITE_TRIES = 8
const [OF_NO_TENANT = ''] = NEWEST_KEY_SET_KEY.split('.')

/** A key set that cannot be put on the bus. */
export class KeyAdminFault extends Error {
  readonly code: 'key_set_contended' | 'key_set_refused'
  constructor(code: KeyAdminFault['code'], message: string) {
    super(message)
    this.name = 'KeyAdminFault'
    this.code = code
  }
}

/** An offer of a gateway, and its token. */
export interface OpenOffer {
  readonly offer: KeyOffer
  readonly token: string
}

/** The operator's hand on the bucket `keys`, for as long as one command takes. */
export class KeyAdmin {
  readonly #link: BusLink
  readonly #book: KeyBook

  private constructor(link: BusLink, book: KeyBook) {
    this.#link = link
    this.#book = book
  }

  /** Takes up what the bus has into the operator's own folder. */
  static async open(settings: Settings): Promise<KeyAdmin> {
    const book = await KeyBook.open({
      dir: layoutOf(settings).operatorTrust,
      clock: systemClock,
      log: silentLogger,
    })
    const link = await openData(settings)
    const records = (bucket: string): RecordStore => link.records({ home: 'own', bucket })
    await book.follow({ sets: records('keys'), revocations: records('key_revocations') })
    return new KeyAdmin(link, book)
  }

  async close(): Promise<void> {
    await this.#book.stop()
    await this.#link.bus.drain()
  }

  get newest(): VerifiedKeySet {
    return this.#book.newest
  }

  /** Since when a key is void that the newest set still lists as active. */
  revokedSince(kid: string): number | undefined {
    return this.#book.revokedSince(kid)
  }

  /** Next keys for which a gateway vouches and which are in no set yet. */
  async offers(): Promise<readonly OpenOffer[]> {
    const stored = await this.#link.records({ home: 'own', bucket: 'key_offers' }).list()
    const { keys } = this.#book
    const auditKeyFor = keys.keyFor({ role: 'audit', component: 'gateway' })
    return stored.flatMap(({ value }) => {
      if (value.length > KEY_OFFER_MAX_BYTES) return []
      const token = new TextDecoder().decode(value)
      const read = readKeyOffer(token, { auditKeyFor, verifierOf })
      if (!read.ok || keys.find(read.value.kid, 'grant') !== undefined) return []
      return [{ offer: read.value, token }]
    })
  }

  /** Signs what `change` makes of the newest set and puts it on the bus; it is followed here too. */
  async publish(
    change: (newest: VerifiedKeySet) => {
      readonly keys: readonly KeyEntry[]
      readonly offers?: readonly string[]
    },
    signer: KeySetSigner,
  ): Promise<VerifiedKeySet> {
    for (let turn = 0; turn < WRITE_TRIES; turn += 1) {
      await this.#book.refresh()
      const { newest } = this.#book
      const next = sealNext(newest, change(newest), { ...signer, now: Date.now() })
      if (!(await this.#write(next, newest))) continue
      await this.#book.refresh()
      if (this.#book.newest.sealed.set === next.set) return this.#book.newest
      throw new KeyAdminFault('key_set_refused', 'this key may not make that change')
    }
    throw new KeyAdminFault('key_set_contended', 'others write key sets at the same time: again')
  }

  /** Puts the set that is known here on the bus where that has none, or an older one. */
  async publishKnown(): Promise<void> {
    await this.#write(this.#book.newest.sealed, this.#book.newest)
  }

  /** Says at once, and apart from any set, that a key is void. */
  async tellRevoked(
    kid: string,
    reason: string,
    signer: Pick<KeySetSigner, 'kid' | 'sign'>,
  ): Promise<void> {
    const value = utf8Encode(signKeyRevocation({ kid, at: Date.now(), reason }, signer))
    const records = this.#link.records({ home: 'own', bucket: 'key_revocations' })
    await records.create(`${OF_NO_TENANT}.${storedKey(sha256, kid)}`, value)
  }

  /** False when somebody else wrote meanwhile. Junk in the place of the newest is written over. */
  async #write(next: SealedKeySet, seen: VerifiedKeySet): Promise<boolean> {
    const records = this.#link.records({ home: 'own', bucket: 'keys' })
    const bytes = utf8Encode(JSON.stringify(sealedKeySetJson(next)))
    const before = await records.get(NEWEST_KEY_SET_KEY)
    if (before === undefined) return (await records.create(NEWEST_KEY_SET_KEY, bytes)).ok
    if (Buffer.compare(before.value, bytes) === 0) return true
    await this.#book.refresh()
    if (this.#book.newest !== seen) return false
    return (await records.replace(NEWEST_KEY_SET_KEY, bytes, before.revision)).ok
  }
}

/** Before the services start: what init signed is on the bus, unless that has something newer. */
export async function publishKeySet(settings: Settings): Promise<void> {
  const admin = await KeyAdmin.open(settings)
  try {
    await admin.publishKnown()
  } finally {
    await admin.close()
  }
}
