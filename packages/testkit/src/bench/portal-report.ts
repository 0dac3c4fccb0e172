import type { Delays, PortalRun } from './portal-bench.ts'
import { number, table } from './report.ts'

export interface PortalReport extends PortalRun {
  readonly at: string
  readonly node: string
  readonly cpus: number
  readonly cpu_model: string
  readonly pending: number
  readonly per_second: number
  readonly seconds: number
  readonly load: { readonly before: readonly number[]; readonly after: readonly number[] }
}

const KIB = 1_024
const MIB = 1_048_576

function averages(values: readonly number[]): string {
  return values.map((value) => number(value, 2)).join(' ')
}

/** The report as a person reads it. */
export function printPortalReport(report: PortalReport): string {
  const { load } = report
  return [
    `${report.at}, Node ${report.node}, ${report.browser}, ${report.cpus} cores (${report.cpu_model})`,
    `${report.pending} actions wait, ${report.per_second} events a second, ${report.seconds} s; load average before ${averages(load.before)}, after ${averages(load.after)}`,
    '',
    liveTable(report),
    '',
    loadTable(report),
  ].join('\n')
}

function cellsOf({ count, missing, p50_ms, p99_ms, max_ms }: Delays): readonly string[] {
  return [
    number(count, 0),
    number(missing, 0),
    number(p50_ms, 0),
    number(p99_ms, 0),
    number(max_ms, 0),
  ]
}

function liveTable({ rows }: PortalReport): string {
  const head = ['from the event to the screen', 'events', 'missing', 'p50 ms', 'p99 ms', 'max ms']
  const more = ['long tasks', 'longest ms', 'heap MiB', 'nodes', 'busy']
  const body = rows.flatMap((row) => {
    const own = [
      number(row.long_tasks, 0),
      number(row.longest_task_ms, 0),
      number(row.heap_bytes / MIB, 1),
      number(row.nodes, 0),
      `${number(row.busy_share * 100, 0)} %`,
    ]
    if (row.cards === null) return [[row.arm, ...cellsOf(row.delays), ...own]]
    return [[`${row.arm}, cards`, ...cellsOf(row.cards), ...own]]
  })
  return table([...head, ...more], body)
}

function loadTable({ loads }: PortalReport): string {
  const head = [
    'first load, slow 4G',
    'KiB',
    'script KiB',
    'style KiB',
    'data KiB',
    'first paint ms',
    'ready ms',
  ]
  const body = loads.map((one) => [
    one.page,
    ...[one.bytes, one.script_bytes, one.style_bytes, one.data_bytes].map((bytes) =>
      number(bytes / KIB, 0),
    ),
    number(one.first_paint_ms, 0),
    number(one.ready_ms, 0),
  ])
  return table(head, body)
}
