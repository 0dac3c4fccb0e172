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

type Handler = (delivery: Delivery) => Promise<DeliveryOutcome>

/** Reads a memory stream through its durable place. One reader at a time. */
export class MemoryConsumer implements StoredConsumer {
  readonly #durable: MemoryDurable
  readonly #logger: Logger

  constructor(durable: MemoryDurable, logger: Logger) {
    this.#durable = durable
    this.#logger = logger
  }

  consume(handler: Handler): { stop(): Promise<void> } {
    const pump = new MemoryPump(this.#durable, this.#logger, handler)
    const running = pump.run()
    return {
      stop: async () => {
        pump.stop()
        await running
      },
    }
  }
}

class MemoryPump {
  readonly #durable: MemoryDurable
  readonly #logger: Logger
  readonly #handler: Handler
  #stopped = false
  #wake: (() => void) | undefined

  constructor(durable: MemoryDurable, logger: Logger, handler: Handler) {
    this.#durable = durable
    this.#logger = logger
    this.#handler = handler
  }

  stop(): void {
    this.#stopped = true
    this.#wake?.()
  }

  async run(): Promise<void> {
    const forget = this.#durable.stream.onAppend(() => this.#wake?.())
    while (!this.#stopped) {
      const delivery = this.#durable.next()
      if (delivery === undefined) await this.#wait()
      else await this.#handle(delivery)
    }
    forget()
  }

  async #wait(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }

  async #handle(delivery: Delivery): Promise<void> {
    try {
      if ((await this.#handler(delivery)) === 'ack') {
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
