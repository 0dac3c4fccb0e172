import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RunningSystem } from '../system.ts'

/** An event of the log, as far as the story looks at it. */
export interface TailedEvent {
  readonly type: string
  readonly writer: string
  readonly action_id: string | null
}

/** What `trustgw audit verify` said. */
export interface Verdict {
  readonly ok: boolean
  /** Codes of failures and findings, each once, in order of discovery. */
  readonly codes: readonly string[]
  readonly entries: number
}

/** One way to spoil a log, and the finding that must name it. */
export interface Tampering {
  readonly name: string
  readonly expected: string
  /** From whole lines to whole lines. */
  readonly spoil: (lines: readonly string[]) => readonly string[]
}

const TAILED = 1_000
const TAIL_TIMEOUT_MS = 120_000

/** The newest events of the log, from the command line. */
export async function tailEvents(
  system: RunningSystem,
  last: number = TAILED,
): Promise<readonly TailedEvent[]> {
  const args = ['audit', 'tail', '--last', String(last), '--no-follow', '--json']
  const { code, out, err } = await system.command(args, { timeoutMs: TAIL_TIMEOUT_MS })
  if (code !== 0) throw new Error(`audit tail ended with ${code}: ${err.trim()}`)
  return out
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .flatMap((line) => {
      const { entry } = recordOf(JSON.parse(line))
      const event = recordOf(recordOf(entry)['event'])
      const { type, writer, action_id } = event
      if (typeof type !== 'string' || typeof writer !== 'string') return []
      return [{ type, writer, action_id: typeof action_id === 'string' ? action_id : null }]
    })
}

/** Verifies the log of a state folder; another folder than the system's own for a spoilt copy. */
export async function verify(system: RunningSystem, stateDir?: string): Promise<Verdict> {
  const env = stateDir === undefined ? {} : { TRUSTGW_STATE_DIR: stateDir }
  const { code, out, err } = await system.command(['audit', 'verify', '--json'], { env })
  if (code !== 0 && code !== 1) throw new Error(`audit verify ended with ${code}: ${err.trim()}`)
  const found: string[] = []
  let entries = 0
  for (const value of walk(JSON.parse(out))) {
    if (typeof value['entries'] === 'number') entries += value['entries']
    const { severity, code: name } = value
    if (severity === 'notice' || typeof severity !== 'string' || typeof name !== 'string') continue
    if (!found.includes(name)) found.push(name)
  }
  return { ok: code === 0, codes: found, entries }
}

export const TAMPERINGS: readonly Tampering[] = [
  {
    name: 'one byte changed',
    expected: 'signature_wrong',
    spoil: (lines) => lines.map((line, index) => (index === at(lines) ? flip(line) : line)),
  },
  {
    name: 'one event removed',
    expected: 'event_missing',
    spoil: (lines) => lines.toSpliced(at(lines), 1),
  },
  {
    name: 'two events swapped',
    expected: 'event_out_of_order',
    spoil: (lines) => {
      const first = at(lines)
      const second = nextOfWriter(lines, first)
      return lines.with(first, lines[second] ?? '').with(second, lines[first] ?? '')
    },
  },
]

/** Spoils a copy of the log and verifies it; the system's own log is not touched. */
export async function verifySpoilt(system: RunningSystem, tampering: Tampering): Promise<Verdict> {
  const copy = await mkdtemp(join(tmpdir(), 'trustgw-spoilt-'))
  try {
    for (const part of ['log', 'public', 'policy.toml']) {
      await cp(join(system.stateDir, part), join(copy, part), { recursive: true })
    }
    const file = join(copy, 'log', 'main', 'entries.ndjson')
    const text = await readFile(file, 'utf8')
    const lines = text.split('\n').slice(0, -1)
    await writeFile(file, `${tampering.spoil(lines).join('\n')}\n`)
    return await verify(system, copy)
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}

/** The gateway's first grant: an event in the middle of a chain. */
function at(lines: readonly string[]): number {
  const index = lines.findIndex((line) => line.includes('"type":"grant_issued"'))
  if (index < 0) throw new Error('the log holds no grant')
  return index
}

function nextOfWriter(lines: readonly string[], first: number): number {
  const writer = writerOf(lines[first] ?? '')
  const second = lines.findIndex((line, index) => index > first && writerOf(line) === writer)
  if (second < 0) throw new Error('the chain ends there')
  return second
}

function writerOf(line: string): string {
  return /"writer":"([^"]+)"/.exec(line)?.[1] ?? ''
}

/** Changes one hex digit of a hash in the event's payload: still a well-formed event. */
function flip(line: string): string {
  const payload = line.indexOf('"payload":')
  const start = line.indexOf('"sha256:', payload)
  const place = start + '"sha256:'.length
  if (payload < 0 || start < 0) throw new Error('the event holds no hash')
  return `${line.slice(0, place)}${line[place] === '0' ? '1' : '0'}${line.slice(place + 1)}`
}

function* walk(value: unknown): Generator<Readonly<Record<string, unknown>>> {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value)) yield { ...value }
  for (const member of Object.values(value)) yield* walk(member)
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}
