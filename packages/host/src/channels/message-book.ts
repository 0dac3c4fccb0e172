import {
  type ActionId,
  actionIdField,
  canonicalize,
  objectShape,
  oneOfShape,
  parseJsonObject,
  readShape,
  type Shape,
  storedKey,
  stringShape,
  type TenantId,
  utf8Encode,
} from '@trustgw/protocol'
import { type Logger, type RecordStore, type StoredRecord, sha256 } from '@trustgw/runtime'
import {
  accountField,
  type ChatName,
  chatField,
  type PersonId,
  personIdField,
  timeField,
} from '../people/person.ts'

const MESSAGE_RECORD_MAX_BYTES = 2_048

/** A message that stands in a chat: which one, for whom, about what, and what it shows. */
export interface SentMessage {
  readonly v: 1
  readonly chat: ChatName
  readonly account: string
  readonly person: PersonId
  readonly action_id: ActionId
  /** Of the request that it shows: one that was asked anew gets a message of its own. */
  readonly requested_at: number
  /** The provider's name for it. */
  readonly message: string
  /** Hash of the card that it shows. */
  readonly shown: string
}

const sentMessageShape: Shape<SentMessage> = objectShape({
  v: oneOfShape(1),
  chat: chatField,
  account: accountField,
  person: personIdField,
  action_id: actionIdField,
  requested_at: timeField,
  message: stringShape({ min: 1, max: 128, characters: 'token' }),
  shown: stringShape({ min: 1, max: 128, characters: 'token' }),
})

interface Entry {
  readonly sent: SentMessage | undefined
  readonly revision: number | undefined
  readonly isStored: boolean
}

/**
 * Messages that still ask, or do not yet say how it ended, in the bucket `channel_messages`. Nothing is
 * permitted by them: what lies there is not signed, and what is not of this form is left alone. Memory
 * leads: what the store did not take is brought to it again by `flush`.
 */
export class MessageBook {
  readonly #options: {
    readonly records: RecordStore
    readonly tenant: TenantId
    readonly log: Logger
  }
  readonly #entries = new Map<string, Entry>()

  constructor(options: {
    readonly records: RecordStore
    readonly tenant: TenantId
    readonly log: Logger
  }) {
    this.#options = options
  }

  async load(): Promise<void> {
    const { records, tenant, log } = this.#options
    this.#entries.clear()
    for (const stored of await records.list(tenant)) {
      const sent = read(stored)
      if (sent === undefined) log.warn('channel_message_refused', { key: stored.key })
      else this.#entries.set(stored.key, { sent, revision: stored.revision, isStored: true })
    }
  }

  keyOf(of: Omit<SentMessage, 'v' | 'message' | 'shown' | 'person'>): string {
    const { chat, account, action_id, requested_at } = of
    const parts = [chat, account, action_id, String(requested_at)]
    return `${this.#options.tenant}.${storedKey(sha256, ...parts)}`
  }

  find(key: string): SentMessage | undefined {
    return this.#entries.get(key)?.sent
  }

  all(): readonly (readonly [string, SentMessage])[] {
    return [...this.#entries].flatMap(([key, { sent }]) =>
      sent === undefined ? [] : [[key, sent] as const],
    )
  }

  async put(sent: SentMessage): Promise<void> {
    const key = this.keyOf(sent)
    const revision = this.#entries.get(key)?.revision
    this.#entries.set(key, { sent, revision, isStored: false })
    await this.#store(key)
  }

  /** The message says how it ended: nothing is to be done with it any more. */
  async forget(key: string): Promise<void> {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.set(key, { sent: undefined, revision: entry.revision, isStored: false })
    await this.#store(key)
  }

  /** Brings to the store what it did not take before. Faults as the store does. */
  async flush(): Promise<void> {
    for (const [key, { isStored }] of this.#entries) if (!isStored) await this.#store(key)
  }

  async #store(key: string): Promise<void> {
    const { records } = this.#options
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    const known = entry.revision ?? (await records.get(key))?.revision
    if (entry.sent === undefined) {
      if (known !== undefined) await records.remove(key, known)
      this.#entries.delete(key)
      return
    }
    const value = utf8Encode(canonicalize({ ...entry.sent }))
    const written =
      known === undefined
        ? await records.create(key, value)
        : await records.replace(key, value, known)
    const revision = written.ok ? written.revision : undefined
    this.#entries.set(key, { sent: entry.sent, revision, isStored: written.ok })
  }
}

function read({ value }: StoredRecord): SentMessage | undefined {
  const parsed = parseJsonObject(value, { maxBytes: MESSAGE_RECORD_MAX_BYTES })
  const sent = parsed.ok ? readShape(sentMessageShape, parsed.value) : undefined
  return sent?.ok === true ? sent.value : undefined
}
