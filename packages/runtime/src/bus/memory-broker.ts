import type { Logger } from '../log/logger.ts'
import { busStreams } from '../nats/streams.ts'
import { MemoryConsumer, MemoryDurable } from '../store/memory-consumer.ts'
import {
  MemoryClaimStore,
  MemoryPublisher,
  MemoryReader,
  MemoryRecordStore,
} from '../store/memory-stores.ts'
import { MemoryStream, memoryStreamOf } from '../store/memory-stream.ts'
import type { Requester } from './bus.ts'
import type { BusLink } from './bus-link.ts'
import { type Crossing, crossSubject } from './crossing.ts'
import { MemoryBus, MemoryExchange } from './memory-bus.ts'

export interface MemoryBrokerOptions {
  /** The executor profiles whose streams there are. Default `['connector']`. */
  readonly profiles?: readonly string[]
  readonly logger: Logger
}

export interface MemoryLinkOptions {
  /** What others see as this link's identity. */
  readonly requester?: Requester
  /** What an account's imports rename on the way out. */
  readonly crossings?: readonly Crossing[]
}

/** What the imports of an executor account rename: the boundary stamps the profile in. */
export function executorCrossings(profile: string): readonly Crossing[] {
  return [
    { from: 'execout.v1.*.*.result', to: `exec.v1.$1.${profile}.$2.result` },
    { from: 'auditout.v1.*.*.*', to: `audit.v1.$1.exec-${profile}.$2.$3` },
    { from: 'toolsout.v1.*', to: `$KV.tools.$1.${profile}` },
  ]
}

/**
 * A bus with the streams of an installation in memory: for tests and the simulator. It has no
 * accounts, so no walls; of two profiles' private streams there is one only.
 */
export class MemoryBroker {
  readonly #exchange = new MemoryExchange()
  readonly #streams = new Map<string, MemoryStream>()
  readonly #durables = new Map<string, MemoryDurable>()
  readonly #logger: Logger

  constructor(options: MemoryBrokerOptions) {
    this.#logger = options.logger
    for (const { config } of busStreams(options.profiles ?? ['connector'])) {
      this.#addStream(memoryStreamOf(config))
    }
  }

  link(options: MemoryLinkOptions = {}): BusLink {
    const bus = new MemoryBus(this.#exchange, this.#logger, options.requester)
    const cross = (subject: string): string => crossSubject(options.crossings ?? [], subject)
    const context = (name: string): { stream: MemoryStream; bus: MemoryBus } => ({
      stream: this.#stream(name),
      bus,
    })
    return {
      bus,
      publisher: ({ stream }) => new MemoryPublisher(context(stream), cross),
      records: ({ bucket }) => new MemoryRecordStore(context(`KV_${bucket}`), bucket),
      claims: ({ bucket }) => new MemoryClaimStore(context(`KV_${bucket}`), bucket),
      reader: ({ stream }) => new MemoryReader(context(stream)),
      consumer: ({ stream, durable }) =>
        new MemoryConsumer(this.#durable(stream, durable), this.#logger),
    }
  }

  #addStream(stream: MemoryStream): void {
    stream.onAppend((message) => this.#exchange.deliver(message.subject, message.data))
    this.#streams.set(stream.options.name, stream)
  }

  #stream(name: string): MemoryStream {
    const stream = this.#streams.get(name)
    if (stream === undefined) throw new TypeError(`no memory stream ${name}`)
    return stream
  }

  #durable(stream: string, name: string): MemoryDurable {
    const id = `${stream}/${name}`
    const durable = this.#durables.get(id) ?? new MemoryDurable(this.#stream(stream))
    this.#durables.set(id, durable)
    return durable
  }
}
