/**
 * What a gateway says of the policy that it decides by, for whoever watches over it (spec/protocol.md
 * §4 "Trust roots"): the portal's banner and `trustgw policy status`. It permits nothing.
 */
import { hashField, msField, tenantField } from './fields.ts'
import type { Hash } from './hash.ts'
import type { JsonObject } from './json.ts'
import { type JwsSigner, type JwsVerifier, signJws, verifyJws } from './jws.ts'
import { epochField } from './policy-bundle.ts'
import { type Result, refuse } from './result.ts'
import {
  arrayShape,
  nullableShape,
  objectShape,
  oneOfShape,
  readShape,
  type Shape,
  stringShape,
} from './shape.ts'
import type { TenantId } from './subjects.ts'

/** A JWS by a key of role `audit` of the component `gateway`. */
export const POLICY_STATUS_TYP = 'policy-status+jwt'
export const POLICY_STATUS_MAX_BYTES = 32_768
/** The record's key in the bucket `policy_status`: `<tenant>.gateway`. */
export const GATEWAY_STATUS_KEY = 'gateway'
/** Lines of a refusal that are told; a policy that is wrong throughout needs no longer list. */
export const POLICY_STATUS_MAX_DETAILS = 20
const DETAIL_MAX_CHARS = 500

export interface RefusedPolicy {
  /** When it was refused first. */
  readonly at: number
  /** A stable code, as of `PolicyBookRefusal`. */
  readonly reason: string
  /** A line for each problem: `<file>:<line>:<column>: <message>` where there is a place. */
  readonly details: readonly string[]
  /** A bundle of the bucket, or a policy file that is read at each change. */
  readonly source: 'bundle' | 'file'
}

export interface PolicyStatus {
  readonly v: 1
  readonly tenant: TenantId
  /** Null, like the hash: no policy is in force, and every proposal is refused. */
  readonly epoch: number | null
  readonly bundle_hash: Hash | null
  /** The newest policy that was refused, while no later one was taken up. */
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
      reason: stringShape({ min: 1, max: 64, characters: 'token' }),
      details: arrayShape(stringShape({ max: DETAIL_MAX_CHARS }), {
        max: POLICY_STATUS_MAX_DETAILS,
      }),
      source: oneOfShape('bundle', 'file'),
    }),
  ),
  at: msField,
})

function policyStatusJson(status: PolicyStatus): JsonObject {
  const { refused } = status
  return {
    ...status,
    refused: refused === null ? null : { ...refused, details: [...refused.details] },
  }
}

/** Details beyond the limits are cut, so that what refused a policy never fails to be told. */
export function signPolicyStatus(
  status: PolicyStatus,
  signer: { readonly kid: string; readonly sign: JwsSigner },
): string {
  const { refused } = status
  const details = (refused?.details ?? [])
    .slice(0, POLICY_STATUS_MAX_DETAILS)
    .map((line) => oneLine(line.slice(0, DETAIL_MAX_CHARS)))
  const told = { ...status, refused: refused === null ? null : { ...refused, details } }
  const { kid, sign } = signer
  return signJws({ typ: POLICY_STATUS_TYP, kid, payload: policyStatusJson(told) }, sign)
}

/** Controls, line ends and halves of characters would make the record unreadable. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cs}\u2028\u2029]/gu, ' ')
}

/** Reads a stored status. NOT checked: that it is the newest that the gateway wrote. */
export function readPolicyStatus(
  token: string,
  {
    tenant,
    keyFor,
  }: {
    readonly tenant: TenantId
    readonly keyFor: (kid: string) => JwsVerifier | undefined
  },
): Result<PolicyStatus, 'policy_status'> {
  const verified = verifyJws(token, {
    typ: POLICY_STATUS_TYP,
    maxBytes: POLICY_STATUS_MAX_BYTES,
    keyFor,
  })
  if (!verified.ok) return refuse('policy_status', verified.reason)
  const read = readShape(policyStatusShape, verified.value.payload)
  if (!read.ok) return refuse('policy_status', read.detail)
  return read.value.tenant === tenant ? read : refuse('policy_status', 'tenant')
}
