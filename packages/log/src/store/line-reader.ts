import { type FileHandle, open } from 'node:fs/promises'

/** Longest line of a log's file, in bytes; a longer one is passed over and reported. */
export const LINE_MAX_BYTES: number = 64 * 1024
const CHUNK_BYTES: number = 256 * 1024
const NEWLINE = 0x0a

export interface Line {
  /** Counted from 1. */
  readonly number: number
  /** Without its newline; undefined when it is longer than `LINE_MAX_BYTES`. Valid until `next`. */
  readonly bytes: Buffer | undefined
  /** Offset of what follows its newline. */
  readonly end: number
  /** False for a last line without a newline: a crash left it, or it is being written. */
  readonly finished: boolean
}

/**
 * Reads a file line by line in bounded memory, up to the size that it had when it was opened.
 * Offsets are bytes.
 */
export class LineReader {
  readonly #handle: FileHandle
  readonly #size: number
  #buffer: Buffer = Buffer.alloc(0)
  #at = 0
  #read = 0
  #consumed = 0
  #number = 0

  private constructor(handle: FileHandle, size: number, start: number) {
    this.#handle = handle
    this.#size = size
    this.#read = start
    this.#consumed = start
  }

  /** Undefined when there is no such file. `start` is the offset of a line. */
  static async open(file: string, start = 0): Promise<LineReader | undefined> {
    let handle: FileHandle
    try {
      handle = await open(file, 'r')
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    }
    const { size } = await handle.stat()
    return new LineReader(handle, size, start)
  }

  /** The size of the file when it was opened. */
  get size(): number {
    return this.#size
  }

  async next(): Promise<Line | undefined> {
    let dropped = false
    for (;;) {
      const newline = this.#buffer.indexOf(NEWLINE, this.#at)
      if (newline !== -1) return this.#line(newline, 1, dropped)
      if (this.#buffer.length - this.#at > LINE_MAX_BYTES) {
        this.#consumed += this.#buffer.length - this.#at
        this.#at = this.#buffer.length
        dropped = true
      }
      if (await this.#fill()) continue
      if (this.#buffer.length === this.#at && !dropped) return undefined
      return this.#line(this.#buffer.length, 0, dropped)
    }
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  #line(end: number, newlines: 0 | 1, dropped: boolean): Line {
    const bytes = this.#buffer.subarray(this.#at, end)
    this.#at = end + newlines
    this.#consumed += bytes.length + newlines
    this.#number += 1
    return {
      number: this.#number,
      bytes: dropped || bytes.length > LINE_MAX_BYTES ? undefined : bytes,
      end: this.#consumed,
      finished: newlines === 1,
    }
  }

  async #fill(): Promise<boolean> {
    const left = Math.min(CHUNK_BYTES, this.#size - this.#read)
    if (left <= 0) return false
    const chunk = Buffer.allocUnsafe(left)
    const { bytesRead } = await this.#handle.read(chunk, 0, left, this.#read)
    if (bytesRead === 0) return false
    this.#read += bytesRead
    const rest = this.#buffer.subarray(this.#at)
    const fresh = chunk.subarray(0, bytesRead)
    this.#buffer = rest.length === 0 ? fresh : Buffer.concat([rest, fresh])
    this.#at = 0
    return true
  }
}
