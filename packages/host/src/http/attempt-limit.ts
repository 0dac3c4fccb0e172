/** Attempts that may come at once from one address. */
export const ATTEMPT_BURST_COUNT = 60
/** One attempt more per address after this long. */
export const ATTEMPT_REFILL_MS = 1_000
/** Attempts at once from all addresses together. */
export const ATTEMPT_TOTAL_BURST_COUNT = 300
/** One attempt more over all addresses after this long. */
export const ATTEMPT_TOTAL_REFILL_MS = 200
/** Addresses remembered; the one seen longest ago is forgotten first. */
export const ATTEMPT_ADDRESSES_MAX_COUNT = 2_048

interface Bucket {
  tokens: number
  at: number
}

/**
 * Limits sign-in and enrolment attempts of this process (memory is bounded, nothing is shared).
 * Guards processor time and guessing, not availability: a flood from everywhere hits the total.
 */
export class AttemptLimit {
  readonly #buckets = new Map<string, Bucket>()
  readonly #total: Bucket = { tokens: ATTEMPT_TOTAL_BURST_COUNT, at: 0 }

  /** Whether one more attempt from this address may be looked at. `now` in milliseconds. */
  take(address: string, now: number): boolean {
    const known = this.#buckets.get(address)
    const bucket = known ?? { tokens: ATTEMPT_BURST_COUNT, at: now }
    this.#buckets.delete(address)
    this.#buckets.set(address, bucket)
    this.#forgetOldest()
    refill(bucket, now, ATTEMPT_REFILL_MS, ATTEMPT_BURST_COUNT)
    refill(this.#total, now, ATTEMPT_TOTAL_REFILL_MS, ATTEMPT_TOTAL_BURST_COUNT)
    if (bucket.tokens < 1 || this.#total.tokens < 1) return false
    bucket.tokens -= 1
    this.#total.tokens -= 1
    return true
  }

  #forgetOldest(): void {
    if (this.#buckets.size <= ATTEMPT_ADDRESSES_MAX_COUNT) return
    for (const oldest of this.#buckets.keys()) {
      this.#buckets.delete(oldest)
      return
    }
  }
}

function refill(bucket: Bucket, now: number, everyMs: number, most: number): void {
  // A clock set back gives nothing and takes nothing.
  const passed = Math.max(0, now - bucket.at)
  bucket.tokens = Math.min(most, bucket.tokens + passed / everyMs)
  bucket.at = now
}
