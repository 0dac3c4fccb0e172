import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks a second of `/proc/<pid>/stat`; Linux has had no other for user programs. */
const TICKS_PER_S = 100
const US_PER_TICK: number = 1_000_000 / TICKS_PER_S

export interface ProcessStat {
  readonly parent: number
  /** User and system time of all its threads, in microseconds; in steps of 10 ms. */
  readonly cpu_us: number
}

/** Reads a line of `/proc/<pid>/stat`; the name in it may hold blanks and brackets. */
export function parseStat(line: string): ProcessStat | undefined {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const [, parent, , , , , , , , , , user, system] = fields.map(Number)
  if (parent === undefined || user === undefined || system === undefined) return undefined
  const cpu_us = (user + system) * US_PER_TICK
  return Number.isFinite(cpu_us) && Number.isInteger(parent) ? { parent, cpu_us } : undefined
}

/** The largest resident size so far, in bytes, of `/proc/<pid>/status`. */
export function parsePeakBytes(status: string): number | undefined {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? []
  return kib === undefined ? undefined : Number(kib) * 1_024
}

export interface MachineTime {
  /** Microseconds in which any core did something, of all cores together. */
  readonly busy_us: number
  readonly total_us: number
}

/** The first line of `/proc/stat`. */
export function parseMachine(text: string): MachineTime | undefined {
  const line = text.split('\n', 1)[0] ?? ''
  if (!line.startsWith('cpu ')) return undefined
  // user nice system idle iowait irq softirq steal; guests are counted in user already.
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number)
  if (ticks.length < 5 || ticks.some((tick) => !Number.isFinite(tick))) return undefined
  const total = ticks.reduce((sum, tick) => sum + tick, 0)
  const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0)
  return { busy_us: (total - idle) * US_PER_TICK, total_us: total * US_PER_TICK }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // Ended meanwhile, or a system without /proc.
    return undefined
  }
}

/** Undefined where there is no `/proc` or no such process. */
export function cpuOf(pid: number): number | undefined {
  const line = read(`/proc/${pid}/stat`)
  return line === undefined ? undefined : parseStat(line)?.cpu_us
}

export function peakBytesOf(pid: number): number | undefined {
  const status = read(`/proc/${pid}/status`)
  return status === undefined ? undefined : parsePeakBytes(status)
}

export function machineTime(): MachineTime | undefined {
  return parseMachine(read('/proc/stat') ?? '')
}

export interface Descendant {
  readonly pid: number
  readonly command: string
}

/** Everything that runs below a process, with its command line. Empty without `/proc`. */
export function descendantsOf(root: number): readonly Descendant[] {
  const children = new Map<number, number[]>()
  for (const pid of allProcesses()) {
    const line = read(`/proc/${pid}/stat`)
    const parent = line === undefined ? undefined : parseStat(line)?.parent
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), pid])
  }
  const found: number[] = []
  const open = [root]
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    const below = children.get(pid) ?? []
    found.push(...below)
    open.push(...below)
  }
  return found.map((pid) => ({
    pid,
    command: (read(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ').trim(),
  }))
}

function allProcesses(): readonly number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
  } catch {
    return []
  }
}
