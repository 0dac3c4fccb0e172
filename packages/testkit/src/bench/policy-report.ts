/** What the benchmark of policy found, beside what is aimed at. */
import type { PipelineRow } from './pipeline.ts'
import { TYPICAL_BYTES } from './pipeline.ts'
import type { PolicyBench, PolicyRow } from './policy.ts'
import { number, table } from './report.ts'

export interface Aim {
  readonly aim: string
  readonly figure: string
  readonly met: boolean
}

const OURS = 'trust-gateway'
const MILLION = 1_000_000

type Rows = readonly PolicyRow[]

/** Of the row's CPU time; NaN, and so not met, where there is no such row. */
function rate(rows: Rows, engine: string, rules: number): number {
  const row = rows.find((one) => one.engine === engine && one.rules === rules)
  return row?.decisions_per_second ?? Number.NaN
}

const inMillions = (value: number): string => `${number(value / MILLION, 2)} M/s`

function atLeast(title: string, found: number, least: number): Aim {
  return {
    aim: `${title}: at least ${inMillions(least)}`,
    figure: inMillions(found),
    met: found >= least,
  }
}

function atMost(title: string, found: number, most: number, unit: string): Aim {
  return {
    aim: `${title}: at most ${most}${unit}`,
    figure: `${number(found, 2)}${unit}`,
    met: found <= most,
  }
}

function ratioOf(rows: readonly PipelineRow[], what: string): number {
  const typical = rows.filter((row) => row.what === what && row.bytes >= TYPICAL_BYTES)
  return typical[0]?.ratio ?? Number.NaN
}

/** Whatever a caller invents, the heap after a million names is that after the first ones. */
const NAMES_MOST_MB = 32

/** Every aim, with the figure of this run; decisions are for each second of CPU. */
export function aims({ rows, names, pipeline }: PolicyBench): readonly Aim[] {
  const usual = (rules: number): number => rate(rows, OURS, rules)
  const grown = names.heap_most_mb - names.heap_before_mb
  const slowest = Math.max(...pipeline.patterns.map(({ ms }) => ms))
  return [
    atLeast('decisions at 1 000 rules', usual(1_000), MILLION),
    atLeast('decisions at 10 000 rules', usual(10_000), MILLION / 2),
    atMost('cost at 10 000 rules to that at 100', usual(100) / usual(10_000), 2.5, 'x'),
    atLeast('a tool not seen before, 10 000 rules', rate(rows, `${OURS} cold`, 10_000), 200_000),
    atLeast('every rule over every tool, 1 000 rules', rate(rows, `${OURS} worst`, 1_000), 300_000),
    atMost('heap that a million invented names add', grown, NAMES_MOST_MB, ' MB'),
    atMost('strict parse of bytes', ratioOf(pipeline.rows, 'strict parse of bytes'), 2.6, 'x'),
    atMost(
      'canonical form and hash',
      ratioOf(pipeline.rows, 'canonical form and SHA-256'),
      1.8,
      'x',
    ),
    atMost('schema validation', ratioOf(pipeline.rows, 'schema validation'), 0.1, 'x'),
    atMost('the slowest pattern on 100 KB', slowest, 50, ' ms'),
  ]
}

function policyTable(rows: Rows): string {
  const head = [
    'engine',
    'rules',
    '/CPU s',
    '/s',
    'p50 us',
    'p99 us',
    'RSS MB',
    'compile ms',
    'timed',
  ]
  const lines = rows.map((row) => [
    row.engine,
    String(row.rules),
    String(row.decisions_per_second),
    String(row.decisions_per_wall_second),
    number(row.p50_us, 2),
    number(row.p99_us, 2),
    number(row.rss_mb, 0),
    number(row.compile_ms, 0),
    String(row.samples),
  ])
  return table(head, lines)
}

function pipelineTable({ rows, patterns }: PolicyBench['pipeline']): string {
  const lines = rows.map((row) => [
    row.what,
    row.beside,
    String(row.bytes),
    number(row.us, 2),
    number(row.beside_us, 2),
    number(row.ratio, 2),
  ])
  const hostile = patterns.map(({ pattern, refused, ms }) => [
    pattern,
    refused ? 'refused' : number(ms, 1),
  ])
  return [
    table(['one call', 'beside', 'bytes', 'us', 'beside us', 'ratio'], lines),
    table(['pattern of a schema on 100 KB', 'ms'], hostile),
  ].join('\n\n')
}

/** The report as a person reads it. */
export function printPolicyReport(bench: PolicyBench, heading: string): string {
  const { names, agreement } = bench
  const compared = agreement.map(({ rules, compared: count }) => `${count} at ${rules} rules`)
  return [
    heading,
    policyTable(bench.rows),
    `All engines agree on effect, tier and rule: ${compared.join(', ')}.`,
    `${names.names} invented tool names: heap ${number(names.heap_before_mb, 1)} MB before, ` +
      `${number(names.heap_settled_mb, 1)} after the first hundred thousand, ` +
      `${number(names.heap_most_mb, 1)} at most; RSS ${number(names.rss_mb, 0)} MB.`,
    pipelineTable(bench.pipeline),
    table(
      ['aim', 'this run', ''],
      aims(bench).map(({ aim, figure, met }) => [aim, figure, met ? 'met' : 'MISSED']),
    ),
  ].join('\n\n')
}
