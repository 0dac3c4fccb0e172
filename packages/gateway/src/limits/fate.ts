import type { ActionState } from '@trustgw/core'
import type { Fate } from './counter.ts'
import type { Recalled } from './provenance.ts'

/** States of an action that was entered, or that nobody can say was not. */
const RAN: ReadonlySet<ActionState['kind']> = new Set<ActionState['kind']>([
  'succeeded',
  'failed',
  'unknown_outcome',
  'needs_human',
  'reconciled_succeeded',
  'reconciled_failed',
])
/** States of an action that never ran and never will. */
const NEVER_RAN: ReadonlySet<ActionState['kind']> = new Set<ActionState['kind']>([
  'denied',
  'refused',
  'cancelled',
  'expired',
])

/**
 * What is to become of the place that one decision took: given back when its action never ran, or
 * when another decision stands in its stead. What ended unseen is not given back.
 */
export function fateOf(record: Recalled, attempt: string): Fate {
  if (record === 'unreadable') return { kind: 'open' }
  const counted = record?.counted ?? null
  if (record === undefined || counted?.attempt !== attempt) return { kind: 'never_ran' }
  const { kind } = record.state
  if (RAN.has(kind)) return { kind: 'ran', at: counted.granted_at }
  return NEVER_RAN.has(kind) ? { kind: 'never_ran' } : { kind: 'open' }
}
