export interface Delivery {
  readonly subject: string
  readonly data: Uint8Array
  /** The message's sequence in the stream. */
  readonly seq: number
  /** It was delivered before: an effect may have happened already. */
  readonly redelivered: boolean
}

/** `ack`: handled for good, never delivered again. `retry`: deliver it again after a pause. */
export type DeliveryOutcome = 'ack' | 'retry'

/**
 * Reads a stream through its durable consumer. Every stored message is delivered at least once,
 * in order but for redeliveries, across reconnects and restarts of either side. A handler that
 * throws counts as `retry`. At most `concurrency` handlers run at a time (default one); with more,
 * they begin in order and may end in any.
 */
export interface StoredConsumer {
  consume(
    handler: (delivery: Delivery) => Promise<DeliveryOutcome>,
    concurrency?: number,
  ): { stop(): Promise<void> }
}

/** The pause before a message that was not handled is delivered again. */
export const RETRY_PAUSE_MS = 1_000
