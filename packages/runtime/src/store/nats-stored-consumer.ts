import { type ConsumerMessages, type JsMsg, jetstream } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Logger } from '../log/logger.ts'
import {
  type Delivery,
  type DeliveryOutcome,
  RETRY_PAUSE_MS,
  type StoredConsumer,
} from './stored-consumer.ts'

export interface NatsStoredConsumerOptions {
  readonly nc: NatsConnection
  readonly api: string
  readonly stream: string
  readonly durable: string
  readonly logger: Logger
}

type Handler = (delivery: Delivery) => Promise<DeliveryOutcome>

/** Messages that wait in this process. */
const PREFETCH_MESSAGES = 64
/** After a restart of the server a pull is renewed when two heartbeats were missed. */
const PULL_EXPIRES_MS = 5_000
const HEARTBEAT_MS = 1_000
const REOPEN_PAUSE_MS = 500
const API_TIMEOUT_MS = 2_000

/** Pulls from a durable consumer of another account. */
export class NatsStoredConsumer implements StoredConsumer {
  readonly #options: NatsStoredConsumerOptions

  constructor(options: NatsStoredConsumerOptions) {
    this.#options = options
  }

  consume(handler: Handler): { stop(): Promise<void> } {
    const pump = new Pump(this.#options, handler)
    const running = pump.run()
    return {
      stop: async () => {
        pump.stop()
        await running
      },
    }
  }
}

class Pump {
  readonly #options: NatsStoredConsumerOptions
  readonly #handler: Handler
  readonly #stopping = new AbortController()
  #messages: ConsumerMessages | undefined

  constructor(options: NatsStoredConsumerOptions, handler: Handler) {
    this.#options = options
    this.#handler = handler
  }

  stop(): void {
    this.#stopping.abort()
    this.#messages?.stop()
  }

  /** Reopens until it is stopped: an ended iterator only means that the server was away. */
  async run(): Promise<void> {
    while (!this.#stopping.signal.aborted && !this.#options.nc.isClosed()) {
      try {
        await this.#once()
      } catch (error) {
        const name = error instanceof Error ? error.name : typeof error
        this.#options.logger.warn('stored_consumer_reopens', {
          stream: this.#options.stream,
          durable: this.#options.durable,
          error: name,
        })
      }
      await pause(REOPEN_PAUSE_MS, this.#stopping.signal)
    }
  }

  async #once(): Promise<void> {
    const { nc, api, stream, durable } = this.#options
    const client = jetstream(nc, { apiPrefix: api, checkAPI: false, timeout: API_TIMEOUT_MS })
    const consumer = await client.consumers.get(stream, durable)
    if (this.#stopping.signal.aborted) return
    this.#messages = await consumer.consume({
      max_messages: PREFETCH_MESSAGES,
      expires: PULL_EXPIRES_MS,
      idle_heartbeat: HEARTBEAT_MS,
    })
    for await (const message of this.#messages) {
      if (this.#stopping.signal.aborted) return
      await this.#handle(message)
    }
  }

  async #handle(message: JsMsg): Promise<void> {
    const outcome = await this.#outcome(message)
    if (outcome === 'ack') message.ack()
    else message.nak(RETRY_PAUSE_MS)
  }

  async #outcome(message: JsMsg): Promise<DeliveryOutcome> {
    try {
      return await this.#handler({
        subject: message.subject,
        data: message.data,
        seq: message.seq,
        redelivered: message.redelivered,
      })
    } catch (error) {
      const name = error instanceof Error ? error.name : typeof error
      this.#options.logger.error('stored_consumer_handler_failed', {
        stream: this.#options.stream,
        seq: message.seq,
        error: name,
      })
      return 'retry'
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
