import {
  type ActionId,
  type ApprovalRequest,
  approvalRequestJson,
  canonicalize,
  ok,
  quorumsOf,
  type Result,
  readShape,
  refuse,
  signJws,
  storedKey,
  type TenantId,
  utf8Decode,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import {
  type Logger,
  RECORD_VALUE_MAX_BYTES,
  type RecordStore,
  type StoredRecord,
  sha256,
} from '@trustgw/runtime'
import type { HostKey } from '../deps.ts'
import { StoredValueFault } from '../people/people-store.ts'
import {
  type ApprovalRecord,
  approvalRecordShape,
  openRecord,
  recordJson,
} from './approval-record.ts'
import { ApprovedIndex } from './approved-index.ts'

const APPROVAL_RECORD_TYP = 'approval-record+jwt'
/** Approvals open at once; more are refused, since nobody reads that many (a prompt storm). */
export const APPROVALS_OPEN_MAX_COUNT = 2_000
/** Room kept in a value for each decision that may come. */
const DECISION_ROOM_BYTES = 6 * 1024
const SWAP_TRIES_COUNT = 8

export type AddRefusal = 'conflict' | 'stale_request' | 'too_large' | 'too_many_open'
export type ChangeRefusal = 'unknown_action'

export interface ApprovalStoreOptions {
  readonly records: RecordStore
  readonly key: HostKey
  readonly tenant: TenantId
  readonly log: Logger
}

interface Found {
  readonly record: ApprovalRecord
  readonly revision: number
}

/**
 * Approvals of one tenant in the bucket `approvals`, each signed by the host key and bound to its
 * key. Changes are compare-and-swaps on the stored value; an index in memory holds the records on
 * which something is still to happen.
 */
export class ApprovalStore {
  readonly #options: ApprovalStoreOptions
  readonly #open = new Map<ActionId, ApprovalRecord>()
  readonly #approved = new ApprovedIndex()
  readonly #listeners = new Set<() => void>()

  constructor(options: ApprovalStoreOptions) {
    this.#options = options
  }

  /** Reads what is stored; values that are not the host's own are left out and reported. */
  async load(): Promise<void> {
    for (const stored of await this.#options.records.list(this.#options.tenant)) {
      const record = this.#readListed(stored)
      if (record !== undefined) this.#index(record)
    }
  }

  /** Records that people or the gateway still have to act on. */
  open(): readonly ApprovalRecord[] {
    return [...this.#open.values()]
  }

  /** Tells of every change that this store writes; the returned function ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What was approved of a tool, the newest first, as far back as a card looks. */
  approvedOf(tool: string): readonly ActionId[] {
    return this.#approved.of(tool)
  }

  async find(actionId: ActionId): Promise<ApprovalRecord | undefined> {
    return (await this.#find(actionId))?.record
  }

  /**
   * Stores a request. The same again is fine; one for the same action that was asked for later
   * (something changed, it was decided afresh) takes the place of the earlier one with all that
   * was decided on it.
   */
  async add(request: ApprovalRequest): Promise<Result<'added' | 'known', AddRefusal>> {
    const text = askedText(request)
    const room = quorumsOf(request.decision.obligations.approvers) + 1
    const value = this.#seal(openRecord(request))
    if (value.length + room * DECISION_ROOM_BYTES > RECORD_VALUE_MAX_BYTES) {
      return refuse('too_large')
    }
    for (let tries = 0; tries < SWAP_TRIES_COUNT; tries += 1) {
      const found = await this.#find(request.action_id)
      if (found !== undefined) {
        const earlier = found.record.request
        if (askedText(earlier) === text) return ok('known')
        if (earlier.requested_at > request.requested_at) return refuse('stale_request')
        if (earlier.requested_at === request.requested_at) return refuse('conflict')
      }
      if (this.#open.size >= APPROVALS_OPEN_MAX_COUNT) return refuse('too_many_open')
      if (await this.#write(openRecord(request), found?.revision)) return ok('added')
    }
    return refuse('conflict')
  }

  /**
   * Changes a record by compare-and-swap: `change` sees the stored one, may refuse, and may be
   * called again when somebody else was faster.
   */
  async change<R extends string>(
    actionId: ActionId,
    change: (record: ApprovalRecord) => Result<ApprovalRecord, R>,
  ): Promise<Result<ApprovalRecord, R | ChangeRefusal>> {
    for (let tries = 0; tries < SWAP_TRIES_COUNT; tries += 1) {
      const found = await this.#find(actionId)
      if (found === undefined) return refuse('unknown_action')
      const next = change(found.record)
      if (!next.ok || next.value === found.record) return next
      if (await this.#write(next.value, found.revision)) return next
    }
    throw new StoredValueFault('approvals', 'contended')
  }

  async #write(record: ApprovalRecord, revision: number | undefined): Promise<boolean> {
    const { records } = this.#options
    const key = this.#keyOf(record.request.action_id)
    const value = this.#seal(record)
    const written =
      revision === undefined
        ? await records.create(key, value)
        : await records.replace(key, value, revision)
    if (!written.ok) return false
    this.#index(record)
    for (const tell of this.#listeners) tell()
    return true
  }

  #index(record: ApprovalRecord): void {
    const id = record.request.action_id
    this.#approved.note(record)
    const waits = record.decisions.some(({ delivery }) => delivery === 'waiting')
    if (record.state === 'pending' || waits) this.#open.set(id, record)
    else this.#open.delete(id)
  }

  async #find(actionId: ActionId): Promise<Found | undefined> {
    const stored = await this.#options.records.get(this.#keyOf(actionId))
    if (stored === undefined) return undefined
    const record = this.#read(stored.value)
    if (record.request.action_id !== actionId) throw new StoredValueFault('approvals', 'misplaced')
    return { record, revision: stored.revision }
  }

  #seal(record: ApprovalRecord): Uint8Array {
    const { kid, sign } = this.#options.key
    const token = signJws({ typ: APPROVAL_RECORD_TYP, kid, payload: recordJson(record) }, sign)
    return utf8Encode(token)
  }

  #readListed(stored: StoredRecord): ApprovalRecord | undefined {
    try {
      const record = this.#read(stored.value)
      if (this.#keyOf(record.request.action_id) === stored.key) return record
      throw new StoredValueFault('approvals', 'misplaced')
    } catch (error) {
      if (!(error instanceof StoredValueFault)) throw error
      this.#options.log.error('approval_value_refused', { key: stored.key })
      return undefined
    }
  }

  #read(value: Uint8Array): ApprovalRecord {
    const { key, tenant } = this.#options
    const text = utf8Decode(value)
    if (!text.ok) throw new StoredValueFault('approvals', 'utf8')
    const verified = verifyJws(text.value, {
      typ: APPROVAL_RECORD_TYP,
      maxBytes: RECORD_VALUE_MAX_BYTES,
      keyFor: (kid) => (kid === key.kid ? key.verify : undefined),
    })
    if (!verified.ok) throw new StoredValueFault('approvals', verified.reason)
    const record = readShape(approvalRecordShape, verified.value.payload)
    if (!record.ok) throw new StoredValueFault('approvals', record.detail ?? record.reason)
    if (record.value.request.tenant !== tenant) throw new StoredValueFault('approvals', 'misplaced')
    return record.value
  }

  #keyOf(actionId: ActionId): string {
    return `${this.#options.tenant}.${storedKey(sha256, 'approval', actionId)}`
  }
}

/** What is asked. What the gateway tells beside it is as good as its memory: the first account is kept. */
function askedText(request: ApprovalRequest): string {
  const { origins: _origins, chain: _chain, ...asked } = request
  return canonicalize(approvalRequestJson(asked))
}
