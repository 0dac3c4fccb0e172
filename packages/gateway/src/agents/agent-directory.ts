import {
  AGENT_RECORD_MAX_BYTES,
  AGENT_RECORD_TYP,
  type AgentRecord,
  agentKey,
  agentRecordShape,
  constantTimeEqual,
  type Hash,
  hashText,
  type JwsExpectation,
  mayNameTool,
  type Profile,
  parseApiKey,
  readAgentNotice,
  readShape,
  type Sha256,
  type Source,
  type TenantId,
  type ToolContract,
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

/** What executors say of agents that an admin's passkey registered. */
export interface Vouching {
  /** Whether one of this profile, or of any, vouches for a record. */
  vouches(tenant: TenantId, record: Hash, profile?: Profile): boolean
}

/** A credential, and the record that an executor has to vouch for; null where the operator signed it. */
interface Known {
  readonly record: AgentRecord
  readonly noticed: Hash | null
}

export interface AgentDirectoryDeps {
  readonly agents: RecordStore
  /** The bucket `agent_notices`. */
  readonly notices: RecordStore
  readonly executors: Vouching
  readonly tenants: readonly TenantId[]
  /** Account public key of each tenant's agents, as the server states it in requests. */
  readonly accountOf: ReadonlyMap<TenantId, string>
  readonly operatorKeyFor: JwsExpectation['keyFor']
  readonly freezes: Pick<FreezeView, 'isRevoked'>
  /** Who may propose may be others now. */
  readonly onAgents: () => void
  readonly sha256: Sha256
  readonly clock: Clock
  readonly log: Logger
}

/**
 * The agents that may propose, kept current by live changes: records signed by the operator's root key,
 * and those that an admin's passkey signed, for the tools of executors that vouch for them (spec/protocol.md
 * §4 "Agents"). A record that does not verify does not exist; the operator's word is the last.
 */
export class AgentDirectory {
  readonly #deps: AgentDirectoryDeps
  #records = new Map<string, AgentRecord>()
  #byNkey = new Map<string, AgentRecord>()
  readonly #noticed = new Map<string, Known>()
  readonly #live: LiveCopy
  readonly #liveNotices: LiveCopy

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
    this.#liveNotices = new LiveCopy({
      store: deps.notices,
      clock: deps.clock,
      log: deps.log,
      name: 'agent_notices',
      reload: (key) => this.#reloadNotice(key),
      reloadAll: () => this.#reloadNotices(),
    })
  }

  async start(): Promise<void> {
    await Promise.all([this.#live.start(), this.#liveNotices.start()])
  }

  async stop(): Promise<void> {
    await Promise.all([this.#live.stop(), this.#liveNotices.stop()])
  }

  /** The caller of an API key; undefined for anything else, without saying why. */
  byApiKey(text: string, source: Source): Caller | undefined {
    const parts = parseApiKey(text)
    if (parts === undefined) return undefined
    const known = this.#find(parts.tenant, parts.key_id)
    const given = hashText(this.#deps.sha256, parts.secret)
    // Compared even when there is no such record, so that time says nothing about which keys exist.
    const hash = known?.record.secret_hash ?? `sha256:${'0'.repeat(64)}`
    const fits = constantTimeEqual(given, hash)
    if (known === undefined || !fits || !this.#isGood(known)) return undefined
    return this.#caller(known.record, source, 'api-key')
  }

  /**
   * The caller of a bus request on a tenant's subject: only when the server itself says that it
   * came from the account recorded for that tenant (spec/protocol.md §6).
   */
  byRequester(tenant: TenantId, requester: Requester | undefined): Caller | undefined {
    if (requester?.user === undefined) return undefined
    if (requester.account !== this.#deps.accountOf.get(tenant)) return undefined
    const record = this.#byNkey.get(requester.user)
    if (record === undefined || record.tenant !== tenant) return undefined
    if (!this.#isGood({ record, noticed: null })) return undefined
    return this.#caller(record, 'nats', 'nats')
  }

  /** Whether the credential behind a caller is still good. */
  isActive(tenant: TenantId, keyId: string): boolean {
    const known = this.#find(tenant, keyId)
    return known !== undefined && this.#isGood(known)
  }

  /** Whether a credential may name this tool: its limits, and who vouches for it. */
  mayCall(
    tenant: TenantId,
    keyId: string,
    { id, profile }: Pick<ToolContract, 'id' | 'profile'>,
  ): boolean {
    const known = this.#find(tenant, keyId)
    if (known === undefined || !mayNameTool(known.record, id)) return false
    return known.noticed === null || this.#deps.executors.vouches(tenant, known.noticed, profile)
  }

  /** How many calls a minute a credential may make at this gateway; null: as many as it likes. */
  callsPerMinute(tenant: TenantId, keyId: string): number | null {
    return this.#find(tenant, keyId)?.record.limits?.calls_per_minute ?? null
  }

  /** What the operator says now of whoever holds this credential. */
  actor(tenant: TenantId, keyId: string): Actor {
    const record = this.#find(tenant, keyId)?.record
    const { roles = null, scopes = null, skill_level = null } = record ?? {}
    return { roles, scopes, skill_level }
  }

  #find(tenant: string, keyId: string): Known | undefined {
    const record = this.#records.get(`${tenant}.${keyId}`)
    return record === undefined
      ? this.#noticed.get(`${tenant}.${keyId}`)
      : { record, noticed: null }
  }

  #isGood({ record, noticed }: Known): boolean {
    const { tenant, agent, key_id: key, status, limits } = record
    const { clock, executors, freezes } = this.#deps
    if (status !== 'active' || clock.now() >= (limits?.until ?? Number.POSITIVE_INFINITY))
      return false
    if (freezes.isRevoked(tenant, { agent, key })) return false
    return noticed === null || executors.vouches(tenant, noticed)
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
    this.#deps.onAgents()
  }

  async #reloadNotices(): Promise<void> {
    for (const tenant of this.#deps.tenants) {
      for (const { key, value } of await this.#deps.notices.list(tenant)) this.#notice(key, value)
    }
    this.#deps.onAgents()
  }

  async #reloadNotice(key: string): Promise<void> {
    const stored = await this.#deps.notices.get(key)
    if (stored !== undefined) this.#notice(key, stored.value)
    this.#deps.onAgents()
  }

  /** NOT checked: who signed it; executors do, and only by their word it is known. */
  #notice(key: string, value: Uint8Array): void {
    const { sha256, tenants, log } = this.#deps
    const read = readAgentNotice(value, sha256)
    const isServed = read.ok && tenants.includes(read.value.record.tenant)
    if (
      !read.ok ||
      !isServed ||
      agentKey(read.value.record.tenant, read.value.record.key_id) !== key
    ) {
      log.warn('agent_notice_refused', { key, reason: read.ok ? 'wrong_key' : read.reason })
      return
    }
    const { record, statement } = read.value
    this.#noticed.set(key, { record, noticed: statement.record_hash })
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
