import type { Clock, Random } from '@trustgw/runtime'

/** Longest pause before the first repeat, in milliseconds; it grows with each. */
const STEP_MS = 4
const LONGEST_MS = 100

/** Waits a random while before the `turn`th repeat, so that two who met do not meet again. */
export type Pause = (turn: number) => Promise<void>

export function randomPause(clock: Clock, random: Random): Pause {
  return async (turn) => {
    const [chance = 0] = random.bytes(1)
    await clock.sleep(Math.ceil((Math.min(STEP_MS * turn, LONGEST_MS) * chance) / 255))
  }
}
