import type { ActionState } from '@trustgw/core'
import type { ActionRecord } from '../action/action-record.ts'
import type { Recalled } from '../action/action-store.ts'
import type { Fate } from './counter.ts'

/** States of an action that was entered, or that nobody can say was not. */
const RAN: ReadonlySet<ActionState['kind']> = new Set<ActionState['kind']>([
  'succeeded',
  'failed',
  'unknown_outcome',
  'needs_human',
  'reconciled_succeeded',
  'reconciled_failed',
])
/** States of an action that ended without a result. */
const NO_RESULT: ReadonlySet<ActionState['kind']> = new Set<ActionState['kind']>([
  'denied',
  'refused',
  'cancelled',
  'expired',
])

/** An action that is to be stored is stored by then; what is missing later was forgotten, not unborn. */
const NEVER_STORED_WITHIN_MS = 3_600_000

/**
 * What is to become of the place that one decision took in one counter: given back when its action
 * certainly never ran, or when another decision stands in its stead. What ended unseen is not given back.
 */
export function fateOf(
  record: Recalled,
  place: {
    readonly attempt: string
    readonly key: string
    readonly at: number
    readonly now: number
  },
): Fate {
  const { attempt, key, at, now } = place
  if (record === 'unreadable') return { kind: 'open' }
  if (record === undefined && now - at > NEVER_STORED_WITHIN_MS) return { kind: 'ran', at }
  const counted = record?.counted ?? null
  if (record === undefined || counted?.attempt !== attempt || !counted.counters.includes(key))
    return { kind: 'never_ran' }
  return endOf(record)
}

/**
 * What a stored action's state says of the places that its decision took. A grant that lapsed may have
 * been claimed all the same, by an executor that nobody hears: without a result only what had no grant,
 * or was refused under its only one, certainly never ran.
 */
export function endOf({ state, counted, grants }: ActionRecord): Fate {
  const ran: Fate = { kind: 'ran', at: counted?.granted_at ?? state.since }
  if (RAN.has(state.kind)) return ran
  if (!NO_RESULT.has(state.kind)) return { kind: 'open' }
  const isCertain = grants === 0 || (grants === 1 && state.kind === 'refused')
  return isCertain ? { kind: 'never_ran' } : ran
}
