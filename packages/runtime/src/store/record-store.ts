/** A stored value and the revision by which it is replaced. */
export interface StoredRecord {
  /** `<tenant>.<key>`, as given to `create`. */
  readonly key: string
  readonly value: Uint8Array
  /** Grows with every write to the bucket, over all keys; the stream's sequence. */
  readonly revision: number
}

export type CreateOutcome =
  | { readonly ok: true; readonly revision: number }
  | { readonly ok: false; readonly reason: 'exists' }

export type ReplaceOutcome =
  | { readonly ok: true; readonly revision: number }
  | { readonly ok: false; readonly reason: 'conflict' }

/** What a watcher learns: that a key may have changed, or that anything may have. */
export type RecordChange =
  | { readonly kind: 'changed'; readonly key: string }
  | { readonly kind: 'anything' }

/**
 * The latest value per key, changed by compare-and-swap (spec/protocol.md §5: state is stored
 * before its effects). Keys are `<tenant>.<key>`; the tenant is a subject token of its own.
 *
 * Durable once a write resolves `ok`. Atomic per key; nothing spans keys. Every write whose
 * outcome stays unknown throws `BusFault` `store_ambiguous`: read again before acting.
 *
 * A write that got no answer is repeated, and a conflict after such a try is settled by reading the
 * leader's value: if it is byte for byte what was being written, the write is counted as done. So
 * two writers that write identical bytes on the same revision both succeed: a value on which
 * exactly one of them must win carries the writer's id.
 */
export interface RecordStore {
  /** The latest value, or `undefined` where none was written or it was removed. */
  get(key: string): Promise<StoredRecord | undefined>
  /** Writes where no value is; also over a removed one. */
  create(key: string, value: Uint8Array): Promise<CreateOutcome>
  /** Writes if `revision` is still the latest. */
  replace(key: string, value: Uint8Array, revision: number): Promise<ReplaceOutcome>
  /** Leaves a tombstone if `revision` is still the latest; its revision is returned. */
  remove(key: string, revision: number): Promise<ReplaceOutcome>
  /**
   * Every live value whose key is `<prefix>.…` (the whole bucket without one), ascending by
   * revision. Not a snapshot: a value written meanwhile may appear old or new, never neither.
   */
  list(prefix?: string): Promise<readonly StoredRecord[]>
  /**
   * Hints of changes, where the bucket's subjects are imported as a stream; read the key to learn
   * the value. A hint may be repeated or late; after a reconnect comes `anything`.
   */
  watch(handler: (change: RecordChange) => void): { stop(): Promise<void> }
}

/** The longest value that a store takes: under the bus's maximum message. */
export const RECORD_VALUE_MAX_BYTES: number = 640 * 1024
/** The longest key, tenant included. */
export const RECORD_KEY_MAX_BYTES = 256
