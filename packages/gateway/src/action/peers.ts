import { base64urlEncode, OF_NO_TENANT } from '@trustgw/protocol'
import { type Clock, Lease, type Logger, type Random, type RecordStore } from '@trustgw/runtime'

export interface PeersDeps {
  /** The bucket `leases`. */
  readonly leases: RecordStore
  /** Which of the gateways this is, from 1, and how many there are. */
  readonly instance: number
  readonly count: number
  /** Takes up every open action that this process does not carry on. */
  readonly takeUp: () => Promise<unknown>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

const HOLDER_RANDOM_BYTES = 16
/** A gateway left and nobody took up what it carried on. */
const OPEN = 'open'
/** Somebody did. */
const CARED = 'cared'

/**
 * Gateways share the bucket of open actions, and each carries on those whose state it stored last. Each
 * holds a lease of its own as its sign of life; who takes a dead one's over takes up what is open. The
 * states themselves are guarded by compare-and-swap, so that a gateway that only seemed dead does no harm.
 */
export class Peers {
  readonly #deps: PeersDeps
  readonly #own: Lease
  readonly #others: readonly Lease[]

  constructor(deps: PeersDeps) {
    this.#deps = deps
    const numbers = Array.from({ length: deps.count }, (_, index) => index + 1)
    this.#own = this.#ownLease()
    this.#others = numbers
      .filter((number) => number !== deps.instance)
      .map((number) => this.#leaseOf(number))
  }

  start(): void {
    for (const lease of [this.#own, ...this.#others]) lease.start()
  }

  /** Tells the others that what this one carried on is theirs now. */
  async stop(): Promise<void> {
    await Promise.all(this.#others.map((lease) => lease.stop(OPEN)))
    await this.#own.stop(OPEN)
  }

  #ownLease(): Lease {
    const { leases, instance, clock, random, log } = this.#deps
    const name = `${instance}:`
    return new Lease({
      store: leases,
      key: keyOf(instance),
      holder: name + base64urlEncode(random.bytes(HOLDER_RANDOM_BYTES)),
      // There is one process of a name: an earlier one has ended.
      mayTake: (entry) =>
        entry === undefined || entry.holder === '' || entry.holder.startsWith(name),
      clock,
      log,
      onHeld: (term) => log.debug('gateway_present', { term }),
      onLost: () => log.warn('gateway_taken_for_dead', {}),
    })
  }

  #leaseOf(number: number): Lease {
    const { leases, instance, clock, random, log } = this.#deps
    const lease: Lease = new Lease({
      store: leases,
      key: keyOf(number),
      holder: `${instance}:for-${number}:${base64urlEncode(random.bytes(HOLDER_RANDOM_BYTES))}`,
      mayTake: (entry) => entry?.holder === '' && entry.note === OPEN,
      clock,
      log,
      onHeld: (term) => {
        log.warn('gateway_replaced', { gateway: number, term })
        void this.#care(lease)
      },
      onLost: () => undefined,
    })
    return lease
  }

  async #care(lease: Lease): Promise<void> {
    try {
      await this.#deps.takeUp()
      await lease.release(CARED)
    } catch (error) {
      this.#deps.log.warn('gateway_not_replaced', { error: String(error) })
      await lease.release(OPEN)
    }
  }
}

const keyOf = (number: number): string => `${OF_NO_TENANT}.gateway_${number}`
