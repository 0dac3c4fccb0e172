import {
  canonicalize,
  contractHash,
  type Hash,
  type JwsExpectation,
  parseJson,
  quarantineOf,
  readShape,
  type Sha256,
  type TenantId,
  TOOL_ORDER_MAX_BYTES,
  TOOL_ORDER_TYP,
  type ToolContract,
  type ToolOrder,
  type ToolTrust,
  toolKey,
  toolOrderShape,
  toolTrustJson,
  toolTrustShape,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import {
  type AuditWriter,
  type Clock,
  LiveCopy,
  type Logger,
  RECORD_VALUE_MAX_BYTES,
  type RecordStore,
} from '@trustgw/runtime'

/** Rounds of looking and writing before another gateway's word is waited for. */
const WRITE_TRIES = 4

export interface ToolQuarantineDeps {
  /** The bucket `tool_trust`. */
  readonly trust: RecordStore
  /** The bucket `tool_orders`. */
  readonly orders: RecordStore
  readonly tenants: readonly TenantId[]
  /** Keys of the host and of the operator. */
  readonly orderKeyFor: JwsExpectation['keyFor']
  /** Calls a changed tool without anybody having looked (`gateway.accept_tool_changes`). */
  readonly acceptsChanges: boolean
  readonly audit: (tenant: TenantId) => AuditWriter
  /** An order of a tenant changed. */
  readonly onOrder: (tenant: TenantId) => Promise<void>
  readonly sha256: Sha256
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Which tools may be called under the contracts that executors serve now (spec/protocol.md §5). The first
 * contract of a tool is accepted; another one quarantines it until a person released that very contract.
 * The executor's own check of `contract_hash` stands whatever is decided here.
 */
export class ToolQuarantine {
  readonly #deps: ToolQuarantineDeps
  readonly #orders = new Map<string, ToolOrder>()
  readonly #live: LiveCopy

  constructor(deps: ToolQuarantineDeps) {
    this.#deps = deps
    this.#live = new LiveCopy({
      store: deps.orders,
      clock: deps.clock,
      log: deps.log,
      name: 'tool_orders',
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

  /** Of these contracts, the ids that may not be called. What is new about a tool is stored first. */
  async judge(tenant: TenantId, contracts: readonly ToolContract[]): Promise<ReadonlySet<string>> {
    const held = new Set<string>()
    for (const contract of contracts) {
      if (await this.#isHeld(tenant, contract)) held.add(contract.id)
    }
    return held
  }

  async #isHeld(tenant: TenantId, contract: ToolContract): Promise<boolean> {
    const { sha256, trust, acceptsChanges, log } = this.#deps
    const key = toolKey(sha256, tenant, contract.id)
    const contract_hash = contractHash(sha256, contract)
    for (let turn = 0; turn < WRITE_TRIES; turn += 1) {
      const stored = await trust.get(key)
      const known = stored === undefined ? undefined : readTrust(stored.value)
      if (stored !== undefined && known === undefined) {
        log.error('tool_trust_unreadable', { tool: contract.id })
        return true
      }
      const order = this.#orders.get(key)
      const reason =
        known === undefined ? null : quarantineOf(known, order, { contract_hash, sha256 })
      const isHeld = reason !== null && !(acceptsChanges && reason === 'contract_changed')
      const next = this.#next(tenant, contract, {
        known,
        changed: reason === 'contract_changed',
        isHeld,
      })
      if (next === undefined) return isHeld
      const value = utf8Encode(canonicalize(toolTrustJson(next)))
      const written =
        stored === undefined
          ? await trust.create(key, value)
          : await trust.replace(key, value, stored.revision)
      if (!written.ok) continue
      await this.#record(tenant, next, { contract_hash, isHeld, isFirst: known === undefined })
      return isHeld
    }
    log.error('tool_trust_contended', { tool: contract.id })
    return true
  }

  /** What is to be stored of the tool; undefined: what is there says it already. */
  #next(
    tenant: TenantId,
    contract: ToolContract,
    of: {
      readonly known: ToolTrust | undefined
      readonly changed: boolean
      readonly isHeld: boolean
    },
  ): ToolTrust | undefined {
    const { known, changed, isHeld } = of
    const now = this.#deps.clock.now()
    const { sha256 } = this.#deps
    const hash = contractHash(sha256, contract)
    const fresh: ToolTrust = {
      v: 1,
      tenant,
      tool_id: contract.id,
      accepted: contract,
      accepted_at: now,
      found: null,
      found_at: null,
    }
    if (known === undefined) return fresh
    const isSame = contractHash(sha256, known.accepted) === hash
    if (changed && isHeld) {
      const isKnown = known.found !== null && contractHash(sha256, known.found) === hash
      return isKnown ? undefined : { ...known, found: contract, found_at: now }
    }
    if (isSame) return known.found === null ? undefined : { ...known, found: null, found_at: null }
    return isHeld ? undefined : fresh
  }

  async #record(
    tenant: TenantId,
    { tool_id, found }: ToolTrust,
    of: { readonly contract_hash: Hash; readonly isHeld: boolean; readonly isFirst: boolean },
  ): Promise<void> {
    if (of.isFirst) return
    const { contract_hash, isHeld } = of
    const held = isHeld && found !== null
    this.#deps.log.warn(held ? 'tool_quarantined' : 'tool_released', { tenant, tool: tool_id })
    await this.#deps.audit(tenant).append(held ? 'tool_quarantined' : 'tool_released', {
      actor: { kind: 'system', id: 'gateway' },
      payload: { tool: tool_id, contract_hash },
    })
  }

  async #reloadAll(): Promise<void> {
    this.#orders.clear()
    for (const tenant of this.#deps.tenants) {
      for (const { key, value } of await this.#deps.orders.list(tenant)) this.#take(key, value)
      await this.#deps.onOrder(tenant)
    }
  }

  async #reload(key: string): Promise<void> {
    const stored = await this.#deps.orders.get(key)
    if (stored !== undefined) this.#take(key, stored.value)
    const tenant = this.#deps.tenants.find((one) => key.startsWith(`${one}.`))
    if (tenant !== undefined) await this.#deps.onOrder(tenant)
  }

  /** A document that is not genuine changes nothing: what was ordered before stays. */
  #take(key: string, value: Uint8Array): void {
    const { sha256, orderKeyFor, log } = this.#deps
    const verified = verifyJws(value, {
      typ: TOOL_ORDER_TYP,
      maxBytes: TOOL_ORDER_MAX_BYTES,
      keyFor: orderKeyFor,
    })
    const read = verified.ok ? readShape(toolOrderShape, verified.value.payload) : verified
    if (read.ok && toolKey(sha256, read.value.tenant, read.value.tool_id) === key) {
      this.#orders.set(key, read.value)
      return
    }
    log.warn('tool_order_refused', { key, reason: read.ok ? 'wrong_key' : read.reason })
  }
}

function readTrust(value: Uint8Array): ToolTrust | undefined {
  const parsed = parseJson(value, { maxBytes: RECORD_VALUE_MAX_BYTES })
  const read = parsed.ok ? readShape(toolTrustShape, parsed.value) : parsed
  return read.ok ? read.value : undefined
}
