import { randomBytes } from 'node:crypto'
import {
  AGENT_RECORD_MAX_BYTES,
  AGENT_RECORD_TYP,
  type AgentRecord,
  agentRecordJson,
  agentRecordShape,
  formatApiKey,
  hashText,
  readAgentNotice,
  readShape,
  signJws,
  type TenantId,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import {
  atomicWriteFile,
  type BusLink,
  issueUser,
  keyIdOf,
  loadBusKeys,
  loadSigningKey,
  loadTrust,
  type RecordStore,
  SECRET_FILE_MODE,
  type Settings,
  sha256,
} from '@trustgw/runtime'
import { passphraseOf } from '../keys/passphrase.ts'
import { openData } from './data.ts'
import { InstallFault } from './install.ts'
import { layoutOf } from './layout.ts'

const KEY_ID_ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
const KEY_ID_CHARS = 16
const SECRET_BYTES = 32

/** What a new agent gets; the key is shown once and stored nowhere. */
export interface NewAgent {
  readonly record: AgentRecord
  readonly api_key: string
}

export interface NewBusAgent {
  readonly record: AgentRecord
  /** What its client must set: the bus lets it listen for answers below this and nowhere else. */
  readonly inbox_prefix: string
}

export type AgentWish = Pick<
  AgentRecord,
  'agent' | 'title' | 'on_behalf_of' | 'roles' | 'scopes' | 'skill_level'
>

/**
 * The operator's hand on the bucket `agents`: connects with the provisioning identity for as long
 * as one command takes. Records are signed by the operator's root key.
 */
export class AgentAdmin {
  readonly #link: BusLink
  readonly #settings: Settings
  readonly #tenant: TenantId

  private constructor(link: BusLink, settings: Settings, tenant: TenantId) {
    this.#link = link
    this.#settings = settings
    this.#tenant = tenant
  }

  static async open(settings: Settings, tenant: TenantId): Promise<AgentAdmin> {
    return new AgentAdmin(await openData(settings), settings, tenant)
  }

  async close(): Promise<void> {
    await this.#link.bus.drain()
  }

  async list(): Promise<readonly AgentRecord[]> {
    const keys = await loadTrust(layoutOf(this.#settings).operatorTrust)
    const stored = await this.#records().list(this.#tenant)
    return stored.flatMap(({ value }) => {
      const verified = verifyJws(value, {
        typ: AGENT_RECORD_TYP,
        maxBytes: AGENT_RECORD_MAX_BYTES,
        keyFor: keys.keyFor({ role: 'operator' }),
      })
      const read = verified.ok ? readShape(agentRecordShape, verified.value.payload) : verified
      return read.ok ? [read.value] : []
    })
  }

  /**
   * What admins registered in the portal, with whoever signed it. NOT checked: their passkeys; executors
   * do, and only by their word a gateway knows such an agent.
   */
  async registered(): Promise<readonly { readonly record: AgentRecord; readonly by: string }[]> {
    const bucket = { home: 'own', bucket: 'agent_notices' } as const
    const stored = await this.#link.records(bucket).list(this.#tenant)
    return stored.flatMap(({ value }) => {
      const read = readAgentNotice(value, sha256)
      return read.ok ? [{ record: read.value.record, by: read.value.statement.admin }] : []
    })
  }

  /** Registers an agent with an API key. */
  async addWithKey(wish: AgentWish): Promise<NewAgent> {
    const key_id = newKeyId()
    const secret = randomBytes(SECRET_BYTES).toString('base64url')
    const secret_hash = hashText(sha256, secret)
    const record = this.#record(wish, { key_id, secret_hash, nkey: null })
    await this.#store(record)
    return { record, api_key: formatApiKey({ tenant: this.#tenant, key_id, secret }) }
  }

  /** Registers an agent with an identity of its own on the bus, written to a credentials file. */
  async addOnBus(wish: AgentWish, file: string): Promise<NewBusAgent> {
    const keys = loadBusKeys(layoutOf(this.#settings).busKeys)
    const role = { kind: 'agent', tenant: this.#tenant, label: wish.agent } as const
    const issued = issueUser(keys, role, { issuedAt: Math.floor(Date.now() / 1000) })
    const { user, inboxPrefix } = issued.creds
    const record = this.#record(wish, { key_id: newKeyId(), secret_hash: null, nkey: user })
    await atomicWriteFile(file, issued.text, { mode: SECRET_FILE_MODE, fresh: true })
    await this.#store(record)
    return { record, inbox_prefix: inboxPrefix }
  }

  /** False when there is no such active credential. Gateways refuse it within a second. */
  async revoke(keyId: string): Promise<boolean> {
    const record = (await this.list()).find(
      (one) => one.key_id === keyId && one.status === 'active',
    )
    const key = `${this.#tenant}.${keyId}`
    const stored = record === undefined ? undefined : await this.#records().get(key)
    if (record === undefined || stored === undefined) return false
    const revoked: AgentRecord = { ...record, status: 'revoked', changed_at: Date.now() }
    const replaced = await this.#records().replace(
      key,
      await this.#signed(revoked),
      stored.revision,
    )
    return replaced.ok
  }

  #record(
    wish: AgentWish,
    credential: Pick<AgentRecord, 'key_id' | 'secret_hash' | 'nkey'>,
  ): AgentRecord {
    const now = Date.now()
    const record: AgentRecord = {
      v: 1,
      tenant: this.#tenant,
      ...wish,
      workspace: 'default',
      ...credential,
      status: 'active',
      created_at: now,
      changed_at: now,
    }
    const read = readShape(agentRecordShape, agentRecordJson(record))
    if (!read.ok) throw new InstallFault('agent', notAllowed(read.detail ?? ''))
    return record
  }

  async #store(record: AgentRecord): Promise<void> {
    await this.#records().create(`${this.#tenant}.${record.key_id}`, await this.#signed(record))
  }

  async #signed(record: AgentRecord): Promise<Uint8Array> {
    const { operatorKey } = layoutOf(this.#settings)
    const key = await loadSigningKey(operatorKey, await passphraseOf(this.#settings))
    const kid = keyIdOf('operator', key.publicKey)
    return utf8Encode(
      signJws({ typ: AGENT_RECORD_TYP, kid, payload: agentRecordJson(record) }, key.sign),
    )
  }

  #records(): RecordStore {
    return this.#link.records({ home: 'own', bucket: 'agents' })
  }
}

const FLAG_OF_MEMBER: ReadonlyMap<string, string> = new Map([
  ['agent', '--name'],
  ['title', '--title'],
  ['on_behalf_of', '--for'],
  ['roles', '--role'],
  ['scopes', '--scope'],
  ['skill_level', '--skill-level'],
])

/** `#/title: length` in the words of the command line. */
function notAllowed(detail: string): string {
  const [, member = '', problem = detail] = /^#\/(\w+).*?: (\w+)$/.exec(detail) ?? []
  return `${FLAG_OF_MEMBER.get(member) ?? 'the record'} is not allowed (${problem})`
}

function newKeyId(): string {
  return Array.from(randomBytes(KEY_ID_CHARS), (byte) => KEY_ID_ALPHABET[byte & 31]).join('')
}
