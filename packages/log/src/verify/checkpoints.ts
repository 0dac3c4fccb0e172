import type { Checkpoint, NoteVerifier } from '@trustgw/core'
import { parseHistoryLine, readCheckpoint } from '../store/checkpoint-files.ts'
import type { LineReader } from '../store/line-reader.ts'
import type { Findings } from './report.ts'

/** Walks through the history beside the entries, so that neither is held in memory. */
export class HistoryWalk {
  readonly #reader: LineReader
  readonly #origin: string
  readonly #verifiers: readonly NoteVerifier[]
  readonly #findings: Findings
  /** The note of the file `checkpoint`, which must occur. */
  readonly #current: string | undefined
  #next: Checkpoint | undefined
  #line = 0
  #valid = 0
  #lastSize = -1
  #foundCurrent = false

  constructor(
    reader: LineReader,
    options: {
      readonly origin: string
      readonly verifiers: readonly NoteVerifier[]
      readonly findings: Findings
      readonly current: string | undefined
    },
  ) {
    this.#reader = reader
    this.#origin = options.origin
    this.#verifiers = options.verifiers
    this.#findings = options.findings
    this.#current = options.current
  }

  /** The next valid checkpoint that was not passed, and the line that holds it. */
  get next(): { readonly checkpoint: Checkpoint; readonly line: number } | undefined {
    return this.#next === undefined ? undefined : { checkpoint: this.#next, line: this.#line }
  }

  get valid(): number {
    return this.#valid
  }

  get hasCurrent(): boolean {
    return this.#foundCurrent
  }

  async advance(): Promise<void> {
    this.#next = undefined
    for (;;) {
      const line = await this.#reader.next()
      // A last line without its end is what a crash leaves before the checkpoint itself is written.
      if (line === undefined || !line.finished) return
      this.#line = line.number
      const checkpoint = this.#read(line.bytes)
      if (checkpoint === undefined) continue
      if (checkpoint.size <= this.#lastSize) {
        this.#findings.fail('history_order', { line: line.number })
        continue
      }
      this.#lastSize = checkpoint.size
      this.#valid += 1
      this.#next = checkpoint
      return
    }
  }

  /** Those that were not passed. */
  async rest(take: (checkpoint: Checkpoint) => void): Promise<void> {
    while (this.#next !== undefined) {
      take(this.#next)
      await this.advance()
    }
  }

  #read(bytes: Buffer | undefined): Checkpoint | undefined {
    const note = bytes === undefined ? undefined : parseHistoryLine(bytes)
    if (note?.ok !== true) {
      this.#findings.fail('history_invalid', { line: this.#line, detail: 'history_format' })
      return undefined
    }
    const checkpoint = readCheckpoint(note.value, this.#origin, this.#verifiers)
    if (!checkpoint.ok) {
      this.#findings.fail('history_invalid', { line: this.#line, detail: checkpoint.reason })
      return undefined
    }
    if (note.value === this.#current) this.#foundCurrent = true
    return checkpoint.value
  }
}
