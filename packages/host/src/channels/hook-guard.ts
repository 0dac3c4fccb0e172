import { createHash, timingSafeEqual } from 'node:crypto'

const SEEN_MAX_COUNT = 1_024

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Whether two texts are the same; the time that it takes says nothing of where they differ. */
export function isSameSecret(given: string, own: string): boolean {
  return timingSafeEqual(digest(given), digest(own))
}

/** The last requests that were answered: a provider repeats what it saw no answer to. */
export class SeenOnce {
  readonly #seen = new Set<string>()

  has(id: string): boolean {
    return this.#seen.has(id)
  }

  add(id: string): void {
    this.#seen.add(id)
    for (const oldest of this.#seen) {
      if (this.#seen.size <= SEEN_MAX_COUNT) return
      this.#seen.delete(oldest)
    }
  }
}
