import {
  type Bus,
  BusFault,
  type BusMessage,
  type BusStatus,
  type BusSubscription,
  type Requester,
  type RequestHandler,
} from '@trustgw/runtime'
import type { Faults } from './faults.ts'
import type { Life } from './life.ts'
import type { Loop } from './loop.ts'

/** A message that somebody could read, as it went over the bus. */
export interface Sent {
  /** When it arrived, and when it was sent; milliseconds of the world. */
  readonly at: number
  readonly sentAt: number
  readonly from: string
  readonly to: string
  readonly subject: string
  readonly data: Uint8Array
}

interface Taker {
  readonly filter: string
  readonly queue: string | undefined
  readonly line: Line
  readonly take: (message: Incoming) => void
}

interface Incoming extends BusMessage {
  readonly from: string
  readonly sentAt: number
  readonly requester: Requester | undefined
  readonly reply: ((answer: Uint8Array) => void) | undefined
}

/** How long a cut goes unnoticed, and a dead process's subscriptions with it. */
const NOTICE_MS = 2_000

/**
 * The bus of a world: who listens, who is connected, and everything that was sent. What it stores is
 * not its matter.
 */
export class Hub {
  readonly loop: Loop
  readonly faults: Faults
  /** Everything that was delivered, for the checks after the world. */
  readonly sent: Sent[] = []
  readonly #takers = new Set<Taker>()

  constructor(loop: Loop, faults: Faults) {
    this.loop = loop
    this.faults = faults
  }

  add(taker: Taker): () => void {
    this.#takers.add(taker)
    return () => this.#takers.delete(taker)
  }

  /** What a stream stored is told to whoever listens: over an unbroken connection, so never lost. */
  tell(subject: string, data: Uint8Array): void {
    for (const taker of this.#takers) {
      if (taker.queue !== undefined || !subjectMatches(taker.filter, subject)) continue
      this.#deliver(taker, {
        subject,
        data,
        from: 'stream',
        sentAt: this.loop.now,
        requester: undefined,
        reply: undefined,
      })
    }
  }

  /** At the server: one member of each queue takes it. False when nobody does. */
  route(message: Incoming): boolean {
    const queues = new Map<string, Taker[]>()
    const chosen: Taker[] = []
    for (const taker of this.#takers) {
      if (!subjectMatches(taker.filter, message.subject)) continue
      if (taker.queue === undefined) chosen.push(taker)
      else queues.set(taker.queue, [...(queues.get(taker.queue) ?? []), taker])
    }
    for (const members of queues.values()) chosen.push(this.faults.chance.pick(members))
    for (const taker of chosen) this.#deliver(taker, message)
    return chosen.length > 0
  }

  #deliver(taker: Taker, message: Incoming): void {
    const { line } = taker
    const copy = { ...message, data: message.data.slice() }
    line.life.wake(this.faults.latency(), `gets ${message.subject}`, () => {
      if (!line.connected) return
      const { subject, data, from, sentAt } = copy
      this.sent.push({ at: this.loop.now, sentAt, from, to: line.life.name, subject, data })
      taker.take(copy)
    })
  }
}

/** One process's connection to the bus. */
export class Line implements Bus {
  readonly life: Life
  connected = true
  readonly #hub: Hub
  readonly #requester: Requester | undefined
  readonly #own = new Set<() => void>()
  readonly #listeners = new Set<(status: BusStatus) => void>()
  #status: BusStatus = 'connected'

  constructor(hub: Hub, life: Life, requester?: Requester) {
    this.#hub = hub
    this.life = life
    this.#requester = requester
    life.onDeath(() => {
      for (const remove of this.#own) remove()
    })
  }

  get status(): BusStatus {
    return this.#status
  }

  /** Nothing comes or goes for a while; the client notices after a moment. */
  cut(ms: number): void {
    this.connected = false
    const noticed = this.#hub.faults.chance.between(0, NOTICE_MS)
    if (noticed < ms) this.life.wake(noticed, 'notices the cut', () => this.#set('reconnecting'))
    this.life.wake(ms, 'is connected again', () => {
      this.connected = true
      this.#set('reconnecting')
      this.#set('connected')
    })
  }

  request(
    to: string,
    data: Uint8Array,
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<Uint8Array> {
    this.#checkOpen(to)
    return new Promise((resolve, reject) => {
      const cancel = this.life.wake(timeoutMs, `waits in vain for ${to}`, () =>
        reject(new BusFault('bus_timeout', to)),
      )
      const settle = (then: () => void): void => {
        cancel()
        then()
      }
      const reply = (answer: Uint8Array): void => {
        this.#arrive(`is answered ${to}`, answer, {
          from: to,
          settle: () => settle(() => resolve(answer)),
        })
      }
      this.#send(to, data, reply, () => {
        const none = new BusFault('bus_no_responders', to)
        this.life.wake(this.#hub.faults.latency(), `finds nobody at ${to}`, () =>
          settle(() => reject(none)),
        )
      })
    })
  }

  publish(to: string, data: Uint8Array): void {
    this.#checkOpen(to)
    this.#send(to, data, undefined, () => undefined)
  }

  respond(
    filter: string,
    { queue }: { readonly queue?: string },
    handler: RequestHandler,
  ): BusSubscription {
    const take = (message: Incoming): void => {
      void this.#answer(message, handler)
    }
    return this.#subscribe({ filter, queue, line: this, take })
  }

  listen(filter: string, handler: (message: BusMessage) => void): BusSubscription {
    return this.#subscribe({ filter, queue: undefined, line: this, take: handler })
  }

  onStatus(handler: (status: BusStatus) => void): () => void {
    this.#listeners.add(handler)
    return () => this.#listeners.delete(handler)
  }

  async drain(): Promise<void> {
    for (const remove of this.#own) remove()
    if (this.#status !== 'closed') this.#set('closed')
    await Promise.resolve()
  }

  #send(
    to: string,
    data: Uint8Array,
    reply: ((answer: Uint8Array) => void) | undefined,
    nobody: () => void,
  ): void {
    const { faults, loop } = this.#hub
    if (!this.connected || faults.lost()) return
    const message = {
      subject: to,
      data: data.slice(),
      from: this.life.name,
      sentAt: loop.now,
      requester: this.#requester,
      reply,
    }
    const copies = faults.chance.happens(faults.plan.twice) ? 2 : 1
    for (let copy = 0; copy < copies; copy += 1) {
      loop.after(faults.latency(), `bus ${this.life.name} asks ${to}`, () => {
        if (this.connected && !this.#hub.route(message)) nobody()
      })
    }
  }

  async #answer(message: Incoming, handler: RequestHandler): Promise<void> {
    const { subject, data, requester, reply } = message
    const identity = requester === undefined ? {} : { requester }
    let answer: Uint8Array | undefined
    try {
      answer = await handler({ subject, data, replyExpected: reply !== undefined, ...identity })
    } catch (error) {
      this.#hub.loop.say(`${this.life.name} failed at ${subject}: ${String(error)}`)
      return
    }
    if (answer === undefined || !this.connected || !this.life.alive) return
    if (!this.#hub.faults.lost()) reply?.(answer.slice())
  }

  #arrive(
    label: string,
    data: Uint8Array,
    { from, settle }: { readonly from: string; readonly settle: () => void },
  ): void {
    this.life.wake(this.#hub.faults.latency(), label, () => {
      if (!this.connected) return
      const { sent, loop } = this.#hub
      const { now } = loop
      sent.push({ at: now, sentAt: now, from, to: this.life.name, subject: `answer ${from}`, data })
      settle()
    })
  }

  #checkOpen(to: string): void {
    if (this.#status === 'closed') throw new BusFault('bus_closed', to)
  }

  #set(status: BusStatus): void {
    if (this.#status === 'closed') return
    this.#status = status
    for (const listener of this.#listeners) listener(status)
  }

  #subscribe(taker: Taker): BusSubscription {
    const remove = this.#hub.add(taker)
    this.#own.add(remove)
    return {
      stop: async () => {
        remove()
        this.#own.delete(remove)
        await Promise.resolve()
      },
    }
  }
}

/** NATS wildcards: `*` for one token, `>` for all that follow. */
export function subjectMatches(filter: string, subject: string): boolean {
  if (filter === subject) return true
  const want = filter.split('.')
  const have = subject.split('.')
  for (const [index, token] of want.entries()) {
    if (token === '>') return have.length > index
    if (token !== '*' && token !== have[index]) return false
  }
  return want.length === have.length
}
