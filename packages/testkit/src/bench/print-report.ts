import { CRITICAL_PATH } from './critical-path.ts'
import { CLIENT_PROCESS, number, table } from './report.ts'
import type { BenchReport } from './run-bench.ts'

const MIB = 1_048_576
const US_PER_MS = 1_000

function share(value: number | null): string {
  return value === null ? 'unknown' : `${number(value * 100, 0)} %`
}

/** The report as a person reads it. */
export function printReport(report: BenchReport): string {
  return [
    heading(report),
    calls(report),
    ratioTable(report),
    processTable(report),
    floorText(),
  ].join('\n\n')
}

function heading(report: BenchReport): string {
  const { load } = report
  return [
    `${report.at}, Node ${report.node}, ${report.cpus} cores (${report.cpu_model})`,
    `stored messages forced to disk: ${report.sync_interval}`,
    `load average before ${load.before.map((value) => number(value, 2)).join(' ')}, after ${load.after.map((value) => number(value, 2)).join(' ')}`,
    `cores busy during the run: ${share(load.busy_share)}, by others than this run: ${share(load.others_share)}`,
  ].join('\n')
}

function calls(report: BenchReport): string {
  const head = [
    'medians over the rounds',
    'clients',
    'p50 ms',
    'p99 ms',
    'calls/s',
    'CPU ms/call',
    'calls',
    'errors',
  ]
  const rows = report.rows.map((row) => [
    row.title,
    String(row.clients),
    number(row.p50_ms, 2),
    number(row.p99_ms, 2),
    number(row.calls_per_s, 0),
    number(row.cpu_us_per_call / US_PER_MS, 2),
    String(row.calls),
    String(row.errors),
  ])
  return table(head, rows)
}

function ratioTable(report: BenchReport): string {
  const head = ['ratio in each round, then the median', 'clients', 'p50', 'calls/s', 'CPU']
  const rows = report.ratios.map((ratio) => [
    `${ratio.over} / ${ratio.under}`,
    String(ratio.clients),
    number(ratio.p50, 2),
    number(ratio.calls_per_s, 2),
    number(ratio.cpu, 2),
  ])
  return table(head, rows)
}

function processTable(report: BenchReport): string {
  const names = [...Object.keys(report.peak_rss_bytes), CLIENT_PROCESS]
  const arms = report.rows.filter(
    (row) => row.arm !== 'governed-mcp-2025' && row.arm !== 'bare-mcp-2025',
  )
  const head = [
    'CPU ms a call by process',
    ...arms.map((row) => `${row.arm} c${row.clients}`),
    'peak MiB',
  ]
  const rows = names.map((name) => [
    name,
    ...arms.map((row) => {
      const us = row.cpu_us_per_call_by_process[name]
      return us === undefined ? '.' : number(us / US_PER_MS, 2)
    }),
    number((report.peak_rss_bytes[name] ?? Number.NaN) / MIB, 0),
  ])
  return table(head, rows)
}

function floorText(): string {
  const path = CRITICAL_PATH
  const writes = path.gateway_stored_writes + path.executor_stored_writes
  const reads = path.gateway_reads + path.executor_reads
  const signs = path.gateway_signatures + path.executor_signatures
  const checks = path.gateway_verifications + path.executor_verifications
  return [
    `The floor does one after the other what an allowed call waits for: ${writes} stored writes, ${reads} reads,`,
    `${path.executor_synced_lines} synced line, ${path.bus_round_trips} bus round trip, ${signs} signatures, ${checks} verifications, ${path.stdio_calls} call of the server, ${path.http_round_trips} HTTP round trip.`,
  ].join('\n')
}
