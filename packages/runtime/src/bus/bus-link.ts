import type { ClaimStore } from '../store/claim-store.ts'
import type { RecordStore } from '../store/record-store.ts'
import type { StoredConsumer } from '../store/stored-consumer.ts'
import type { StoredPublisher } from '../store/stored-publisher.ts'
import type { StoredReader } from '../store/stored-reader.ts'
import type { Bus } from './bus.ts'

/**
 * Which account's streams: `data` is the control plane's, `exd` is that of an executor profile.
 * Each crosses the account boundary under a prefix of its own (spec/protocol.md §6). `own`: the
 * identity's own account, for provisioning only.
 */
export type StreamHome = 'data' | 'exd' | 'own'

export interface BucketOptions {
  readonly home: StreamHome
  readonly bucket: string
}

export interface StreamOptions {
  readonly home: StreamHome
  readonly stream: string
}

export interface ConsumerOptions extends StreamOptions {
  readonly durable: string
}

export interface PublisherOptions {
  /** The only stream that may acknowledge; another stream's acknowledgement is a fault. */
  readonly stream: string
}

/** One identity's connection and the ports that it can make. All of them share the connection. */
export interface BusLink {
  readonly bus: Bus
  publisher(options: PublisherOptions): StoredPublisher
  records(options: BucketOptions): RecordStore
  claims(options: BucketOptions): ClaimStore
  reader(options: StreamOptions): StoredReader
  consumer(options: ConsumerOptions): StoredConsumer
}
