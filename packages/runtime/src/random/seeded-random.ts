import { createHash } from 'node:crypto'
import type { Random } from './random.ts'

/** The same bytes for the same seed: for tests and the simulator only, never for keys. */
export class SeededRandom implements Random {
  readonly #seed: string
  #counter = 0

  constructor(seed: string) {
    this.#seed = seed
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at += 32) {
      const block = createHash('sha256').update(`${this.#seed}:${this.#counter}`).digest()
      this.#counter += 1
      bytes.set(block.subarray(0, Math.min(32, length - at)), at)
    }
    return bytes
  }
}
