import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'

/** Longest diagnostic log of one process; what is older is kept once, under `<file>.1`. */
export const LOG_FILE_MAX_BYTES: number = 10 * 1024 * 1024
const LOG_MODE = 0o600

/**
 * The diagnostic log of a child process: about twice the limit on disk at most. When it cannot be
 * written (a full disk), lines are lost and nothing else.
 */
export class RotatingLog {
  readonly #file: string
  #descriptor: number
  #bytes: number

  constructor(file: string) {
    this.#file = file
    this.#descriptor = openSync(file, 'a', LOG_MODE)
    this.#bytes = fstatSync(this.#descriptor).size
  }

  write(chunk: Uint8Array | string): void {
    try {
      if (this.#bytes > LOG_FILE_MAX_BYTES) this.#rotate()
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      this.#bytes += writeSync(this.#descriptor, bytes)
    } catch {
      // Lost: see above.
    }
  }

  end(): void {
    closeSync(this.#descriptor)
  }

  #rotate(): void {
    renameSync(this.#file, `${this.#file}.1`)
    closeSync(this.#descriptor)
    this.#descriptor = openSync(this.#file, 'a', LOG_MODE)
    this.#bytes = 0
  }
}
