import type { Call } from './mcp-calls.ts'
import { percentile } from './stats.ts'

export interface SlotLimits {
  /** All clients together. */
  readonly calls: number
  readonly max_ms: number
}

export interface SlotResult {
  readonly calls: number
  readonly errors: number
  /** What the first failed call said. */
  readonly first_error: string | null
  readonly wall_ms: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly calls_per_s: number
}

/** Every client calls again as soon as it has its answer, until calls or time are used up. */
export async function runSlot(clients: readonly Call[], limits: SlotLimits): Promise<SlotResult> {
  const times: number[] = []
  const failures: string[] = []
  let begun = 0
  const start = performance.now()
  const client = async (call: Call): Promise<void> => {
    while (begun < limits.calls && performance.now() - start < limits.max_ms) {
      begun += 1
      const at = performance.now()
      try {
        await call()
        times.push(performance.now() - at)
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error))
      }
    }
  }
  await Promise.all(clients.map(client))
  const wall_ms = performance.now() - start
  const sorted = times.toSorted((a, b) => a - b)
  return {
    calls: times.length,
    errors: failures.length,
    first_error: failures[0] ?? null,
    wall_ms,
    p50_ms: percentile(sorted, 0.5),
    p99_ms: percentile(sorted, 0.99),
    calls_per_s: (times.length * 1_000) / wall_ms,
  }
}
