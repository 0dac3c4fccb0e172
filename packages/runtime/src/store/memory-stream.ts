import { subjectMatches } from '../bus/subject.ts'
import type { StreamSettings } from '../nats/streams.ts'
import { type ApiRefusal, STREAM_LIMIT, WRONG_LAST_SEQUENCE } from './js-api.ts'
import type { Stored } from './stored-publisher.ts'
import type { StoredMessage } from './stored-reader.ts'

export interface MemoryStreamOptions {
  readonly name: string
  readonly subjects: readonly string[]
  /** `log` keeps everything, `latest` one message a subject, `insert_only` the first one for ever. */
  readonly kind: 'log' | 'latest' | 'insert_only'
}

export interface MemoryWrite {
  readonly subject: string
  readonly data: Uint8Array
  readonly msgId: string
  readonly expectLastSubjectSeq?: number
}

export type MemoryOutcome =
  | { readonly kind: 'stored'; readonly stored: Stored }
  | { readonly kind: 'refused'; readonly refusal: ApiRefusal }

/** The memory form of a stream's settings. */
export function memoryStreamOf(settings: StreamSettings): MemoryStream {
  const { name, subjects } = settings
  const latest = settings.max_msgs_per_subject === 1
  if (!latest) return new MemoryStream({ name, subjects, kind: 'log' })
  const kind = settings.discard_new_per_subject ? 'insert_only' : 'latest'
  return new MemoryStream({ name, subjects, kind })
}

/** A stream in memory: the same refusals as the real one, nothing durable, no limits of size. */
export class MemoryStream {
  readonly options: MemoryStreamOptions
  readonly #messages = new Map<number, StoredMessage>()
  readonly #lastSeq = new Map<string, number>()
  readonly #byMsgId = new Map<string, number>()
  readonly #onAppend = new Set<(message: StoredMessage) => void>()
  #seq = 0

  constructor(options: MemoryStreamOptions) {
    this.options = options
  }

  takes(subject: string): boolean {
    return this.options.subjects.some((filter) => subjectMatches(filter, subject))
  }

  append(write: MemoryWrite): MemoryOutcome {
    const stream = this.options.name
    const earlier = this.#byMsgId.get(write.msgId)
    if (earlier !== undefined) {
      return { kind: 'stored', stored: { stream, seq: earlier, duplicate: true } }
    }
    const last = this.#lastSeq.get(write.subject) ?? 0
    if (write.expectLastSubjectSeq !== undefined && write.expectLastSubjectSeq !== last) {
      const description = `wrong last sequence: ${last}`
      return { kind: 'refused', refusal: { code: WRONG_LAST_SEQUENCE, description } }
    }
    if (this.options.kind === 'insert_only' && last !== 0) {
      const description = 'maximum messages per subject exceeded'
      return { kind: 'refused', refusal: { code: STREAM_LIMIT, description } }
    }
    const seq = this.#store(write, last)
    return { kind: 'stored', stored: { stream, seq, duplicate: false } }
  }

  bySeq(seq: number): StoredMessage | undefined {
    return this.#messages.get(seq)
  }

  last(filter: string): StoredMessage | undefined {
    return this.matching(filter).at(-1)
  }

  /** Ascending by sequence. */
  matching(filter: string): readonly StoredMessage[] {
    return [...this.#messages.values()].filter(({ subject }) => subjectMatches(filter, subject))
  }

  /** The first message after a sequence. */
  after(seq: number): StoredMessage | undefined {
    for (let next = seq + 1; next <= this.#seq; next += 1) {
      const message = this.#messages.get(next)
      if (message !== undefined) return message
    }
    return undefined
  }

  onAppend(handler: (message: StoredMessage) => void): () => void {
    this.#onAppend.add(handler)
    return () => this.#onAppend.delete(handler)
  }

  #store(write: MemoryWrite, last: number): number {
    this.#seq += 1
    const message = { subject: write.subject, seq: this.#seq, data: write.data.slice() }
    this.#messages.set(this.#seq, message)
    if (this.options.kind === 'latest') this.#messages.delete(last)
    this.#lastSeq.set(write.subject, this.#seq)
    this.#byMsgId.set(write.msgId, this.#seq)
    for (const handler of this.#onAppend) handler(message)
    return this.#seq
  }
}
