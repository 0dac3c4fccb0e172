import type { Counter, Counting } from '@trustgw/core'
import { type ActionId, hashJson, type Sha256, storedKey, type TenantId } from '@trustgw/protocol'
import { BusFault, type Clock, type RecordStore } from '@trustgw/runtime'
import type { Recalled } from '../action/action-store.ts'
import type { Locks } from '../action/locks.ts'
import { aheadOf, type Entries, type Fate, type Held, settled, withPlace } from './counter.ts'
import { CounterStore, type StoredCounter } from './counter-store.ts'
import { fateOf } from './fate.ts'
import type { Pause } from './pause.ts'

/** From its decision on an action is stored within this, or not at all. */
export const STORE_WITHIN_MS = 30_000
/** An action is stored well before its place is this old; then it is asked what became of it. */
export const PLACE_UNSETTLED_MS = 60_000
/** Actions that are asked after for one look at a counter. */
const ASKED_MAX = 16
/** Answers that are remembered: an open action is asked after again only after a while. */
const ANSWERS_MAX = 8_192
const CHANGE_TRIES = 64

/** Whose limit: in the layers `workspace` and `agent` each has limits of its own. */
export interface ScopedCounting extends Counting {
  readonly scope: string | null
}

/** One counter as it was read for a decision. */
export interface CounterView extends StoredCounter {
  readonly key: string
  readonly counting: ScopedCounting
  readonly counter: Counter
}

export interface LedgerDeps {
  readonly store: RecordStore
  readonly action: (tenant: TenantId, id: ActionId) => Promise<Recalled>
  readonly sha256: Sha256
  readonly clock: Clock
  readonly pause: Pause
  /** One change of a counter at a time in this process: others are met by compare-and-swap. */
  readonly locks: Locks
}

/**
 * Counters of limits in the bucket `limits`, one record each, changed by compare-and-swap, so that
 * any number of gateways count in one (spec/policy.md "Limits"). Throws `BusFault` when the store
 * cannot be reached.
 */
export class Ledger {
  readonly #deps: LedgerDeps
  readonly #counters: CounterStore
  readonly #answers = new Map<string, { readonly fate: Fate; readonly asked_at: number }>()

  constructor(deps: LedgerDeps) {
    this.#deps = deps
    this.#counters = new CounterStore(deps.store)
  }

  key(tenant: TenantId, { counter, scope, key }: ScopedCounting): string {
    const { sha256 } = this.#deps
    const name = hashJson(sha256, { counter, scope, key: key.map((part) => [...part]) })
    return `${tenant}.${storedKey(sha256, 'c', name)}`
  }

  /**
   * What a counter holds for one action; with `fresh` it is read from the store, else it may be what
   * this process last wrote, which only taking a place proves to be so still. Undefined for a counter
   * that holds what this version did not write.
   */
  async view(
    key: string,
    counting: ScopedCounting,
    of: { readonly tenant: TenantId; readonly action: ActionId; readonly fresh: boolean },
  ): Promise<CounterView | undefined> {
    const stored = await this.#counters.get(key, of.fresh)
    if (stored === undefined) return undefined
    const entries = await this.#swept(stored.entries, { ...of, key })
    const { window_ms, max_amount, amount } = counting
    const now = this.#deps.clock.now()
    const currency = max_amount?.currency ?? null
    const counter = aheadOf(entries, { action: of.action, now, window_ms, amount, currency })
    return { ...stored, key, counting, counter, entries }
  }

  /** Takes a place, if the counter is still as it was read. */
  async take(
    { key, counting, entries, revision }: CounterView,
    of: { readonly action: ActionId; readonly attempt: string },
  ): Promise<'taken' | 'conflict' | 'full'> {
    const now = this.#deps.clock.now()
    const place: Held = { kind: 'held', ...of, at: now, amount: counting.amount }
    const next = withPlace(entries, place, { now, window_ms: counting.window_ms })
    if (next === null) return 'full'
    return (await this.#counters.replace(key, next, revision)) ? 'taken' : 'conflict'
  }

  /** Gives a decision's places back, or turns them into what ran. Idempotent. */
  async settle(keys: readonly string[], attempt: string, fate: Fate): Promise<void> {
    const change = (entries: Entries): Entries => settled(entries, attempt, fate)
    for (const key of keys) await this.#deps.locks.run(key, () => this.#change(key, change))
  }

  async #change(key: string, change: (entries: Entries) => Entries): Promise<void> {
    let fresh = false
    for (let turn = 1; turn <= CHANGE_TRIES; turn += 1) {
      const stored = await this.#counters.get(key, fresh)
      if (stored === undefined) return
      const next = change(stored.entries)
      if (next === stored.entries && stored.isFresh) return
      if (next !== stored.entries) {
        if (await this.#counters.replace(key, next, stored.revision)) return
        await this.#deps.pause(turn)
      }
      fresh = true
    }
    throw new BusFault('store_ambiguous', 'a counter is contended')
  }

  /**
   * Places whose actions ended, or never came to be, while nobody was there to settle them. What is
   * found is written together with the next place that is taken.
   */
  async #swept(
    entries: Entries,
    of: { readonly tenant: TenantId; readonly action: ActionId; readonly key: string },
  ): Promise<Entries> {
    const { tenant, key } = of
    const now = this.#deps.clock.now()
    const old = entries.filter(
      (entry): entry is Held =>
        entry.kind === 'held' && entry.action !== of.action && now - entry.at >= PLACE_UNSETTLED_MS,
    )
    const nameOf = ({ attempt }: Held): string => `${key} ${attempt}`
    const asked = old.filter((place) => !this.#isAnswered(nameOf(place), now)).slice(0, ASKED_MAX)
    await Promise.all(
      asked.map(async (place) => {
        const record = await this.#deps.action(tenant, place.action)
        this.#remember(
          nameOf(place),
          fateOf(record, { key, attempt: place.attempt, at: place.at, now }),
        )
      }),
    )
    return old.reduce((left, place) => {
      const answer = this.#answers.get(nameOf(place))
      return answer === undefined ? left : settled(left, place.attempt, answer.fate)
    }, entries)
  }

  #isAnswered(place: string, now: number): boolean {
    const answer = this.#answers.get(place)
    if (answer === undefined) return false
    return answer.fate.kind !== 'open' || now - answer.asked_at < PLACE_UNSETTLED_MS
  }

  #remember(place: string, fate: Fate): void {
    this.#answers.delete(place)
    this.#answers.set(place, { fate, asked_at: this.#deps.clock.now() })
    if (this.#answers.size <= ANSWERS_MAX) return
    const oldest = this.#answers.keys().next()
    if (oldest.done !== true) this.#answers.delete(oldest.value)
  }
}
