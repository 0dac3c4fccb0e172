import {
  appendLeaf,
  ChainCheck,
  type ChainProblem,
  type Checkpoint,
  type CompactRange,
  EMPTY_RANGE,
  leafHash,
  rangeRoot,
} from '@trustgw/core'
import { type AuditEvent, auditEventHash } from '@trustgw/protocol'
import { type PublicKeys, sha256 } from '@trustgw/runtime'
import { auditKeyFor } from '../store/audit-keys.ts'
import { readCheckpoint, readNoteFile } from '../store/checkpoint-files.ts'
import { type EventEntry, type LogEntry, parseEntry } from '../store/entry.ts'
import { type Line, LineReader } from '../store/line-reader.ts'
import { type LogName, logFiles, logOrigin, logVerifiers } from '../store/log-files.ts'
import { HistoryWalk } from './checkpoints.ts'
import { CrossCheck } from './cross-check.ts'
import { type FindingPlace, Findings, type VerifyReport, type WriterReport } from './report.ts'

export interface VerifyOptions {
  /** The folder of all logs. */
  readonly dir: string
  readonly log: LogName
  /** Whose signatures count; from a file that the log's owner could not change. */
  readonly keys: PublicKeys
  /**
   * A signed checkpoint that was kept elsewhere. Without one, a log cut back to an earlier
   * checkpoint, with its history, is indistinguishable from a younger one.
   */
  readonly known?: string
}

/**
 * Checks a tenant's log as a stranger would, from its files and public keys alone
 * (spec/protocol.md §7): the form and signature of every entry, every writer's chain, the Merkle
 * root at every checkpoint, and the story of each action. Reads a log that is being written, too.
 * Memory does not grow with the entries but with writers and open actions. Rejects only when a file
 * that is there cannot be read.
 */
export async function verifyLog(options: VerifyOptions): Promise<VerifyReport> {
  const files = logFiles(options.dir, options.log)
  const findings = new Findings()
  const origin = logOrigin(options.log)
  const verifiers = logVerifiers(options.keys, options.log)
  const judge = (
    note: string,
    code: 'checkpoint_invalid' | 'known_checkpoint_invalid',
  ): Checkpoint | undefined => {
    const checkpoint = readCheckpoint(note, origin, verifiers)
    if (checkpoint.ok) return checkpoint.value
    findings.fail(code, { detail: checkpoint.reason })
    return undefined
  }
  // Checkpoints are opened before the entries, which only grow: they cover nothing unread.
  const current = await readNoteFile(files.checkpoint)
  if (current === undefined) findings.fail('checkpoint_missing')
  const checkpoint = current === undefined ? undefined : judge(current, 'checkpoint_invalid')
  const known =
    options.known === undefined ? undefined : judge(options.known, 'known_checkpoint_invalid')
  const history = await LineReader.open(files.history)
  if (history === undefined) findings.fail('history_missing')
  const entries = await LineReader.open(files.entries)
  if (entries === undefined) findings.fail('entries_missing')
  try {
    const walk = history && new HistoryWalk(history, { origin, verifiers, findings, current })
    const fixed = [checkpoint, known].filter((one) => one !== undefined)
    const run = new Verification(options, findings, { walk, fixed })
    await run.run(entries)
    if (walk !== undefined && checkpoint !== undefined && !walk.hasCurrent) {
      findings.fail('checkpoint_not_in_history')
    }
    return run.report()
  } finally {
    await history?.close()
    await entries?.close()
  }
}

interface Checkpoints {
  readonly walk: HistoryWalk | undefined
  /** Those outside of the history. */
  readonly fixed: readonly Checkpoint[]
}

/** Events of a writer whose hashes are kept, to know a repeat from another event. */
const RECENT_EVENTS_MAX = 128

class Verification {
  readonly #options: VerifyOptions
  readonly #findings: Findings
  readonly #checkpoints: Checkpoints
  readonly #chains: ChainCheck
  readonly #stories: CrossCheck
  readonly #writers = new Map<string, WriterStats>()
  #range: CompactRange = EMPTY_RANGE
  #newest: Checkpoint | undefined
  #lastSeq = 0
  #rootsWrong = 0

  constructor(options: VerifyOptions, findings: Findings, checkpoints: Checkpoints) {
    this.#options = options
    this.#findings = findings
    this.#checkpoints = checkpoints
    this.#chains = new ChainCheck(sha256, auditKeyFor(options.keys, options.log))
    this.#stories = new CrossCheck(findings)
  }

  async run(entries: LineReader | undefined): Promise<void> {
    await this.#checkpoints.walk?.advance()
    await this.#compareRoots()
    for (let line = await entries?.next(); line !== undefined; line = await entries?.next()) {
      if (!line.finished) {
        this.#findings.notice('line_unfinished', { line: line.number })
        break
      }
      this.#entry(line)
      await this.#compareRoots()
    }
    await this.#uncoveredCheckpoints()
    this.#stories.finish()
    if (entries !== undefined && this.#range.size === 0) this.#findings.notice('log_empty')
  }

  report(): VerifyReport {
    const totals = this.#findings.totals()
    const newest = this.#newest
    return {
      log: this.#options.log,
      ok: totals.failures === 0 && totals.findings === 0,
      entries: this.#range.size,
      uncovered: Math.max(0, this.#range.size - (newest?.size ?? 0)),
      checkpoint: newest === undefined ? null : { size: newest.size, root: newest.root },
      checkpoints: this.#checkpoints.walk?.valid ?? 0,
      writers: [...this.#writers.entries()].map(([writer, stats]) => ({
        writer,
        ...stats.report(),
        findings: this.#findings.of(writer),
      })),
      findings: this.#findings.kept,
      totals,
    }
  }

  #entry(line: Line): void {
    const { number, bytes } = line
    // Even a broken line takes its place, so that the root tells whether it was signed.
    const leaf = leafHash(sha256, bytes ?? new Uint8Array(0))
    this.#range = appendLeaf(sha256, this.#range, leaf)
    if (bytes === undefined) {
      this.#findings.fail('line_too_long', { line: number })
      return
    }
    const entry = parseEntry(bytes)
    if (entry.ok) this.#read(entry.value, number)
    else this.#findings.fail(entry.reason, { line: number })
  }

  #read(entry: LogEntry, line: number): void {
    const { stream_seq } = entry
    if (stream_seq <= this.#lastSeq) {
      this.#findings.fail('stream_order', { line, detail: `stream_seq ${stream_seq}` })
    }
    this.#lastSeq = Math.max(this.#lastSeq, stream_seq)
    if (entry.kind === 'event') this.#event(entry, line)
    else this.#findings.find('message_rejected', { line, detail: entry.problem })
  }

  #event(entry: EventEntry, line: number): void {
    const { event } = entry
    const { event_id, tenant, writer, action_id } = event
    const place = { line, event_id, writer, ...(action_id === null ? {} : { action_id }) }
    if (tenant !== this.#options.log) {
      this.#findings.fail('tenant_wrong', place)
      return
    }
    const problems = this.#chain(event, place)
    for (const recorded of entry.problems) {
      if (problems.has(recorded)) continue
      this.#findings.find('problem_recorded', { ...place, detail: recorded })
    }
    // What its writer did not sign tells nothing of any action.
    if (problems.has('signature_wrong') || problems.has('key_unknown')) return
    this.#stories.add(event, line)
  }

  /** What is wrong with the event in its writer's chain. */
  #chain(event: AuditEvent, place: FindingPlace): ReadonlySet<ChainProblem> {
    const stats = this.#writers.get(event.writer) ?? new WriterStats(event.time)
    this.#writers.set(event.writer, stats)
    const repeated = stats.add(event)
    const found = this.#chains.add(event)
    const problems = new Set(found.map(({ problem }) => problem))
    if (repeated && problems.size === 1 && problems.has('event_out_of_order')) {
      this.#findings.notice('event_stored_twice', place)
      return problems
    }
    for (const { problem, seq, expected_seq } of found) {
      const order = problem === 'event_missing' || problem === 'event_out_of_order'
      const detail = order ? { detail: `seq ${seq}, due ${expected_seq}` } : {}
      this.#findings.fail(problem, { ...place, ...detail })
    }
    return problems
  }

  async #compareRoots(): Promise<void> {
    const { walk, fixed } = this.#checkpoints
    const { size } = this.#range
    for (const checkpoint of fixed) {
      if (checkpoint.size === size) this.#compareRoot(checkpoint, 'checkpoint')
    }
    if (walk?.next === undefined || walk.next.checkpoint.size > size) return
    const { checkpoint, line } = walk.next
    this.#compareRoot(checkpoint, `history line ${line}`)
    // The history grows in size from line to line, so there is one at most of each.
    await walk.advance()
  }

  #compareRoot(checkpoint: Checkpoint, which: string): void {
    this.#seen(checkpoint)
    if (rangeRoot(sha256, this.#range) === checkpoint.root) return
    this.#rootsWrong += 1
    // Once the tree differs, every later root does: the first names the place.
    if (this.#rootsWrong > 1 && which !== 'checkpoint') return
    this.#findings.fail('root_wrong', { line: checkpoint.size, detail: which })
  }

  /** Checkpoints of more entries than there are. */
  async #uncoveredCheckpoints(): Promise<void> {
    const { walk, fixed } = this.#checkpoints
    let most: Checkpoint | undefined
    const take = (checkpoint: Checkpoint): void => {
      if (checkpoint.size <= this.#range.size) return
      this.#seen(checkpoint)
      if (most === undefined || checkpoint.size > most.size) most = checkpoint
    }
    fixed.forEach(take)
    await walk?.rest(take)
    if (most === undefined) return
    this.#findings.fail('entries_cut', {
      line: this.#range.size,
      detail: `${this.#range.size} of ${most.size} signed entries`,
    })
  }

  #seen(checkpoint: Checkpoint): void {
    if (this.#newest === undefined || checkpoint.size > this.#newest.size) this.#newest = checkpoint
  }
}

class WriterStats {
  readonly #recent = new Map<number, string>()
  #events = 0
  #first: number
  #last: number
  #seq = 0

  constructor(time: number) {
    this.#first = time
    this.#last = time
  }

  /** True when the very same event came before: its writer was not told that it was stored. */
  add(event: AuditEvent): boolean {
    this.#events += 1
    this.#first = Math.min(this.#first, event.time)
    this.#last = Math.max(this.#last, event.time)
    this.#seq = Math.max(this.#seq, event.seq)
    const hash = auditEventHash(sha256, event)
    const repeated = this.#recent.get(event.seq) === hash
    this.#recent.set(event.seq, hash)
    const oldest = this.#recent.keys().next()
    if (this.#recent.size > RECENT_EVENTS_MAX && oldest.done !== true) {
      this.#recent.delete(oldest.value)
    }
    return repeated
  }

  report(): Omit<WriterReport, 'writer' | 'findings'> {
    return {
      events: this.#events,
      first_time: this.#first,
      last_time: this.#last,
      last_seq: this.#seq,
    }
  }
}
