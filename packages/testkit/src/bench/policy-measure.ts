/** Measures one engine with one policy, in a process that does nothing else. */
import type { PolicyEngine } from './policy-peers.ts'
import { median, percentile } from './stats.ts'

const WARM_MS = 400
/** Warming goes on until so many are made, so that no round makes a plan; a slow engine has its time. */
const WARM_DECISIONS = 2_048
const WARM_MAX_MS = 3_000
const PROBE_MS = 50
const ROUNDS = 5
const ROUND_MS = 100
const BATCH_MS = 1
const BATCH_MAX = 256
const SAMPLES_MAX = 4_000
const SAMPLES_MIN = 20
const SAMPLES_MS = 500

export interface Measured {
  /** For each second of this process's CPU, collection of garbage and compiling included. */
  readonly per_cpu_second: number
  readonly per_wall_second: number
  readonly p50_us: number
  readonly p99_us: number
  /** What is timed here, so that a reader can judge p50 and p99 of slow engines. */
  readonly samples: number
}

/** What the process of one engine with one policy prints. */
export interface CellMeasured extends Measured {
  readonly compile_ms: number
  readonly rss_mb: number
  readonly answers: readonly string[]
}

/** Calls in turn; the sum keeps a decision from being optimised away. */
class Turn {
  readonly #engine: PolicyEngine
  readonly #calls: number
  #at = 0
  sum = 0

  constructor(engine: PolicyEngine, calls: number) {
    this.#engine = engine
    this.#calls = calls
  }

  one(): void {
    this.sum += this.#engine.decide(this.#at).length
    this.#at = this.#at + 1 === this.#calls ? 0 : this.#at + 1
  }

  /** For so many milliseconds, at least one batch. */
  run(ms: number, batch: number): { readonly count: number; readonly ms: number } {
    const begun = performance.now()
    let count = 0
    let now = begun
    while (now - begun < ms) {
      for (let i = 0; i < batch; i++) this.one()
      count += batch
      now = performance.now()
    }
    return { count, ms: now - begun }
  }
}

function latencies(turn: Turn): readonly number[] {
  const taken: number[] = []
  const until = performance.now() + SAMPLES_MS
  while (taken.length < SAMPLES_MIN || (taken.length < SAMPLES_MAX && performance.now() < until)) {
    const begun = process.hrtime.bigint()
    turn.one()
    taken.push(Number(process.hrtime.bigint() - begun) / 1e3)
  }
  return taken.sort((a, b) => a - b)
}

/** Bounded by time and by count, whatever the engine; at least {@link SAMPLES_MIN} decisions. */
export function measure(engine: PolicyEngine, calls: number): Measured {
  const turn = new Turn(engine, calls)
  let warm = turn.run(WARM_MS, 1)
  while (warm.count < WARM_DECISIONS && warm.ms < WARM_MAX_MS) {
    const more = turn.run(PROBE_MS, 1)
    warm = { count: warm.count + more.count, ms: warm.ms + more.ms }
  }
  const { count: probed, ms: probeMs } = turn.run(PROBE_MS, 1)
  const batch = Math.max(1, Math.min(BATCH_MAX, Math.floor((BATCH_MS * probed) / probeMs)))
  const byCpu: number[] = []
  const byWall: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage()
    const { count, ms } = turn.run(ROUND_MS, batch)
    const { user, system } = process.cpuUsage(before)
    byCpu.push((count * 1e6) / (user + system))
    byWall.push((count * 1e3) / ms)
  }
  const sorted = latencies(turn)
  if (turn.sum === 0) throw new Error('no decision was made')
  return {
    per_cpu_second: median(byCpu),
    per_wall_second: median(byWall),
    p50_us: percentile(sorted, 0.5),
    p99_us: percentile(sorted, 0.99),
    samples: sorted.length,
  }
}
