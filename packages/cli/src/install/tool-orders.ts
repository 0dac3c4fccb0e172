import {
  canonicalize,
  contractHash,
  type Hash,
  parseJson,
  quarantineOf,
  readShape,
  signJws,
  type TenantId,
  TOOL_ORDER_MAX_BYTES,
  TOOL_ORDER_TYP,
  type ToolContract,
  type ToolOrder,
  type ToolTrust,
  toolKey,
  toolOrderJson,
  toolOrderShape,
  toolTrustShape,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import {
  type BusLink,
  keyIdOf,
  loadSigningKey,
  loadTrust,
  RECORD_VALUE_MAX_BYTES,
  type RecordStore,
  type Settings,
  sha256,
} from '@trustgw/runtime'
import { passphraseOf } from '../keys/passphrase.ts'
import { openData } from './data.ts'
import { layoutOf } from './layout.ts'

/** A tool as the gateway knows it, and what stands in the way of calling it. */
export interface KnownTool {
  readonly trust: ToolTrust
  /** What is served now, as far as the gateway told. */
  readonly contract: ToolContract
  readonly contract_hash: Hash
  readonly quarantine: 'contract_changed' | 'ordered' | null
}

/** The operator's hand on tools in quarantine; orders are signed by the operator's root key. */
export class ToolOrders {
  readonly #link: BusLink
  readonly #settings: Settings
  readonly #tenant: TenantId

  private constructor(link: BusLink, settings: Settings, tenant: TenantId) {
    this.#link = link
    this.#settings = settings
    this.#tenant = tenant
  }

  static async open(settings: Settings, tenant: TenantId): Promise<ToolOrders> {
    return new ToolOrders(await openData(settings), settings, tenant)
  }

  async close(): Promise<void> {
    await this.#link.bus.drain()
  }

  async list(): Promise<readonly KnownTool[]> {
    const keys = await loadTrust(layoutOf(this.#settings).operatorTrust)
    const operator = keys.keyFor({ role: 'operator' })
    const host = keys.keyFor({ role: 'host' })
    const stored = await this.#records('tool_trust').list(this.#tenant)
    const orders = new Map(
      (await this.#records('tool_orders').list(this.#tenant)).map(({ key, value }) => {
        const verified = verifyJws(value, {
          typ: TOOL_ORDER_TYP,
          maxBytes: TOOL_ORDER_MAX_BYTES,
          keyFor: (kid) => host(kid) ?? operator(kid),
        })
        const read = verified.ok ? readShape(toolOrderShape, verified.value.payload) : verified
        return [key, read.ok ? read.value : undefined]
      }),
    )
    return stored.flatMap(({ key, value }) => {
      const json = parseJson(value, { maxBytes: RECORD_VALUE_MAX_BYTES })
      const read = json.ok ? readShape(toolTrustShape, json.value) : json
      if (!read.ok) return []
      const trust = read.value
      const contract = trust.found ?? trust.accepted
      const contract_hash = contractHash(sha256, contract)
      const quarantine = quarantineOf(trust, orders.get(key), { contract_hash, sha256 })
      return [{ trust, contract, contract_hash, quarantine }]
    })
  }

  async order(
    content: Pick<ToolOrder, 'tool_id' | 'order' | 'contract_hash' | 'reason'>,
  ): Promise<void> {
    const { operatorKey } = layoutOf(this.#settings)
    const key = await loadSigningKey(operatorKey, await passphraseOf(this.#settings))
    const kid = keyIdOf('operator', key.publicKey)
    const order = { v: 1, tenant: this.#tenant, by: 'operator', issued_at: Date.now() } as const
    const payload = toolOrderJson({ ...order, ...content })
    const value = utf8Encode(signJws({ typ: TOOL_ORDER_TYP, kid, payload }, key.sign))
    const records = this.#records('tool_orders')
    const at = toolKey(sha256, this.#tenant, content.tool_id)
    const before = await records.get(at)
    const written =
      before === undefined
        ? await records.create(at, value)
        : await records.replace(at, value, before.revision)
    if (!written.ok)
      throw new Error(`another order was written at the same time: ${canonicalize(at)}`)
  }

  #records(bucket: string): RecordStore {
    return this.#link.records({ home: 'own', bucket })
  }
}
