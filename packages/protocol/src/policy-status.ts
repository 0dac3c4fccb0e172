import { hashField, msField, reasonField, tenantField } from './fields.ts'
import type { Hash } from './hash.ts'
import type { JsonObject } from './json.ts'
import { epochField } from './policy-bundle.ts'
import { arrayShape, nullableShape, objectShape, oneOfShape, type Shape } from './shape.ts'
import type { TenantId } from './subjects.ts'

export const POLICY_STATUS_TYP = 'policy-status+jwt'
export const POLICY_STATUS_MAX_BYTES = 32_768
/** The key, after the tenant, under which the gateway's status stands in `policy_status`. */
export const GATEWAY_STATUS_KEY = 'gateway'
/** Problems of a refused policy that a status names. */
export const POLICY_STATUS_MAX_DETAILS = 8

/** A policy that was not taken into force. */
export interface RefusedPolicy {
  readonly at: number
  readonly reason: string
  readonly details: readonly string[]
  /** A bundle on the bus, or the operator's file before anybody sealed it. */
  readonly source: 'bundle' | 'file'
}

/**
 * By what the gateway decides for a tenant, and what it refused since: the payload of a JWS of
 * {@link POLICY_STATUS_TYP} by the gateway's key of role `audit`.
 */
export interface PolicyStatus {
  readonly v: 1
  readonly tenant: TenantId
  /** Null: no policy is in force, and nothing is decided. */
  readonly epoch: number | null
  readonly bundle_hash: Hash | null
  readonly refused: RefusedPolicy | null
  readonly at: number
}

export const policyStatusShape: Shape<PolicyStatus> = objectShape({
  v: oneOfShape(1),
  tenant: tenantField,
  epoch: nullableShape(epochField),
  bundle_hash: nullableShape(hashField),
  refused: nullableShape(
    objectShape({
      at: msField,
      reason: reasonField,
      details: arrayShape(reasonField, { max: POLICY_STATUS_MAX_DETAILS }),
      source: oneOfShape('bundle', 'file'),
    }),
  ),
  at: msField,
})

export function policyStatusJson(status: PolicyStatus): JsonObject {
  const { refused } = status
  return {
    ...status,
    refused: refused === null ? null : { ...refused, details: [...refused.details] },
  }
}
