import { contractHash, contractJson, type ToolContract, toolContractShape } from './contract.ts'
import { hashField, msField, nameField, reasonField, tenantField } from './fields.ts'
import type { Hash, Sha256 } from './hash.ts'
import type { JsonObject } from './json.ts'
import { nullableShape, objectShape, oneOfShape, type Shape } from './shape.ts'
import { storedKey } from './stored-key.ts'
import type { TenantId } from './subjects.ts'

/**
 * What a gateway knows of one tool's contract (spec/protocol.md §5), in the bucket `tool_trust`: the one
 * under which it is called, and the one that came after it and that nobody has looked at yet.
 */
export interface ToolTrust {
  readonly v: 1
  readonly tenant: TenantId
  readonly tool_id: string
  readonly accepted: ToolContract
  readonly accepted_at: number
  /** While there is one, the tool is in quarantine. */
  readonly found: ToolContract | null
  readonly found_at: number | null
}

export const toolTrustShape: Shape<ToolTrust> = objectShape({
  v: oneOfShape(1),
  tenant: tenantField,
  tool_id: nameField,
  accepted: toolContractShape,
  accepted_at: msField,
  found: nullableShape(toolContractShape),
  found_at: nullableShape(msField),
})

export function toolTrustJson(trust: ToolTrust): JsonObject {
  const { accepted, found } = trust
  return {
    ...trust,
    accepted: contractJson(accepted),
    found: found === null ? null : contractJson(found),
  }
}

export const TOOL_ORDER_TYP = 'tool-order+jwt'
export const TOOL_ORDER_MAX_BYTES = 8_192

/**
 * What a person decided about a tool, as the payload of a JWS of `TOOL_ORDER_TYP` by the host or the
 * operator, in the bucket `tool_orders`; the newest one counts. A release is of one contract only.
 */
export interface ToolOrder {
  readonly v: 1
  readonly tenant: TenantId
  readonly tool_id: string
  readonly order: 'release' | 'quarantine'
  /** What was looked at. */
  readonly contract_hash: Hash
  readonly by: string
  readonly reason: string
  readonly issued_at: number
}

export const toolOrderShape: Shape<ToolOrder> = objectShape({
  v: oneOfShape(1),
  tenant: tenantField,
  tool_id: nameField,
  order: oneOfShape('release', 'quarantine'),
  contract_hash: hashField,
  by: nameField,
  reason: reasonField,
  issued_at: msField,
})

export function toolOrderJson(order: ToolOrder): JsonObject {
  return { ...order }
}

/** The key of a tool in both buckets. */
export function toolKey(sha256: Sha256, tenant: TenantId, toolId: string): string {
  return `${tenant}.${storedKey(sha256, 'tool', toolId)}`
}

/** Why a tool under this contract may not be called; null: it may. */
export function quarantineOf(
  trust: Pick<ToolTrust, 'accepted'>,
  order: ToolOrder | undefined,
  of: { readonly contract_hash: Hash; readonly sha256: Sha256 },
): 'contract_changed' | 'ordered' | null {
  if (order?.order === 'quarantine') return 'ordered'
  if (order?.contract_hash === of.contract_hash) return null
  return contractHash(of.sha256, trust.accepted) === of.contract_hash ? null : 'contract_changed'
}
