/** What the engine remembers when a caller invents tool names. */
import { getHeapStatistics } from 'node:v8'
import { decide } from '@trustgw/core'
import { compileRules } from './policy-engines.ts'
import { factsOf, makeShape } from './policy-shapes.ts'

const RULES = 1_000
/** Unless the caller says otherwise. */
export const NAMES = 1_000_000
/** The heap is looked at every so many names. */
const STEP = 50_000
/** Names before the first look: the engine has filled and emptied what it remembers. */
const SETTLED = 100_000

export interface NamesMeasured {
  readonly names: number
  /** Live heap, after collecting: before the first name, and the most at any look. */
  readonly heap_before_mb: number
  readonly heap_settled_mb: number
  readonly heap_most_mb: number
  readonly rss_mb: number
}

function liveHeapMb(): number {
  globalThis.gc?.()
  return getHeapStatistics().used_heap_size / 1_048_576
}

/** Tools never seen before, each decided once. Needs `--expose-gc`. */
export function measureNames(count: number): NamesMeasured {
  const { rules, calls } = makeShape('usual', RULES)
  const compiled = compileRules(rules)
  const proposals = calls.map(factsOf)
  const heap_before_mb = liveHeapMb()
  let heap_settled_mb = 0
  let heap_most_mb = 0
  for (let at = 0; at < count; at++) {
    const facts = proposals[at % proposals.length]
    if (facts === undefined) continue
    decide(compiled, { ...facts, tool: { ...facts.tool, id: `${facts.tool.id}y${at}` } })
    if (at === SETTLED) heap_settled_mb = liveHeapMb()
    if (at % STEP === 0) heap_most_mb = Math.max(heap_most_mb, liveHeapMb())
  }
  const rss_mb = process.memoryUsage().rss / 1_048_576
  return { names: count, heap_before_mb, heap_settled_mb, heap_most_mb, rss_mb }
}
