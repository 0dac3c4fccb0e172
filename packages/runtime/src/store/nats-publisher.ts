import type { NatsConnection } from '@nats-io/transport-node'
import { BusFault } from '../bus/bus.ts'
import { ackedWrite } from './acked-write.ts'
import type { PublishStoredOptions, Stored, StoredPublisher } from './stored-publisher.ts'

export class NatsPublisher implements StoredPublisher {
  readonly #nc: NatsConnection
  readonly #stream: string

  constructor(options: { readonly nc: NatsConnection; readonly stream: string }) {
    this.#nc = options.nc
    this.#stream = options.stream
  }

  async publishStored(
    subject: string,
    data: Uint8Array,
    options: PublishStoredOptions,
  ): Promise<Stored> {
    const outcome = await ackedWrite(this.#nc, {
      ...options,
      subject,
      data,
      stream: this.#stream,
    })
    if (outcome.kind === 'stored') return outcome.stored
    const code = outcome.ambiguous ? 'store_ambiguous' : 'store_refused'
    throw new BusFault(code, `${subject}: ${outcome.refusal.code} ${outcome.refusal.description}`)
  }
}
