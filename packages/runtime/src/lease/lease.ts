import {
  canonicalize,
  countField,
  msField,
  objectShape,
  oneOfShape,
  parseJson,
  readShape,
  type Shape,
  stringShape,
  utf8Encode,
} from '@trustgw/protocol'
import { BusFault } from '../bus/bus.ts'
import type { Clock } from '../clock/clock.ts'
import type { Logger } from '../log/logger.ts'
import type { RecordStore, StoredRecord } from '../store/record-store.ts'

/** What stands in the store. */
export interface LeaseEntry {
  readonly v: 1
  /** Unguessable and unique to one process; empty while nobody holds it. */
  readonly holder: string
  /** Grows with every holder: what a later one wrote is known by it. */
  readonly term: number
  /** Grows with every renewal, so that no two entries are the same bytes. */
  readonly beat: number
  /** How long the holder may rely on a renewal. */
  readonly ms: number
  /** What who gave it up said. */
  readonly note: string
}

export interface LeaseDeps {
  readonly store: Pick<RecordStore, 'get' | 'create' | 'replace'>
  /** `<tenant>.<key>` */
  readonly key: string
  readonly holder: string
  /** How long a holder that says nothing is waited for. Default `LEASE_MS`. */
  readonly ms?: number
  /** Whether an entry may be taken over at once; a holder's own earlier process, for one. */
  readonly mayTake?: (entry: LeaseEntry | undefined) => boolean
  readonly clock: Clock
  readonly log: Logger
  /** It is held from now on, in this term. */
  readonly onHeld: (term: number) => void
  /** It is not held any more; told before anybody else can hold it. */
  readonly onLost: () => void
}

/** A holder that died is replaced after this. */
export const LEASE_MS = 3_000
/** Renewals, and looks at the holder, within the time of a lease. */
const TURNS_PER_LEASE = 4
/** The holder's clock may run slower than the watcher's by this part of the time. */
const OWN_SHARE = 0.8
const HOLDER_MAX_CHARS = 128

const entryShape: Shape<LeaseEntry> = objectShape({
  v: oneOfShape(1),
  holder: stringShape({ max: HOLDER_MAX_CHARS, characters: 'token' }),
  term: countField,
  beat: countField,
  ms: msField,
  note: stringShape({ max: HOLDER_MAX_CHARS }),
})

interface Seen {
  readonly revision: number
  /** By this process's own clock, which nobody can set. */
  readonly since: number
  readonly ms: number
}

interface Held {
  readonly entry: LeaseEntry
  readonly revision: number
  /** Nobody else can hold it before this, by this process's own clock. */
  readonly until: number
}

/**
 * One of several processes that does what only one may do. The holder renews an entry by
 * compare-and-swap; whoever saw the same revision for the whole time of the lease, by its own clock that
 * never jumps, takes it over. No clock is compared with another's. The holder counts its time from
 * before it sent a renewal, and a part less: it stops before another can begin. What only the store can
 * rule out (a holder that sleeps between asking `held` and acting) is for the caller's own
 * compare-and-swap.
 */
export class Lease {
  readonly #deps: LeaseDeps
  readonly #ms: number
  readonly #stopping = new AbortController()
  #seen: Seen | undefined
  #held: Held | undefined
  #cancelEnd: (() => void) | undefined
  #running: Promise<void> | undefined

  constructor(deps: LeaseDeps) {
    this.#deps = deps
    this.#ms = deps.ms ?? LEASE_MS
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** The term in which it is held at this moment; undefined while another may hold it. */
  held(): number | undefined {
    const held = this.#held
    return held !== undefined && this.#deps.clock.uptime() < held.until
      ? held.entry.term
      : undefined
  }

  /** Gives it up at once, for whoever is waiting. */
  async release(note = ''): Promise<void> {
    const held = this.#held
    this.#lose()
    if (held === undefined) return
    const { store, key } = this.#deps
    const free = { ...held.entry, holder: '', beat: held.entry.beat + 1, note }
    try {
      await store.replace(key, bytesOf(free), held.revision)
    } catch (error) {
      if (!(error instanceof BusFault)) throw error
      this.#deps.log.warn('lease_not_released', { key, code: error.code })
    }
  }

  /** Ends, and gives it up. */
  async stop(note = ''): Promise<void> {
    this.#stopping.abort()
    await this.#running
    await this.release(note)
  }

  async #run(): Promise<void> {
    const { clock, key, log } = this.#deps
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        await this.turn()
      } catch (error) {
        if (!(error instanceof BusFault)) throw error
        log.debug('lease_turn_failed', { key, code: error.code })
      }
      await clock.sleep(this.#ms / TURNS_PER_LEASE, signal).catch(() => undefined)
    }
  }

  /** One look: a renewal, a take-over, or nothing. `BusFault` when the store cannot be reached. */
  async turn(): Promise<void> {
    if (this.#held !== undefined) return await this.#renew(this.#held)
    const { store, key } = this.#deps
    const stored = await store.get(key)
    const entry = stored === undefined ? undefined : readEntry(stored)
    if (this.#mayTake(stored, entry)) await this.#take(stored, entry)
  }

  #mayTake(stored: StoredRecord | undefined, entry: LeaseEntry | undefined): boolean {
    const now = this.#deps.clock.uptime()
    const mayTake = this.#deps.mayTake ?? isFree
    if (mayTake(entry)) return true
    if (stored === undefined || entry === undefined || entry.holder === '') return false
    if (this.#seen?.revision !== stored.revision) {
      this.#seen = { revision: stored.revision, since: now, ms: Math.max(entry.ms, this.#ms) }
    }
    return now - this.#seen.since >= this.#seen.ms
  }

  async #take(stored: StoredRecord | undefined, before: LeaseEntry | undefined): Promise<void> {
    const { store, key, holder, onHeld } = this.#deps
    const term = (before?.term ?? 0) + 1
    const entry: LeaseEntry = { v: 1, holder, term, beat: 1, ms: this.#ms, note: '' }
    const until = this.#until()
    const written =
      stored === undefined
        ? await store.create(key, bytesOf(entry))
        : await store.replace(key, bytesOf(entry), stored.revision)
    if (!written.ok || this.#stopping.signal.aborted) return
    this.#hold({ entry, revision: written.revision, until })
    if (this.#held !== undefined) onHeld(term)
  }

  async #renew(held: Held): Promise<void> {
    const { store, key } = this.#deps
    const entry = { ...held.entry, beat: held.entry.beat + 1 }
    const until = this.#until()
    const written = await store.replace(key, bytesOf(entry), held.revision)
    // It was lost, or given up, while the renewal was on its way.
    if (this.#held !== held) return
    if (written.ok) this.#hold({ entry, revision: written.revision, until })
    else this.#lose()
  }

  /** From before anything is sent. */
  #until(): number {
    return this.#deps.clock.uptime() + this.#ms * OWN_SHARE
  }

  #hold(held: Held): void {
    this.#held = held
    this.#cancelEnd?.()
    const left = held.until - this.#deps.clock.uptime()
    if (left <= 0) return this.#lose()
    this.#cancelEnd = this.#deps.clock.setTimer(left, () => this.#lose())
  }

  #lose(): void {
    this.#cancelEnd?.()
    this.#cancelEnd = undefined
    if (this.#held === undefined) return
    this.#held = undefined
    this.#seen = undefined
    this.#deps.onLost()
  }
}

function isFree(entry: LeaseEntry | undefined): boolean {
  return entry === undefined || entry.holder === ''
}

/** What cannot be read is nobody's: it is written over by compare-and-swap. */
function readEntry(stored: StoredRecord): LeaseEntry | undefined {
  const json = parseJson(stored.value)
  const read = json.ok ? readShape(entryShape, json.value) : json
  return read.ok ? read.value : undefined
}

function bytesOf(entry: LeaseEntry): Uint8Array {
  return utf8Encode(canonicalize({ ...entry }))
}
