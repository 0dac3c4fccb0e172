import { type ActionState, initialState, STALE } from '@trustgw/core'
import type { Sha256 } from '@trustgw/protocol'
import type { Clock } from '@trustgw/runtime'
import { type ActionRecord, newRecord } from './action-record.ts'
import type { ActionStore, StoredAction } from './action-store.ts'
import type { AuditTrail } from './audit-trail.ts'
import { derivedId } from './derived-id.ts'

/** How often an action is asked anew because what it depends on changed; then it is refused for good. */
export const SUCCESSORS_MAX = 8

/**
 * A record that was just refused as stale names its successor, so that whoever finds it makes that very
 * action, once (spec/protocol.md §5).
 */
export function named(record: ActionRecord, sha256: Sha256): ActionRecord {
  const { proposal, state, generation } = record
  if (!isStale(state) || record.superseded_by !== null || generation >= SUCCESSORS_MAX)
    return record
  const of = { tenant: proposal.tenant, action: proposal.action_id }
  return { ...record, superseded_by: derivedId(of, 'successor', generation + 1, sha256) }
}

function isStale(state: ActionState): boolean {
  return state.kind === 'refused' && state.reason === STALE
}

/**
 * The action that takes the place of a stale one: the same call, of which nothing is decided yet. Until
 * then it has the earlier decision, under which nothing is granted. Null where none follows.
 */
function successorOf(record: ActionRecord, now: number): ActionRecord | null {
  const { proposal, superseded_by: action_id, tool, decision, hint } = record
  if (action_id === null) return null
  const again = { ...proposal, action_id, received_at: now }
  return {
    ...newRecord(again, { decision, counted: null, hint }, tool),
    state: initialState(now),
    supersedes: proposal.action_id,
    generation: record.generation + 1,
  }
}

/**
 * Makes the action that takes the place of a stale one, once: whoever finds the stale one open does the
 * same. Undefined where none follows, or it is there already.
 */
export async function makeSuccessor(
  stale: ActionRecord,
  deps: {
    readonly store: Pick<ActionStore, 'create'>
    readonly trail: AuditTrail
    readonly clock: Clock
  },
): Promise<StoredAction | undefined> {
  const record = successorOf(stale, deps.clock.now())
  if (record === null) return undefined
  await deps.trail.proposed(record.proposal, { supersedes: stale.proposal.action_id })
  return await deps.store.create(record)
}
