import { hashField, msField, reasonField, tenantField } from './fields.ts'
import type { Hash } from './hash.ts'
import type { JsonObject } from './json.ts'
import { type JwsVerifier, verifyJws } from './jws.ts'
import { epochField } from './policy-bundle.ts'
import { type Result, refuse } from './result.ts'
import {
  arrayShape,
  nullableShape,
  objectShape,
  oneOfShape,
  readShape,
  type Shape,
} from './shape.ts'
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

/** Reads a stored status. NOT checked: that it is the newest that the gateway wrote. */
export function readPolicyStatus(
  token: string,
  expected: {
    readonly tenant: TenantId
    /** Keys of role `audit` of the gateway. */
    readonly keyFor: (kid: string) => JwsVerifier | undefined
  },
): Result<PolicyStatus, 'policy_status'> {
  const verified = verifyJws(token, {
    typ: POLICY_STATUS_TYP,
    maxBytes: POLICY_STATUS_MAX_BYTES,
    keyFor: expected.keyFor,
  })
  if (!verified.ok) return refuse('policy_status', verified.reason)
  const read = readShape(policyStatusShape, verified.value.payload)
  if (!read.ok) return refuse('policy_status', read.detail)
  return read.value.tenant === expected.tenant ? read : refuse('policy_status', 'tenant')
}
