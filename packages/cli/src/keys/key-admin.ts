import { hashText, OF_NO_TENANT, signKeyRevocation, utf8Encode } from '@trustgw/protocol'
import {
  type BusLink,
  KeyBook,
  KeyPublisher,
  type KeySetSigner,
  type RecordStore,
  type Settings,
  sha256,
  silentLogger,
  systemClock,
} from '@trustgw/runtime'
import { openData } from '../install/data.ts'
import { layoutOf } from '../install/layout.ts'
import { rootSigner } from './signers.ts'

/** The operator's hand on the bucket `keys`, for as long as one command takes. */
export class KeyAdmin {
  readonly book: KeyBook
  readonly publisher: KeyPublisher
  readonly #link: BusLink

  private constructor(link: BusLink, book: KeyBook) {
    const records = recordsOf(link)
    this.#link = link
    this.book = book
    this.publisher = new KeyPublisher({
      book,
      sets: records('keys'),
      offers: records('key_offers'),
      clock: systemClock,
    })
  }

  /** Takes up what the bus has into the operator's own folder. `BusFault` where there is none. */
  static async open(settings: Settings): Promise<KeyAdmin> {
    const book = await operatorBook(settings)
    const link = await openData(settings)
    const records = recordsOf(link)
    await book.follow({ sets: records('keys'), revocations: records('key_revocations') })
    return new KeyAdmin(link, book)
  }

  async close(): Promise<void> {
    await this.book.stop()
    await this.#link.bus.drain()
  }

  /** Says at once, and apart from any set, that a grant key is void. */
  async tellRevoked(
    kid: string,
    reason: string,
    signer: Pick<KeySetSigner, 'kid' | 'sign'>,
  ): Promise<void> {
    const token = signKeyRevocation({ kid, at: Date.now(), reason }, signer)
    // By its own hash, so that nobody can take its place before.
    const key = `${OF_NO_TENANT}.${hashText(sha256, token).slice('sha256:'.length)}`
    await recordsOf(this.#link)('key_revocations').create(key, utf8Encode(token))
  }
}

/** What the operator's own folder knows, without the bus. */
export function operatorBook(settings: Settings): Promise<KeyBook> {
  const dir = layoutOf(settings).operatorTrust
  return KeyBook.open({ dir, clock: systemClock, log: silentLogger })
}

/**
 * Before the services start: what init signed is on the bus. Where that has something newer, what it
 * does not list of what init made is added.
 */
export async function publishKeySet(settings: Settings): Promise<void> {
  const made = (await operatorBook(settings)).newest.set.keys
  const admin = await KeyAdmin.open(settings)
  try {
    await admin.publisher.publishKnown()
    const missing = made.filter(({ kid }) => !isListed(admin.book, kid))
    if (missing.length === 0) return
    const signer = await rootSigner(settings)
    await admin.publisher.publish(({ set }) => ({ keys: [...set.keys, ...missing] }), signer)
  } finally {
    await admin.close()
  }
}

function isListed(book: KeyBook, kid: string): boolean {
  return book.newest.set.keys.some((entry) => entry.kid === kid)
}

function recordsOf(link: BusLink): (bucket: string) => RecordStore {
  return (bucket) => link.records({ home: 'own', bucket })
}
