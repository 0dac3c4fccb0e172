import { stat } from 'node:fs/promises'
import { ok, type Result } from '@trustgw/protocol'
import type { Pin } from './pin.ts'
import { type PinFileRefusal, readPins } from './pin-file.ts'

/** The approvers that this executor trusts, as its file says now. */
export interface PinSource {
  /** Throws when the file cannot be read: then nothing of tier 2 is admitted. */
  current(): Promise<Result<readonly Pin[], PinFileRefusal>>
}

/** Looks at the file at each call and parses it again when its time, size or inode changed. */
export class PinRegistry implements PinSource {
  readonly #path: string
  #seen = ''
  #pins: readonly Pin[] = []

  constructor(path: string) {
    this.#path = path
  }

  async current(): Promise<Result<readonly Pin[], PinFileRefusal>> {
    const mark = await markOf(this.#path)
    if (mark !== '' && mark === this.#seen) return ok(this.#pins)
    const read = await readPins(this.#path)
    if (!read.ok) {
      this.#seen = ''
      return read
    }
    this.#pins = read.value.pins
    this.#seen = mark
    return ok(this.#pins)
  }
}

async function markOf(path: string): Promise<string> {
  try {
    const { mtimeNs, size, ino, ctimeNs } = await stat(path, { bigint: true })
    return `${mtimeNs} ${ctimeNs} ${size} ${ino}`
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  }
}
