/** How audit entries and findings look on a terminal. */

import type { Finding, LogEntry, VerifyReport } from '@trustgw/log'
import type { AuditEvent, AuditEventType, Json } from '@trustgw/protocol'
import { type Style, visible } from '../terminal.ts'

/** As `visible` has them: controls, formatting (bidi, zero width), separators. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu
const FACT_MAX_CHARS = 60
const ID_SHOWN_CHARS = 10
const WRITER_WIDTH = 20
const TYPE_WIDTH = 19
const ACTOR_WIDTH = 22

/** One line of JSON in which nothing is unseen either; equal to the value when parsed. */
export function jsonText(value: Json): string {
  return JSON.stringify(value).replace(UNSEEN, (found) =>
    Array.from(
      { length: found.length },
      (_, i) => `\\u${found.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
}

const TYPE_STYLES: Partial<Record<AuditEventType, keyof Style>> = {
  approved: 'good',
  approval_given: 'good',
  succeeded: 'good',
  signed_in: 'good',
  grant_issued: 'accent',
  started: 'accent',
  finished: 'accent',
  claimed: 'accent',
  approval_requested: 'warn',
  needs_human: 'warn',
  unknown_outcome: 'warn',
  expired: 'warn',
  cancelled: 'warn',
  denied: 'bad',
  denial_given: 'bad',
  failed: 'bad',
  refused: 'bad',
  admission_refused: 'bad',
  approval_refused: 'bad',
  proposal_refused: 'bad',
  enrolment_refused: 'bad',
  sign_in_refused: 'bad',
  session_replayed: 'bad',
  registry_refused: 'bad',
  policy_refused: 'bad',
}

/** `2026-01-31` of Unix milliseconds, UTC. */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, -14)
}

function clockOf(time: number): string {
  return new Date(time).toISOString().slice(-13, -1)
}

/** `act_` and the beginning of the rest: enough for people to tell a few apart. */
function shortId(id: string): string {
  return id.length > ID_SHOWN_CHARS ? id.slice(0, ID_SHOWN_CHARS) : id
}

/** One line for an entry, without its newline. */
export function entryText(entry: LogEntry, style: Style): string {
  if (entry.kind === 'event') {
    const marks = entry.problems.map((problem) => ` ${style.bad(`✗ ${problem}`)}`).join('')
    return `${eventText(entry.event, style)}${marks}`
  }
  const where = visible(entry.subject)
  return `${style.bad(`✗ ${entry.problem}`)}  ${style.dim(`${where} stream ${entry.stream_seq}`)}`
}

function eventText(event: AuditEvent, style: Style): string {
  const typeStyle = TYPE_STYLES[event.type]
  const type = event.type.padEnd(TYPE_WIDTH)
  const action = event.action_id === null ? '—' : shortId(event.action_id)
  return [
    style.dim(clockOf(event.time)),
    style.bold(action.padEnd(ID_SHOWN_CHARS)),
    visible(event.writer).padEnd(WRITER_WIDTH),
    typeStyle === undefined ? type : style[typeStyle](type),
    visible(`${event.actor.kind}:${event.actor.id}`).padEnd(ACTOR_WIDTH),
    style.dim(factsText(event)),
  ]
    .join('  ')
    .trimEnd()
}

/** What a person reads: no hashes, ids in short. */
function factsText({ payload }: AuditEvent): string {
  return Object.entries(payload)
    .filter(([name, value]) => value !== null && !isHash(value) && name !== 'from' && name !== 'to')
    .map(([name, value]) => {
      const text = visible(String(value))
      const shown = name === 'jti' ? shortId(text) : text
      const cut = shown.length > FACT_MAX_CHARS ? `${shown.slice(0, FACT_MAX_CHARS)}…` : shown
      return `${visible(name)}=${cut}`
    })
    .join(' ')
}

function isHash(value: string | number | boolean | null): boolean {
  return typeof value === 'string' && value.startsWith('sha256:')
}

/** A log's report, lines without the last newline. */
export function reportText(report: VerifyReport, style: Style): string {
  const lines = [headText(report, style)]
  const width = Math.max(WRITER_WIDTH, ...report.writers.map(({ writer }) => writer.length))
  for (const { writer, events, first_time, last_time, findings } of report.writers) {
    const verdict = findings === 0 ? style.good('ok') : style.bad(count(findings, 'finding'))
    const span = style.dim(`${momentText(first_time)} → ${momentText(last_time)}`)
    const number = count(events, 'event').padStart(12)
    lines.push(`    ${visible(writer).padEnd(width)}  ${number}  ${span}  ${verdict}`)
  }
  for (const finding of report.findings) lines.push(findingText(finding, style))
  const { failures, findings, notices } = report.totals
  const more = failures + findings + notices - report.findings.length
  if (more > 0) lines.push(style.dim(`    and ${more} more`))
  return lines.join('\n')
}

function headText(report: VerifyReport, style: Style): string {
  const mark = report.ok ? style.good('✓') : style.bad('✗')
  const { entries, uncovered, checkpoint, checkpoints } = report
  const covered =
    checkpoint === null
      ? 'no checkpoint'
      : `${count(checkpoints, 'checkpoint')}, the last over ${checkpoint.size} with root ${checkpoint.root.slice(0, 16)}…`
  const open = uncovered === 0 ? '' : `, ${uncovered} not yet under one`
  const facts = style.dim(`${count(entries, 'entry', 'entries')}; ${covered}${open}`)
  return `${mark} ${style.bold(report.log)}  ${facts}`
}

function momentText(time: number): string {
  return `${dayOf(time)} ${clockOf(time).slice(0, -4)}`
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`
}

const MARKS = { failure: '✗', finding: '!', notice: '·' } as const
const MARK_STYLES = { failure: 'bad', finding: 'warn', notice: 'dim' } as const

function findingText(finding: Finding, style: Style): string {
  const { severity, code, line, event_id, writer, action_id, detail } = finding
  const head = style[MARK_STYLES[severity]](`${MARKS[severity]} ${code}`)
  const place = [
    line === undefined ? '' : `line ${line}`,
    event_id ?? '',
    writer ?? '',
    action_id ?? '',
    detail ?? '',
  ]
    .filter((text) => text !== '')
    .map(visible)
    .join('  ')
  return `  ${head}  ${place}\n      ${style.dim(EXPLANATIONS[code])}`
}

const EXPLANATIONS: Readonly<Record<Finding['code'], string>> = {
  entries_missing: 'There is no file of entries: nothing can be verified.',
  checkpoint_missing: 'There is no checkpoint: nothing vouches for the entries.',
  history_missing: 'There is no history of checkpoints.',
  checkpoint_invalid: 'The checkpoint is not one that a key of this log signed.',
  history_invalid: 'This line of the history is not a checkpoint that a key of this log signed.',
  history_order: 'The history does not grow: a line is repeated or out of order.',
  checkpoint_not_in_history: 'The checkpoint is not in the history: one of the two was replaced.',
  known_checkpoint_invalid: 'The checkpoint that was given is not one of this log.',
  line_too_long: 'The line is longer than any entry.',
  entry_format: 'The line is not an entry.',
  entry_not_canonical: 'The line is not in the form in which it was written.',
  stream_order: 'Entries are not in the order of the stream: swapped or repeated.',
  tenant_wrong: 'The event belongs to another tenant.',
  event_missing: "Events of this writer's chain are not there.",
  event_out_of_order: "The event is repeated, or out of order in its writer's chain.",
  previous_hash_wrong: 'The event does not follow the one before: one of the two was altered.',
  key_unknown: 'No known key of this component signed the event.',
  signature_wrong: 'The event is not what its writer signed: it was altered or forged.',
  too_many_chains: 'More writers than can be followed.',
  entries_cut: 'Entries that a checkpoint covers are gone.',
  root_wrong: 'The entries up to here are not those that the checkpoint covers.',
  message_rejected:
    'A component stored something that is no event of its own; it is kept as it was.',
  problem_recorded: 'The log found fault with this event when it came.',
  writer_not_entitled: 'This component may not say that; it counts for nothing.',
  grant_without_evaluation: 'A grant was issued without a recorded decision.',
  grant_without_approval: 'A grant was issued without the approval that its decision asks for.',
  approval_without_person: 'Approved by the gateway, and no person said so at the host.',
  outcome_without_person: 'Settled in a person’s name, and no person said so at the host.',
  start_without_grant: 'The executor started what no recorded grant allows.',
  end_without_start: 'It ended without a recorded start.',
  log_empty: 'The log holds no entry.',
  line_unfinished:
    'The last line is being written, or was left by a crash; no checkpoint covers it.',
  event_stored_twice:
    'The very same event was stored again: its writer had not heard of the first.',
  grant_not_executed: 'The grant was never used.',
  ran_though_ended:
    'The gateway ended it as not run, which a clock that is far off can bring about; what the executor recorded is what happened.',
  actions_not_followed: 'Too many actions were open at once to follow each.',
}
