import { watch } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { type LogEntry, parseEntry } from './store/entry.ts'
import { LineReader } from './store/line-reader.ts'
import { type LogName, logFiles } from './store/log-files.ts'

/** One line of a log; `entry` is undefined for a line that is none. Signatures are NOT checked. */
export interface TailLine {
  readonly log: LogName
  readonly entry: LogEntry | undefined
}

export interface TailOptions {
  /** The folder of all logs. */
  readonly dir: string
  readonly log: LogName
  /** Begins with the last so many entries; all when absent. */
  readonly last?: number
  /** Goes on with what comes, until the signal; else ends at the end. */
  readonly follow: boolean
  readonly signal: AbortSignal
  readonly onLine: (line: TailLine) => void
}

export type TailOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: 'entries_missing' }
  /** The file became shorter while it was followed. */
  | { readonly ok: false; readonly reason: 'entries_cut' }

/** Where nothing tells of changes (a network file system), they are looked for. */
const POLL_MS = 500
const CHUNK_BYTES: number = 64 * 1024
const NEWLINE = 0x0a

/** Shows the entries of a log; a line that is being written is shown once it is whole. */
export async function tailLog(options: TailOptions): Promise<TailOutcome> {
  const file = logFiles(options.dir, options.log).entries
  let at = await startOf(file, options.last)
  if (at === undefined) return { ok: false, reason: 'entries_missing' }
  const changes = options.follow ? new Changes(file, options.signal) : undefined
  try {
    for (;;) {
      const end = await show(file, at, options)
      if (end === undefined) return { ok: false, reason: 'entries_cut' }
      at = end
      if (changes === undefined || options.signal.aborted) return { ok: true }
      await changes.next()
      if (options.signal.aborted) return { ok: true }
    }
  } finally {
    changes?.close()
  }
}

/** Shows the whole lines from an offset and returns where they end; undefined when it is cut. */
async function show(file: string, at: number, options: TailOptions): Promise<number | undefined> {
  const reader = await LineReader.open(file, at)
  if (reader === undefined || reader.size < at) {
    await reader?.close()
    return undefined
  }
  let end = at
  try {
    for (let line = await reader.next(); line?.finished === true; line = await reader.next()) {
      if (options.signal.aborted) break
      const parsed = line.bytes === undefined ? undefined : parseEntry(line.bytes)
      const entry = parsed?.ok === true ? parsed.value : undefined
      options.onLine({ log: options.log, entry })
      end = line.end
    }
    return end
  } finally {
    await reader.close()
  }
}

/** The offset of the last `count` whole lines; undefined when there is no file. */
async function startOf(file: string, count: number | undefined): Promise<number | undefined> {
  let handle: FileHandle
  try {
    handle = await open(file, 'r')
  } catch {
    return undefined
  }
  try {
    if (count === undefined) return 0
    const { size } = await handle.stat()
    return await offsetOfLast(handle, size, count)
  } finally {
    await handle.close()
  }
}

async function offsetOfLast(handle: FileHandle, size: number, count: number): Promise<number> {
  let newlines = 0
  const chunk = Buffer.alloc(CHUNK_BYTES)
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - CHUNK_BYTES)
    await handle.read(chunk, 0, end - start, start)
    for (let i = end - start - 1; i >= 0; i -= 1) {
      if (chunk[i] === NEWLINE) newlines += 1
      if (newlines > count) return start + i + 1
    }
    end = start
  }
  return 0
}

/** Tells that a file may have changed. */
class Changes {
  readonly #signal: AbortSignal
  readonly #watcher: { close(): void } | undefined
  #wake: () => void = () => undefined
  #changed = false

  constructor(file: string, signal: AbortSignal) {
    this.#signal = signal
    signal.addEventListener('abort', this.#tell, { once: true })
    this.#watcher = watchFile(file, this.#tell)
  }

  async next(): Promise<void> {
    if (!this.#changed && !this.#signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, POLL_MS)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.#changed = false
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#tell)
    this.#watcher?.close()
  }

  readonly #tell = (): void => {
    this.#changed = true
    this.#wake()
  }
}

/** Undefined where watching is not possible: then only the poll looks. */
function watchFile(file: string, changed: () => void): { close(): void } | undefined {
  try {
    const watcher = watch(file, { persistent: false }, changed)
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return undefined
  }
}
