import {
  AGENT_RECORD_MAX_BYTES,
  AGENT_RECORD_TYP,
  type AgentRecord,
  agentRecordShape,
  constantTimeEqual,
  hashText,
  type JwsExpectation,
  parseApiKey,
  readShape,
  type Sha256,
  type Source,
  type TenantId,
  verifyJws,
} from '@trustgw/protocol'
import {
  type Clock,
  LiveCopy,
  type Logger,
  type RecordStore,
  type Requester,
} from '@trustgw/runtime'
import type { FreezeView } from '../decide/freeze-view.ts'
import { type Caller, mintCaller } from './caller.ts'

/** What the operator says of an agent; null where nothing is known. */
export interface Actor {
  readonly roles: readonly string[] | null
  readonly scopes: readonly string[] | null
  readonly skill_level: string | null
}

export interface AgentDirectoryDeps {
  readonly agents: RecordStore
  readonly tenants: readonly TenantId[]
  /** Account public key of each tenant's agents, as the server states it in requests. */
  readonly accountOf: ReadonlyMap<TenantId, string>
  readonly operatorKeyFor: JwsExpectation['keyFor']
  readonly freezes: Pick<FreezeView, 'isRevoked'>
  /** Who may propose may be others now. */
  readonly onAgents: (tenant: TenantId) => void
  readonly sha256: Sha256
  readonly clock: Clock
  readonly log: Logger
}

/**
 * The agents that may propose: records signed by the operator's root key, kept current by the
 * bucket's live changes. A record that does not verify does not exist.
 */
export class AgentDirectory {
  readonly #deps: AgentDirectoryDeps
  #records = new Map<string, AgentRecord>()
  #byNkey = new Map<string, AgentRecord>()
  readonly #live: LiveCopy

  constructor(deps: AgentDirectoryDeps) {
    this.#deps = deps
    this.#live = new LiveCopy({
      store: deps.agents,
      clock: deps.clock,
      log: deps.log,
      name: 'agents',
      reload: (key) => this.#reload(key),
      reloadAll: () => this.#reloadAll(),
    })
  }

  start(): Promise<void> {
    return this.#live.start()
  }

  stop(): Promise<void> {
    return this.#live.stop()
  }

  /** The caller of an API key; undefined for anything else, without saying why. */
  byApiKey(text: string, source: Source): Caller | undefined {
    const parts = parseApiKey(text)
    if (parts === undefined) return undefined
    const record = this.#records.get(`${parts.tenant}.${parts.key_id}`)
    const given = hashText(this.#deps.sha256, parts.secret)
    // Compared even when there is no such record, so that time says nothing about which keys exist.
    const fits = constantTimeEqual(given, record?.secret_hash ?? `sha256:${'0'.repeat(64)}`)
    if (record === undefined || !fits || !this.#isGood(record)) return undefined
    return this.#caller(record, source, 'api-key')
  }

  /**
   * The caller of a bus request on a tenant's subject: only when the server itself says that it
   * came from the account recorded for that tenant (spec/protocol.md §6).
   */
  byRequester(tenant: TenantId, requester: Requester | undefined): Caller | undefined {
    if (requester?.user === undefined) return undefined
    if (requester.account !== this.#deps.accountOf.get(tenant)) return undefined
    const record = this.#byNkey.get(requester.user)
    if (record === undefined || record.tenant !== tenant || !this.#isGood(record)) return undefined
    return this.#caller(record, 'nats', 'nats')
  }

  /** Whether the credential behind a caller is still good. */
  isActive(tenant: TenantId, keyId: string): boolean {
    const record = this.#records.get(`${tenant}.${keyId}`)
    return record !== undefined && this.#isGood(record)
  }

  /** What the operator says now of whoever holds this credential. */
  actor(tenant: TenantId, keyId: string): Actor {
    const record = this.#records.get(`${tenant}.${keyId}`)
    const { roles = null, scopes = null, skill_level = null } = record ?? {}
    return { roles, scopes, skill_level }
  }

  #isGood({ tenant, agent, key_id: key, status }: AgentRecord): boolean {
    return status === 'active' && !this.#deps.freezes.isRevoked(tenant, { agent, key })
  }

  #caller(record: AgentRecord, source: Source, issuer: string): Caller {
    return mintCaller({
      principal: { tenant: record.tenant, issuer, client: record.key_id, subject: record.agent },
      source,
      auth_level: 1,
      on_behalf_of: record.on_behalf_of,
      workspace: record.workspace,
      key_id: record.key_id,
    })
  }

  async #reloadAll(): Promise<void> {
    const found = new Map<string, AgentRecord>()
    for (const tenant of this.#deps.tenants) {
      for (const stored of await this.#deps.agents.list(tenant)) {
        const record = this.#read(stored.key, stored.value)
        if (record !== undefined) found.set(stored.key, record)
      }
    }
    this.#replaceAll(found)
  }

  async #reload(key: string): Promise<void> {
    const stored = await this.#deps.agents.get(key)
    const record = stored === undefined ? undefined : this.#read(key, stored.value)
    const records = new Map(this.#records)
    if (record === undefined) records.delete(key)
    else records.set(key, record)
    this.#replaceAll(records)
  }

  #replaceAll(records: Map<string, AgentRecord>): void {
    this.#records = records
    this.#byNkey = new Map(
      [...records.values()].flatMap((record) =>
        record.nkey === null ? [] : [[record.nkey, record]],
      ),
    )
    for (const tenant of this.#deps.tenants) this.#deps.onAgents(tenant)
  }

  #read(key: string, value: Uint8Array): AgentRecord | undefined {
    const verified = verifyJws(value, {
      typ: AGENT_RECORD_TYP,
      maxBytes: AGENT_RECORD_MAX_BYTES,
      keyFor: this.#deps.operatorKeyFor,
    })
    const read = verified.ok ? readShape(agentRecordShape, verified.value.payload) : verified
    const served = read.ok && this.#deps.tenants.includes(read.value.tenant)
    if (!read.ok || !served || `${read.value.tenant}.${read.value.key_id}` !== key) {
      this.#deps.log.warn('agent_record_refused', {
        key,
        reason: read.ok ? 'wrong_key' : read.reason,
      })
      return undefined
    }
    return read.value
  }
}
