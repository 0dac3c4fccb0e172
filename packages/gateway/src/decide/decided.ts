import type { DecisionRecord } from '@trustgw/protocol'
import type { CountedIn } from '../action/action-record.ts'

/** Why there is no decision; nothing is accepted. */
export type Undecided =
  /** No policy is in force for this tenant. */
  | 'no_policy'
  /** The counters kept changing while they were read. */
  | 'limits_contended'
  /** As many actions as may be in flight are, in one counter. */
  | 'limits_full'
  /** A counter holds what this version cannot read. */
  | 'limits_unreadable'

/** A decision, what was taken for it, and what its proposer may be told. */
export interface Decided {
  readonly decision: DecisionRecord
  /** Null where nothing was taken: nothing counts the call, or it does not go on. */
  readonly counted: CountedIn | null
  readonly hint: string | null
}

export type DecideOutcome =
  | { readonly ok: true; readonly value: Decided }
  | { readonly ok: false; readonly reason: Undecided }

/** A decision for which nothing was taken, or why an earlier one does not stand. */
export type Again =
  | { readonly ok: true; readonly value: DecisionRecord }
  | { readonly ok: false; readonly reason: Undecided | 'policy_changed' | 'place_lost' }
