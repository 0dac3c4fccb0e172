/**
 * The life of an action as stored data (spec/protocol.md §5). A state is plain JSON: it is what the
 * `actions` bucket holds, compare-and-swapped before the effects of the step that made it.
 * All times are Unix milliseconds.
 */
import type { Approver, ApproversClause } from '@trustgw/protocol'

/** Fresh decisions one action may go through before it is denied. */
export const DECISION_ROUNDS_MAX = 16
/** Grants one action may be issued before it expires. */
export const GRANTS_PER_ACTION_MAX = 64
/** How long after a grant's end its claim may still be reported (clock skew and the way back). */
export const CLAIM_GRACE_MS = 5_000
/** Longest life of a grant (spec/protocol.md §4). */
export const GRANT_LIFETIME_MAX_MS = 30_000

/** Why an action was refused that another one is to take the place of (spec/protocol.md §5). */
export const STALE = 'stale'

/** Who asked to cancel; kept until the state can follow. */
export interface Cancel {
  readonly by: string
  readonly at: number
}

/** What people must give before the action may run. */
export interface Need {
  readonly tier: 1 | 2
  /** All of them hold; they count different people, not keys. */
  readonly approvers: readonly ApproversClause[]
  /** The person or agent that may not approve (spec/protocol.md §5). */
  readonly initiator: string
  /** From when on an escalation counts. */
  readonly asked_at: number
}

/** One person's approval. `ref` is the hash of the stored evidence; the roles are the host's word. */
export interface Evidence extends Approver {
  readonly ref: string
  readonly tier: 1 | 2
}

/** What the executor said at the end; the document itself is stored apart. */
export interface ResultSummary {
  readonly result_hash: string
  readonly reason: string | null
}

interface Live {
  readonly since: number
  /** How many decisions were asked for, the first one being 1. */
  readonly round: number
  /** Every grant id ever issued for this action, oldest first. */
  readonly issued: readonly string[]
  readonly cancel: Cancel | null
}

interface Cleared extends Live {
  readonly run_by: number
  /** Null when policy allowed the action without people. */
  readonly need: Need | null
  readonly evidence: readonly Evidence[]
}

interface Claimed extends Live {
  readonly jti: string
}

export interface Proposed extends Live {
  readonly kind: 'proposed'
}
/** The precondition is being read, as an action of its own. */
export interface Preparing extends Live {
  readonly kind: 'preparing'
  readonly prepare_by: number
}
export interface PendingApproval extends Live {
  readonly kind: 'pending_approval'
  readonly decide_by: number
  readonly run_by: number
  readonly need: Need
  readonly evidence: readonly Evidence[]
}
export interface Authorized extends Cleared {
  readonly kind: 'authorized'
}
/** Inside the undo window. */
export interface Scheduled extends Cleared {
  readonly kind: 'scheduled'
  readonly not_before: number
}
export interface Dispatched extends Cleared {
  readonly kind: 'dispatched'
  readonly jti: string
  readonly grant_exp: number
  /** Why an executor refused the grant, while nobody knows yet whether another one claimed it. */
  readonly refused_for?: string
}
interface Executing extends Claimed {
  readonly kind: 'executing'
  /** When the end is taken as unseen. */
  readonly result_by: number
}
export interface UnknownOutcome extends Claimed {
  readonly kind: 'unknown_outcome'
  readonly reason: string
}
interface NeedsHuman extends Claimed {
  readonly kind: 'needs_human'
  readonly reason: string
}
export interface Denied {
  readonly kind: 'denied'
  readonly since: number
  readonly reason: string
  /** The approver who said no; null when policy did. */
  readonly by: string | null
}
interface Refused {
  readonly kind: 'refused'
  readonly since: number
  readonly jti: string
  readonly reason: string
}
interface Ended {
  readonly kind: 'succeeded' | 'failed'
  readonly since: number
  readonly jti: string
  readonly result: ResultSummary
}
export interface Reconciled {
  readonly kind: 'reconciled_succeeded' | 'reconciled_failed'
  readonly since: number
  readonly jti: string
  /** `connector`, `executor`, or the person who decided. */
  readonly by: string
  readonly result: ResultSummary
}
export interface Cancelled {
  readonly kind: 'cancelled'
  readonly since: number
  readonly by: string
  /** Why an approver stopped it inside its undo window; absent where its proposer took it back. */
  readonly stopped_for?: string
}
export interface Expired {
  readonly kind: 'expired'
  readonly since: number
  readonly reason: 'approval' | 'run_by' | 'grants_used_up'
}

export interface StateMap {
  readonly proposed: Proposed
  readonly preparing: Preparing
  readonly denied: Denied
  readonly pending_approval: PendingApproval
  readonly authorized: Authorized
  readonly scheduled: Scheduled
  readonly dispatched: Dispatched
  readonly executing: Executing
  readonly succeeded: Ended & { readonly kind: 'succeeded' }
  readonly failed: Ended & { readonly kind: 'failed' }
  readonly refused: Refused
  readonly unknown_outcome: UnknownOutcome
  readonly reconciled_succeeded: Reconciled & { readonly kind: 'reconciled_succeeded' }
  readonly reconciled_failed: Reconciled & { readonly kind: 'reconciled_failed' }
  readonly needs_human: NeedsHuman
  readonly cancelled: Cancelled
  readonly expired: Expired
}

export type StateKind = keyof StateMap
export type ActionState = StateMap[StateKind]

const FINAL: ReadonlySet<StateKind> = new Set<StateKind>([
  'denied',
  'succeeded',
  'failed',
  'refused',
  'reconciled_succeeded',
  'reconciled_failed',
  'cancelled',
  'expired',
])

/** True for states that absorb every event. `unknown_outcome` and `needs_human` are not final. */
export function isFinal(state: ActionState): boolean {
  return FINAL.has(state.kind)
}

/** The state of an accepted proposal. */
export function initialState(now: number): Proposed {
  return { kind: 'proposed', since: now, round: 1, issued: [], cancel: null }
}

function deadlines(state: ActionState): readonly number[] {
  if (state.kind === 'preparing') return [state.prepare_by]
  if (state.kind === 'pending_approval') return [state.decide_by, state.run_by]
  if (state.kind === 'authorized') return [state.run_by]
  if (state.kind === 'scheduled') return [state.not_before, state.run_by]
  if (state.kind === 'dispatched') return [state.grant_exp + CLAIM_GRACE_MS]
  if (state.kind === 'executing') return [state.result_by]
  return []
}

/**
 * When a `tick` has something to do for this state after `after`, or null when time alone changes
 * nothing. Without `after` the first time of all, which may be over.
 */
export function wakeAt(
  state: ActionState,
  after: number = Number.NEGATIVE_INFINITY,
): number | null {
  const times = deadlines(state).filter((time) => time > after)
  return times.length === 0 ? null : Math.min(...times)
}
