import {
  BusFault,
  type BusLink,
  type Claim,
  type ClaimEntry,
  type ClaimOutcome,
  type ClaimStore,
  type CreateOutcome,
  type Delivery,
  type DeliveryOutcome,
  type InsertOnlyOutcome,
  PUBLISH_STORED_BUDGET_MS,
  PUBLISH_STORED_PAUSE_MS,
  PUBLISH_STORED_TRY_MS,
  type PublishStoredOptions,
  RETRY_PAUSE_MS,
  type RecordChange,
  type RecordStore,
  type ReplaceOutcome,
  type Stored,
  type StoredConsumer,
  type StoredMessage,
  type StoredPublisher,
  type StoredReader,
  type StoredRecord,
} from '@trustgw/runtime'
import type { Hub, Line } from './hub.ts'

/** How long a claim is tried: see the store over JetStream. */
const CLAIM_BUDGET_MS = 5_000
/** How long a read waits for its answer. */
const READ_WAIT_MS = 3_000
/** After it a delivered message that nobody acknowledged is delivered again. */
const ACK_WAIT_MS = 30_000

type Doom = 'none' | 'never_arrives' | 'answer_lost'

/** What a process's ports to the streams share. */
export interface StoreContext {
  readonly hub: Hub
  readonly line: Line
  /** The streams in memory, as this process's account sees them. */
  readonly inner: BusLink
  readonly durables: Durables
}

/** What a dead process had sent arrives before its successor connects, or never. */
const AFTERLIFE_MS = 50
/** How long a stream takes nothing of a process, where it is out of reach. */
const OUTAGE_MAX_MS = 16_000

interface Call<T> {
  readonly what: string
  /** The stream that it writes into; undefined for a read. */
  readonly stream: string | undefined
  readonly apply: () => Promise<T>
}

type Answer<T> = { readonly kind: 'answer'; readonly value: T } | { readonly kind: 'silence' }

/**
 * Calls from one process to the streams: each try is on its way there, is carried out, and its answer is
 * on its way back; tries are repeated as the adapters over JetStream repeat them, and what was stored
 * once is not stored again. Writes arrive in the order of the calls, as on a connection, and what gets
 * lost of them is everything for a while: of the whole bus, or on a cluster of one stream that has no
 * leader.
 */
class Caller {
  readonly context: StoreContext
  readonly #arrivals = new Map<string, number>()
  readonly #outages = new Map<string, number>()

  constructor(context: StoreContext) {
    this.context = context
  }

  /** One write. `BusFault` as the real adapters have it. */
  async write<T>(call: Call<T>, budgetMs: number): Promise<T> {
    const { hub, line } = this.context
    const { what, stream } = call
    const doom = this.#doom(stream)
    const begun = hub.loop.now
    let done: Promise<T> | undefined
    const apply = (): Promise<T> => {
      done ??= call.apply()
      return done
    }
    for (;;) {
      const left = budgetMs - (hub.loop.now - begun)
      const waitMs = Math.max(1, Math.min(PUBLISH_STORED_TRY_MS, left))
      const outcome = await this.#attempt({ what, stream, apply }, waitMs, doom)
      if (outcome.kind === 'answer') return outcome.value
      if (hub.loop.now - begun + PUBLISH_STORED_PAUSE_MS >= budgetMs) {
        throw new BusFault('store_ambiguous', what)
      }
      await this.#pause(PUBLISH_STORED_PAUSE_MS, what)
      if (line.status === 'closed') throw new BusFault('bus_closed', what)
    }
  }

  /** One read; not repeated. */
  async read<T>(what: string, apply: () => Promise<T>): Promise<T> {
    const call = { what, stream: undefined, apply }
    const outcome = await this.#attempt(call, READ_WAIT_MS, this.#doom(undefined))
    if (outcome.kind === 'answer') return outcome.value
    throw new BusFault('bus_timeout', what)
  }

  #doom(stream: string | undefined): Doom {
    const { faults, loop } = this.context.hub
    const { chance, plan } = faults
    if (!chance.happens(plan.store)) return 'none'
    if (stream === undefined) return chance.pick(['never_arrives', 'answer_lost'] as const)
    if (chance.happens(0.6)) return 'answer_lost'
    this.#outages.set(this.#lane(stream), loop.now + chance.between(0, OUTAGE_MAX_MS))
    return 'none'
  }

  #lane(stream: string): string {
    return this.context.hub.faults.plan.cluster ? stream : 'all'
  }

  #pause(ms: number, what: string): Promise<void> {
    return new Promise((resolve) => {
      this.context.line.life.wake(ms, `pauses before ${what}`, resolve)
    })
  }

  #attempt<T>({ what, stream, apply }: Call<T>, waitMs: number, doom: Doom): Promise<Answer<T>> {
    const { hub, line } = this.context
    const { life } = line
    const { loop, faults } = hub
    return new Promise((resolve, reject) => {
      const cancel = life.wake(waitMs, `has no answer to ${what}`, () =>
        resolve({ kind: 'silence' }),
      )
      const back = (settle: () => void): void => {
        if (doom === 'answer_lost' || !line.connected || faults.lost()) return
        life.wake(faults.latency(), `has the answer to ${what}`, () => {
          if (!line.connected) return
          cancel()
          settle()
        })
      }
      if (doom === 'never_arrives' || !line.connected) return
      if (stream === undefined && faults.lost()) return
      loop.after(this.#arrival(stream), `streams ${life.name} ${what}`, () => {
        if (!this.#arrives(stream)) return
        apply().then(
          (value) => back(() => resolve({ kind: 'answer', value })),
          (error: unknown) =>
            back(() => reject(error instanceof Error ? error : new Error('store'))),
        )
      })
    })
  }

  #arrives(stream: string | undefined): boolean {
    const { hub, line } = this.context
    const { now } = hub.loop
    if (!line.connected || now > line.life.diedAt + AFTERLIFE_MS) return false
    if (stream === undefined || hub.faults.plan.store === 0) return true
    return now >= (this.#outages.get(this.#lane(stream)) ?? 0)
  }

  #arrival(stream: string | undefined): number {
    const { loop, faults } = this.context.hub
    const at = loop.now + faults.latency()
    if (stream === undefined) return at - loop.now
    const lane = this.#lane(stream)
    const inOrder = Math.max(this.#arrivals.get(lane) ?? 0, at)
    this.#arrivals.set(lane, inOrder)
    return inOrder - loop.now
  }
}

/** The ports of one process over the world's streams. */
export function simLink(context: StoreContext): BusLink {
  const caller = new Caller(context)
  return {
    bus: context.line,
    publisher: (of) => new SimPublisher(caller, of.stream),
    records: (of) => new SimRecords(caller, of),
    claims: (of) => new SimClaims(caller, of),
    reader: (of) => new SimReader(caller, of),
    consumer: (of) => new SimConsumer(context, `${of.stream}/${of.durable}`, of),
  }
}

class SimPublisher implements StoredPublisher {
  readonly #caller: Caller
  readonly #stream: string
  readonly #inner: StoredPublisher

  constructor(caller: Caller, stream: string) {
    this.#caller = caller
    this.#stream = stream
    this.#inner = caller.context.inner.publisher({ stream })
  }

  publishStored(to: string, data: Uint8Array, options: PublishStoredOptions): Promise<Stored> {
    const { durables } = this.#caller.context
    const budget = options.budgetMs ?? PUBLISH_STORED_BUDGET_MS
    const apply = async (): Promise<Stored> => {
      const stored = await this.#inner.publishStored(to, data, options)
      if (!stored.duplicate) await durables.appended(this.#stream, stored.seq)
      return stored
    }
    return this.#caller.write({ what: `store ${to}`, stream: this.#stream, apply }, budget)
  }
}

class SimRecords implements RecordStore {
  readonly #caller: Caller
  readonly #bucket: string
  readonly #inner: RecordStore

  constructor(caller: Caller, of: Parameters<BusLink['records']>[0]) {
    this.#caller = caller
    this.#bucket = of.bucket
    this.#inner = caller.context.inner.records(of)
  }

  get(key: string): Promise<StoredRecord | undefined> {
    return this.#caller.read(`get ${this.#bucket} ${key}`, () => this.#inner.get(key))
  }

  create(key: string, value: Uint8Array): Promise<CreateOutcome> {
    return this.#write(`create ${this.#bucket} ${key}`, () => this.#inner.create(key, value))
  }

  replace(key: string, value: Uint8Array, revision: number): Promise<ReplaceOutcome> {
    return this.#write(`replace ${this.#bucket} ${key}`, () =>
      this.#inner.replace(key, value, revision),
    )
  }

  remove(key: string, revision: number): Promise<ReplaceOutcome> {
    return this.#write(`remove ${this.#bucket} ${key}`, () => this.#inner.remove(key, revision))
  }

  list(prefix?: string): Promise<readonly StoredRecord[]> {
    return this.#caller.read(`list ${this.#bucket}`, () => this.#inner.list(prefix))
  }

  watch(handler: (change: RecordChange) => void): { stop(): Promise<void> } {
    const { line } = this.#caller.context
    const start = `$KV.${this.#bucket}.`
    const subscription = line.listen(`${start}>`, ({ subject }) =>
      handler({ kind: 'changed', key: subject.slice(start.length) }),
    )
    const forget = line.onStatus((status) => {
      if (status === 'connected') handler({ kind: 'anything' })
    })
    return {
      stop: async () => {
        forget()
        await subscription.stop()
      },
    }
  }

  #write<O extends CreateOutcome | ReplaceOutcome>(
    what: string,
    apply: () => Promise<O>,
  ): Promise<O> {
    const { durables } = this.#caller.context
    const told = async (): Promise<O> => {
      const outcome = await apply()
      if (outcome.ok) await durables.appended(`KV_${this.#bucket}`, outcome.revision)
      return outcome
    }
    return this.#caller.write(
      { what, stream: `KV_${this.#bucket}`, apply: told },
      PUBLISH_STORED_BUDGET_MS,
    )
  }
}

class SimClaims implements ClaimStore {
  readonly #caller: Caller
  readonly #bucket: string
  readonly #inner: ClaimStore

  constructor(caller: Caller, of: Parameters<BusLink['claims']>[0]) {
    this.#caller = caller
    this.#bucket = of.bucket
    this.#inner = caller.context.inner.claims(of)
  }

  claim(key: string, claim: Claim): Promise<ClaimOutcome> {
    const what = `claim ${this.#bucket} ${key}`
    const apply = (): Promise<ClaimOutcome> => this.#inner.claim(key, claim)
    return this.#caller.write({ what, stream: `KV_${this.#bucket}`, apply }, CLAIM_BUDGET_MS)
  }

  read(key: string): Promise<ClaimEntry | undefined> {
    return this.#caller.read(`read ${this.#bucket} ${key}`, () => this.#inner.read(key))
  }

  verifyInsertOnly(): Promise<InsertOnlyOutcome> {
    return this.#caller.read(`settings of ${this.#bucket}`, () => this.#inner.verifyInsertOnly())
  }
}

class SimReader implements StoredReader {
  readonly #caller: Caller
  readonly #stream: string
  readonly #inner: StoredReader

  constructor(caller: Caller, of: Parameters<BusLink['reader']>[0]) {
    this.#caller = caller
    this.#stream = of.stream
    this.#inner = caller.context.inner.reader(of)
  }

  getBySeq(seq: number): Promise<StoredMessage | undefined> {
    return this.#caller.read(`${this.#stream} at ${seq}`, () => this.#inner.getBySeq(seq))
  }

  getLast(filter: string): Promise<StoredMessage | undefined> {
    return this.#caller.read(`last of ${filter}`, () => this.#inner.getLast(filter))
  }
}

function newPlace(): Place {
  return { next: 1, open: new Map(), pulls: new Set(), lane: Promise.resolve() }
}

type Handler = (delivery: Delivery) => Promise<DeliveryOutcome>

interface Pull {
  readonly line: Line
  readonly handler: Handler
  readonly concurrency: number
  running: number
}

interface Place {
  next: number
  /** Delivered and not acknowledged: when each may be delivered again. */
  readonly open: Map<number, number>
  readonly pulls: Set<Pull>
  /** One look at the stream at a time. */
  lane: Promise<void>
}

/** The places of durable consumers at the server, which outlive the processes that read. */
export class Durables {
  readonly #hub: Hub
  readonly #server: BusLink
  readonly #places = new Map<string, Place>()
  readonly #stored = new Map<string, number>()

  /** `server` reads the streams without any way to go. */
  constructor(hub: Hub, server: BusLink) {
    this.#hub = hub
    this.#server = server
  }

  /** Something was stored: told to whoever listens and whoever pulls. */
  async appended(stream: string, seq: number): Promise<void> {
    this.#stored.set(`${stream} ${seq}`, this.#hub.loop.now)
    const message = await this.#server.reader({ home: 'data', stream }).getBySeq(seq)
    if (message === undefined) return
    this.#hub.tell(message.subject, message.data)
    await this.pump(stream)
  }

  /** When the stream had it, milliseconds of the world. */
  storedAt(stream: string, seq: number): number {
    return this.#stored.get(`${stream} ${seq}`) ?? Number.NaN
  }

  join(id: string, pull: Pull): () => void {
    const place = this.#places.get(id) ?? newPlace()
    this.#places.set(id, place)
    place.pulls.add(pull)
    pull.line.life.onDeath(() => place.pulls.delete(pull))
    return () => place.pulls.delete(pull)
  }

  async pump(stream: string): Promise<void> {
    for (const [id, place] of this.#places) {
      if (!id.startsWith(`${stream}/`)) continue
      place.lane = place.lane.then(() => this.#serve(id, place, stream))
      await place.lane
    }
  }

  async #serve(id: string, place: Place, stream: string): Promise<void> {
    const { loop, faults } = this.#hub
    for (;;) {
      const free = [...place.pulls].filter(
        ({ line, running, concurrency }) => line.connected && running < concurrency,
      )
      if (free.length === 0) return
      const again = [...place.open].find(([, due]) => due <= loop.now)
      const seq = again?.[0] ?? place.next
      const message = await this.#server.reader({ home: 'data', stream }).getBySeq(seq)
      if (message === undefined) return
      if (again === undefined) place.next = seq + 1
      place.open.set(seq, loop.now + ACK_WAIT_MS)
      loop.after(ACK_WAIT_MS + 1, `streams ${id} has no acknowledgement of ${seq}`, () => {
        void this.pump(stream)
      })
      const pull = faults.chance.pick(free)
      const delivery = { ...message, redelivered: again !== undefined }
      this.#deliver(delivery, pull, { place, stream, id })
    }
  }

  #deliver(
    delivery: Delivery,
    pull: Pull,
    at: { readonly place: Place; readonly stream: string; readonly id: string },
  ): void {
    const { faults, loop } = this.#hub
    const { line } = pull
    pull.running += 1
    line.life.wake(faults.latency(), `gets ${at.id} ${delivery.seq}`, () => {
      if (!line.connected) {
        pull.running -= 1
        return
      }
      void this.#handled(pull.handler(delivery)).then((outcome) => {
        pull.running -= 1
        if (!line.life.alive) return
        loop.after(faults.latency(), `streams ${at.id} ${delivery.seq} ${outcome}`, () => {
          if (line.connected && !faults.lost()) this.#answered(delivery.seq, outcome, at.place)
          void this.pump(at.stream)
          if (outcome === 'retry') {
            loop.after(RETRY_PAUSE_MS, `streams ${at.id} ${delivery.seq} again`, () => {
              void this.pump(at.stream)
            })
          }
        })
      })
    })
  }

  async #handled(work: Promise<DeliveryOutcome>): Promise<DeliveryOutcome> {
    try {
      return await work
    } catch {
      return 'retry'
    }
  }

  #answered(seq: number, outcome: DeliveryOutcome, place: Place): void {
    if (outcome === 'ack') place.open.delete(seq)
    else place.open.set(seq, this.#hub.loop.now + RETRY_PAUSE_MS)
  }
}

class SimConsumer implements StoredConsumer {
  readonly #context: StoreContext
  readonly #id: string
  readonly #stream: string

  constructor(context: StoreContext, id: string, of: { readonly stream: string }) {
    this.#context = context
    this.#id = id
    this.#stream = of.stream
  }

  consume(handler: Handler, concurrency = 1): { stop(): Promise<void> } {
    const { durables, line } = this.#context
    const leave = durables.join(this.#id, { line, handler, concurrency, running: 0 })
    void durables.pump(this.#stream)
    line.onStatus((status) => {
      if (status === 'connected') void durables.pump(this.#stream)
    })
    return {
      stop: async () => {
        leave()
        await Promise.resolve()
      },
    }
  }
}
