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
  readonly tools: ReadonlyMap<string, RegisteredTool>
  readonly bundles: readonly Bundle[]
}

export interface ToolDirectoryDeps {
  readonly tools: RecordStore
  readonly tenants: readonly TenantId[]
  /** Verifier of a result key of this profile, by key id. */
  readonly executorKeyFor: (profile: Profile, kid: string) => JwsVerifier | undefined
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

  /** Every tool of a tenant, by id. */
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
      this.#rebuild(tenant)
    }
  }

  async #reload(key: string): Promise<void> {
    const stored = await this.#deps.tools.get(key)
    if (stored === undefined) this.#registries.delete(key)
    else this.#take(key, stored.value)
    for (const tenant of this.#deps.tenants) if (key.startsWith(`${tenant}.`)) this.#rebuild(tenant)
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

  #rebuild(tenant: TenantId): void {
    const registries = [...this.#registries.values()].filter(
      (registry) => registry.tenant === tenant,
    )
    const tools = new Map<string, RegisteredTool>()
    const shadowed = new Set<string>()
    const named = new Set<string>()
    for (const contract of registries.flatMap((registry) => registry.tools)) {
      const tool = this.#compile(contract)
      // Also beside one that cannot be served itself.
      if (named.has(contract.id)) shadowed.add(contract.id)
      named.add(contract.id)
      if (tool !== undefined) tools.set(contract.id, tool)
    }
    for (const id of shadowed) {
      tools.delete(id)
      this.#deps.log.warn('tool_shadowed', { tenant, tool: id })
    }
    const bundles = new Map(
      registries.flatMap((registry) => registry.bundles).map((b) => [b.id, b]),
    )
    this.#tenants.set(tenant, { tools, bundles: [...bundles.values()] })
    this.#keepCompiled()
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
