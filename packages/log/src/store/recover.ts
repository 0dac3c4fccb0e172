/**
 * Reads back what a former run left (spec/protocol.md §7). What the newest checkpoint covers was
 * written and synced by this log, so its root vouches for it; what lies beyond is read strictly.
 */
import { open } from 'node:fs/promises'
import {
  type AuditKeyFor,
  appendLeaf,
  ChainCheck,
  type Checkpoint,
  type CompactRange,
  EMPTY_RANGE,
  leafHash,
  type NoteVerifier,
  rangeRoot,
} from '@trustgw/core'
import { sha256 } from '@trustgw/runtime'
import { parseHistoryLine, readCheckpoint, readNoteFile } from './checkpoint-files.ts'
import { type LogEntry, parseEntry } from './entry.ts'
import { LineReader } from './line-reader.ts'
import { LogFault } from './log-fault.ts'
import type { LogFiles } from './log-files.ts'

export interface Recovered {
  readonly range: CompactRange
  readonly last: LogEntry | undefined
  /** The last event in order of each writer: where the chains go on. */
  readonly tails: readonly LogEntry[]
  /** The newest signed note and what it says; undefined before the first. */
  readonly newest: { readonly note: string; readonly checkpoint: Checkpoint } | undefined
}

export interface RecoverOptions {
  readonly files: LogFiles
  readonly origin: string
  readonly verifiers: readonly NoteVerifier[]
}

/**
 * The state of a log's files; a last line without its newline, beyond the newest checkpoint, is cut
 * off: it was never acknowledged. Throws `LogFault` `log_inconsistent` for anything else that is not
 * as this log left it.
 */
export async function recoverLog(options: RecoverOptions): Promise<Recovered> {
  const newest = await newestCheckpoint(options)
  const { files } = options
  const reader = await LineReader.open(files.entries)
  if (reader === undefined) {
    if (newest !== undefined && newest.checkpoint.size > 0) {
      throw new LogFault('log_inconsistent', `${files.entries} is gone`)
    }
    return { range: EMPTY_RANGE, last: undefined, tails: [], newest }
  }
  try {
    const scan = new EntryScan(files.entries, newest?.checkpoint)
    const end = await scan.run(reader)
    // Also when nothing is cut: whole lines may have been written and not synced.
    await truncate(files.entries, end)
    return { ...scan.result(), newest }
  } finally {
    await reader.close()
  }
}

async function newestCheckpoint(options: RecoverOptions): Promise<Recovered['newest']> {
  const { files, origin, verifiers } = options
  const read = (note: string, file: string): NonNullable<Recovered['newest']> => {
    const checkpoint = readCheckpoint(note, origin, verifiers)
    if (!checkpoint.ok) throw new LogFault('log_inconsistent', `${file}: ${checkpoint.reason}`)
    return { note, checkpoint: checkpoint.value }
  }
  const current = await readNoteFile(files.checkpoint)
  const last = await lastHistoryNote(files.history)
  // The history is written first, so it may be one note ahead, and never behind.
  if (last === undefined) {
    if (current === undefined) return undefined
    throw new LogFault('log_inconsistent', `${files.history} is gone`)
  }
  const newest = read(last, files.history)
  if (current === undefined) {
    if (newest.checkpoint.size === 0) return newest
    throw new LogFault('log_inconsistent', `${files.checkpoint} is gone`)
  }
  if (read(current, files.checkpoint).checkpoint.size > newest.checkpoint.size) {
    throw new LogFault('log_inconsistent', `${files.history} is cut`)
  }
  return newest
}

async function lastHistoryNote(file: string): Promise<string | undefined> {
  const reader = await LineReader.open(file)
  if (reader === undefined) return undefined
  try {
    let last: Buffer | undefined
    let end = 0
    for (let line = await reader.next(); line !== undefined; line = await reader.next()) {
      if (!line.finished) break
      if (line.bytes === undefined) throw new LogFault('log_inconsistent', `${file}:${line.number}`)
      last = Buffer.from(line.bytes)
      end = line.end
    }
    if (end < reader.size) await truncate(file, end)
    if (last === undefined) return undefined
    const note = parseHistoryLine(last)
    if (!note.ok) throw new LogFault('log_inconsistent', `${file}: ${note.reason}`)
    return note.value
  } finally {
    await reader.close()
  }
}

async function truncate(file: string, size: number): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    await handle.truncate(size)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** In canonical form the writer is the event's last text member: what follows it holds no quote. */
const WRITER = Buffer.from(',"writer":"')
const OUT_OF_ORDER = Buffer.from('"event_out_of_order"')

class EntryScan {
  readonly #file: string
  readonly #checkpoint: Checkpoint | undefined
  readonly #tails = new Map<string, Buffer>()
  #range = EMPTY_RANGE
  #last: Buffer | undefined
  #lastSeq = 0

  constructor(file: string, checkpoint: Checkpoint | undefined) {
    this.#file = file
    this.#checkpoint = checkpoint
    this.#checkRoot()
  }

  /** Returns the offset after the last whole line. */
  async run(reader: LineReader): Promise<number> {
    let end = 0
    for (let line = await reader.next(); line !== undefined; line = await reader.next()) {
      if (!line.finished) break
      if (line.bytes === undefined) throw this.#fault(line.number, 'line_too_long')
      this.#take(line.bytes, line.number)
      end = line.end
    }
    if (this.#range.size < (this.#checkpoint?.size ?? 0)) {
      throw this.#fault(this.#range.size + 1, 'signed entries are gone')
    }
    return end
  }

  result(): Omit<Recovered, 'newest'> {
    return {
      range: this.#range,
      last: this.#last === undefined ? undefined : this.#parse(this.#last, this.#range.size),
      tails: [...this.#tails.values()].map((line) => this.#parse(line, 0)),
    }
  }

  #take(bytes: Buffer, number: number): void {
    // What no checkpoint vouches for yet may be anything.
    if (number > (this.#checkpoint?.size ?? 0)) {
      const { stream_seq } = this.#parse(bytes, number)
      if (stream_seq <= this.#lastSeq && number > 1) throw this.#fault(number, 'stream_order')
      this.#lastSeq = stream_seq
    } else if (number === this.#checkpoint?.size) {
      this.#lastSeq = this.#parse(bytes, number).stream_seq
    }
    this.#range = appendLeaf(sha256, this.#range, leafHash(sha256, bytes))
    this.#checkRoot()
    this.#last = Buffer.from(bytes)
    const at = bytes.lastIndexOf(WRITER)
    if (
      at === -1 ||
      !bytes.subarray(0, 9).equals(EVENT_START) ||
      bytes.includes(OUT_OF_ORDER, at)
    ) {
      return
    }
    const from = at + WRITER.length
    const writer = bytes.toString('latin1', from, bytes.indexOf(QUOTE, from))
    this.#tails.set(writer, this.#last)
  }

  #checkRoot(): void {
    if (this.#checkpoint === undefined || this.#range.size !== this.#checkpoint.size) return
    if (rangeRoot(sha256, this.#range) !== this.#checkpoint.root) {
      throw this.#fault(this.#range.size, 'the entries are not those of the checkpoint')
    }
  }

  #parse(line: Buffer, number: number): LogEntry {
    const entry = parseEntry(line)
    if (!entry.ok) throw this.#fault(number, entry.reason)
    return entry.value
  }

  #fault(line: number, what: string): LogFault {
    return new LogFault('log_inconsistent', `${this.#file}:${line}: ${what}`)
  }
}

const EVENT_START = Buffer.from('{"event":')
const QUOTE = 0x22

/** A chain check that stands where the recorded chains end; `keyFor` judges what comes next. */
export function chainsFrom(tails: readonly LogEntry[], keyFor: AuditKeyFor): ChainCheck {
  let loading = true
  const check = new ChainCheck(sha256, (event) => (loading ? () => true : keyFor(event)))
  for (const tail of tails) if (tail.kind === 'event') check.add(tail.event)
  loading = false
  return check
}
