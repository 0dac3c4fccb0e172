const FIRST_DELAY_MS = 1_000
const LONGEST_DELAY_MS = 32_000
/** Share of the delay that chance may take away, so that many tabs do not return at once. */
const JITTER = 0.25

/**
 * Wait before reconnect attempt `attempt` (0, 1, 2 …): 1, 2, 4 … 32 s, shortened by up to a
 * quarter. `chance` is uniform in [0, 1).
 */
export function reconnectDelayMs(attempt: number, chance: number): number {
  const steps = Math.max(0, Math.min(attempt, 16))
  const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** steps)
  return Math.round(delay * (1 - JITTER * chance))
}
