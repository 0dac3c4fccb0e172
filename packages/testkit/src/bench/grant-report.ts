import type { GrantParts } from './grant-parts.ts'
import type { CallRow } from './grant-system.ts'
import { number, table } from './report.ts'
import { median, medianRatio } from './stats.ts'

const MIB = 1_048_576
/** What issue and specification aim at: the check and the minting of a grant beside a bare signature. */
const AIMS: Readonly<Record<string, string>> = {
  'grant checked': '1.15',
  'grant minted': '1.3',
}

export interface CallSummary {
  readonly state: string
  readonly executors: number
  readonly in_flight: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly calls_per_s: number
  readonly floor_p50_ms: number
  readonly floor_p99_ms: number
  readonly floor_calls_per_s: number
  /** Of the two p50, round by round, then the median. */
  readonly p50_ratio: number
  readonly errors: number
  readonly first_error: string | null
}

export interface GrantReport {
  readonly at: string
  readonly node: string
  readonly cpus: number
  readonly cpu_model: string
  readonly load: { readonly before: readonly number[]; readonly after: readonly number[] }
  readonly parts: GrantParts
  readonly calls: readonly CallSummary[]
  readonly peak_rss_bytes: Readonly<Record<string, number>>
}

const p50 = (of: CallRow['slots']): readonly number[] => of.map(({ p50_ms }) => p50_ms)
const loads = (values: readonly number[]): string => values.map((one) => number(one, 2)).join(' ')

/** Every governed row with the floor that was measured in turn with it. */
export function summarizeCalls(rows: readonly CallRow[]): readonly CallSummary[] {
  return rows.flatMap((row) => {
    if (row.arm !== 'governed') return []
    const { state, executors, in_flight, slots } = row
    const floor = rows.find((one) => {
      return one.arm === 'floor' && one.state === state && one.in_flight === in_flight
    })
    const beside = floor?.slots ?? []
    const all = [...slots, ...beside]
    return [
      {
        state,
        executors,
        in_flight,
        p50_ms: median(p50(slots)),
        p99_ms: median(slots.map(({ p99_ms }) => p99_ms)),
        calls_per_s: median(slots.map(({ calls_per_s }) => calls_per_s)),
        floor_p50_ms: median(p50(beside)),
        floor_p99_ms: median(beside.map(({ p99_ms }) => p99_ms)),
        floor_calls_per_s: median(beside.map(({ calls_per_s }) => calls_per_s)),
        p50_ratio: medianRatio(p50(slots), p50(beside)),
        errors: all.reduce((sum, { errors }) => sum + errors, 0),
        first_error: all.find(({ first_error }) => first_error !== null)?.first_error ?? null,
      },
    ]
  })
}

/** The report as a person reads it. */
export function printGrantReport(report: GrantReport): string {
  const { parts, load } = report
  const sizes = Object.entries(report.peak_rss_bytes).map(([name, bytes]) => {
    return [name, number(bytes / MIB, 0)]
  })
  return [
    `${report.at}, Node ${report.node}, ${report.cpus} cores (${report.cpu_model})\nload average before ${loads(load.before)}, after ${loads(load.after)}`,
    table(
      ['CPU time of one', 'µs', 'beside', 'µs', 'ratio', 'aim'],
      parts.rows.map((row) => {
        const ratio = number(row.ratio, 2)
        return [
          row.what,
          number(row.us, 1),
          row.beside,
          number(row.beside_us, 1),
          ratio,
          AIMS[row.what] ?? '',
        ]
      }),
    ),
    `an allowed call without I/O: ${number(parts.call_us, 0)} µs of CPU, its signatures alone ${number(parts.signatures_us, 0)} µs, the rest ${number(parts.call_us - parts.signatures_us, 0)} µs`,
    table(
      [
        'calls over the bus',
        'executors',
        'in flight',
        'p50 ms',
        'p99 ms',
        'calls/s',
        'floor p50',
        'p99',
        'calls/s',
        'p50 ratio',
        'errors',
      ],
      report.calls.map((row) => [
        row.state,
        String(row.executors),
        String(row.in_flight),
        number(row.p50_ms, 2),
        number(row.p99_ms, 2),
        number(row.calls_per_s, 0),
        number(row.floor_p50_ms, 2),
        number(row.floor_p99_ms, 2),
        number(row.floor_calls_per_s, 0),
        number(row.p50_ratio, 2),
        row.errors === 0 ? '0' : `${row.errors}: ${row.first_error ?? ''}`,
      ]),
    ),
    table(['largest resident size', 'MiB'], sizes),
  ].join('\n\n')
}
