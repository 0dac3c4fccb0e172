/** Ceremonies open at once; the oldest is dropped for a new one. */
export const CEREMONIES_MAX_COUNT = 1_024
/** How long a person has from the begin of a ceremony to its end. */
export const CEREMONY_TTL_MS: number = 5 * 60_000

interface Entry<T> {
  readonly value: T
  readonly expiresAt: number
}

/**
 * Open ceremonies by an unguessable id, in memory: a restart ends them and people begin again.
 * Each is taken at most once, whatever comes of it, so that no answer can be replayed.
 */
export class CeremonyBook<T> {
  readonly #entries = new Map<string, Entry<T>>()
  readonly #maxCount: number

  constructor(maxCount: number = CEREMONIES_MAX_COUNT) {
    this.#maxCount = maxCount
  }

  open(id: string, value: T, expiresAt: number): void {
    if (this.#entries.size >= this.#maxCount) this.#dropOldest()
    this.#entries.set(id, { value, expiresAt })
  }

  /** The ceremony, once; `undefined` when unknown, used or expired. */
  take(id: string, now: number): T | undefined {
    const entry = this.#entries.get(id)
    this.#entries.delete(id)
    return entry !== undefined && now < entry.expiresAt ? entry.value : undefined
  }

  /** The same without taking it, for what is used more than once. */
  find(id: string, now: number): T | undefined {
    const entry = this.#entries.get(id)
    return entry !== undefined && now < entry.expiresAt ? entry.value : undefined
  }

  get size(): number {
    return this.#entries.size
  }

  #dropOldest(): void {
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest)
      return
    }
  }
}
