/** `npm run bench -- policy`: decisions of the engine beside those of peers, in one run. */
import { createHash } from 'node:crypto'
import { decide, decideNaively, type PolicyFacts } from '@trustgw/core'
import { coldShape, compileShape, type Shape, usualShape, worstShape } from './policy-shapes.ts'

export interface PolicyRow {
  readonly engine: string
  readonly rules: number
  readonly decisions_per_second: number
  readonly p50_us: number
  readonly p99_us: number
  readonly rss_mb: number
  readonly compile_ms: number
}

/** Something that decides; a peer is one more of these for each shape. */
export interface PolicyEngine {
  readonly name: string
  readonly rules: number
  readonly compile_ms: number
  readonly proposals: readonly PolicyFacts[]
  /** Gives anything that depends on the decision, so that none is optimised away. */
  readonly decide: (facts: PolicyFacts) => string
}

const ROUNDS = 7
const ROUND_MS = 150
const SAMPLES = 4_000

const sha256 = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex')

function indexed(shape: Shape): PolicyEngine {
  const { compiled, compile_ms } = compileShape(shape, sha256)
  const name = shape.name === 'usual' ? 'trustgw' : `trustgw ${shape.name}`
  const { rules, proposals } = shape
  const run = (facts: PolicyFacts): string => decide(compiled, facts).rule_id
  return { name, rules, compile_ms, proposals, decide: run }
}

/** Every rule in order, no index: what a first-match loop costs on the same decisions. */
function naive(shape: Shape): PolicyEngine {
  const { compiled, compile_ms } = compileShape(shape, sha256)
  const { rules, proposals } = shape
  const run = (facts: PolicyFacts): string => decideNaively(compiled, facts).rule_id
  return { name: 'first-match loop', rules, compile_ms, proposals, decide: run }
}

/** Decisions for each second of this process's CPU. */
function measureRound({ proposals, decide: run }: PolicyEngine, from: number): number {
  const before = process.cpuUsage()
  const until = performance.now() + ROUND_MS
  let count = 0
  let length = 0
  while (performance.now() < until) {
    for (let batch = 0; batch < 64; batch++) {
      const facts = proposals[(from + count) % proposals.length]
      if (facts !== undefined) length += run(facts).length
      count++
    }
  }
  const { user, system } = process.cpuUsage(before)
  return length === 0 ? 0 : (count * 1e6) / (user + system)
}

function latencies({ proposals, decide: run }: PolicyEngine): readonly number[] {
  const taken: number[] = []
  const until = performance.now() + 4 * ROUND_MS
  for (let at = 0; at < SAMPLES && performance.now() < until; at++) {
    const facts = proposals[at % proposals.length]
    if (facts === undefined) continue
    const begun = process.hrtime.bigint()
    run(facts)
    taken.push(Number(process.hrtime.bigint() - begun) / 1e3)
  }
  return taken.sort((a, b) => a - b)
}

const at = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))

/** Engines take turns, so that the machine's moods fall on all alike; medians over the rounds. */
export function measurePolicy(engines: readonly PolicyEngine[]): readonly PolicyRow[] {
  const rates = engines.map((): number[] => [])
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [index, engine] of engines.entries()) {
      const rate = measureRound(engine, round * 1_009)
      if (round > 0) rates[index]?.push(rate)
    }
  }
  return engines.map((engine, index) => {
    const sorted = latencies(engine)
    const own = (rates[index] ?? []).sort((a, b) => a - b)
    return {
      engine: engine.name,
      rules: engine.rules,
      decisions_per_second: Math.round(at(own, 0.5)),
      p50_us: rounded(at(sorted, 0.5), 2),
      p99_us: rounded(at(sorted, 0.99), 2),
      rss_mb: rounded(process.memoryUsage().rss / 1_048_576, 1),
      compile_ms: rounded(engine.compile_ms, 1),
    }
  })
}

/** Every engine at every size. */
export function policyEngines(): readonly PolicyEngine[] {
  const sizes = [10, 100, 1_000, 10_000].map(usualShape)
  return [
    ...sizes.map(indexed),
    ...[coldShape(1_000), coldShape(10_000), worstShape(1_000), worstShape(10_000)].map(indexed),
    ...sizes.map(naive),
  ]
}

const pad = (text: string | number, width: number): string => String(text).padStart(width)

export function printPolicyRows(rows: readonly PolicyRow[]): string {
  const lines = rows.map(
    (row) =>
      `${row.engine.padEnd(18)}${pad(row.rules, 7)}${pad(row.decisions_per_second, 12)}/s` +
      `${pad(row.p50_us, 10)}${pad(row.p99_us, 10)} us${pad(row.rss_mb, 8)} MB${pad(row.compile_ms, 9)} ms`,
  )
  const head = `${'engine'.padEnd(18)}${pad('rules', 7)}${pad('decisions', 14)}${pad('p50', 10)}${pad('p99', 10)}`
  return [`${head}${pad('rss', 14)}${pad('compile', 12)}`, ...lines].join('\n')
}
