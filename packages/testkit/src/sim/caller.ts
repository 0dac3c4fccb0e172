import {
  BusFault,
  type BusLink,
  PUBLISH_STORED_PAUSE_MS,
  PUBLISH_STORED_TRY_MS,
} from '@trustgw/runtime'
import type { Durables } from './durables.ts'
import type { Hub, Line } from './hub.ts'

/** How long a read waits for its answer. */
const READ_WAIT_MS = 3_000

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
export class Caller {
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
