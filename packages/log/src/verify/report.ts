import type { ChainProblem } from '@trustgw/core'
import type { EntryRefusal } from '../store/entry.ts'
import type { LogName } from '../store/log-files.ts'

/** What is wrong with the record itself: altered, cut, reordered, or not signed by whom it names. */
export type FailureCode =
  | 'entries_missing'
  | 'checkpoint_missing'
  | 'history_missing'
  | 'checkpoint_invalid'
  | 'history_invalid'
  | 'history_order'
  | 'checkpoint_not_in_history'
  | 'known_checkpoint_invalid'
  | 'line_too_long'
  | EntryRefusal
  | 'stream_order'
  | 'tenant_wrong'
  | ChainProblem
  /** Fewer entries than a checkpoint covers. */
  | 'entries_cut'
  /** The entries up to a checkpoint's size do not have its root. */
  | 'root_wrong'

/** What the record shows to be wrong with the system. */
export type FindingCode =
  | 'message_rejected'
  | 'problem_recorded'
  | 'writer_not_entitled'
  | 'grant_without_evaluation'
  | 'grant_without_approval'
  | 'approval_without_person'
  | 'outcome_without_person'
  | 'start_without_grant'
  | 'end_without_start'

/** What a reader should know and is no fault. */
export type NoticeCode =
  | 'log_empty'
  /** A last line without its end, under no checkpoint: being written, or left by a crash. */
  | 'line_unfinished'
  | 'event_stored_twice'
  | 'grant_not_executed'
  /** The gateway ended it before it heard that an executor had run it. */
  | 'ran_though_ended'
  /** More actions were open at once than are followed. */
  | 'actions_not_followed'

/** Where a finding lies; lines count from 1. */
export interface FindingPlace {
  readonly line?: number
  readonly event_id?: string
  readonly writer?: string
  readonly action_id?: string
  /** A code, a count or a hash of ours; never free text of an entry. */
  readonly detail?: string
}

export type Finding = FindingPlace &
  (
    | { readonly severity: 'failure'; readonly code: FailureCode }
    | { readonly severity: 'finding'; readonly code: FindingCode }
    | { readonly severity: 'notice'; readonly code: NoticeCode }
  )

/** One writer's chain. Times are Unix milliseconds as the writer says. */
export interface WriterReport {
  readonly writer: string
  readonly events: number
  readonly first_time: number
  readonly last_time: number
  readonly last_seq: number
  /** Findings of any severity but `notice` that name this writer. */
  readonly findings: number
}

export interface VerifyReport {
  readonly log: LogName
  /** True when there is neither a failure nor a finding. */
  readonly ok: boolean
  readonly entries: number
  /** Entries that no checkpoint covers yet. */
  readonly uncovered: number
  /** The newest valid checkpoint; null without one. */
  readonly checkpoint: { readonly size: number; readonly root: string } | null
  /** Valid checkpoints of the history. */
  readonly checkpoints: number
  readonly writers: readonly WriterReport[]
  /** In the order of discovery, at most `FINDINGS_MAX` of each severity. */
  readonly findings: readonly Finding[]
  /** How many there are, kept or not. */
  readonly totals: {
    readonly failures: number
    readonly findings: number
    readonly notices: number
  }
}

export const FINDINGS_MAX = 500

/** Collects findings, keeping only so many. */
export class Findings {
  readonly #kept: Finding[] = []
  readonly #counts = { failure: 0, finding: 0, notice: 0 }
  readonly #byWriter = new Map<string, number>()

  add(finding: Finding): void {
    this.#counts[finding.severity] += 1
    if (this.#counts[finding.severity] <= FINDINGS_MAX) this.#kept.push(finding)
    if (finding.writer !== undefined && finding.severity !== 'notice') {
      this.#byWriter.set(finding.writer, this.of(finding.writer) + 1)
    }
  }

  fail(code: FailureCode, place: FindingPlace = {}): void {
    this.add({ severity: 'failure', code, ...place })
  }

  find(code: FindingCode, place: FindingPlace = {}): void {
    this.add({ severity: 'finding', code, ...place })
  }

  notice(code: NoticeCode, place: FindingPlace = {}): void {
    this.add({ severity: 'notice', code, ...place })
  }

  of(writer: string): number {
    return this.#byWriter.get(writer) ?? 0
  }

  get kept(): readonly Finding[] {
    return this.#kept
  }

  totals(): VerifyReport['totals'] {
    const { failure, finding, notice } = this.#counts
    return { failures: failure, findings: finding, notices: notice }
  }
}
