import type { Logger } from '../log/logger.ts'
import {
  type Bus,
  BusFault,
  type BusMessage,
  type BusStatus,
  type BusSubscription,
  RESPOND_BACKLOG,
  RESPOND_CONCURRENCY,
  type Requester,
  type RequestHandler,
  type RequestOptions,
  type RespondOptions,
} from './bus.ts'
import { isLiteralSubject, subjectMatches } from './subject.ts'
import { WorkPool } from './work-pool.ts'

interface Incoming extends BusMessage {
  readonly requester?: Requester
  readonly reply?: (answer: Uint8Array) => void
}

interface Entry {
  readonly filter: string
  readonly queue: string | undefined
  readonly take: (message: Incoming) => void
}

/** Where memory buses meet: subscriptions and the choice of one member of each queue. */
export class MemoryExchange {
  readonly #entries = new Set<Entry>()
  #turn = 0

  add(entry: Entry): () => void {
    this.#entries.add(entry)
    return () => this.#entries.delete(entry)
  }

  /** Delivers later, in order; returns how many subscriptions take it. */
  send(message: Incoming): number {
    const takers = this.#takers(message.subject)
    const copy = { ...message, data: message.data.slice() }
    for (const taker of takers) setImmediate(() => taker.take(copy))
    return takers.length
  }

  deliver(subject: string, data: Uint8Array): void {
    this.send({ subject, data })
  }

  #takers(subject: string): readonly Entry[] {
    const matching = [...this.#entries].filter((entry) => subjectMatches(entry.filter, subject))
    const queues = groupByQueue(matching)
    this.#turn += 1
    const chosen: Entry[] = matching.filter((entry) => entry.queue === undefined)
    for (const members of queues.values()) {
      const member = members[this.#turn % members.length]
      if (member !== undefined) chosen.push(member)
    }
    return chosen
  }
}

function groupByQueue(entries: readonly Entry[]): ReadonlyMap<string, readonly Entry[]> {
  const queues = new Map<string, Entry[]>()
  for (const entry of entries) {
    if (entry.queue === undefined) continue
    const members = queues.get(entry.queue) ?? []
    members.push(entry)
    queues.set(entry.queue, members)
  }
  return queues
}

export const MEMORY_MAX_PAYLOAD_BYTES: number = 1024 * 1024

/** One link's bus in memory. Always connected until it is drained. */
export class MemoryBus implements Bus {
  readonly #exchange: MemoryExchange
  readonly #logger: Logger
  readonly #requester: Requester | undefined
  readonly #subscriptions = new Set<BusSubscription>()
  readonly #listeners = new Set<(status: BusStatus) => void>()
  #status: BusStatus = 'connected'

  constructor(exchange: MemoryExchange, logger: Logger, requester: Requester | undefined) {
    this.#exchange = exchange
    this.#logger = logger
    this.#requester = requester
  }

  get status(): BusStatus {
    return this.#status
  }

  async request(subject: string, data: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    this.#checkSendable(subject, data)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new BusFault('bus_timeout', subject))
      }, options.timeoutMs)
      const reply = (answer: Uint8Array): void => {
        clearTimeout(timer)
        resolve(answer.slice())
      }
      const takers = this.#exchange.send({ subject, data, reply, ...this.#identity() })
      if (takers === 0) {
        clearTimeout(timer)
        reject(new BusFault('bus_no_responders', subject))
      }
    })
  }

  publish(subject: string, data: Uint8Array): void {
    this.#checkSendable(subject, data)
    this.#exchange.send({ subject, data, ...this.#identity() })
  }

  respond(subject: string, options: RespondOptions, handler: RequestHandler): BusSubscription {
    const pool = new WorkPool(options.concurrency ?? RESPOND_CONCURRENCY, RESPOND_BACKLOG)
    const take = (message: Incoming): void => {
      const taken = pool.offer(() => this.#answer(message, handler))
      if (!taken) this.#logger.warn('bus_request_dropped', { subject, backlog: RESPOND_BACKLOG })
    }
    return this.#subscribe({ filter: subject, queue: options.queue, take }, pool)
  }

  listen(subject: string, handler: (message: BusMessage) => void): BusSubscription {
    const take = (message: Incoming): void => {
      try {
        handler({ subject: message.subject, data: message.data })
      } catch (error) {
        this.#logFailure(message.subject, error)
      }
    }
    return this.#subscribe({ filter: subject, queue: undefined, take }, new WorkPool(1, 0))
  }

  onStatus(handler: (status: BusStatus) => void): () => void {
    this.#listeners.add(handler)
    return () => this.#listeners.delete(handler)
  }

  async drain(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.stop()))
    if (this.#status === 'closed') return
    this.#status = 'closed'
    for (const listener of this.#listeners) listener('closed')
  }

  #identity(): { readonly requester?: Requester } {
    return this.#requester === undefined ? {} : { requester: this.#requester }
  }

  #checkSendable(subject: string, data: Uint8Array): void {
    if (this.#status === 'closed') throw new BusFault('bus_closed', subject)
    if (!isLiteralSubject(subject)) throw new BusFault('bus_unreachable', 'not a literal subject')
    if (data.length > MEMORY_MAX_PAYLOAD_BYTES) throw new BusFault('bus_too_large', subject)
  }

  #subscribe(entry: Entry, pool: WorkPool): BusSubscription {
    const remove = this.#exchange.add(entry)
    const subscription: BusSubscription = {
      stop: async () => {
        if (this.#subscriptions.delete(subscription)) {
          remove()
          await new Promise<void>((resolve) => setImmediate(resolve))
        }
        await pool.idle()
      },
    }
    this.#subscriptions.add(subscription)
    return subscription
  }

  async #answer(message: Incoming, handler: RequestHandler): Promise<void> {
    try {
      const { subject, data, requester, reply } = message
      const identity = requester === undefined ? {} : { requester }
      const answer = await handler({
        subject,
        data,
        replyExpected: reply !== undefined,
        ...identity,
      })
      if (answer !== undefined) reply?.(answer)
    } catch (error) {
      this.#logFailure(message.subject, error)
    }
  }

  #logFailure(subject: string, error: unknown): void {
    const name = error instanceof Error ? error.name : typeof error
    this.#logger.error('bus_handler_failed', { subject, error: name })
  }
}
