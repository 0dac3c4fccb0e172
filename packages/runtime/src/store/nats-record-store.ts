import type { NatsConnection } from '@nats-io/transport-node'
import { type Bus, BusFault } from '../bus/bus.ts'
import type { Random } from '../random/random.ts'
import { type AckedOutcome, ackedWrite } from './acked-write.ts'
import { WRONG_LAST_SEQUENCE } from './js-api.ts'
import { bucketFilter, bucketSubject, keyOfSubject } from './key.ts'
import {
  directPage,
  getSubject,
  leaderGetSubject,
  type RawMessage,
  type StreamRef,
} from './nats-read.ts'
import { checkRevision, checkValue } from './record-checks.ts'
import type {
  CreateOutcome,
  RecordChange,
  RecordStore,
  ReplaceOutcome,
  StoredRecord,
} from './record-store.ts'

export interface NatsRecordStoreOptions {
  readonly nc: NatsConnection
  readonly inboxPrefix: string
  readonly api: string
  readonly bucket: string
  readonly replicated: boolean
  readonly bus: Bus
  readonly random: Random
}

interface Write {
  readonly key: string
  readonly value: Uint8Array
  readonly expect: number
}

type WriteOutcome = { readonly ok: true; readonly revision: number } | { readonly ok: false }

const WRITE_ID_BYTES = 16
const EMPTY = new Uint8Array(0)

/** Records in a bucket of another account. */
export class NatsRecordStore implements RecordStore {
  readonly #bucket: string
  readonly #bus: Bus
  readonly #random: Random
  readonly #ref: StreamRef

  constructor(options: NatsRecordStoreOptions) {
    this.#bucket = options.bucket
    this.#bus = options.bus
    this.#random = options.random
    const { nc, inboxPrefix, api, replicated } = options
    this.#ref = { nc, inboxPrefix, api, replicated, stream: `KV_${options.bucket}` }
  }

  async get(key: string): Promise<StoredRecord | undefined> {
    const found = await getSubject(this.#ref, bucketSubject(this.#bucket, key))
    return found === undefined ? undefined : this.#live(found)
  }

  async create(key: string, value: Uint8Array): Promise<CreateOutcome> {
    checkValue(value)
    const first = await this.#write({ key, value, expect: 0 })
    if (first.ok) return first
    const found = await leaderGetSubject(this.#ref, bucketSubject(this.#bucket, key))
    if (found?.tombstone !== true) return { ok: false, reason: 'exists' }
    const second = await this.#write({ key, value, expect: found.seq })
    return second.ok ? second : { ok: false, reason: 'exists' }
  }

  async replace(key: string, value: Uint8Array, revision: number): Promise<ReplaceOutcome> {
    checkValue(value)
    checkRevision(revision)
    const outcome = await this.#write({ key, value, expect: revision })
    return outcome.ok ? outcome : { ok: false, reason: 'conflict' }
  }

  async remove(key: string, revision: number): Promise<ReplaceOutcome> {
    checkRevision(revision)
    const outcome = await this.#write({ key, value: EMPTY, expect: revision })
    return outcome.ok ? outcome : { ok: false, reason: 'conflict' }
  }

  async list(prefix?: string): Promise<readonly StoredRecord[]> {
    const filter = bucketFilter(this.#bucket, prefix)
    const latest = new Map<string, RawMessage>()
    let from = 1
    for (;;) {
      const page = await directPage(this.#ref, filter, from)
      for (const message of page.messages) {
        latest.set(message.subject, message)
        from = message.seq + 1
      }
      if (!page.more || page.messages.length === 0) break
    }
    const records = [...latest.values()].map((message) => this.#live(message))
    return records
      .filter((record) => record !== undefined)
      .sort((left, right) => left.revision - right.revision)
  }

  watch(handler: (change: RecordChange) => void): { stop(): Promise<void> } {
    const filter = bucketFilter(this.#bucket, undefined)
    const subscription = this.#bus.listen(filter, (message) => {
      const key = keyOfSubject(this.#bucket, message.subject)
      if (key !== undefined) handler({ kind: 'changed', key })
    })
    const forget = this.#bus.onStatus((status) => {
      if (status === 'connected') handler({ kind: 'anything' })
    })
    return {
      stop: async () => {
        forget()
        await subscription.stop()
      },
    }
  }

  async #write(write: Write): Promise<WriteOutcome> {
    const subject = bucketSubject(this.#bucket, write.key)
    const outcome = await ackedWrite(this.#ref.nc, {
      subject,
      data: write.value,
      msgId: Buffer.from(this.#random.bytes(WRITE_ID_BYTES)).toString('hex'),
      stream: this.#ref.stream,
      expectLastSubjectSeq: write.expect,
      tombstone: write.value.length === 0,
    })
    if (outcome.kind === 'stored') return { ok: true, revision: outcome.stored.seq }
    return this.#settle(subject, write, outcome)
  }

  /** A conflict after an open try may be with our own write: the leader's value tells. */
  async #settle(
    subject: string,
    write: Write,
    outcome: Extract<AckedOutcome, { kind: 'refused' }>,
  ): Promise<WriteOutcome> {
    if (outcome.refusal.code !== WRONG_LAST_SEQUENCE) {
      const { code, description } = outcome.refusal
      throw new BusFault('store_refused', `${subject}: ${code} ${description}`)
    }
    if (!outcome.ambiguous) return { ok: false }
    const found = await leaderGetSubject(this.#ref, subject)
    if (found === undefined || found.seq <= write.expect) return { ok: false }
    const same = Buffer.compare(found.data, write.value) === 0
    return same ? { ok: true, revision: found.seq } : { ok: false }
  }

  #live(message: RawMessage): StoredRecord | undefined {
    const key = keyOfSubject(this.#bucket, message.subject)
    if (key === undefined) throw new BusFault('store_malformed', 'subject of another bucket')
    if (message.tombstone || message.data.length === 0) return undefined
    return { key, value: message.data, revision: message.seq }
  }
}
