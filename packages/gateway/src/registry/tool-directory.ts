import {
  type Bundle,
  contractHash,
  type Hash,
  type JwsVerifier,
  type PinnedPolicy,
  type Profile,
  parseProfile,
  readShape,
  type Sha256,
  type TenantId,
  TOOL_REGISTRY_MAX_BYTES,
  TOOL_REGISTRY_TYP,
  type ToolContract,
  type ToolRegistry,
  toolRegistryShape,
  verifyJws,
} from '@trustgw/protocol'
import {
  type Clock,
  LiveCopy,
  type Logger,
  type RecordStore,
  type SchemaCompiler,
  type SchemaValidator,
} from '@trustgw/runtime'

/** A tool that may be proposed: its contract, the hash of it, and its schema compiled. */
export interface RegisteredTool {
  readonly contract: ToolContract
  readonly contract_hash: Hash
  readonly validator: SchemaValidator
}

interface TenantTools {
  /** Served, and not to be called until a person has looked. */
  readonly held: ReadonlySet<string>
  readonly tools: ReadonlyMap<string, RegisteredTool>
  readonly bundles: readonly Bundle[]
}

export interface ToolDirectoryDeps {
  readonly tools: RecordStore
  readonly tenants: readonly TenantId[]
  /** Verifier of a result key of this profile, by key id. */
  readonly executorKeyFor: (profile: Profile, kid: string) => JwsVerifier | undefined
  /** Of these contracts, the ids of tools that may not be called. */
  readonly judge: (
    tenant: TenantId,
    contracts: readonly ToolContract[],
  ) => Promise<ReadonlySet<string>>
  /** What may be called changed, or under which contract. */
  readonly onTools: (tenant: TenantId) => void
  /** An executor of the tenant pinned another policy than before. */
  readonly onPinned: (tenant: TenantId) => void
  readonly schemas: SchemaCompiler
  readonly sha256: Sha256
  readonly clock: Clock
  readonly log: Logger
}

/**
 * What executors serve, copied from the bucket `tools`: each profile's document is signed by that
 * profile's key. The gateway adds nothing to a contract. Of two tools with one id neither is served.
 */
export class ToolDirectory {
  readonly #deps: ToolDirectoryDeps
  readonly #registries = new Map<string, ToolRegistry>()
  readonly #tenants = new Map<TenantId, TenantTools>()
  readonly #live: LiveCopy
  #lane: Promise<void> = Promise.resolve()
  #compiled: ReadonlyMap<Hash, SchemaValidator> = new Map()

  constructor(deps: ToolDirectoryDeps) {
    this.#deps = deps
    this.#live = new LiveCopy({
      store: deps.tools,
      clock: deps.clock,
      log: deps.log,
      name: 'tools',
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

  find(tenant: TenantId, toolId: string): RegisteredTool | undefined {
    return this.#tenants.get(tenant)?.tools.get(toolId)
  }

  /** Whether a tool is served whose contract changed, or that a person stopped. */
  isHeld(tenant: TenantId, toolId: string): boolean {
    return this.#tenants.get(tenant)?.held.has(toolId) ?? false
  }

  /** How many tools are held, of all tenants. */
  get held(): number {
    let count = 0
    for (const { held } of this.#tenants.values()) count += held.size
    return count
  }

  /** Every tool of a tenant that may be called, by id. */
  list(tenant: TenantId): readonly RegisteredTool[] {
    return [...(this.#tenants.get(tenant)?.tools.values() ?? [])].toSorted((a, b) =>
      a.contract.id < b.contract.id ? -1 : 1,
    )
  }

  /** The policies that executors of a tenant say they verified. */
  pinned(tenant: TenantId): readonly PinnedPolicy[] {
    return [...this.#registries.values()].flatMap((registry) =>
      registry.tenant === tenant && registry.policy !== null ? [registry.policy] : [],
    )
  }

  /** Whether an executor of this profile, or of any, vouches for an agent's record. */
  vouches(tenant: TenantId, record: Hash, profile?: Profile): boolean {
    return [...this.#registries.values()].some(
      (registry) =>
        registry.tenant === tenant &&
        (profile === undefined || registry.profile === profile) &&
        registry.agents.includes(record),
    )
  }

  /** The bundles of a tenant that have a tool. */
  bundles(tenant: TenantId): readonly Bundle[] {
    const used = new Set(this.list(tenant).map((tool) => tool.contract.bundle))
    return (this.#tenants.get(tenant)?.bundles ?? []).filter((bundle) => used.has(bundle.id))
  }

  async #reloadAll(): Promise<void> {
    for (const tenant of this.#deps.tenants) {
      const stored = await this.#deps.tools.list(tenant)
      const keys = new Set(stored.map(({ key }) => key))
      for (const [key, registry] of this.#registries)
        if (registry.tenant === tenant && !keys.has(key)) this.#registries.delete(key)
      for (const { key, value } of stored) this.#take(key, value)
      await this.rebuild(tenant)
    }
  }

  async #reload(key: string): Promise<void> {
    const stored = await this.#deps.tools.get(key)
    if (stored === undefined) this.#registries.delete(key)
    else this.#take(key, stored.value)
    for (const tenant of this.#deps.tenants)
      if (key.startsWith(`${tenant}.`)) await this.rebuild(tenant)
  }

  #take(key: string, value: Uint8Array): void {
    const profile = parseProfile(key.slice(key.indexOf('.') + 1))
    if (!profile.ok) return
    const verified = verifyJws(value, {
      typ: TOOL_REGISTRY_TYP,
      maxBytes: TOOL_REGISTRY_MAX_BYTES,
      keyFor: (kid) => this.#deps.executorKeyFor(profile.value, kid),
    })
    const read = verified.ok ? readShape(toolRegistryShape, verified.value.payload) : verified
    if (read.ok && `${read.value.tenant}.${read.value.profile}` === key) {
      const { tenant, policy } = read.value
      const before = this.#registries.get(key)?.policy?.bundle_hash
      this.#registries.set(key, read.value)
      if (policy !== null && policy.bundle_hash !== before) this.#deps.onPinned(tenant)
      return
    }
    // What was verified before stays: a bad document must not take tools away or add any.
    this.#deps.log.warn('tool_registry_refused', {
      key,
      reason: read.ok ? 'wrong_key' : read.reason,
    })
  }

  /** What may be called now, one after another: an older judgement never stands over a newer one. */
  rebuild(tenant: TenantId): Promise<void> {
    const work = this.#lane.then(() => this.#rebuild(tenant))
    this.#lane = work.catch(() => undefined)
    return work
  }

  async #rebuild(tenant: TenantId): Promise<void> {
    const registries = [...this.#registries.values()].filter(
      (registry) => registry.tenant === tenant,
    )
    const tools = new Map<string, RegisteredTool>()
    const shadowed = new Set<string>()
    const named = new Set<string>()
    const served = registries.flatMap((registry) => registry.tools)
    const held = await this.#deps.judge(tenant, unambiguous(served))
    for (const contract of served) {
      const tool = this.#compile(contract)
      // Also beside one that cannot be served itself.
      if (named.has(contract.id)) shadowed.add(contract.id)
      named.add(contract.id)
      if (tool !== undefined && !held.has(contract.id)) tools.set(contract.id, tool)
    }
    for (const id of shadowed) {
      tools.delete(id)
      this.#deps.log.warn('tool_shadowed', { tenant, tool: id })
    }
    const bundles = new Map(
      registries.flatMap((registry) => registry.bundles).map((b) => [b.id, b]),
    )
    this.#tenants.set(tenant, { tools, bundles: [...bundles.values()], held })
    this.#keepCompiled()
    this.#deps.onTools(tenant)
  }

  #compile(contract: ToolContract): RegisteredTool | undefined {
    const hash = contractHash(this.#deps.sha256, contract)
    const known = this.#compiled.get(hash)
    if (known !== undefined) return { contract, contract_hash: hash, validator: known }
    const compiled = this.#deps.schemas.compile(contract.input_schema)
    if (!compiled.ok) {
      this.#deps.log.warn('tool_schema_refused', { tool: contract.id, reason: compiled.reason })
      return undefined
    }
    return { contract, contract_hash: hash, validator: compiled.value }
  }

  /** What is served now need not be compiled again; what was served once is forgotten. */
  #keepCompiled(): void {
    const served = [...this.#tenants.values()].flatMap(({ tools }) => [...tools.values()])
    this.#compiled = new Map(
      served.map(({ contract_hash, validator }) => [contract_hash, validator]),
    )
  }
}

/** Of two contracts under one id nobody can tell which the tool's is: neither is served. */
function unambiguous(contracts: readonly ToolContract[]): readonly ToolContract[] {
  const counts = new Map<string, number>()
  for (const { id } of contracts) counts.set(id, (counts.get(id) ?? 0) + 1)
  return contracts.filter(({ id }) => counts.get(id) === 1)
}
