import { rm } from 'node:fs/promises'
import {
  base64urlEncode,
  type JwsSigner,
  OF_NO_TENANT,
  signKeyOffer,
  storedKey,
  utf8Encode,
} from '@trustgw/protocol'
import {
  addKeyToFolder,
  BusFault,
  type Clock,
  type KeyBook,
  keyFileIn,
  type Logger,
  loadKeyFolder,
  type NamedKey,
  type Passphrase,
  type RecordStore,
  sha256,
} from '@trustgw/runtime'

/** What signs grants now. */
export interface GrantSigner {
  readonly kid: string
  readonly sign: JwsSigner
}

export interface GrantKeysDeps {
  /** One file a key; the private halves never leave this process. */
  readonly dir: string
  readonly book: Pick<KeyBook, 'keys' | 'onNews'>
  /** Seals what it makes, and opens what is sealed. */
  readonly passphrase: Passphrase
  /** Vouches for what is offered. */
  readonly auditKey: GrantSigner
  /** The bucket `key_offers`. */
  readonly offers: RecordStore
  readonly clock: Clock
  readonly log: Logger
}

/** Before an offer that was not stored is made again. */
const OFFER_RETRY_MS = 5_000

/**
 * The grant keys of this gateway (spec/protocol.md §4 "Key sets"): one signs, the next one is made and
 * offered already. Which of them is believed, the key set says; a key whose time is over is removed.
 */
export class GrantKeys {
  readonly #deps: GrantKeysDeps
  #own: readonly NamedKey[]
  #lane: Promise<void> = Promise.resolve()
  #cancelNews: (() => void) | undefined
  #cancelRetry: (() => void) | undefined
  #stopped = false

  private constructor(deps: GrantKeysDeps, own: readonly NamedKey[]) {
    this.#deps = deps
    this.#own = own
  }

  /** `FileFault` for a key file that cannot be used. */
  static async open(deps: GrantKeysDeps): Promise<GrantKeys> {
    return new GrantKeys(deps, await loadKeyFolder(deps.dir, 'grant', deps.passphrase))
  }

  /** Offers the next key, now and whenever the last offer was taken. */
  async start(): Promise<void> {
    this.#cancelNews = this.#deps.book.onNews((news) => {
      if (news.kind !== 'refused') void this.#tend()
    })
    await this.#tend()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelNews?.()
    this.#cancelRetry?.()
    await this.#lane
  }

  /** The newest own key whose time has begun; undefined while none is believed. */
  current(): GrantSigner | undefined {
    const now = this.#deps.clock.now()
    const inTime = this.#own.flatMap((key) => {
      const validity = this.#deps.book.keys.find(key.kid, 'grant')?.validity
      if (validity === undefined || validity.revokedSince !== null) return []
      const { notBefore, notAfter } = validity
      const isNow = notBefore <= now && (notAfter === null || now < notAfter)
      return isNow ? [{ key, notBefore }] : []
    })
    return inTime.toSorted((a, b) => b.notBefore - a.notBefore)[0]?.key
  }

  #tend(): Promise<void> {
    this.#lane = this.#lane.then(async () => {
      if (this.#stopped) return
      try {
        await this.#removeEnded()
        await this.#offerNext()
      } catch (error) {
        if (!(error instanceof BusFault)) throw error
        this.#deps.log.warn('key_not_offered', { code: error.code })
        this.#cancelRetry?.()
        this.#cancelRetry = this.#deps.clock.setTimer(OFFER_RETRY_MS, () => void this.#tend())
      }
    })
    return this.#lane
  }

  async #removeEnded(): Promise<void> {
    const { book, clock, dir, log } = this.#deps
    const now = clock.now()
    for (const { kid } of this.#own) {
      const validity = book.keys.find(kid, 'grant')?.validity
      if (validity === undefined) continue
      const { notAfter, revokedSince } = validity
      if (revokedSince === null && (notAfter === null || now < notAfter)) continue
      await rm(keyFileIn(dir, kid), { force: true })
      this.#own = this.#own.filter((key) => key.kid !== kid)
      log.info('grant_key_removed', { kid })
    }
  }

  async #offerNext(): Promise<void> {
    const { auditKey, book, clock, dir, offers, passphrase } = this.#deps
    for (const { kid } of this.#own) if (isListed(book, kid)) await this.#withdraw(kid)
    const waiting = this.#own.find(({ kid }) => !isListed(book, kid))
    const next = waiting ?? (await addKeyToFolder(dir, 'grant', passphrase))
    if (waiting === undefined) this.#own = [...this.#own, next]
    const offer = {
      kid: next.kid,
      public_key: base64urlEncode(next.publicKey),
      replaces: this.#newestListed(),
      offered_at: clock.now(),
    }
    const value = utf8Encode(signKeyOffer(offer, { sign: next.sign, audit: auditKey }))
    const key = offerKey(next.kid)
    const stored = await offers.get(key)
    if (stored === undefined) await offers.create(key, value)
    else await offers.replace(key, value, stored.revision)
  }

  async #withdraw(kid: string): Promise<void> {
    const stored = await this.#deps.offers.get(offerKey(kid))
    if (stored !== undefined) await this.#deps.offers.remove(stored.key, stored.revision)
  }

  /** The key from which an offered one takes over: the last one that was listed and has no end. */
  #newestListed(): string | null {
    const listed = this.#own.flatMap(({ kid }) => {
      const validity = this.#deps.book.keys.find(kid, 'grant')?.validity
      const isInUse = validity?.notAfter === null && validity.revokedSince === null
      return isInUse ? [{ kid, notBefore: validity.notBefore }] : []
    })
    return listed.toSorted((a, b) => b.notBefore - a.notBefore)[0]?.kid ?? null
  }
}

function isListed(book: GrantKeysDeps['book'], kid: string): boolean {
  return book.keys.find(kid, 'grant') !== undefined
}

const offerKey = (kid: string): string => `${OF_NO_TENANT}.${storedKey(sha256, kid)}`
