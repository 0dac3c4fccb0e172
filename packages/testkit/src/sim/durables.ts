import { type BusLink, type Delivery, type DeliveryOutcome, RETRY_PAUSE_MS } from '@trustgw/runtime'
import type { Hub, Line } from './hub.ts'

/** After it a delivered message that nobody acknowledged is delivered again. */
const ACK_WAIT_MS = 30_000

function newPlace(): Place {
  return { next: 1, open: new Map(), pulls: new Set(), lane: Promise.resolve() }
}

export type Handler = (delivery: Delivery) => Promise<DeliveryOutcome>

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
