import {
  createInbox,
  type Msg,
  type NatsConnection,
  type Subscription,
} from '@nats-io/transport-node'
import type { Bus } from '../bus/bus.ts'
import { natsFault } from '../bus/nats-fault.ts'
import type { Logger } from '../log/logger.ts'
import { malformed, sequenceOf } from './js-api.ts'
import {
  type Delivery,
  type DeliveryOutcome,
  RETRY_PAUSE_MS,
  type StoredConsumer,
} from './stored-consumer.ts'

export interface NatsStoredConsumerOptions {
  readonly nc: NatsConnection
  readonly inboxPrefix: string
  readonly api: string
  readonly stream: string
  readonly durable: string
  readonly bus: Bus
  readonly logger: Logger
}

type Handler = (delivery: Delivery) => Promise<DeliveryOutcome>

/** Messages asked for in one pull, so at most these wait in this process. */
export const PULL_MESSAGES = 32
/** In a cluster a pull outlives its reader, and what it is given meanwhile is given again only later. */
const PULL_EXPIRES_MS = 5_000
const HEARTBEAT_MS = 1_000
/** A pull without message or heartbeat for this long is dead (the server restarted). */
const SILENCE_MAX_MS = 2_500
const REFUSED_PAUSE_MS = 250
const NS_PER_MS = 1_000_000

/**
 * Pulls from a durable consumer of another account. On stop, what was delivered and not handled is
 * handed back at once, so that the next reader does not wait for the server's acknowledgement limit.
 */
export class NatsStoredConsumer implements StoredConsumer {
  readonly #options: NatsStoredConsumerOptions

  constructor(options: NatsStoredConsumerOptions) {
    this.#options = options
  }

  consume(handler: Handler, concurrency = 1): { stop(): Promise<void> } {
    const pump = new Pump(this.#options, handler, concurrency)
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
  readonly #inbox: string
  readonly #concurrency: number
  readonly #queue: Msg[] = []
  readonly #handling = new Set<Promise<void>>()
  #stopped = false
  /** Messages that the present pull may still bring. */
  #expected = 0
  #lastHeard = 0
  #notBefore = 0
  #wake: () => void = () => undefined

  constructor(options: NatsStoredConsumerOptions, handler: Handler, concurrency: number) {
    this.#options = options
    this.#handler = handler
    this.#concurrency = concurrency
    this.#inbox = createInbox(options.inboxPrefix)
  }

  stop(): void {
    this.#stopped = true
    this.#wake()
  }

  async run(): Promise<void> {
    const { nc, bus } = this.#options
    const subscription = nc.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (error === null) this.#take(message)
        else this.#logFailure('stored_consumer_failed', natsFault(error, this.#inbox))
      },
    })
    const forget = bus.onStatus((status) => {
      if (status === 'connected') this.#pullAgain(0)
    })
    while (!this.#stopped && !nc.isClosed()) {
      if (this.#handling.size >= this.#concurrency) {
        await Promise.race(this.#handling)
        continue
      }
      const message = this.#queue.shift()
      if (message === undefined) await this.#pullOrWait()
      else this.#begin(message)
    }
    forget()
    await Promise.all(this.#handling)
    await this.#handBack(subscription)
  }

  #take(message: Msg): void {
    this.#lastHeard = performance.now()
    const status = message.headers?.code ?? 0
    if (status === 0) {
      this.#expected -= 1
      this.#queue.push(message)
      this.#wake()
    } else if (status !== 100) {
      // 408: the pull ended; else the consumer is not there at this moment.
      this.#pullAgain(status === 408 ? 0 : REFUSED_PAUSE_MS)
    }
  }

  #pullAgain(pauseMs: number): void {
    this.#expected = 0
    this.#notBefore = performance.now() + pauseMs
    this.#wake()
  }

  async #pullOrWait(): Promise<void> {
    const now = performance.now()
    if (this.#expected > 0 && now - this.#lastHeard > SILENCE_MAX_MS) this.#expected = 0
    if (this.#expected > 0) {
      await this.#wait(SILENCE_MAX_MS)
    } else if (now < this.#notBefore || this.#options.bus.status !== 'connected') {
      await this.#wait(REFUSED_PAUSE_MS)
    } else {
      this.#pull()
    }
  }

  #pull(): void {
    const { nc, api, stream, durable } = this.#options
    const query = {
      batch: PULL_MESSAGES,
      expires: PULL_EXPIRES_MS * NS_PER_MS,
      idle_heartbeat: HEARTBEAT_MS * NS_PER_MS,
    }
    this.#expected = PULL_MESSAGES
    this.#lastHeard = performance.now()
    try {
      nc.publish(`${api}.CONSUMER.MSG.NEXT.${stream}.${durable}`, JSON.stringify(query), {
        reply: this.#inbox,
      })
    } catch (error) {
      this.#logFailure('stored_consumer_failed', natsFault(error, stream))
      this.#pullAgain(REFUSED_PAUSE_MS)
    }
  }

  async #wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #begin(message: Msg): void {
    const handling = this.#handle(message).finally(() => this.#handling.delete(handling))
    this.#handling.add(handling)
  }

  async #handle(message: Msg): Promise<void> {
    const outcome = await this.#outcome(message)
    this.#acknowledge(message, outcome === 'ack' ? '+ACK' : nak(RETRY_PAUSE_MS))
  }

  async #outcome(message: Msg): Promise<DeliveryOutcome> {
    try {
      return await this.#handler(deliveryOf(message))
    } catch (error) {
      this.#logFailure('stored_consumer_handler_failed', error)
      return 'retry'
    }
  }

  /** Not confirmed: a lost acknowledgement is one more delivery, which handlers bear. */
  #acknowledge(message: Msg, answer: string): void {
    try {
      message.respond(answer)
    } catch (error) {
      this.#logFailure('stored_consumer_ack_failed', natsFault(error, this.#inbox))
    }
  }

  async #handBack(subscription: Subscription): Promise<void> {
    try {
      // Resolves when the server knows; what it sent before has arrived by then.
      if (this.#options.bus.status === 'connected') await subscription.drain()
      else subscription.unsubscribe()
    } catch {
      subscription.unsubscribe()
    }
    for (const message of this.#queue.splice(0)) this.#acknowledge(message, nak(0))
  }

  #logFailure(event: string, error: unknown): void {
    const { stream, durable, logger } = this.#options
    const name = error instanceof Error ? error.name : typeof error
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
    logger.error(event, { stream, durable, error: name, code })
  }
}

function nak(delayMs: number): string {
  return delayMs === 0 ? '-NAK' : `-NAK ${JSON.stringify({ delay: delayMs * NS_PER_MS })}`
}

const SHORT_ACK_TOKENS = 9
const LONG_ACK_TOKENS = 11

/**
 * The acknowledgement subject says what it is about: `$JS.ACK.<stream>.<durable>.<deliveries>.
 * <stream seq>.<consumer seq>.<time>.<pending>`, in its longer form with domain and account first.
 */
function deliveryOf(message: Msg): Delivery {
  const tokens = (message.reply ?? '').split('.')
  const long = tokens.length >= LONG_ACK_TOKENS
  if (!long && tokens.length !== SHORT_ACK_TOKENS) throw malformed('acknowledgement subject')
  const deliveries = sequenceOf(tokens[long ? 6 : 4])
  return {
    subject: message.subject,
    data: message.data,
    seq: sequenceOf(tokens[long ? 7 : 5]),
    redelivered: deliveries > 1,
  }
}
