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

  /** The next new message, else the oldest that waits for another delivery and is not `taken`. */
  next(taken: ReadonlySet<number>): Delivery | undefined {
    const fresh = this.stream.after(this.#delivered)
    if (fresh !== undefined) {
      this.#delivered = fresh.seq
      this.#open.add(fresh.seq)
      return { ...fresh, redelivered: false }
    }
    for (const seq of this.#open) {
      if (taken.has(seq)) continue
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
  readonly durable: MemoryDurable
  readonly logger: Logger

  constructor(durable: MemoryDurable, logger: Logger) {
    this.durable = durable
    this.logger = logger
  }

  consume(handler: Handler, concurrency = 1): { stop(): Promise<void> } {
    const pump = new MemoryPump(this, handler, concurrency)
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
  readonly #concurrency: number
  readonly #handling = new Map<number, Promise<void>>()
  #stopped = false
  #wake: (() => void) | undefined

  constructor(consumer: MemoryConsumer, handler: Handler, concurrency: number) {
    this.#durable = consumer.durable
    this.#logger = consumer.logger
    this.#handler = handler
    this.#concurrency = concurrency
  }

  stop(): void {
    this.#stopped = true
    this.#wake?.()
  }

  async run(): Promise<void> {
    const forget = this.#durable.stream.onAppend(() => this.#wake?.())
    while (!this.#stopped) {
      if (this.#handling.size >= this.#concurrency) {
        await Promise.race(this.#handling.values())
        continue
      }
      const delivery = this.#durable.next(new Set(this.#handling.keys()))
      if (delivery === undefined) await this.#wait()
      else this.#begin(delivery)
    }
    forget()
    await Promise.all(this.#handling.values())
  }

  #begin(delivery: Delivery): void {
    const handling = this.#handle(delivery).finally(() => {
      this.#handling.delete(delivery.seq)
      this.#wake?.()
    })
    this.#handling.set(delivery.seq, handling)
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
