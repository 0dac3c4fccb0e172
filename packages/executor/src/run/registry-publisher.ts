import {
  type Bundle,
  canonicalize,
  contractJson,
  type Hash,
  type JwsSigner,
  type PinnedPolicy,
  type Profile,
  type Sha256,
  signJws,
  subject,
  type TenantId,
  TOOL_REGISTRY_TYP,
  type ToolContract,
  toolRegistryJson,
  utf8Encode,
} from '@trustgw/protocol'
import {
  BusFault,
  type Clock,
  type Logger,
  RECORD_VALUE_MAX_BYTES,
  type StoredPublisher,
} from '@trustgw/runtime'

export interface RegistryDeps {
  /** Stream of the bucket `tools`. */
  readonly registry: StoredPublisher
  readonly tenants: readonly TenantId[]
  readonly profile: Profile
  /** The policy bundle that is pinned here for a tenant. */
  readonly policyOf: (tenant: TenantId) => PinnedPolicy | undefined
  /** The agents of a tenant that this executor vouches for. */
  readonly agentsOf: (tenant: TenantId) => readonly Hash[]
  readonly kid: string
  readonly sign: JwsSigner
  readonly sha256: Sha256
  readonly clock: Clock
  readonly logger: Logger
}

export const REGISTRY_RETRY_MS = 2_000

/**
 * Publishes what is served, signed by this executor, to each tenant; again whenever it changes and
 * until it is stored. The newest one wins: an older publish that is still retried gives way.
 */
export class RegistryPublisher {
  readonly #deps: RegistryDeps
  #round = 0
  #published = ''
  #stopped = false
  #working: Promise<void> = Promise.resolve()

  constructor(deps: RegistryDeps) {
    this.#deps = deps
  }

  /** Publishes when it differs from what was published last. */
  offer(bundles: readonly Bundle[], tools: readonly ToolContract[]): void {
    const { tenants, policyOf, agentsOf } = this.#deps
    const text = canonicalize({
      bundles: bundles.map((bundle) => ({ ...bundle })),
      tools: tools.map(contractJson),
      policies: tenants.map((tenant) => ({ ...policyOf(tenant) })),
      agents: tenants.map((tenant) => [...agentsOf(tenant)]),
    })
    if (text === this.#published) return
    this.#published = text
    this.#round += 1
    const round = this.#round
    this.#working = this.#working.then(() => this.#publish(round, bundles, tools))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#working
  }

  async #publish(
    round: number,
    bundles: readonly Bundle[],
    tools: readonly ToolContract[],
  ): Promise<void> {
    const { tenants, profile, policyOf, agentsOf, kid, sign, clock, logger } = this.#deps
    for (const tenant of tenants) {
      const published_at = clock.now()
      const policy = policyOf(tenant) ?? null
      const payload = toolRegistryJson({
        v: 1,
        tenant,
        profile,
        published_at,
        bundles,
        tools,
        policy,
        agents: agentsOf(tenant),
      })
      const bytes = utf8Encode(signJws({ typ: TOOL_REGISTRY_TYP, kid, payload }, sign))
      if (bytes.length > RECORD_VALUE_MAX_BYTES) {
        logger.error('registry_too_large', { bytes: bytes.length, tools: tools.length })
        return
      }
      while (!this.#stopped && round === this.#round) {
        if (await this.#store(tenant, bytes)) break
        await clock.sleep(REGISTRY_RETRY_MS)
      }
    }
  }

  async #store(tenant: TenantId, bytes: Uint8Array): Promise<boolean> {
    const { registry, sha256, logger } = this.#deps
    try {
      const msgId = `registry-${sha256(bytes)}`
      await registry.publishStored(subject('tools_local', { tenant }), bytes, { msgId })
      return true
    } catch (error) {
      if (!(error instanceof BusFault)) throw error
      logger.warn('registry_not_stored', { tenant, code: error.code })
      return false
    }
  }
}
