import { join } from 'node:path'
import {
  FREEZE_NOTICES_MAX,
  type Freezable,
  type FreezeNotice,
  type FreezeStatement,
  freezeKey,
  type Hash,
  isCovered,
  type Result,
  readFreezeNotice,
  type Sha256,
  type TenantId,
  type UnverifiedNotice,
} from '@trustgw/protocol'
import { BusFault } from '../bus/bus.ts'
import type { Clock } from '../clock/clock.ts'
import { type Disk, nodeDisk } from '../file/disk.ts'
import { FileFault, makePrivateDir } from '../file/private-file.ts'
import type { Logger } from '../log/logger.ts'
import { LiveCopy } from '../store/live-copy.ts'
import type { RecordStore } from '../store/record-store.ts'
import { readNoticeFile, writeNoticeFile } from './freeze-files.ts'
import { noticesIn } from './freeze-inbox.ts'

/** Between two looks at the inbox. */
export const FREEZE_LOOK_EVERY_MS = 1_000
/** Between two looks at what waits for a pin, or for a key of a newer set. */
export const FREEZE_RETRY_MS = 5_000
/** Between two looks at the bucket that beats bring about. */
const CATCH_UP_EVERY_MS = 250

/** A freeze that no thaw has ended. */
export interface StandingFreeze {
  readonly hash: Hash
  readonly statement: FreezeStatement
  readonly reason: string
  /** Who vouched for it: `operator`, `host`, `gateway`, `person <id>`, or `host for <id>`. */
  readonly vouched: string
  /** It says so, and who vouched for it may say so: no thaw ends it. */
  readonly isFinal: boolean
}

export type FreezeNews =
  | { readonly kind: 'frozen'; readonly freeze: StandingFreeze }
  | { readonly kind: 'thawed'; readonly hash: Hash; readonly by: string; readonly vouched: string }
  | { readonly kind: 'refused'; readonly reason: string; readonly detail: string }

export interface FreezeBookDeps {
  readonly tenants: readonly TenantId[]
  /** The bucket `freezes`. */
  readonly records: RecordStore
  /** A folder of the reader's own: what it believed once outlives it there. */
  readonly dir: string
  /** What the folder is on. Default the machine's own disk. */
  readonly disk?: Disk
  /** A folder into which the operator puts notices while the bus is out of reach. */
  readonly inbox?: string
  /** Who vouches for a notice that is new here, and whether that one may say it. */
  readonly verify: (notice: UnverifiedNotice) => Promise<Result<string>>
  readonly news: (tenant: TenantId, news: FreezeNews) => void
  readonly sha256: Sha256
  readonly clock: Clock
  readonly log: Logger
}

interface Entry {
  readonly notice: FreezeNotice
  readonly hash: Hash
  readonly vouched: string
}

/** What one reader knows of a tenant. */
interface Known {
  readonly entries: Map<Hash, Entry>
  /** Hashes of the freezes that a thaw names. */
  readonly thawed: Set<Hash>
  /** Sealed freezes that the bucket showed, which is what the beat counts. */
  readonly counted: Set<Hash>
  /** There were more than are kept. */
  isOverfull: boolean
}

/**
 * The freezes and thaws that a process believes (spec/protocol.md §4 "Freeze and thaw"). Each is on its
 * own disk before it is believed, so that a freeze stands until a valid thaw of it was seen, whatever
 * the bucket says later.
 */
export class FreezeBook {
  readonly #deps: FreezeBookDeps
  readonly #disk: Disk
  readonly #known: ReadonlyMap<TenantId, Known>
  readonly #copy: LiveCopy
  readonly #listeners = new Set<() => void>()
  /** What was refused, by hash, so that it is told once. */
  readonly #refused = new Map<string, string>()
  /** One notice at a time, whoever brought it. */
  #lane: Promise<void> = Promise.resolve()
  #cancelLook: (() => void) | undefined
  #retriedAt = 0
  #isStopped = false
  #catching: { readonly at: number; readonly done: Promise<void> } | undefined

  constructor(deps: FreezeBookDeps) {
    const { tenants, records, clock, log } = deps
    this.#deps = deps
    this.#disk = deps.disk ?? nodeDisk
    this.#known = new Map(tenants.map((tenant) => [tenant, emptyKnown()]))
    this.#copy = new LiveCopy({
      store: records,
      clock,
      log,
      name: 'freezes',
      reload: (key) => this.#readKey(key),
      reloadAll: () => this.#readAll(),
    })
  }

  /**
   * Takes up what was believed before, then inbox and bucket, and follows them. `FileFault` for an own
   * file that cannot be read: without it a freeze could be forgotten.
   */
  async start(): Promise<void> {
    const { dir, tenants, inbox } = this.#deps
    await makePrivateDir(dir, this.#disk)
    for (const tenant of tenants) await this.#takeUp(tenant)
    if (inbox !== undefined) await makePrivateDir(inbox, this.#disk)
    await this.#readInbox()
    await this.#copy.start()
    this.#lookLater()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelLook?.()
    await this.#copy.stop()
    await this.#lane
  }

  /** What stands still, the oldest first. */
  standing(tenant: TenantId): readonly StandingFreeze[] {
    const known = this.#known.get(tenant)
    if (known === undefined) return []
    const found = [...known.entries.values()].flatMap((entry) => asStanding(entry, known))
    return found.toSorted((left, right) => left.statement.at - right.statement.at)
  }

  /** Whether something keeps an action from starting; also where more was said than is kept. */
  isFrozen(tenant: TenantId, action: Freezable): boolean {
    if (this.#known.get(tenant)?.isOverfull === true) return true
    return this.standing(tenant).some(({ statement }) => isCovered(statement, action))
  }

  /** Whether something was revoked for good that covers what is known here of an action. */
  isRevoked(tenant: TenantId, action: Partial<Freezable>): boolean {
    return this.standing(tenant).some(
      ({ statement, isFinal }) => isFinal && isCovered(statement, action),
    )
  }

  /** Calls at each freeze and thaw that is believed from now on; the returned function ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** How many freezes of a tenant the bucket showed here under a plane's seal. */
  count(tenant: TenantId): number {
    return this.#known.get(tenant)?.counted.size ?? 0
  }

  counts(): { readonly [tenant: string]: number } {
    return Object.fromEntries(this.#deps.tenants.map((tenant) => [tenant, this.count(tenant)]))
  }

  /** Reads the bucket at once; now and then at most, whoever asks how often. Never rejects. */
  catchUp(): Promise<void> {
    const now = this.#deps.clock.uptime()
    const last = this.#catching
    if (last !== undefined && now - last.at < CATCH_UP_EVERY_MS) return last.done
    const done = this.#readAll().catch((error: unknown) => this.#warn(error))
    this.#catching = { at: now, done }
    return done
  }

  /** Takes a notice that this process has made or was handed; why not, if not. `FileFault`. */
  offer(bytes: Uint8Array): Promise<Result<Hash>> {
    return this.#inTurn(() => this.#take(bytes, false))
  }

  async #takeUp(tenant: TenantId): Promise<void> {
    const known = this.#known.get(tenant)
    const file = this.#file(tenant)
    for (const { vouched, bytes } of await readNoticeFile(file, this.#disk)) {
      const read = readFreezeNotice(bytes, this.#deps.sha256)
      if (!read.ok || read.value.notice.statement.tenant !== tenant) {
        throw new FileFault('file_malformed', file)
      }
      if (known !== undefined) believe(known, { ...read.value, vouched })
    }
  }

  async #readKey(key: string): Promise<void> {
    const stored = await this.#deps.records.get(key)
    if (stored !== undefined) await this.#inTurn(() => this.#take(stored.value, true))
  }

  async #readAll(): Promise<void> {
    for (const tenant of this.#deps.tenants) {
      for (const { value } of await this.#deps.records.list(tenant)) {
        await this.#inTurn(() => this.#take(value, true))
      }
    }
  }

  async #readInbox(): Promise<void> {
    const { inbox } = this.#deps
    if (inbox === undefined) return
    for (const bytes of await noticesIn(inbox, this.#deps.log)) {
      await this.#inTurn(() => this.#take(bytes, false))
    }
  }

  #lookLater(): void {
    if (this.#isStopped) return
    this.#cancelLook = this.#deps.clock.setTimer(FREEZE_LOOK_EVERY_MS, () => {
      void this.#look().finally(() => this.#lookLater())
    })
  }

  async #look(): Promise<void> {
    try {
      await this.#readInbox()
      const now = this.#deps.clock.uptime()
      if (this.#refused.size === 0 || now - this.#retriedAt < FREEZE_RETRY_MS) return
      this.#retriedAt = now
      await this.#readAll()
    } catch (error) {
      this.#warn(error)
    }
  }

  #warn(error: unknown): void {
    const isKnown = error instanceof BusFault || error instanceof FileFault
    this.#deps.log.warn('freezes_not_read', { code: isKnown ? error.code : String(error) })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lane.then(work)
    this.#lane = turn.then(
      () => undefined,
      () => undefined,
    )
    return turn
  }

  async #take(bytes: Uint8Array, isOnBus: boolean): Promise<Result<Hash>> {
    const { sha256, verify } = this.#deps
    const read = readFreezeNotice(bytes, sha256)
    if (!read.ok) return this.#refuse(sha256(bytes), read)
    const { notice, hash } = read.value
    const { statement } = notice
    const known = this.#known.get(statement.tenant)
    if (known === undefined) return { ok: false, reason: 'freeze_other_tenant' }
    if (!known.entries.has(hash)) {
      const verified = await verify(read.value)
      if (!verified.ok) return this.#refuse(hash, verified)
      if (known.entries.size >= FREEZE_NOTICES_MAX) return this.#overflow(known, hash)
      await this.#keep(known, { ...read.value, vouched: verified.value })
    }
    if (isOnBus && statement.typ === 'trustgw/freeze/1' && notice.seal !== null) {
      known.counted.add(hash)
    }
    return { ok: true, value: hash }
  }

  async #keep(known: Known, entry: Entry): Promise<void> {
    const { notice, hash } = entry
    const { statement } = notice
    this.#refused.delete(hash)
    await writeNoticeFile(
      this.#file(statement.tenant),
      [...known.entries.values(), entry],
      this.#disk,
    )
    believe(known, entry)
    this.#tell(entry, known)
    for (const listener of this.#listeners) listener()
  }

  #tell(entry: Entry, known: Known): void {
    const { statement } = entry.notice
    if (statement.typ === 'trustgw/thaw/1') {
      const { freeze_hash, by } = statement
      const { vouched } = entry
      this.#deps.news(statement.tenant, { kind: 'thawed', hash: freeze_hash, by, vouched })
      return
    }
    const [freeze] = asStanding(entry, known)
    if (freeze !== undefined) this.#deps.news(statement.tenant, { kind: 'frozen', freeze })
  }

  #overflow(known: Known, hash: Hash): Result<Hash> {
    known.isOverfull = true
    return this.#refuse(hash, { ok: false, reason: 'freezes_full' })
  }

  #refuse(
    mark: string,
    {
      reason,
      detail = '',
    }: { readonly ok: false; readonly reason: string; readonly detail?: string },
  ): Result<Hash> {
    if (this.#refused.get(mark) !== reason && this.#refused.size < FREEZE_NOTICES_MAX) {
      this.#refused.set(mark, reason)
      this.#deps.log.warn('freeze_refused', { reason, detail })
      for (const tenant of this.#deps.tenants) {
        this.#deps.news(tenant, { kind: 'refused', reason, detail })
      }
    }
    return { ok: false, reason, detail }
  }

  #file(tenant: TenantId): string {
    return join(this.#deps.dir, `${tenant}.ndjson`)
  }
}

function emptyKnown(): Known {
  return { entries: new Map(), thawed: new Set(), counted: new Set(), isOverfull: false }
}

function believe({ entries, thawed }: Known, entry: Entry): void {
  entries.set(entry.hash, entry)
  const { statement } = entry.notice
  if (statement.typ === 'trustgw/thaw/1') thawed.add(statement.freeze_hash)
}

function asStanding({ notice, hash, vouched }: Entry, known: Known): readonly StandingFreeze[] {
  const { statement, reason } = notice
  if (statement.typ !== 'trustgw/freeze/1') return []
  const isFinal = isForGood(statement, vouched)
  return known.thawed.has(hash) && !isFinal ? [] : [{ hash, statement, reason, vouched, isFinal }]
}

/** Whether no thaw ends this freeze. One plane's word alone stops, and stops nothing for good. */
export function isForGood(statement: FreezeStatement, vouched: string): boolean {
  return statement.final === true && vouched !== 'host' && vouched !== 'gateway'
}

/** Puts a notice on the bus, for good. False where its place is taken. `BusFault`. */
export async function storeNotice(
  records: RecordStore,
  { notice, hash }: UnverifiedNotice,
  bytes: Uint8Array,
): Promise<boolean> {
  return (await records.create(freezeKey(notice.statement.tenant, hash), bytes)).ok
}
