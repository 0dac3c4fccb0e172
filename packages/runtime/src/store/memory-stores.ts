import { type Bus, BusFault } from '../bus/bus.ts'
import { decodeClaim, encodeClaim } from './claim-entry.ts'
import type {
  Claim,
  ClaimEntry,
  ClaimOutcome,
  ClaimStore,
  InsertOnlyOutcome,
} from './claim-store.ts'
import { isSubjectTaken } from './js-api.ts'
import { bucketFilter, bucketSubject, keyOfSubject } from './key.ts'
import type { MemoryStream, MemoryWrite } from './memory-stream.ts'
import { checkRevision, checkValue } from './record-checks.ts'
import type {
  CreateOutcome,
  RecordChange,
  RecordStore,
  ReplaceOutcome,
  StoredRecord,
} from './record-store.ts'
import type { PublishStoredOptions, Stored, StoredPublisher } from './stored-publisher.ts'
import type { StoredMessage, StoredReader } from './stored-reader.ts'

/** What the memory adapters share: a stream, and whether the link is still open. */
export interface MemoryStoreContext {
  readonly stream: MemoryStream
  readonly bus: Bus
}

const EMPTY = new Uint8Array(0)
let writes = 0

function nextMsgId(): string {
  writes += 1
  return `memory-${writes}`
}

function checkOpen(bus: Bus): void {
  if (bus.status === 'closed') throw new BusFault('bus_closed', 'memory link')
}

/** Lets other tasks run, as a network would. */
async function turn(bus: Bus): Promise<void> {
  await Promise.resolve()
  checkOpen(bus)
}

export class MemoryPublisher implements StoredPublisher {
  readonly #context: MemoryStoreContext
  readonly #cross: (subject: string) => string

  constructor(context: MemoryStoreContext, cross: (subject: string) => string) {
    this.#context = context
    this.#cross = cross
  }

  async publishStored(
    local: string,
    data: Uint8Array,
    options: PublishStoredOptions,
  ): Promise<Stored> {
    const { stream, bus } = this.#context
    const subject = this.#cross(local)
    await turn(bus)
    if (!stream.takes(subject)) throw new BusFault('store_unreachable', subject)
    const outcome = stream.append({ subject, data, ...options })
    if (outcome.kind === 'stored') return outcome.stored
    const { code, description } = outcome.refusal
    throw new BusFault('store_refused', `${subject}: ${code} ${description}`)
  }
}

export class MemoryReader implements StoredReader {
  readonly #context: MemoryStoreContext

  constructor(context: MemoryStoreContext) {
    this.#context = context
  }

  async getBySeq(seq: number): Promise<StoredMessage | undefined> {
    if (!Number.isSafeInteger(seq) || seq < 1) throw new TypeError('no such sequence')
    await turn(this.#context.bus)
    return this.#context.stream.bySeq(seq)
  }

  async getLast(subjectFilter: string): Promise<StoredMessage | undefined> {
    await turn(this.#context.bus)
    return this.#context.stream.last(subjectFilter)
  }
}

export class MemoryRecordStore implements RecordStore {
  readonly #context: MemoryStoreContext
  readonly #bucket: string

  constructor(context: MemoryStoreContext, bucket: string) {
    this.#context = context
    this.#bucket = bucket
  }

  async get(key: string): Promise<StoredRecord | undefined> {
    const subject = bucketSubject(this.#bucket, key)
    await turn(this.#context.bus)
    const found = this.#context.stream.last(subject)
    return found === undefined ? undefined : this.#live(found)
  }

  async create(key: string, value: Uint8Array): Promise<CreateOutcome> {
    checkValue(value)
    const subject = bucketSubject(this.#bucket, key)
    await turn(this.#context.bus)
    const found = this.#context.stream.last(subject)
    if (found !== undefined && found.data.length > 0) return { ok: false, reason: 'exists' }
    const revision = this.#write({ subject, data: value, expect: found?.seq ?? 0 })
    return revision === undefined ? { ok: false, reason: 'exists' } : { ok: true, revision }
  }

  async replace(key: string, value: Uint8Array, revision: number): Promise<ReplaceOutcome> {
    checkValue(value)
    return this.#swap(key, value, revision)
  }

  async remove(key: string, revision: number): Promise<ReplaceOutcome> {
    return this.#swap(key, EMPTY, revision)
  }

  async list(prefix?: string): Promise<readonly StoredRecord[]> {
    const filter = bucketFilter(this.#bucket, prefix)
    await turn(this.#context.bus)
    return this.#context.stream
      .matching(filter)
      .map((message) => this.#live(message))
      .filter((record) => record !== undefined)
  }

  watch(handler: (change: RecordChange) => void): { stop(): Promise<void> } {
    return this.#context.bus.listen(bucketFilter(this.#bucket, undefined), (message) => {
      const key = keyOfSubject(this.#bucket, message.subject)
      if (key !== undefined) handler({ kind: 'changed', key })
    })
  }

  async #swap(key: string, data: Uint8Array, revision: number): Promise<ReplaceOutcome> {
    checkRevision(revision)
    const subject = bucketSubject(this.#bucket, key)
    await turn(this.#context.bus)
    const written = this.#write({ subject, data, expect: revision })
    if (written === undefined) return { ok: false, reason: 'conflict' }
    return { ok: true, revision: written }
  }

  #write(write: {
    readonly subject: string
    readonly data: Uint8Array
    readonly expect: number
  }): number | undefined {
    const full: MemoryWrite = {
      subject: write.subject,
      data: write.data,
      msgId: nextMsgId(),
      expectLastSubjectSeq: write.expect,
    }
    const outcome = this.#context.stream.append(full)
    return outcome.kind === 'stored' ? outcome.stored.seq : undefined
  }

  #live(message: StoredMessage): StoredRecord | undefined {
    const key = keyOfSubject(this.#bucket, message.subject)
    if (key === undefined) throw new BusFault('store_malformed', 'subject of another bucket')
    if (message.data.length === 0) return undefined
    return { key, value: message.data.slice(), revision: message.seq }
  }
}

export class MemoryClaimStore implements ClaimStore {
  readonly #context: MemoryStoreContext
  readonly #bucket: string

  constructor(context: MemoryStoreContext, bucket: string) {
    this.#context = context
    this.#bucket = bucket
  }

  async claim(key: string, claim: Claim): Promise<ClaimOutcome> {
    const subject = bucketSubject(this.#bucket, key)
    const data = encodeClaim(claim)
    await turn(this.#context.bus)
    const outcome = this.#context.stream.append({
      subject,
      data,
      msgId: `${key}:${claim.attempt}`,
      expectLastSubjectSeq: 0,
    })
    if (outcome.kind === 'stored') return outcome.stored.duplicate ? 'mine' : 'claimed'
    if (!isSubjectTaken(outcome.refusal)) throw new BusFault('store_refused', subject)
    const entry = await this.read(key)
    return entry?.attempt === claim.attempt ? 'mine' : 'taken'
  }

  async read(key: string): Promise<ClaimEntry | undefined> {
    const subject = bucketSubject(this.#bucket, key)
    await turn(this.#context.bus)
    const found = this.#context.stream.last(subject)
    return found === undefined ? undefined : decodeClaim(found.data, found.seq)
  }

  async verifyInsertOnly(): Promise<InsertOnlyOutcome> {
    await turn(this.#context.bus)
    if (this.#context.stream.options.kind === 'insert_only') return { ok: true }
    return { ok: false, reason: 'not_insert_only', setting: 'max_msgs_per_subject' }
  }
}
