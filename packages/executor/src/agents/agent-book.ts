import { join } from 'node:path'
import {
  type AgentNotice,
  agentKey,
  canonicalize,
  executorComponent,
  type Hash,
  ok,
  POLICY_ADMIN_ROLE,
  type Profile,
  parseHash,
  parseJson,
  type Result,
  readAgentNotice,
  refuse,
  type TenantId,
  VOUCHED_AGENTS_MAX,
} from '@trustgw/protocol'
import {
  type AuditWriter,
  atomicWriteFile,
  type BusLink,
  type Clock,
  type Disk,
  FileFault,
  type Logger,
  makePrivateDir,
  type RecordStore,
  readPrivateFile,
  SECRET_FILE_MODE,
  type StoredRecord,
} from '@trustgw/runtime'
import { ExecutorFault } from '../executor-fault.ts'
import { NoticeFollower } from '../notice-follower.ts'
import { checkPasskey, type PasskeyTrust } from '../pins/check-passkey.ts'

/** Between two looks at what waits for the pin of its admin. */
export const AGENT_RETRY_MS = 5_000
const FILE_MAX_BYTES: number = VOUCHED_AGENTS_MAX * 128

export interface AgentBookDeps extends PasskeyTrust {
  readonly tenants: readonly TenantId[]
  readonly profile: Profile
  /** The bucket `agent_notices`. */
  readonly records: RecordStore
  /** A folder of this executor's own: what it believed once outlives the admin's pin there. */
  readonly dir: string
  readonly disk: Disk
  readonly auditOf: (tenant: TenantId) => AuditWriter | undefined
  /** There is another agent. */
  readonly onChanged: () => void
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * The agents that admins registered whom this executor pinned (spec/protocol.md §4 "Agents"). It
 * publishes the hashes of their records with its tools; only by them a gateway knows such an agent,
 * and only for the tools of this profile.
 */
export class AgentBook {
  readonly #deps: AgentBookDeps
  readonly #follower: NoticeFollower
  readonly #vouched = new Map<TenantId, ReadonlySet<Hash>>()
  /** Notices that need no further look. */
  readonly #done = new Set<string>()

  constructor(deps: AgentBookDeps) {
    const { records, clock, logger } = deps
    this.#deps = deps
    this.#follower = new NoticeFollower({
      ...{ records, clock, logger, name: 'agent_notices', retryMs: AGENT_RETRY_MS },
      read: () => this.#read(),
      tellRefused: (tenant, reason, count) =>
        this.#record(tenant, 'agent_refused', { reason, count }),
    })
  }

  /** Takes up its own file, then the bus. `FileFault` for a damaged file; the store's faults. */
  async start(): Promise<void> {
    const { dir, disk, tenants } = this.#deps
    await makePrivateDir(dir, disk)
    for (const tenant of tenants) {
      this.#vouched.set(tenant, await readHashes(this.#file(tenant), disk))
    }
    await this.#follower.start()
  }

  stop(): Promise<void> {
    return this.#follower.stop()
  }

  /** Hashes of the records that this executor vouches for, in their order. */
  vouched(tenant: TenantId): readonly Hash[] {
    return [...(this.#vouched.get(tenant) ?? [])].toSorted()
  }

  async #read(): Promise<boolean> {
    let waits = false
    for (const tenant of this.#deps.tenants) {
      const stored = await this.#deps.records.list(tenant)
      for (const record of stored.filter(({ key }) => !this.#done.has(key))) {
        waits = (await this.#settle(tenant, record)) || waits
      }
    }
    return waits
  }

  /** Whether the notice has to be looked at again: the pin of its admin may still come. */
  async #settle(tenant: TenantId, stored: StoredRecord): Promise<boolean> {
    const taken = await this.#take(tenant, stored)
    if (taken.ok) {
      this.#done.add(stored.key)
      return false
    }
    const { reason, detail = '' } = taken
    this.#deps.logger.warn('agent_refused', { tenant, key: stored.key, reason, detail })
    this.#follower.refused(tenant, detail === '' ? reason : detail)
    if (reason === 'agent_passkey') return true
    this.#done.add(stored.key)
    return false
  }

  async #take(tenant: TenantId, { key, value }: StoredRecord): Promise<Result<Hash>> {
    const read = readAgentNotice(value, this.#deps.sha256)
    if (!read.ok) return read
    const { statement } = read.value
    const { key_id, record_hash, admin } = statement
    if (statement.tenant !== tenant || agentKey(tenant, key_id) !== key) {
      return refuse('agent_malformed', 'place')
    }
    const known = this.#vouched.get(tenant) ?? new Set<Hash>()
    if (known.has(record_hash)) return ok(record_hash)
    const signed = await this.#checkAdmin(tenant, read.value)
    if (!signed.ok) return signed
    if (known.size >= VOUCHED_AGENTS_MAX) return refuse('agents_full')
    const { disk, onChanged } = this.#deps
    const next = new Set([...known, record_hash])
    await atomicWriteFile(this.#file(tenant), canonicalize([...next]), {
      mode: SECRET_FILE_MODE,
      disk,
    })
    this.#vouched.set(tenant, next)
    this.#record(tenant, 'agent_admitted', { agent: read.value.record.agent, key_id, admin })
    onChanged()
    return ok(record_hash)
  }

  async #checkAdmin(
    tenant: TenantId,
    { statement, assertion }: AgentNotice,
  ): Promise<Result<unknown, 'agent_passkey'>> {
    const demand = { tenant, person: statement.admin, role: POLICY_ADMIN_ROLE }
    const checked = await checkPasskey(statement, assertion, demand, this.#deps)
    return checked.ok ? checked : refuse('agent_passkey', checked.detail)
  }

  #record(
    tenant: TenantId,
    type: 'agent_admitted' | 'agent_refused',
    payload: { readonly [name: string]: string | number },
  ): void {
    const { auditOf, profile, logger } = this.#deps
    auditOf(tenant)
      ?.append(type, { actor: { kind: 'system', id: executorComponent(profile) }, payload })
      .catch(() => logger.warn('agent_news_not_recorded', { tenant, type }))
  }

  #file(tenant: TenantId): string {
    return join(this.#deps.dir, `${tenant}.json`)
  }
}

async function readHashes(file: string, disk: Disk): Promise<ReadonlySet<Hash>> {
  let bytes: Uint8Array
  try {
    bytes = await readPrivateFile(file, FILE_MAX_BYTES, disk)
  } catch (error) {
    if (error instanceof FileFault && error.code === 'file_missing') return new Set()
    throw error
  }
  const parsed = parseJson(bytes)
  const list: readonly unknown[] = parsed.ok && Array.isArray(parsed.value) ? parsed.value : [null]
  return new Set(
    list.map((text) => {
      const hash = parseHash(typeof text === 'string' ? text : '')
      if (!hash.ok) throw new FileFault('file_malformed', file)
      return hash.value
    }),
  )
}

/**
 * Follows the bus. `ExecutorFault` for an own file that is damaged: an agent that was known must not be
 * forgotten in silence.
 */
export async function followAgents(
  deps: Omit<AgentBookDeps, 'records'> & { readonly link: BusLink },
): Promise<AgentBook> {
  const bucket = { home: 'data', bucket: 'agent_notices' } as const
  const book = new AgentBook({ ...deps, records: deps.link.records(bucket) })
  try {
    await book.start()
  } catch (error) {
    if (!(error instanceof FileFault)) throw error
    const help =
      'the agents that this executor admitted cannot be read; put the file back from a backup, or remove it to look at the bus again'
    throw new ExecutorFault('agents_refused', [error.message, help])
  }
  return book
}
