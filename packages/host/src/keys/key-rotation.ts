import { isGatewayGrant, type KeyEntry, type VerifiedKeySet } from '@trustgw/protocol'
import {
  BusFault,
  type Clock,
  isInUse,
  type KeyBook,
  type KeyChange,
  type KeyPublisher,
  KeySetFault,
  type KeySetSigner,
  type Logger,
  type OpenOffer,
  type RecordStore,
  withRevoked,
  withRotated,
} from '@trustgw/runtime'

/** How often it is looked whether a key is due. */
export const ROTATION_SWEEP_MS = 60_000

export interface KeyRotationDeps {
  readonly book: Pick<KeyBook, 'revokedSince' | 'onNews'>
  readonly publisher: Pick<KeyPublisher, 'offers' | 'publish'>
  /** The bucket `key_offers`, to hear of a new one. */
  readonly offers: Pick<RecordStore, 'watch'>
  /** The rotation key, with the operator's word for it. */
  readonly signer: KeySetSigner
  /** When a key is due, counted from the moment since which it signs. */
  readonly rotateEveryMs: number
  readonly overlapMs: number
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Rotates grant keys by the clock, and puts into the key set what a plane revoked (spec/protocol.md §4
 * "Key sets"). It takes over from a key that is in use, never from one that was revoked or is unknown:
 * whether such a gateway may sign again is the operator's to say.
 */
export class KeyRotation {
  readonly #deps: KeyRotationDeps
  #lane: Promise<void> = Promise.resolve()
  #cancel: (() => void) | undefined
  #stopNews: (() => void) | undefined
  #watch: { stop(): Promise<void> } | undefined
  #stopped = false

  constructor(deps: KeyRotationDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#stopNews = this.#deps.book.onNews(({ kind }) => {
      if (kind === 'revoked') void this.sweep()
    })
    this.#watch = this.#deps.offers.watch(() => void this.sweep())
    this.#again()
    void this.sweep()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancel?.()
    this.#stopNews?.()
    await this.#watch?.stop()
    await this.#lane
  }

  /** Signs a new set where something is due. What fails is tried again at the next sweep. */
  sweep(): Promise<void> {
    this.#lane = this.#lane.then(async () => {
      if (this.#stopped) return
      try {
        await this.#rotate()
      } catch (error) {
        if (!(error instanceof BusFault) && !(error instanceof KeySetFault)) throw error
        this.#deps.log.error('keys_not_rotated', { code: error.code })
      }
    })
    return this.#lane
  }

  #again(): void {
    this.#cancel = this.#deps.clock.setTimer(ROTATION_SWEEP_MS, () => {
      void this.sweep()
      this.#again()
    })
  }

  async #rotate(): Promise<void> {
    const { log, publisher, signer } = this.#deps
    const open = await publisher.offers()
    let changed = false
    const newest = await publisher.publish((set) => {
      const change = this.#due(set, open)
      changed = change !== undefined
      return change
    }, signer)
    if (changed) log.info('key_set_signed', { epoch: newest.set.epoch })
  }

  #due({ set }: VerifiedKeySet, open: readonly OpenOffer[]): KeyChange | undefined {
    const { clock, overlapMs } = this.#deps
    const now = clock.now()
    let keys = this.#withNotices(set.keys, set.issued_at)
    const offers: string[] = []
    for (const { offer, token } of open) {
      const replaced = keys.find(({ kid }) => kid === offer.replaces)
      if (replaced === undefined || !this.#isDue(replaced, now)) continue
      keys = withRotated(keys, offer, { now, overlapMs })
      offers.push(token)
    }
    return keys === set.keys ? undefined : { keys, offers }
  }

  #isDue(entry: KeyEntry, now: number): boolean {
    return isInUse(entry) && now - entry.not_before >= this.#deps.rotateEveryMs
  }

  /** The same list where nobody said anything new. */
  #withNotices(keys: readonly KeyEntry[], issuedAt: number): readonly KeyEntry[] {
    let next = keys
    for (const entry of keys) {
      const since = this.#deps.book.revokedSince(entry.kid)
      if (since === undefined || entry.status === 'revoked' || !isGatewayGrant(entry)) continue
      next = withRevoked(next, entry.kid, Math.max(since, issuedAt))
    }
    return next
  }
}
