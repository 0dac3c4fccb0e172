import {
  type ActionId,
  actionIdField,
  canonicalize,
  type Hash,
  hashField,
  hashJson,
  hashText,
  objectShape,
  type Principal,
  type Proposal,
  parseJson,
  readShape,
  type Sha256,
  type Shape,
  storedKey,
  type TenantId,
  utf8Encode,
} from '@trustgw/protocol'
import { RECORD_VALUE_MAX_BYTES, type RecordStore } from '@trustgw/runtime'
import {
  type ActionRecord,
  actionIdOf,
  readActionRecord,
  writeActionRecord,
} from './action-record.ts'

/** An action and the revision by which it is replaced. */
export interface StoredAction {
  readonly record: ActionRecord
  readonly revision: number
}

/** A stored value that cannot be read: nothing is done with it, and nothing is lost of it. */
export class StoredActionFault extends Error {
  readonly code = 'stored_action_unreadable'
  constructor(key: string, reason: string) {
    super(`the stored action ${key} cannot be read: ${reason}`)
    this.name = 'StoredActionFault'
  }
}

/** An action that is too long to be stored; what was stored before stays. */
export class ActionTooLargeFault extends Error {
  readonly code = 'action_too_large'
  constructor(id: string) {
    super(`action ${id} is too long to be stored`)
    this.name = 'ActionTooLargeFault'
  }
}

/** An action as a look back finds it; undefined where there is none. */
export type Recalled = ActionRecord | 'unreadable' | undefined

export async function recalled(loading: Promise<StoredAction | undefined>): Promise<Recalled> {
  try {
    return (await loading)?.record
  } catch (error) {
    if (error instanceof StoredActionFault) return 'unreadable'
    throw error
  }
}

/** Open entries whose revision is remembered; those of others are read before they are removed. */
const ENTRIES_NOTED_MAX = 4_096

/** What an index entry points at. */
export interface Reference {
  readonly action_id: ActionId
  /** Hash of (tool, input): whether a repeat says the same thing. */
  readonly same: Hash
}

const referenceShape: Shape<Reference> = objectShape({ action_id: actionIdField, same: hashField })

/**
 * Actions under `<tenant>.a_<id>`, and two indexes beside them: `k_…` by (principal, client key),
 * `j_…` by (principal, tool, input) for joining. Open actions have an entry in a bucket of their
 * own, so that taking up after a crash costs what is open, not what ever was.
 */
export class ActionStore {
  readonly #actions: RecordStore
  readonly #open: RecordStore
  readonly #sha256: Sha256
  /** By which revision the open entries made here can be removed without being read. */
  readonly #entries = new Map<ActionId, number>()

  constructor(
    stores: { readonly actions: RecordStore; readonly open: RecordStore },
    sha256: Sha256,
  ) {
    this.#actions = stores.actions
    this.#open = stores.open
    this.#sha256 = sha256
  }

  async load(tenant: TenantId, id: ActionId): Promise<StoredAction | undefined> {
    const key = this.#actionKey(tenant, id)
    const stored = await this.#actions.get(key)
    if (stored === undefined) return undefined
    const read = readActionRecord(stored.value)
    if (!read.ok) throw new StoredActionFault(key, read.detail ?? read.reason)
    return { record: read.value, revision: stored.revision }
  }

  /**
   * Undefined when there is such an action already. The open entry is stored first: a crash between
   * the two leaves an entry that points nowhere, which is dropped. Never together: where the streams
   * have leaders of their own one of the two may get lost, and nobody would take up the action.
   */
  async create(record: ActionRecord): Promise<StoredAction | undefined> {
    const { tenant, action_id } = record.proposal
    const value = bytesOf(record)
    const entry = await this.#open.create(this.#openKey(tenant, action_id), utf8Encode(action_id))
    const created = await this.#actions.create(this.#actionKey(tenant, action_id), value)
    if (entry.ok) this.#note(action_id, entry.revision)
    return created.ok ? { record, revision: created.revision } : undefined
  }

  /** Undefined when another process changed it first: load again. `ActionTooLargeFault`. */
  async replace(stored: StoredAction, record: ActionRecord): Promise<StoredAction | undefined> {
    const { tenant, action_id } = record.proposal
    const key = this.#actionKey(tenant, action_id)
    const replaced = await this.#actions.replace(key, bytesOf(record), stored.revision)
    return replaced.ok ? { record, revision: replaced.revision } : undefined
  }

  async close(tenant: TenantId, id: ActionId): Promise<void> {
    const key = this.#openKey(tenant, id)
    const noted = this.#entries.get(id)
    this.#entries.delete(id)
    if (noted !== undefined && (await this.#open.remove(key, noted)).ok) return
    const entry = await this.#open.get(key)
    if (entry !== undefined) await this.#open.remove(key, entry.revision)
  }

  /** Ids of the actions that are not closed. */
  async listOpen(tenant: TenantId): Promise<readonly string[]> {
    const entries = await this.#open.list(tenant)
    return entries.map((entry) => new TextDecoder().decode(entry.value))
  }

  /** By which index a repeat of a proposal finds it; none for what is decided at once. */
  indexKey(
    { principal, client_key }: Pick<Proposal, 'principal' | 'client_key'>,
    waits: boolean,
    same: Hash,
  ): string | undefined {
    if (client_key !== null) return this.clientKey(principal, client_key)
    return waits ? this.joinKey(principal, same) : undefined
  }

  clientKey(principal: Principal, clientKey: string): string {
    const who = hashJson(this.#sha256, { ...principal })
    return `${principal.tenant}.${storedKey(this.#sha256, 'k', who, hashText(this.#sha256, clientKey))}`
  }

  joinKey(principal: Principal, same: Hash): string {
    const who = hashJson(this.#sha256, { ...principal })
    return `${principal.tenant}.${storedKey(this.#sha256, 'j', who, same)}`
  }

  /** What a repeat is compared by. */
  sameness(tool: string, inputHash: Hash): Hash {
    return hashText(this.#sha256, `${tool}\n${inputHash}`)
  }

  async reference(key: string): Promise<{ reference: Reference; revision: number } | undefined> {
    const stored = await this.#actions.get(key)
    if (stored === undefined) return undefined
    const json = parseJson(stored.value)
    const read = json.ok ? readShape(referenceShape, json.value) : json
    if (!read.ok) throw new StoredActionFault(key, read.detail ?? read.reason)
    return { reference: read.value, revision: stored.revision }
  }

  /** Points the key at an action, if it is free or still as it was read; false: somebody was faster. */
  async point(key: string, reference: Reference, revision: number | undefined): Promise<boolean> {
    const value = utf8Encode(canonicalize({ ...reference }))
    const written =
      revision === undefined
        ? await this.#actions.create(key, value)
        : await this.#actions.replace(key, value, revision)
    return written.ok
  }

  #note(id: ActionId, revision: number): void {
    this.#entries.set(id, revision)
    if (this.#entries.size <= ENTRIES_NOTED_MAX) return
    const oldest = this.#entries.keys().next()
    if (oldest.done !== true) this.#entries.delete(oldest.value)
  }

  #actionKey(tenant: TenantId, id: ActionId): string {
    return `${tenant}.${storedKey(this.#sha256, 'a', id)}`
  }

  #openKey(tenant: TenantId, id: ActionId): string {
    return `${tenant}.${storedKey(this.#sha256, id)}`
  }
}

function bytesOf(record: ActionRecord): Uint8Array {
  const bytes = writeActionRecord(record)
  if (bytes.length > RECORD_VALUE_MAX_BYTES) throw new ActionTooLargeFault(actionIdOf(record))
  return bytes
}
