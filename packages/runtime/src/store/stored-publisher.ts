export interface PublishStoredOptions {
  /**
   * Unique per message and the same for every repeat of it: the stream drops a repeat within its
   * duplicate window. Never a value that another writer could also choose.
   */
  readonly msgId: string
  /** Stores only if the subject's last stored message has this sequence (0: none). */
  readonly expectLastSubjectSeq?: number
  /** Gives up after this long. Default `PUBLISH_STORED_BUDGET_MS`. */
  readonly budgetMs?: number
}

export interface Stored {
  readonly stream: string
  readonly seq: number
  /** The stream already held this `msgId`: it was stored by an earlier try. */
  readonly duplicate: boolean
}

/** Publishes into a stream and waits until the stream says that it is stored. */
export interface StoredPublisher {
  /**
   * Durable as the stream is (file storage, synced as configured) once it resolves. An ambiguous
   * try is repeated with the same `msgId`. Throws `BusFault`: `store_ambiguous` when it may or may
   * not be stored, `store_unreachable` when no try reached a stream, `store_refused` when the stream
   * refused it (wrong expected sequence, full), `bus_permission`, `bus_closed`, `bus_too_large`.
   * Publishes of one process on one publisher reach the server in the order of the calls, except
   * for repeats.
   */
  publishStored(subject: string, data: Uint8Array, options: PublishStoredOptions): Promise<Stored>
}

/** How long `publishStored` repeats an ambiguous try: longer than the choice of a new leader. */
export const PUBLISH_STORED_BUDGET_MS = 12_000
/** How long one try waits for the stream's acknowledgement. */
export const PUBLISH_STORED_TRY_MS = 3_000
/** Pause between tries. */
export const PUBLISH_STORED_PAUSE_MS = 150
