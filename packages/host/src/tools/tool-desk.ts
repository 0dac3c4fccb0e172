import {
  contractHash,
  type Hash,
  type JsonObject,
  POLICY_ADMIN_ROLE,
  parseJsonObject,
  quarantineOf,
  readShape,
  signJws,
  type TenantId,
  TOOL_ORDER_MAX_BYTES,
  TOOL_ORDER_TYP,
  type ToolOrder,
  type ToolTrust,
  toolKey,
  toolOrderJson,
  toolOrderShape,
  toolTrustJson,
  toolTrustShape,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import { RECORD_VALUE_MAX_BYTES, sha256 } from '@trustgw/runtime'
import type { HostDeps, HostKey } from '../deps.ts'
import { type Refused, refused } from '../http/problem.ts'
import type { Session } from '../session/session-desk.ts'

export interface ToolDeskDeps {
  readonly tenant: TenantId
  /** The bucket `tool_trust`, which the gateway writes. */
  readonly toolTrust: HostDeps['toolTrust']
  /** The bucket `tool_orders`. */
  readonly toolOrders: HostDeps['toolOrders']
  readonly trust: HostDeps['trust']
  readonly hostKey: HostKey
  readonly audit: HostDeps['audit']
  readonly clock: HostDeps['clock']
  readonly log: HostDeps['log']
}

/** What an admin orders about a tool, and what they looked at. */
export type Order = Pick<ToolOrder, 'tool_id' | 'order' | 'contract_hash' | 'reason'>

type Answer = { readonly ok: true; readonly json: JsonObject } | Refused

/** Where admins look at what changed about tools, and stop or release them (spec/protocol.md §5). */
export class ToolDesk {
  readonly #deps: ToolDeskDeps

  constructor(deps: ToolDeskDeps) {
    this.#deps = deps
  }

  /** Every tool that was ever served; those in quarantine with both contracts. */
  async list(): Promise<JsonObject> {
    const { tenant, toolTrust, toolOrders } = this.#deps
    const orders = new Map(
      (await toolOrders.list(tenant)).map(({ key, value }) => [key, this.#readOrder(value)]),
    )
    const tools = (await toolTrust.list(tenant)).flatMap(({ key, value }) => {
      const trust = this.#readTrust(value)
      if (trust === undefined) return []
      const contract_hash = servedHash(trust)
      const order = orders.get(key)
      const quarantine = quarantineOf(trust, order, { contract_hash, sha256 })
      return [{ ...toolTrustJson(trust), contract_hash, quarantine, order: orderOf(order) }]
    })
    return { tools }
  }

  /** For admins: recorded, then signed and stored; gateways hear of it at once. */
  async order({ person }: Session, wish: Order): Promise<Answer> {
    const { tenant, toolTrust, toolOrders, hostKey, audit, clock } = this.#deps
    if (!person.roles.includes(POLICY_ADMIN_ROLE)) return refused('role_missing')
    const key = toolKey(sha256, tenant, wish.tool_id)
    const stored = await toolTrust.get(key)
    const trust = stored === undefined ? undefined : this.#readTrust(stored.value)
    if (trust === undefined) return refused('not_found')
    if (servedHash(trust) !== wish.contract_hash) return refused('tool_changed')
    await audit.append('tool_ordered', {
      actor: { kind: 'human', id: person.person },
      payload: { tool: wish.tool_id, order: wish.order, contract_hash: wish.contract_hash },
    })
    const order = { v: 1, tenant, ...wish, by: person.person, issued_at: clock.now() } as const
    const payload = toolOrderJson(order)
    const content = { typ: TOOL_ORDER_TYP, kid: hostKey.kid, payload }
    const value = utf8Encode(signJws(content, hostKey.sign))
    const before = await toolOrders.get(key)
    const written =
      before === undefined
        ? await toolOrders.create(key, value)
        : await toolOrders.replace(key, value, before.revision)
    return written.ok ? { ok: true, json: { order: wish.order } } : refused('tool_changed')
  }

  #readTrust(value: Uint8Array): ToolTrust | undefined {
    const parsed = parseJsonObject(value, { maxBytes: RECORD_VALUE_MAX_BYTES })
    const read = parsed.ok ? readShape(toolTrustShape, parsed.value) : parsed
    if (read.ok && read.value.tenant === this.#deps.tenant) return read.value
    this.#deps.log.warn('tool_trust_unreadable')
    return undefined
  }

  #readOrder(value: Uint8Array): ToolOrder | undefined {
    const { hostKey, trust } = this.#deps
    const verified = verifyJws(value, {
      typ: TOOL_ORDER_TYP,
      maxBytes: TOOL_ORDER_MAX_BYTES,
      keyFor: (kid) => (kid === hostKey.kid ? hostKey.verify : trust.operatorKeyFor(kid)),
    })
    const read = verified.ok ? readShape(toolOrderShape, verified.value.payload) : verified
    return read.ok ? read.value : undefined
  }
}

/** Of what the gateway saw last. */
function servedHash({ accepted, found }: ToolTrust): Hash {
  return contractHash(sha256, found ?? accepted)
}

function orderOf(order: ToolOrder | undefined): JsonObject | null {
  return order === undefined ? null : toolOrderJson(order)
}
