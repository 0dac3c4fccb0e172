import { getMessage, type RawMessage, type StreamRef } from './nats-read.ts'
import type { StoredMessage, StoredReader } from './stored-reader.ts'

/** Reads a stream of another account: directly, or from its leader where it is replicated. */
export class NatsStoredReader implements StoredReader {
  readonly #ref: StreamRef

  constructor(ref: StreamRef) {
    this.#ref = ref
  }

  async getBySeq(seq: number): Promise<StoredMessage | undefined> {
    if (!Number.isSafeInteger(seq) || seq < 1) throw new TypeError('no such sequence')
    return plain(await getMessage(this.#ref, { seq }))
  }

  async getLast(subjectFilter: string): Promise<StoredMessage | undefined> {
    return plain(await getMessage(this.#ref, { last_by_subj: subjectFilter }))
  }
}

function plain(message: RawMessage | undefined): StoredMessage | undefined {
  if (message === undefined) return undefined
  return { subject: message.subject, seq: message.seq, data: message.data }
}
