import {
  type ActionEvent,
  type ActionState,
  actionStateJson,
  type ActionEffect as Effect,
} from '@trustgw/core'
import { canonicalize } from '@trustgw/protocol'
import type { ActionRecord } from './action-record.ts'
import type { StoredAction } from './action-store.ts'

/** An event that is to be given to an action's state, and what goes with it. */
export interface Planned {
  readonly event: ActionEvent
  /** Whether the event still belongs to what is stored; else it is dropped. Absent: always. */
  readonly fits?: (record: ActionRecord) => boolean
  /** What of the record changes together with the state, if the event changes it. */
  readonly change?: (record: ActionRecord, next: ActionState) => ActionRecord
  /** Told once whether it became what is stored; not told when storing failed. Never rejects. */
  readonly done?: (isStored: boolean) => Promise<void>
}

/** What brings an action to rest. */
export interface Work {
  readonly queue?: readonly Planned[]
  /** What is to be done about a state that was stored just now. */
  readonly effects?: readonly Effect[]
  /** Whether the action was read or stored just now; else it is what this process last saw. */
  readonly fresh: boolean
}

/** How far an action was brought. */
export interface Progress {
  readonly stored: StoredAction
  /** Whether it was read or stored just now. */
  readonly fresh: boolean
  /** Whether its state was stored here. */
  readonly own: boolean
}

/**
 * Carries an action on from the very state that it was found in: nothing may follow one whose event is
 * not on record, and another gateway may just have stored the next.
 */
export function recoveredFrom({ state }: ActionRecord): {
  readonly planned: Planned
  readonly isMet: () => boolean
} {
  const text = canonicalize(actionStateJson(state))
  let met = true
  const fits = (record: ActionRecord): boolean => {
    met = canonicalize(actionStateJson(record.state)) === text
    return met
  }
  return { planned: { event: { kind: 'recovered' }, fits }, isMet: () => met }
}
