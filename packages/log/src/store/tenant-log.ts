import {
  appendLeaf,
  type ChainCheck,
  type CompactRange,
  leafHash,
  type NoteSigner,
  type NoteVerifier,
  printCheckpoint,
  rangeRoot,
  signNote,
} from '@trustgw/core'
import { utf8Encode } from '@trustgw/protocol'
import {
  atomicWriteFile,
  makePrivateDir,
  type PublicKeys,
  SECRET_FILE_MODE,
  type StoredMessage,
  SyncedAppender,
  sha256,
} from '@trustgw/runtime'
import { auditKeyFor } from './audit-keys.ts'
import { printHistoryLine, readNoteFile } from './checkpoint-files.ts'
import { type EventEntry, type LogEntry, printEntry, readMessage } from './entry.ts'
import { type LogFiles, type LogName, logFiles, logOrigin } from './log-files.ts'
import { chainsFrom, recoverLog } from './recover.ts'

export interface TenantLogOptions {
  /** The folder of all logs. */
  readonly dir: string
  readonly name: LogName
  readonly keys: PublicKeys
  readonly signer: NoteSigner
  readonly verifiers: readonly NoteVerifier[]
}

/** A recorded entry that is not as it should be. */
export interface Remark {
  readonly stream_seq: number
  readonly problem: string
}

/**
 * The entries, tree and checkpoints of one tenant. Calls must not overlap. After a rejected
 * `commit` or `checkpoint` the state is not that of the disk: open it anew.
 */
export class TenantLog {
  readonly name: LogName
  readonly #files: LogFiles
  readonly #signer: NoteSigner
  readonly #chains: ChainCheck
  readonly #entries: SyncedAppender
  readonly #history: SyncedAppender
  #range: CompactRange
  #last: LogEntry | undefined
  #signed: number
  #waiting: string[] = []

  private constructor(
    parts: Pick<TenantLogOptions, 'name' | 'signer'> & {
      readonly files: LogFiles
      readonly chains: ChainCheck
      readonly entries: SyncedAppender
      readonly history: SyncedAppender
      readonly range: CompactRange
      readonly last: LogEntry | undefined
      readonly signed: number
    },
  ) {
    this.name = parts.name
    this.#files = parts.files
    this.#signer = parts.signer
    this.#chains = parts.chains
    this.#entries = parts.entries
    this.#history = parts.history
    this.#range = parts.range
    this.#last = parts.last
    this.#signed = parts.signed
  }

  /**
   * Continues the log, or begins it with a checkpoint of nothing, so that a missing file is never
   * an empty log. Throws `LogFault` `log_inconsistent`, `FileFault` `file_unwritable`.
   */
  static async open(options: TenantLogOptions): Promise<TenantLog> {
    const { dir, name, keys, signer, verifiers } = options
    const files = logFiles(dir, name)
    await makePrivateDir(files.dir)
    const found = await recoverLog({ files, origin: logOrigin(name), verifiers })
    const log = new TenantLog({
      name,
      signer,
      files,
      chains: chainsFrom(found.tails, auditKeyFor(keys, name)),
      entries: await SyncedAppender.open(files.entries),
      history: await SyncedAppender.open(files.history),
      range: found.range,
      last: found.last,
      signed: found.newest?.checkpoint.size ?? -1,
    })
    await log.#mendCheckpoint(found.newest?.note)
    return log
  }

  get size(): number {
    return this.#range.size
  }

  /** The last recorded entry. */
  get last(): LogEntry | undefined {
    return this.#last
  }

  /** Entries under the newest checkpoint. */
  get signedSize(): number {
    return Math.max(0, this.#signed)
  }

  root(): string {
    return rangeRoot(sha256, this.#range)
  }

  /** Records a message once; it is on disk after the next {@link commit}. */
  record(message: StoredMessage): readonly Remark[] {
    const stream_seq = message.seq
    if (stream_seq <= (this.#last?.stream_seq ?? 0)) return []
    const read = readMessage(message, this.name)
    const entry = read.kind === 'event' ? this.#chained(read) : read
    const line = printEntry(entry)
    this.#range = appendLeaf(sha256, this.#range, leafHash(sha256, Buffer.from(line)))
    this.#last = entry
    this.#waiting.push(line)
    const problems = entry.kind === 'event' ? entry.problems : [entry.problem]
    return problems.map((problem) => ({ stream_seq, problem }))
  }

  /** One write and one sync for all that was recorded since the last. */
  async commit(): Promise<void> {
    const lines = this.#waiting
    this.#waiting = []
    await Promise.all(lines.map((line) => this.#entries.append(line)))
  }

  /** Signs what is committed, unless it is signed already. The history comes first on disk. */
  async checkpoint(): Promise<void> {
    if (this.#signed === this.#range.size) return
    const { size } = this.#range
    const text = printCheckpoint({ origin: logOrigin(this.name), size, root: this.root() })
    const note = signNote(sha256, text, this.#signer)
    await this.#history.append(printHistoryLine(note))
    await this.#writeCheckpoint(note)
    this.#signed = size
  }

  async close(): Promise<void> {
    await this.#entries.close()
    await this.#history.close()
  }

  #chained(entry: EventEntry): EventEntry {
    return { ...entry, problems: this.#chains.add(entry.event).map(({ problem }) => problem) }
  }

  /** A crash between history and checkpoint left the latter behind. */
  async #mendCheckpoint(newest: string | undefined): Promise<void> {
    if (newest === undefined) await this.checkpoint()
    else if ((await readNoteFile(this.#files.checkpoint)) !== newest) {
      await this.#writeCheckpoint(newest)
    }
  }

  async #writeCheckpoint(note: string): Promise<void> {
    await atomicWriteFile(this.#files.checkpoint, utf8Encode(note), { mode: SECRET_FILE_MODE })
  }
}
