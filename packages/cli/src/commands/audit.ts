import { readdir, readFile } from 'node:fs/promises'
import {
  entryJson,
  type LogName,
  parseLogName,
  type TailLine,
  tailLog,
  UNATTRIBUTED,
  type VerifyReport,
  verifyLog,
} from '@trustgw/log'
import type { Json } from '@trustgw/protocol'
import { FileFault, loadTrust, type PublicKeys } from '@trustgw/runtime'
import { type Style, visible } from '../terminal.ts'
import { count, dayOf, entryText, jsonText, reportText } from './audit-text.ts'

/** Done; failed or findings; wrong usage (spec/protocol.md §8). */
export type AuditExit = 0 | 1 | 2

export interface AuditPaths {
  /** Holds one folder a tenant. */
  readonly logDir: string
  /** The trust folder whose keys are believed: the log's own, or one that was handed out. */
  readonly trustDir: string
}

/** Takes whole lines, newlines included. */
export interface AuditOut {
  write(text: string): void
}

export interface AuditVerifyOptions {
  /** Only this tenant's log; all when absent. */
  readonly tenant?: string
  /** A file with a checkpoint of that tenant which was kept elsewhere. */
  readonly known?: string
  /** One JSON document. */
  readonly json: boolean
  /** The plain one, unless the terminal shows colours and the user wants them. */
  readonly style: Style
}

export interface AuditTailOptions {
  readonly tenant?: string
  /** Begins with the last so many entries of each log; all when absent. */
  readonly last?: number
  readonly follow: boolean
  /** One JSON document a line. */
  readonly json: boolean
  readonly style: Style
  readonly signal: AbortSignal
}

type AuditProblem =
  | { readonly code: 'usage'; readonly message: string }
  | { readonly code: 'log_missing'; readonly message: string }
  | { readonly code: 'log_cut'; readonly message: string }
  | { readonly code: 'keys_unreadable'; readonly message: string }
  | { readonly code: 'known_unreadable'; readonly message: string }

/** Verifies one log or all, and tells per writer and per finding; `ok` only when nothing is wrong. */
export async function auditVerify(
  paths: AuditPaths,
  options: AuditVerifyOptions,
  out: AuditOut,
): Promise<AuditExit> {
  const names = await namesOf(paths.logDir, options.tenant)
  if ('code' in names) return fail(names, options, out)
  if (options.known !== undefined && options.tenant === undefined) {
    const message = 'A checkpoint kept elsewhere belongs to one tenant: name it.'
    return fail({ code: 'usage', message }, options, out)
  }
  const keys = await keysOf(paths.trustDir)
  if ('code' in keys) return fail(keys, options, out)
  const known = options.known === undefined ? undefined : await textOf(options.known)
  if (typeof known === 'object') return fail(known, options, out)
  const reports: VerifyReport[] = []
  for (const log of names.names) {
    const given = known === undefined ? {} : { known }
    reports.push(await verifyLog({ dir: paths.logDir, log, keys, ...given }))
  }
  const ok = reports.every((report) => report.ok)
  if (options.json) out.write(`${jsonText({ ok, logs: reports.map(reportJson) })}\n`)
  else writeReports(reports, options.style, out)
  return ok ? 0 : 1
}

/** Shows the entries of one log or all as they are recorded. Signatures are not checked here. */
export async function auditTail(
  paths: AuditPaths,
  options: AuditTailOptions,
  out: AuditOut,
): Promise<AuditExit> {
  const { last, follow } = options
  if (last !== undefined && (!Number.isSafeInteger(last) || last < 0)) {
    const message = 'The number of entries is a whole number, 0 or more.'
    return fail({ code: 'usage', message }, options, out)
  }
  const names = await namesOf(paths.logDir, options.tenant)
  if ('code' in names) return fail(names, options, out)
  const onLine = options.json ? jsonLines(out) : textLines(out, options, names.names.length > 1)
  // One that ends early (a cut file) ends the others.
  const ended = new AbortController()
  const signal = AbortSignal.any([options.signal, ended.signal])
  const ends = await Promise.all(
    names.names.map(async (log) => {
      const given = last === undefined ? {} : { last }
      const end = await tailLog({ dir: paths.logDir, log, follow, signal, onLine, ...given })
      if (!end.ok) ended.abort()
      return { log, end }
    }),
  )
  for (const { log, end } of ends) {
    if (end.ok) continue
    const cut = end.reason === 'entries_cut'
    const message = cut ? `The log of ${log} became shorter.` : `There is no log of ${log} yet.`
    return fail({ code: cut ? 'log_cut' : 'log_missing', message }, options, out)
  }
  return 0
}

async function namesOf(
  dir: string,
  tenant: string | undefined,
): Promise<{ readonly names: readonly LogName[] } | AuditProblem> {
  if (tenant !== undefined) {
    const name = parseLogName(tenant)
    if (name !== undefined) return { names: [name] }
    return { code: 'usage', message: `Not a tenant's name: ${tenant}` }
  }
  const missing = { code: 'log_missing', message: `There is no log in ${dir}.` } as const
  try {
    const found = await readdir(dir, { withFileTypes: true })
    const names = found
      .filter((item) => item.isDirectory())
      .map((item) => parseLogName(item.name))
      .filter((name) => name !== undefined)
      .sort(
        (left, right) =>
          Number(left === UNATTRIBUTED) - Number(right === UNATTRIBUTED) || compare(left, right),
      )
    return names.length === 0 ? missing : { names }
  } catch {
    return missing
  }
}

function compare(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}

async function keysOf(file: string): Promise<PublicKeys | AuditProblem> {
  try {
    return await loadTrust(file)
  } catch (error) {
    if (!(error instanceof FileFault)) throw error
    return { code: 'keys_unreadable', message: `The public keys cannot be read: ${error.message}` }
  }
}

async function textOf(file: string): Promise<string | AuditProblem> {
  try {
    return await readFile(file, 'utf8')
  } catch {
    return { code: 'known_unreadable', message: `The checkpoint cannot be read: ${file}` }
  }
}

function fail(
  problem: AuditProblem,
  options: { readonly json: boolean; readonly style: Style },
  out: AuditOut,
): AuditExit {
  if (options.json) {
    const { code, message } = problem
    out.write(`${jsonText({ ok: false, error: { code, message } })}\n`)
  } else {
    out.write(`${options.style.bad('✗')} ${visible(problem.message)}\n`)
  }
  return problem.code === 'usage' ? 2 : 1
}

function writeReports(reports: readonly VerifyReport[], style: Style, out: AuditOut): void {
  // What names no tenant is shown only where there is such a thing.
  const shown = reports.filter(
    (report) => report.log !== UNATTRIBUTED || !report.ok || report.entries > 0,
  )
  for (const report of shown) out.write(`${reportText(report, style)}\n\n`)
  const sum = (of: keyof VerifyReport['totals']): number =>
    reports.reduce((total, { totals }) => total + totals[of], 0)
  const entries = reports.reduce((total, report) => total + report.entries, 0)
  if (reports.every((report) => report.ok)) {
    const what = `${count(entries, 'entry', 'entries')}: every signature, chain and checkpoint holds.`
    out.write(`${style.good('Verified.')} ${what}\n`)
  } else {
    const what = `${count(sum('failures'), 'failure')}, ${count(sum('findings'), 'finding')}.`
    out.write(`${style.bad('Not verified.')} ${what}\n`)
  }
}

function reportJson(report: VerifyReport): Json {
  return {
    ...report,
    checkpoint: report.checkpoint === null ? null : { ...report.checkpoint },
    writers: report.writers.map((writer) => ({ ...writer })),
    findings: report.findings.map((finding) => ({ ...finding })),
    totals: { ...report.totals },
  }
}

function jsonLines(out: AuditOut): (line: TailLine) => void {
  return ({ log, entry }) => {
    out.write(`${jsonText({ log, entry: entry === undefined ? null : entryJson(entry) })}\n`)
  }
}

function textLines(
  out: AuditOut,
  options: AuditTailOptions,
  several: boolean,
): (line: TailLine) => void {
  const { style } = options
  let day = ''
  return ({ log, entry }) => {
    const today = entry?.kind === 'event' ? dayOf(entry.event.time) : day
    if (today !== day) out.write(`${style.dim(`── ${today} (UTC) ──`)}\n`)
    day = today
    const text =
      entry === undefined ? style.bad('✗ not an entry of the log') : entryText(entry, style)
    out.write(`${several ? `${style.dim(log.padEnd(12))}  ` : ''}${text}\n`)
  }
}
