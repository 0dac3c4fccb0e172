import {
  type BusLink,
  type Claim,
  type ClaimEntry,
  type ClaimOutcome,
  type ClaimStore,
  type CreateOutcome,
  type InsertOnlyOutcome,
  PUBLISH_STORED_BUDGET_MS,
  type PublishStoredOptions,
  type RecordChange,
  type RecordStore,
  type ReplaceOutcome,
  type Stored,
  type StoredConsumer,
  type StoredMessage,
  type StoredPublisher,
  type StoredReader,
  type StoredRecord,
} from '@trustgw/runtime'
import { Caller, type StoreContext } from './caller.ts'
import type { Handler } from './durables.ts'

/** How long a claim is tried: see the store over JetStream. */
const CLAIM_BUDGET_MS = 5_000

/** The ports of one process over the world's streams. */
export function simLink(context: StoreContext): BusLink {
  const caller = new Caller(context)
  return {
    bus: context.line,
    publisher: (of) => new SimPublisher(caller, of.stream),
    records: (of) => new SimRecords(caller, of),
    claims: (of) => new SimClaims(caller, of),
    reader: (of) => new SimReader(caller, of),
    consumer: (of) => new SimConsumer(context, `${of.stream}/${of.durable}`, of),
  }
}

class SimPublisher implements StoredPublisher {
  readonly #caller: Caller
  readonly #stream: string
  readonly #inner: StoredPublisher

  constructor(caller: Caller, stream: string) {
    this.#caller = caller
    this.#stream = stream
    this.#inner = caller.context.inner.publisher({ stream })
  }

  publishStored(to: string, data: Uint8Array, options: PublishStoredOptions): Promise<Stored> {
    const { durables } = this.#caller.context
    const budget = options.budgetMs ?? PUBLISH_STORED_BUDGET_MS
    const apply = async (): Promise<Stored> => {
      const stored = await this.#inner.publishStored(to, data, options)
      if (!stored.duplicate) await durables.appended(this.#stream, stored.seq)
      return stored
    }
    return this.#caller.write({ what: `store ${to}`, stream: this.#stream, apply }, budget)
  }
}

class SimRecords implements RecordStore {
  readonly #caller: Caller
  readonly #bucket: string
  readonly #inner: RecordStore

  constructor(caller: Caller, of: Parameters<BusLink['records']>[0]) {
    this.#caller = caller
    this.#bucket = of.bucket
    this.#inner = caller.context.inner.records(of)
  }

  get(key: string): Promise<StoredRecord | undefined> {
    return this.#caller.read(`get ${this.#bucket} ${key}`, () => this.#inner.get(key))
  }

  create(key: string, value: Uint8Array): Promise<CreateOutcome> {
    return this.#write(`create ${this.#bucket} ${key}`, () => this.#inner.create(key, value))
  }

  replace(key: string, value: Uint8Array, revision: number): Promise<ReplaceOutcome> {
    return this.#write(`replace ${this.#bucket} ${key}`, () =>
      this.#inner.replace(key, value, revision),
    )
  }

  remove(key: string, revision: number): Promise<ReplaceOutcome> {
    return this.#write(`remove ${this.#bucket} ${key}`, () => this.#inner.remove(key, revision))
  }

  list(prefix?: string): Promise<readonly StoredRecord[]> {
    return this.#caller.read(`list ${this.#bucket}`, () => this.#inner.list(prefix))
  }

  watch(handler: (change: RecordChange) => void): { stop(): Promise<void> } {
    const { line } = this.#caller.context
    const start = `$KV.${this.#bucket}.`
    const subscription = line.listen(`${start}>`, ({ subject }) =>
      handler({ kind: 'changed', key: subject.slice(start.length) }),
    )
    const forget = line.onStatus((status) => {
      if (status === 'connected') handler({ kind: 'anything' })
    })
    return {
      stop: async () => {
        forget()
        await subscription.stop()
      },
    }
  }

  #write<O extends CreateOutcome | ReplaceOutcome>(
    what: string,
    apply: () => Promise<O>,
  ): Promise<O> {
    const { durables } = this.#caller.context
    const told = async (): Promise<O> => {
      const outcome = await apply()
      if (outcome.ok) await durables.appended(`KV_${this.#bucket}`, outcome.revision)
      return outcome
    }
    return this.#caller.write(
      { what, stream: `KV_${this.#bucket}`, apply: told },
      PUBLISH_STORED_BUDGET_MS,
    )
  }
}

class SimClaims implements ClaimStore {
  readonly #caller: Caller
  readonly #bucket: string
  readonly #inner: ClaimStore

  constructor(caller: Caller, of: Parameters<BusLink['claims']>[0]) {
    this.#caller = caller
    this.#bucket = of.bucket
    this.#inner = caller.context.inner.claims(of)
  }

  claim(key: string, claim: Claim): Promise<ClaimOutcome> {
    const what = `claim ${this.#bucket} ${key}`
    const apply = (): Promise<ClaimOutcome> => this.#inner.claim(key, claim)
    return this.#caller.write({ what, stream: `KV_${this.#bucket}`, apply }, CLAIM_BUDGET_MS)
  }

  read(key: string): Promise<ClaimEntry | undefined> {
    return this.#caller.read(`read ${this.#bucket} ${key}`, () => this.#inner.read(key))
  }

  verifyInsertOnly(): Promise<InsertOnlyOutcome> {
    return this.#caller.read(`settings of ${this.#bucket}`, () => this.#inner.verifyInsertOnly())
  }
}

class SimReader implements StoredReader {
  readonly #caller: Caller
  readonly #stream: string
  readonly #inner: StoredReader

  constructor(caller: Caller, of: Parameters<BusLink['reader']>[0]) {
    this.#caller = caller
    this.#stream = of.stream
    this.#inner = caller.context.inner.reader(of)
  }

  getBySeq(seq: number): Promise<StoredMessage | undefined> {
    return this.#caller.read(`${this.#stream} at ${seq}`, () => this.#inner.getBySeq(seq))
  }

  getLast(filter: string): Promise<StoredMessage | undefined> {
    return this.#caller.read(`last of ${filter}`, () => this.#inner.getLast(filter))
  }
}

class SimConsumer implements StoredConsumer {
  readonly #context: StoreContext
  readonly #id: string
  readonly #stream: string

  constructor(context: StoreContext, id: string, of: { readonly stream: string }) {
    this.#context = context
    this.#id = id
    this.#stream = of.stream
  }

  consume(handler: Handler, concurrency = 1): { stop(): Promise<void> } {
    const { durables, line } = this.#context
    const leave = durables.join(this.#id, { line, handler, concurrency, running: 0 })
    void durables.pump(this.#stream)
    line.onStatus((status) => {
      if (status === 'connected') void durables.pump(this.#stream)
    })
    return {
      stop: async () => {
        leave()
        await Promise.resolve()
      },
    }
  }
}
