import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Logger } from '../log/logger.ts'
import type { BusCreds } from '../nats/creds.ts'
import type { Random } from '../random/random.ts'
import { NatsClaimStore } from '../store/nats-claim-store.ts'
import { NatsPublisher } from '../store/nats-publisher.ts'
import { NatsRecordStore } from '../store/nats-record-store.ts'
import { NatsStoredConsumer } from '../store/nats-stored-consumer.ts'
import { NatsStoredReader } from '../store/nats-stored-reader.ts'
import { BusFault } from './bus.ts'
import type { BusLink, StreamHome } from './bus-link.ts'
import { NatsBus } from './nats-bus.ts'

export interface ConnectNatsOptions {
  /** `nats://host:port`, tried in turn. */
  readonly servers: readonly string[]
  /** Who connects; proved at each connect. */
  readonly creds: BusCreds
  /** The streams lie on several servers. Default false. */
  readonly replicated?: boolean
  readonly logger: Logger
  readonly random: Random
  /** How long the first connect is tried. Default `CONNECT_BUDGET_MS`. */
  readonly budgetMs?: number
}

/** How long the first connect is tried before it is a fault. */
export const CONNECT_BUDGET_MS = 10_000
/** The longest pause between two attempts to reconnect; attempts never end. */
export const RECONNECT_PAUSE_MAX_MS = 2_000
const RECONNECT_PAUSE_MIN_MS = 50
/** An attempt that takes this long after the last one belongs to another outage. */
const RECONNECT_QUIET_MS = 15_000
const CONNECT_TRY_MS = 3_000
const PING_INTERVAL_MS = 15_000

/** JetStream's API of another account arrives under a prefix of its own (spec/protocol.md §6). */
const API_PREFIX: Readonly<Record<StreamHome, string>> = {
  data: '$JS.data.API',
  exd: '$JS.exd.API',
  own: '$JS.API',
}

/**
 * Connects one identity. Once connected it reconnects for ever, with pauses growing to
 * `RECONNECT_PAUSE_MAX_MS`. Throws `BusFault` `bus_unreachable` when no server lets it in within
 * the budget (also when the server refuses the identity).
 */
export async function connectNats(options: ConnectNatsOptions): Promise<BusLink> {
  const nc = await connectWithin(options)
  const { random, logger } = options
  const { inboxPrefix } = options.creds
  const context = { nc, inboxPrefix, random, logger, replicated: options.replicated ?? false }
  const bus = new NatsBus(nc, logger)
  return {
    bus,
    publisher: ({ stream }) => new NatsPublisher({ ...context, stream }),
    records: ({ home, bucket }) =>
      new NatsRecordStore({ ...context, api: API_PREFIX[home], bucket, bus }),
    claims: ({ home, bucket }) => new NatsClaimStore({ ...context, api: API_PREFIX[home], bucket }),
    reader: ({ home, stream }) =>
      new NatsStoredReader({ ...context, api: API_PREFIX[home], stream }),
    consumer: ({ home, stream, durable }) =>
      new NatsStoredConsumer({ ...context, api: API_PREFIX[home], stream, durable, bus }),
  }
}

async function connectWithin(options: ConnectNatsOptions): Promise<NatsConnection> {
  const deadline = performance.now() + (options.budgetMs ?? CONNECT_BUDGET_MS)
  let pause = RECONNECT_PAUSE_MIN_MS
  for (;;) {
    try {
      return await connectOnce(options)
    } catch (error) {
      if (performance.now() + pause > deadline) {
        throw new BusFault('bus_unreachable', options.servers.join(','), { cause: error })
      }
      options.logger.debug('bus_connect_retry', { pause_ms: pause })
    }
    await new Promise((resolve) => setTimeout(resolve, pause))
    pause = Math.min(pause * 2, RECONNECT_PAUSE_MAX_MS)
  }
}

function connectOnce(options: ConnectNatsOptions): Promise<NatsConnection> {
  const pauses = new ReconnectPauses()
  return connect({
    servers: [...options.servers],
    name: options.creds.name,
    inboxPrefix: options.creds.inboxPrefix,
    authenticator: (nonce) => options.creds.prove(nonce),
    reconnect: true,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    ignoreClusterUpdates: true,
    noAsyncTraces: true,
    timeout: CONNECT_TRY_MS,
    pingInterval: PING_INTERVAL_MS,
    reconnectDelayHandler: () => pauses.next(),
  })
}

/** Growing pauses; a quiet time without attempts starts them anew. */
class ReconnectPauses {
  #pause = RECONNECT_PAUSE_MIN_MS
  #last = Number.NEGATIVE_INFINITY

  next(): number {
    const now = performance.now()
    const quiet = now - this.#last > RECONNECT_QUIET_MS
    this.#pause = quiet ? RECONNECT_PAUSE_MIN_MS : Math.min(this.#pause * 2, RECONNECT_PAUSE_MAX_MS)
    this.#last = now
    return this.#pause
  }
}
