import type { RecordStore } from '@trustgw/runtime'
import { type Entries, readCounter, writeCounter } from './counter.ts'

/** Counters whose last form is remembered. */
const REMEMBERED_MAX = 128

/** What a counter holds, and by what it is replaced. */
export interface StoredCounter {
  readonly entries: Entries
  /** Undefined where there is none yet. */
  readonly revision: number | undefined
  /** Whether it was read just now; else it is what this process last wrote. */
  readonly isFresh: boolean
}

/**
 * Counters as records. What this process wrote last need not be read again to be replaced: if somebody
 * else changed it meanwhile, the revision does not fit. Throws `BusFault`.
 */
export class CounterStore {
  readonly #store: RecordStore
  readonly #latest = new Map<string, StoredCounter>()

  constructor(store: RecordStore) {
    this.#store = store
  }

  /** Undefined for a record that this version did not write: it is left alone. */
  async get(key: string, fresh: boolean): Promise<StoredCounter | undefined> {
    const known = fresh ? undefined : this.#latest.get(key)
    if (known !== undefined) return known
    const stored = await this.#store.get(key)
    if (stored === undefined) return { entries: [], revision: undefined, isFresh: true }
    const entries = readCounter(stored.value)
    return entries === undefined ? undefined : { entries, revision: stored.revision, isFresh: true }
  }

  /** False when it is not as it was any more. */
  async replace(key: string, entries: Entries, revision: number | undefined): Promise<boolean> {
    this.#latest.delete(key)
    const value = writeCounter(entries)
    const written =
      revision === undefined
        ? await this.#store.create(key, value)
        : await this.#store.replace(key, value, revision)
    if (!written.ok) return false
    this.#latest.set(key, { entries, revision: written.revision, isFresh: false })
    if (this.#latest.size > REMEMBERED_MAX) {
      const oldest = this.#latest.keys().next()
      if (oldest.done !== true) this.#latest.delete(oldest.value)
    }
    return true
  }
}
