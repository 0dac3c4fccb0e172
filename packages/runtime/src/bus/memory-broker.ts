import type { Logger } from '../log/logger.ts'
import { MemoryConsumer, MemoryDurable } from '../store/memory-consumer.ts'
import {
  MemoryClaimStore,
  MemoryPublisher,
  MemoryReader,
  MemoryRecordStore,
} from '../store/memory-stores.ts'
import { MemoryStream, type MemoryStreamOptions } from '../store/memory-stream.ts'
import type { Requester } from './bus.ts'
import type { BusLink } from './bus-link.ts'
import { MemoryBus, MemoryExchange } from './memory-bus.ts'

export interface MemoryBrokerOptions {
  readonly streams: readonly MemoryStreamOptions[]
  readonly logger: Logger
}

export interface MemoryLinkOptions {
  /** What others see as this link's identity. */
  readonly requester?: Requester
}

/** A bus and its streams in memory: for tests and the simulator. It has no accounts: no walls. */
export class MemoryBroker {
  readonly #exchange = new MemoryExchange()
  readonly #streams = new Map<string, MemoryStream>()
  readonly #durables = new Map<string, MemoryDurable>()
  readonly #logger: Logger

  constructor(options: MemoryBrokerOptions) {
    this.#logger = options.logger
    for (const stream of options.streams) this.#addStream(stream)
  }

  link(options: MemoryLinkOptions = {}): BusLink {
    const bus = new MemoryBus(this.#exchange, this.#logger, options.requester)
    const context = (name: string): { stream: MemoryStream; bus: MemoryBus } => ({
      stream: this.#stream(name),
      bus,
    })
    return {
      bus,
      publisher: ({ stream }) => new MemoryPublisher(context(stream)),
      records: ({ bucket }) => new MemoryRecordStore(context(`KV_${bucket}`), bucket),
      claims: ({ bucket }) => new MemoryClaimStore(context(`KV_${bucket}`), bucket),
      reader: ({ stream }) => new MemoryReader(context(stream)),
      consumer: ({ stream, durable }) =>
        new MemoryConsumer(this.#durable(stream, durable), this.#logger),
    }
  }

  #addStream(options: MemoryStreamOptions): void {
    const stream = new MemoryStream(options)
    stream.onAppend((message) => this.#exchange.deliver(message.subject, message.data))
    this.#streams.set(options.name, stream)
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
