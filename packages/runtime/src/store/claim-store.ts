/**
 * `claimed`: this attempt made the entry. `mine`: the entry was made by this very attempt id, in an
 * earlier try. `taken`: another attempt made it; the key is used up for ever (or until the
 * stream's `max_age`).
 */
export type ClaimOutcome = 'claimed' | 'mine' | 'taken'

export interface Claim {
  /** Unguessable and unique to this attempt; part of the stored entry. */
  readonly attempt: string
  /** What else the entry says; part of the stored entry. */
  readonly note?: string
}

export interface ClaimEntry extends Claim {
  readonly seq: number
}

/** Why a stream is not insert-only; the first thing found. */
export type InsertOnlyOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: 'not_insert_only'; readonly setting: string }

/**
 * Insert-only entries: a key once claimed is never claimable again (spec/protocol.md §4 step 6, §6).
 * Durable once it resolves. Atomic per key among all processes.
 */
export interface ClaimStore {
  /**
   * Claims a key. Throws `BusFault` `store_ambiguous`, `store_unreachable` or `store_refused` when
   * the outcome is not known for certain or the store is full: nothing may be admitted on that, and
   * the same claim (same attempt) may be tried again.
   */
  claim(key: string, claim: Claim): Promise<ClaimOutcome>
  /** The entry of a key, read from the leader; `undefined` where there is none. */
  read(key: string): Promise<ClaimEntry | undefined>
  /**
   * Reads the stream's configuration; anything that would let an entry vanish or be replaced is
   * named. Called at each service's start, before the first claim.
   */
  verifyInsertOnly(): Promise<InsertOnlyOutcome>
}
