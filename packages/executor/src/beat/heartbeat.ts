import {
  BEAT_COMPONENTS,
  BEAT_MAX_AGE_MS,
  BEAT_MAX_BYTES,
  type Beat,
  type BeatComponent,
  type JwsVerifier,
  parseComponent,
  readBeat,
  subject,
  type TenantId,
} from '@trustgw/protocol'
import {
  type Bus,
  BusFault,
  type BusSubscription,
  type Clock,
  FileFault,
  type Logger,
  type PublicKeys,
} from '@trustgw/runtime'
import type { BeatProblem, Liveness } from '../admit/check-beat.ts'

export interface HeartbeatDeps {
  readonly bus: Bus
  readonly trust: PublicKeys
  /** The newest key set of this process, and how it looks for a newer one. */
  readonly keySet: { readonly epoch: number; refresh(): Promise<void> }
  readonly clock: Clock
  readonly logger: Logger
}

/** Between two looks at the bus that beats of a newer key set bring about. */
export const CATCH_UP_EVERY_MS = 250
/** Instances of one component that beat at once; those of which nothing was heard make room. */
const INSTANCES_MAX = 64

/** The most that a key said it knows. */
interface Known {
  readonly component: BeatComponent
  key_set_epoch: number
  readonly freezes: Map<string, number>
}

/**
 * Hears host and log (spec/protocol.md §4 "Beat"). A beat counts that is genuine, of now by this clock,
 * and newer than the last one of its sender: what somebody kept and plays again says nothing.
 */
export class Heartbeat implements Liveness {
  readonly #deps: HeartbeatDeps
  /** `at` of the last beat of each sender. */
  readonly #last = new Map<string, number>()
  /** By the key that said it, so that a key that is believed no more has said nothing. */
  readonly #known = new Map<string, Known>()
  /** By the same, the uptime at which a beat was last heard. */
  readonly #heard = new Map<string, number>()
  #subscriptions: readonly BusSubscription[] = []
  #catching: { readonly at: number; readonly done: Promise<void> } | undefined

  constructor(deps: HeartbeatDeps) {
    this.#deps = deps
  }

  start(): void {
    this.#subscriptions = BEAT_COMPONENTS.map((name) => {
      const component = parseComponent(name)
      if (!component.ok) throw new TypeError('component')
      const from = subject('beat', { component: component.value })
      return this.#deps.bus.listen(from, ({ data }) => this.#take(name, data))
    })
  }

  async stop(): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.stop()))
    await this.#catching?.done
  }

  problem(): BeatProblem | undefined {
    const now = this.#deps.clock.uptime()
    const isFresh = [...this.#believed()].some(
      ([kid]) => now - (this.#heard.get(kid) ?? Number.NEGATIVE_INFINITY) <= BEAT_MAX_AGE_MS,
    )
    if (!isFresh) return 'beat_missing'
    return this.#deps.keySet.epoch < this.#newestEpoch() ? 'key_set_behind' : undefined
  }

  /** The most freezes and thaws of a tenant that host or log said they know. */
  freezesHeard(tenant: TenantId): number {
    return Math.max(0, ...[...this.#believed()].map(([, known]) => known.freezes.get(tenant) ?? 0))
  }

  catchUp(): Promise<void> {
    const now = this.#deps.clock.uptime()
    const running = this.#catching
    if (running !== undefined && now - running.at < CATCH_UP_EVERY_MS) return running.done
    const done = this.#deps.keySet.refresh().catch((error: unknown) => {
      const isKnown = error instanceof BusFault || error instanceof FileFault
      const code = isKnown ? error.code : String(error)
      this.#deps.logger.warn('key_set_not_refreshed', { code })
    })
    this.#catching = { at: now, done }
    return done
  }

  #take(component: BeatComponent, data: Uint8Array): void {
    if (data.length > BEAT_MAX_BYTES) return
    const token = new TextDecoder().decode(data)
    const read = readBeat(token, component, (kid) => this.#keyOf(component, kid))
    if (!read.ok || !this.#isOfNow(read.value.beat)) return
    const { kid, beat } = read.value
    this.#heard.set(kid, this.#deps.clock.uptime())
    this.#note(kid, beat)
    if (this.#deps.keySet.epoch < beat.key_set_epoch) void this.catchUp()
  }

  #keyOf(component: BeatComponent, kid: string): JwsVerifier | undefined {
    return this.#deps.trust.keyFor({ role: component, component })(kid)
  }

  #isOfNow({ component, instance, at }: Beat): boolean {
    const now = this.#deps.clock.now()
    if (Math.abs(now - at) > BEAT_MAX_AGE_MS) return false
    const sender = `${component} ${instance}`
    if (at <= (this.#last.get(sender) ?? Number.NEGATIVE_INFINITY)) return false
    this.#last.set(sender, at)
    if (this.#last.size > INSTANCES_MAX) this.#forgetOld(now)
    return true
  }

  /** A beat of theirs would be too old by its time. */
  #forgetOld(now: number): void {
    for (const [sender, at] of this.#last) {
      if (Math.abs(now - at) > BEAT_MAX_AGE_MS) this.#last.delete(sender)
    }
  }

  #note(kid: string, { component, key_set_epoch, freeze_count }: Beat): void {
    const known = this.#known.get(kid) ?? { component, key_set_epoch: 0, freezes: new Map() }
    known.key_set_epoch = Math.max(known.key_set_epoch, key_set_epoch)
    for (const [tenant, count] of Object.entries(freeze_count)) {
      known.freezes.set(tenant, Math.max(known.freezes.get(tenant) ?? 0, count))
    }
    this.#known.set(kid, known)
  }

  #newestEpoch(): number {
    return Math.max(0, ...[...this.#believed()].map(([, known]) => known.key_set_epoch))
  }

  #believed(): readonly (readonly [string, Known])[] {
    return [...this.#known].filter(
      ([kid, { component }]) => this.#keyOf(component, kid) !== undefined,
    )
  }
}
