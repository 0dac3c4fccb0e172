export interface StoredMessage {
  readonly subject: string
  readonly seq: number
  readonly data: Uint8Array
}

/**
 * Reads single messages of a stream: what was last acknowledged. Throws `BusFault` when it cannot tell.
 */
export interface StoredReader {
  /** The message at a sequence; `undefined` where the stream holds none (yet, or any more). */
  getBySeq(seq: number): Promise<StoredMessage | undefined>
  /** The last message on a subject (wildcards allowed); `undefined` where there is none. */
  getLast(subjectFilter: string): Promise<StoredMessage | undefined>
}
