import type { Clock } from '@trustgw/runtime'

/** Requests of one key: this many at once after a pause, then so many a second. */
export const KEY_BURST_REQUESTS = 4_000
export const KEY_RATE_PER_S = 2_000
/** All keys together. */
export const GLOBAL_BURST_REQUESTS = 10_000
export const GLOBAL_RATE_PER_S = 5_000
/** Requests in progress, waiting ones included. */
export const KEY_CONCURRENT_REQUESTS = 256
export const GLOBAL_CONCURRENT_REQUESTS = 2_048
/** Keys of which the rate is remembered; the one unused longest is forgotten first. */
const KEYS_REMEMBERED = 4_096

export interface RequestLimitSettings {
  readonly keyBurst?: number
  readonly keyPerS?: number
  readonly globalBurst?: number
  readonly globalPerS?: number
  readonly keyConcurrent?: number
  readonly globalConcurrent?: number
}

export type LimitRefusal = 'too_many_requests' | 'too_many_waiting' | 'overloaded'

export type Admission =
  | { readonly ok: true; readonly release: () => void }
  | { readonly ok: false; readonly reason: LimitRefusal }

interface Bucket {
  tokens: number
  at: number
}

interface Rate {
  readonly burst: number
  readonly perS: number
}

/** Rate and concurrency, per key and for all. Memory is bounded whatever callers send. */
export class RequestLimits {
  readonly #clock: Clock
  readonly #keyRate: Rate
  readonly #globalRate: Rate
  readonly #keyConcurrent: number
  readonly #globalConcurrent: number
  readonly #buckets = new Map<string, Bucket>()
  readonly #running = new Map<string, number>()
  readonly #global: Bucket
  #runningAll = 0

  constructor(clock: Clock, settings: RequestLimitSettings = {}) {
    this.#clock = clock
    this.#keyRate = {
      burst: settings.keyBurst ?? KEY_BURST_REQUESTS,
      perS: settings.keyPerS ?? KEY_RATE_PER_S,
    }
    this.#globalRate = {
      burst: settings.globalBurst ?? GLOBAL_BURST_REQUESTS,
      perS: settings.globalPerS ?? GLOBAL_RATE_PER_S,
    }
    this.#keyConcurrent = settings.keyConcurrent ?? KEY_CONCURRENT_REQUESTS
    this.#globalConcurrent = settings.globalConcurrent ?? GLOBAL_CONCURRENT_REQUESTS
    this.#global = { tokens: this.#globalRate.burst, at: clock.now() }
  }

  get running(): number {
    return this.#runningAll
  }

  /** Call `release` once, when the answer is sent or the caller is gone. */
  admit(key: string): Admission {
    const running = this.#running.get(key) ?? 0
    if (running >= this.#keyConcurrent) return { ok: false, reason: 'too_many_waiting' }
    if (this.#runningAll >= this.#globalConcurrent) return { ok: false, reason: 'overloaded' }
    const bucket = this.#bucketOf(key)
    if (!this.#take(bucket, this.#keyRate)) return { ok: false, reason: 'too_many_requests' }
    if (!this.#take(this.#global, this.#globalRate)) return { ok: false, reason: 'overloaded' }
    this.#running.set(key, running + 1)
    this.#runningAll += 1
    let released = false
    const release = (): void => {
      if (released) return
      released = true
      this.#release(key)
    }
    return { ok: true, release }
  }

  #release(key: string): void {
    this.#runningAll -= 1
    const left = (this.#running.get(key) ?? 1) - 1
    if (left <= 0) this.#running.delete(key)
    else this.#running.set(key, left)
  }

  #bucketOf(key: string): Bucket {
    const known = this.#buckets.get(key)
    if (known !== undefined) {
      this.#buckets.delete(key)
      this.#buckets.set(key, known)
      return known
    }
    if (this.#buckets.size >= KEYS_REMEMBERED) {
      const [oldest] = this.#buckets.keys()
      if (oldest !== undefined) this.#buckets.delete(oldest)
    }
    const fresh = { tokens: this.#keyRate.burst, at: this.#clock.now() }
    this.#buckets.set(key, fresh)
    return fresh
  }

  #take(bucket: Bucket, rate: Rate): boolean {
    const now = this.#clock.now()
    const gained = (Math.max(0, now - bucket.at) / 1_000) * rate.perS
    bucket.tokens = Math.min(rate.burst, bucket.tokens + gained)
    bucket.at = now
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }
}
