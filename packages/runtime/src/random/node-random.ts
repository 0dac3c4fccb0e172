import { randomBytes } from 'node:crypto'
import type { Random } from './random.ts'

/** The operating system's generator. */
export const nodeRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
}
