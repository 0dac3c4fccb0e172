const LINE_FEED = 0x0a

/** Cuts a stream of bytes into lines. A line over the limit ends it: `feed` answers false. */
export class LineSplitter {
  readonly #maxBytes: number
  readonly #onLine: (line: Uint8Array) => void
  #parts: Uint8Array[] = []
  #length = 0

  constructor(maxBytes: number, onLine: (line: Uint8Array) => void) {
    this.#maxBytes = maxBytes
    this.#onLine = onLine
  }

  feed(chunk: Uint8Array): boolean {
    let from = 0
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, from)
      const part = chunk.subarray(from, end < 0 ? chunk.length : end)
      this.#length += part.length
      if (this.#length > this.#maxBytes) return false
      this.#parts.push(part)
      if (end < 0) return true
      const line = Buffer.concat(this.#parts)
      this.#parts = []
      this.#length = 0
      if (line.length > 0) this.#onLine(line)
      from = end + 1
    }
  }
}
