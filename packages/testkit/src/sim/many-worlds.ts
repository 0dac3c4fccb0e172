import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Finding } from './findings.ts'
import { runWorld } from './world.ts'

/** Worlds that one process runs at a stretch; what it learnt meanwhile is told then. */
const BATCH = 50
/** Failing worlds that are told with their findings; all are counted. */
const FAILED_MAX = 20

export interface FailedWorld {
  readonly seed: string
  readonly findings: readonly Finding[]
}

export interface Tally {
  readonly worlds: number
  readonly failed: number
  /** The first ones. */
  readonly failures: readonly FailedWorld[]
  readonly events: number
  readonly accepted: number
  readonly effects: number
  readonly deaths: number
  /** Actions that ran and ended otherwise, where a clock was far off. */
  readonly late: number
  readonly states: { readonly [state: string]: number }
}

export interface Range {
  readonly from: number
  readonly worlds: number
}

const NONE: Tally = {
  worlds: 0,
  failed: 0,
  failures: [],
  events: 0,
  accepted: 0,
  effects: 0,
  deaths: 0,
  late: 0,
  states: {},
}

/** The seed of a numbered world. */
export function seedOf(number: number): string {
  return `world ${number}`
}

/** Runs numbered worlds one after the other, in this process. */
export async function runWorlds({ from, worlds }: Range): Promise<Tally> {
  let tally = NONE
  for (let number = from; number < from + worlds; number += 1) {
    const report = await runWorld(seedOf(number))
    const { seed, findings, events, accepted, effects, deaths, late, states } = report
    const isBad = findings.length > 0
    tally = added(tally, {
      worlds: 1,
      failed: isBad ? 1 : 0,
      failures: isBad ? [{ seed, findings }] : [],
      events,
      accepted,
      effects,
      deaths,
      late,
      states,
    })
  }
  return tally
}

/** The same in as many processes as there are cores. `heard` is told the sum so far. */
export async function runWorldsEverywhere(
  range: Range,
  heard: (tally: Tally) => void,
): Promise<Tally> {
  let tally = NONE
  let next = range.from
  const end = range.from + range.worlds
  const take = (): Range | undefined => {
    const worlds = Math.min(BATCH, end - next)
    if (worlds <= 0) return undefined
    next += worlds
    return { from: next - worlds, worlds }
  }
  const hear = (part: Tally): void => {
    tally = added(tally, part)
    heard(tally)
  }
  const cores = Array.from({ length: Math.max(1, availableParallelism()) })
  await Promise.all(cores.map(() => work(take, hear)))
  return tally
}

/** One process, fed with ranges until there is none. */
function work(take: () => Range | undefined, hear: (part: Tally) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('main.js', import.meta.url)), ['--serve'])
    const feed = (): void => {
      const range = take()
      if (range === undefined) child.disconnect()
      else child.send(range)
    }
    child.on('message', (part: Tally) => {
      hear(part)
      feed()
    })
    child.on('error', reject)
    child.on('exit', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`a process of worlds ended with ${String(code)}`))
    })
    feed()
  })
}

/** The other end of {@link runWorldsEverywhere}. */
export function serveWorlds(): void {
  process.on('message', (range: Range) => {
    void runWorlds(range).then((tally) => process.send?.(tally))
  })
}

function added(left: Tally, right: Tally): Tally {
  const states: Record<string, number> = { ...left.states }
  for (const [state, count] of Object.entries(right.states)) {
    states[state] = (states[state] ?? 0) + count
  }
  return {
    worlds: left.worlds + right.worlds,
    failed: left.failed + right.failed,
    failures: [...left.failures, ...right.failures].slice(0, FAILED_MAX),
    events: left.events + right.events,
    accepted: left.accepted + right.accepted,
    effects: left.effects + right.effects,
    deaths: left.deaths + right.deaths,
    late: left.late + right.late,
    states,
  }
}
