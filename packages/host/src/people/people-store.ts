import {
  readShape,
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
import {
  type ChatName,
  type PersonId,
  type PersonRecord,
  personJson,
  personRecordShape,
} from './person.ts'

const ACL_RECORD_TYP = 'acl-record+jwt'

/** A stored value that the host did not write so: never acted on. */
export class StoredValueFault extends Error {
  readonly code = 'stored_value_refused'
  constructor(bucket: string, reason: string) {
    super(`a value of the bucket ${bucket} is refused: ${reason}`)
    this.name = 'StoredValueFault'
  }
}

export interface KnownPerson {
  readonly record: PersonRecord
  readonly revision: number
}

export interface PeopleStoreOptions {
  readonly records: RecordStore
  readonly key: HostKey
  readonly tenant: TenantId
  readonly log: Logger
}

/**
 * People of one tenant in the bucket `acl`. Each value is signed by the host key and names the key
 * under which it lies, so that neither a foreign value nor a copy from another place is taken.
 */
export class PeopleStore {
  readonly #records: RecordStore
  readonly #key: HostKey
  readonly #tenant: TenantId
  readonly #log: Logger

  constructor(options: PeopleStoreOptions) {
    this.#records = options.records
    this.#key = options.key
    this.#tenant = options.tenant
    this.#log = options.log
  }

  /** Nobody who was removed. Fault `stored_value_refused` when what is stored is not the host's own. */
  async find(person: PersonId): Promise<KnownPerson | undefined> {
    const known = await this.findEver(person)
    return known?.record.removed_at === undefined ? known : undefined
  }

  /** As `find`, and whoever was removed. */
  async findEver(person: PersonId): Promise<KnownPerson | undefined> {
    const stored = await this.#records.get(this.#keyOf(person))
    if (stored === undefined) return undefined
    return { record: this.#read(stored.value, person), revision: stored.revision }
  }

  /**
   * Everybody who was not removed. Values that are not the host's own are left out and reported, so that one of them
   * does not lock everybody else out.
   */
  async list(): Promise<readonly PersonRecord[]> {
    const people: PersonRecord[] = []
    for (const stored of await this.#records.list(this.#tenant)) {
      const record = this.#readListed(stored)
      if (record !== undefined && record.removed_at === undefined) people.push(record)
    }
    return people
  }

  /** Without attestation anybody can claim any id, so an id belongs to who came first. */
  async hasPasskey(ids: readonly string[]): Promise<boolean> {
    return (await this.list()).some(({ login, approval }) =>
      [...login, ...approval].some(({ id }) => ids.includes(id)),
    )
  }

  /** Whose account of a chat this is; nobody's where two people claim it. */
  async byAccount(channel: ChatName, account: string): Promise<PersonRecord | undefined> {
    const holders = (await this.list()).filter(({ channels = [] }) =>
      channels.some((link) => link.channel === channel && link.account === account),
    )
    return holders.length === 1 ? holders[0] : undefined
  }

  /** Writes on the given revision (undefined: where nobody is). False: somebody was faster. */
  async save(record: PersonRecord, revision: number | undefined): Promise<boolean> {
    const token = signJws(
      { typ: ACL_RECORD_TYP, kid: this.#key.kid, payload: personJson(record) },
      this.#key.sign,
    )
    const key = this.#keyOf(record.person)
    const value = utf8Encode(token)
    const written =
      revision === undefined
        ? await this.#records.create(key, value)
        : await this.#records.replace(key, value, revision)
    return written.ok
  }

  #keyOf(person: PersonId): string {
    return `${this.#tenant}.${storedKey(sha256, 'person', person)}`
  }

  #readListed(stored: StoredRecord): PersonRecord | undefined {
    try {
      const record = this.#read(stored.value, undefined)
      if (this.#keyOf(record.person) === stored.key) return record
      throw new StoredValueFault('acl', 'misplaced')
    } catch (error) {
      if (!(error instanceof StoredValueFault)) throw error
      this.#log.error('acl_value_refused', { key: stored.key })
      return undefined
    }
  }

  /** `person` undefined: whoever it is; the caller compares the key. */
  #read(value: Uint8Array, person: PersonId | undefined): PersonRecord {
    const text = utf8Decode(value)
    if (!text.ok) throw new StoredValueFault('acl', 'utf8')
    const verified = verifyJws(text.value, {
      typ: ACL_RECORD_TYP,
      maxBytes: RECORD_VALUE_MAX_BYTES,
      keyFor: (kid) => (kid === this.#key.kid ? this.#key.verify : undefined),
    })
    if (!verified.ok) throw new StoredValueFault('acl', verified.reason)
    const record = readShape(personRecordShape, verified.value.payload)
    if (!record.ok) throw new StoredValueFault('acl', record.detail ?? record.reason)
    const misplaced = person !== undefined && record.value.person !== person
    if (record.value.tenant !== this.#tenant || misplaced) {
      throw new StoredValueFault('acl', 'misplaced')
    }
    return record.value
  }
}
