import {
  checkKeySet,
  isGatewayGrant,
  type JwsVerifier,
  type KeySet,
  type KeySetRefusal,
  NEWEST_KEY_SET_KEY,
  readKeyRevocation,
  type VerifiedKeySet,
} from '@trustgw/protocol'
import type { Clock } from '../clock/clock.ts'
import { verifierOf } from '../crypto/ed25519.ts'
import { sha256 } from '../crypto/hash.ts'
import { type PublicKey, PublicKeys } from '../crypto/public-keys.ts'
import { FileFault } from '../file/private-file.ts'
import type { Logger } from '../log/logger.ts'
import { LiveCopy } from '../store/live-copy.ts'
import type { RecordStore } from '../store/record-store.ts'
import {
  listedKeys,
  readKeySetFile,
  readRevoked,
  readRoots,
  writeKeySet,
  writeRevoked,
} from './trust-files.ts'

export type KeyBookRefusal =
  | KeySetRefusal
  /** An epoch below the newest one that was verified here, or standing on an older set of the root. */
  | 'key_set_old'
  /** The epoch of the newest one with another content. */
  | 'key_set_conflict'
  /** An epoch so far ahead that none would be left: only the root may sign it. */
  | 'key_set_ahead'

export type KeyNews =
  | { readonly kind: 'set'; readonly epoch: number; readonly by: string }
  | { readonly kind: 'refused'; readonly reason: KeyBookRefusal; readonly detail: string }
  | { readonly kind: 'revoked'; readonly kid: string; readonly reason: string }

export interface KeyBookDeps {
  /** This process's own trust folder; `init` pinned the operator's root in it. */
  readonly dir: string
  readonly clock: Clock
  readonly log: Logger
}

export interface KeyStores {
  /** The bucket `keys`. */
  readonly sets: RecordStore
  /** The bucket `key_revocations`. */
  readonly revocations: RecordStore
}

/** Epochs that a rotation key may go ahead: a stolen one must not use up all that there are. */
const DELEGATE_AHEAD_MAX = 1_024

/**
 * The newest verified key set of a process (spec/protocol.md §4 "Key sets"). Epochs only grow, across
 * restarts too; what was heard to be revoked stays so. Whatever else appears on the bus changes nothing
 * and is told.
 */
export class KeyBook {
  /** A live view: lookups that were handed out answer by the newest set. */
  readonly keys: PublicKeys
  readonly #deps: KeyBookDeps
  readonly #roots: readonly PublicKey[]
  readonly #rootKeyFor: (kid: string) => JwsVerifier | undefined
  readonly #listeners = new Set<(news: KeyNews) => void>()
  #newest: VerifiedKeySet
  #revoked: ReadonlyMap<string, number>
  #refused = ''
  #stores: KeyStores | undefined
  #copies: readonly LiveCopy[] = []
  /** One change at a time, whoever asked for it. */
  #lane: Promise<void> = Promise.resolve()

  private constructor(
    deps: KeyBookDeps,
    own: {
      readonly roots: readonly PublicKey[]
      readonly newest: VerifiedKeySet
      readonly revoked: ReadonlyMap<string, number>
    },
  ) {
    this.#deps = deps
    this.#roots = own.roots
    this.#rootKeyFor = new PublicKeys(own.roots).keyFor({ role: 'operator' })
    this.#newest = own.newest
    this.#revoked = own.revoked
    this.keys = new PublicKeys(this.#listed(), () => deps.clock.now())
  }

  /**
   * Opens a process's own trust folder. `FileFault`: what is missing or damaged there; without its
   * newest set an old one could come back.
   */
  static async open(deps: KeyBookDeps): Promise<KeyBook> {
    const roots = await readRoots(deps.dir)
    const newest = await readKeySetFile(deps.dir, roots)
    if (newest === undefined) throw new FileFault('file_missing', `${deps.dir}: key set`)
    return new KeyBook(deps, { roots, newest, revoked: await readRevoked(deps.dir) })
  }

  get newest(): VerifiedKeySet {
    return this.#newest
  }

  get epoch(): number {
    return this.#newest.set.epoch
  }

  /** Why a key is void although the newest set lists it as active: since when, if it is. */
  revokedSince(kid: string): number | undefined {
    return this.#revoked.get(kid)
  }

  onNews(listener: (news: KeyNews) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Takes up what the bus has and follows it. Rejects with the store's fault. */
  async follow(stores: KeyStores): Promise<void> {
    const { clock, log } = this.#deps
    this.#stores = stores
    const sets = new LiveCopy({
      store: stores.sets,
      clock,
      log,
      name: 'keys',
      reload: async (key) => {
        if (key === NEWEST_KEY_SET_KEY) await this.#readSet()
      },
      reloadAll: () => this.#readSet(),
    })
    const revocations = new LiveCopy({
      store: stores.revocations,
      clock,
      log,
      name: 'key_revocations',
      reload: (key) => this.#readRevocation(key),
      reloadAll: () => this.#readRevocations(),
    })
    this.#copies = [sets, revocations]
    for (const copy of this.#copies) await copy.start()
  }

  /** Looks at the bus at once. */
  refresh(): Promise<void> {
    return this.#readSet()
  }

  async stop(): Promise<void> {
    for (const copy of this.#copies) await copy.stop()
  }

  async #readSet(): Promise<void> {
    const stored = await this.#stores?.sets.get(NEWEST_KEY_SET_KEY)
    if (stored === undefined) return
    await this.#inTurn(() => this.#offer(stored.value))
  }

  async #readRevocation(key: string): Promise<void> {
    const stored = await this.#stores?.revocations.get(key)
    if (stored !== undefined) await this.#inTurn(() => this.#hear(stored.value))
  }

  async #readRevocations(): Promise<void> {
    const stored = (await this.#stores?.revocations.list()) ?? []
    for (const { value } of stored) await this.#inTurn(() => this.#hear(value))
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#lane.then(work)
    this.#lane = turn.catch(() => undefined)
    return turn
  }

  async #offer(bytes: Uint8Array): Promise<void> {
    const refusal = await this.#judge(bytes)
    if (refusal === undefined) return
    const mark = `${sha256(bytes)} ${refusal.reason}`
    if (mark === this.#refused) return
    this.#refused = mark
    this.#deps.log.error('key_set_refused', refusal)
    this.#tell({ kind: 'refused', ...refusal })
  }

  /** Takes a set; why not, if not. */
  async #judge(
    bytes: Uint8Array,
  ): Promise<{ readonly reason: KeyBookRefusal; readonly detail: string } | undefined> {
    const { clock, dir, log } = this.#deps
    const now = clock.now()
    const read = checkKeySet(bytes, { rootKeyFor: this.#rootKeyFor, verifierOf, now })
    if (!read.ok) return { reason: read.reason, detail: read.detail ?? '' }
    const offered = read.value
    if (offered.sealed.set === this.#newest.sealed.set) return undefined
    const problem = orderProblem(offered, this.#newest)
    if (problem !== undefined) return { reason: problem, detail: `epoch ${offered.set.epoch}` }
    await this.#keepRevoked(revokedIn(offered.set))
    await writeKeySet(dir, bytes)
    this.#newest = offered
    this.keys.replace(this.#listed())
    const { by, set } = offered
    log.info('key_set_taken', { epoch: set.epoch, by })
    this.#tell({ kind: 'set', epoch: set.epoch, by })
    // A notice may have come before the key that it is about.
    void this.#readRevocations().catch(() => log.warn('key_revocations_not_read'))
    return undefined
  }

  /** One plane's word that a grant key is void. Whatever does not hold is no word. */
  async #hear(bytes: Uint8Array): Promise<void> {
    const read = readKeyRevocation(new TextDecoder().decode(bytes), (kid) => this.#revokerOf(kid))
    if (!read.ok) {
      this.#deps.log.warn('key_revocation_refused', { detail: read.detail ?? '' })
      return
    }
    const { kid, at, reason } = read.value
    const entry = this.#newest.set.keys.find((key) => key.kid === kid)
    if (entry === undefined || !isGatewayGrant(entry) || this.#revoked.has(kid)) return
    await this.#keepRevoked(new Map([[kid, at]]))
    this.keys.replace(this.#listed())
    this.#deps.log.warn('key_revoked', { kid, reason })
    this.#tell({ kind: 'revoked', kid, reason })
  }

  /** The operator, the host and a gateway may each say it alone. */
  #revokerOf(kid: string): JwsVerifier | undefined {
    return (
      this.#rootKeyFor(kid) ??
      this.keys.keyFor({ role: 'host', component: 'host' })(kid) ??
      this.keys.keyFor({ role: 'audit', component: 'gateway' })(kid)
    )
  }

  async #keepRevoked(more: ReadonlyMap<string, number>): Promise<void> {
    const fresh = [...more].filter(([kid]) => !this.#revoked.has(kid))
    if (fresh.length === 0) return
    const all = new Map([...this.#revoked, ...fresh])
    await writeRevoked(this.#deps.dir, all)
    this.#revoked = all
  }

  #listed(): readonly PublicKey[] {
    return [...this.#roots, ...listedKeys(this.#newest.set.keys, this.#revoked)]
  }

  #tell(news: KeyNews): void {
    for (const listener of this.#listeners) listener(news)
  }
}

function orderProblem(
  offered: VerifiedKeySet,
  newest: VerifiedKeySet,
): 'key_set_old' | 'key_set_conflict' | 'key_set_ahead' | 'key_set_not_allowed' | undefined {
  const { set, by, base_epoch } = offered
  if (set.epoch === newest.set.epoch) return 'key_set_conflict'
  if (set.epoch < newest.set.epoch || base_epoch < newest.base_epoch) return 'key_set_old'
  if (by === 'operator') return undefined
  if (set.epoch > Math.max(newest.set.epoch, base_epoch) + DELEGATE_AHEAD_MAX) {
    return 'key_set_ahead'
  }
  return base_epoch === newest.base_epoch && dropsKeys(newest.set, set)
    ? 'key_set_not_allowed'
    : undefined
}

/** A rotation key takes nothing back of what it said before: no key is forgotten or comes back. */
function dropsKeys(before: KeySet, after: KeySet): boolean {
  const found = new Map(after.keys.map((entry) => [entry.kid, entry]))
  return before.keys.some((entry) => {
    const now = found.get(entry.kid)
    if (now === undefined) return true
    return entry.not_after !== null && (now.not_after === null || now.not_after > entry.not_after)
  })
}

function revokedIn({ keys }: KeySet): ReadonlyMap<string, number> {
  return new Map(
    keys.flatMap(({ kid, status, since }) => (status === 'revoked' ? [[kid, since] as const] : [])),
  )
}
