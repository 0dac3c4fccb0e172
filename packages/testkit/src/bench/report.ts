import type { ArmId } from './arms.ts'
import type { SlotResult } from './load.ts'
import { median, medianRatio } from './stats.ts'

/** One arm at one number of clients in one round. */
export interface Measured {
  readonly arm: ArmId
  readonly title: string
  readonly clients: number
  readonly round: number
  readonly slot: SlotResult
  /** Microseconds of user and system time by process; empty where the system does not say. */
  readonly cpu_us: Readonly<Record<string, number>>
}

/** Medians over the rounds. */
export interface Row {
  readonly arm: ArmId
  readonly title: string
  readonly clients: number
  readonly rounds: number
  readonly calls: number
  readonly errors: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly calls_per_s: number
  /** Of all processes that serve the call, without the client. */
  readonly cpu_us_per_call: number
  readonly cpu_us_per_call_by_process: Readonly<Record<string, number>>
}

export interface Ratio {
  readonly over: ArmId
  readonly under: ArmId
  readonly clients: number
  readonly p50: number
  readonly calls_per_s: number
  readonly cpu: number
}

export const CLIENT_PROCESS = 'client'

/** Ratios that are reported: governed to bare of the same era, governed to the floor. */
const PAIRS: readonly (readonly [ArmId, ArmId])[] = [
  ['governed-rest', 'bare-mcp-2026'],
  ['governed-mcp-2026', 'bare-mcp-2026'],
  ['governed-mcp-2025', 'bare-mcp-2025'],
  ['governed-rest', 'floor'],
  ['governed-mcp-2026', 'floor'],
]

export function summarize(measured: readonly Measured[]): readonly Row[] {
  const groups = new Map<string, Measured[]>()
  for (const one of measured) {
    const key = `${one.clients} ${one.arm}`
    groups.set(key, [...(groups.get(key) ?? []), one])
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    return first === undefined ? [] : [rowOf(first, group)]
  })
}

function rowOf(first: Measured, group: readonly Measured[]): Row {
  const names = [...new Set(group.flatMap(({ cpu_us }) => Object.keys(cpu_us)))]
  const perCall = (name: string): number =>
    median(group.map(({ cpu_us, slot }) => (cpu_us[name] ?? 0) / Math.max(slot.calls, 1)))
  return {
    arm: first.arm,
    title: first.title,
    clients: first.clients,
    rounds: group.length,
    calls: group.reduce((sum, { slot }) => sum + slot.calls, 0),
    errors: group.reduce((sum, { slot }) => sum + slot.errors, 0),
    p50_ms: median(group.map(({ slot }) => slot.p50_ms)),
    p99_ms: median(group.map(({ slot }) => slot.p99_ms)),
    calls_per_s: median(group.map(({ slot }) => slot.calls_per_s)),
    cpu_us_per_call: median(group.map(servedCpu)),
    cpu_us_per_call_by_process: Object.fromEntries(
      names.map((name) => [name, perCall(name)] as const).filter(([, us]) => us > 0),
    ),
  }
}

function servedCpu({ cpu_us, slot }: Measured): number {
  const total = Object.entries(cpu_us)
    .filter(([name]) => name !== CLIENT_PROCESS)
    .reduce((sum, [, us]) => sum + us, 0)
  return total / Math.max(slot.calls, 1)
}

export function ratios(measured: readonly Measured[]): readonly Ratio[] {
  const counts = [...new Set(measured.map(({ clients }) => clients))]
  return counts.flatMap((clients) =>
    PAIRS.map(([over, under]) => {
      const of = (arm: ArmId, value: (one: Measured) => number): readonly number[] =>
        measured
          .filter((one) => one.arm === arm && one.clients === clients)
          .toSorted((a, b) => a.round - b.round)
          .map(value)
      const ratio = (value: (one: Measured) => number): number =>
        medianRatio(of(over, value), of(under, value))
      return {
        over,
        under,
        clients,
        p50: ratio(({ slot }) => slot.p50_ms),
        calls_per_s: ratio(({ slot }) => slot.calls_per_s),
        cpu: ratio(servedCpu),
      }
    }),
  )
}

/** Columns as wide as their widest cell; the first is text, the others are numbers. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return column === 0 ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd()
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

export function number(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '-'
}
