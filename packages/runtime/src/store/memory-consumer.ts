import type { Logger } from '../log/logger.ts'
import type { MemoryStream } from './memory-stream.ts'
import type { Delivery, DeliveryOutcome, StoredConsumer } from './stored-consumer.ts'

/** The place of a durable consumer; outlives the processes that read through it. */
export class MemoryDurable {
  readonly stream: MemoryStream
  /** Delivered and not yet acknowledged. */
  readonly #open = new Set<number>()
  #delivered = 0

  constructor(stream: MemoryStream) {
    this.stream = stream
  }

  /** The next new message, else the oldest that waits for another delivery. */
  next(): Delivery | undefined {
    const fresh = this.stream.after(this.#delivered)
    if (fresh !== undefined) {
      this.#delivered = fresh.seq
      this.#open.add(fresh.seq)
      return { ...fresh, redelivered: false }
    }
    for (const seq of this.#open) {
      const again = this.stream.bySeq(seq)
      if (again !== undefined) return { ...again, redelivered: true }
    }
    return undefined
  }

  acknowledge(seq: number): void {
    this.#open.delete(seq)
  }
}

const MEMORY_RETRY_PAUSE_MS = 5

/** Reads a memory stream through its durable place. One reader at a time. */
export class MemoryConsumer implements StoredConsumer {
  readonly #durable: MemoryDurable
  readonly #logger: Logger

  constructor(durable: MemoryDurable, logger: Logger) {
    this.#durable = durable
    this.#logger = logger
  }

  consume(handler: (delivery: Delivery) => Promise<DeliveryOutcome>): { stop(): Promise<void> } {
    let stopped = false
    let wake: () => void = () => undefined
    const forget = this.#durable.stream.onAppend(() => wake())
    const run = async (): Promise<void> => {
      while (!stopped) {
        const delivery = this.#durable.next()
        if (delivery === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        } else {
          await this.#handle(delivery, handler)
        }
      }
    }
    const running = run()
    return {
      stop: async () => {
        stopped = true
        forget()
        wake()
        await running
      },
    }
  }

  async #handle(
    delivery: Delivery,
    handler: (delivery: Delivery) => Promise<DeliveryOutcome>,
  ): Promise<void> {
    try {
      if ((await handler(delivery)) === 'ack') {
        this.#durable.acknowledge(delivery.seq)
        return
      }
    } catch (error) {
      const name = error instanceof Error ? error.name : typeof error
      this.#logger.error('stored_consumer_handler_failed', { seq: delivery.seq, error: name })
    }
    await new Promise((resolve) => setTimeout(resolve, MEMORY_RETRY_PAUSE_MS))
  }
}
