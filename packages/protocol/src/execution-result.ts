import {
  actionIdField,
  grantIdField,
  hashField,
  msField,
  nameField,
  profileField,
  tenantField,
} from './fields.ts'
import { type Hash } from './hash.ts'
import type { ActionId, GrantId } from './ids.ts'
import type { Json, JsonObject } from './json.ts'
import {
  jsonShape,
  nullableShape,
  objectShape,
  oneOfShape,
  type Shape,
  stringShape,
} from './shape.ts'
import type { Profile, TenantId } from './subjects.ts'

export const RESULT_TYP = 'execution-result+jwt'
/** Largest signed result, in bytes; the output inside is bounded by the executor's settings. */
export const RESULT_MAX_BYTES = 786_432

/** `unknown_outcome`: the tool was entered and nobody saw its end (spec/protocol.md §5). */
export type Outcome = 'succeeded' | 'failed' | 'refused' | 'unknown_outcome'

/** executor → gateway, stored: the payload of a JWS of {@link RESULT_TYP} by the executor's key. */
export interface ExecutionResult {
  readonly v: 1
  readonly action_id: ActionId
  readonly tenant_id: TenantId
  readonly profile: Profile
  readonly jti: GrantId
  readonly grant_hash: Hash
  readonly input_hash: Hash
  readonly outcome: Outcome
  /** Why it failed or was refused, as a code. */
  readonly reason: string | null
  /** What the proposer may read; null unless there is something. */
  readonly output: Json
  /** Hash of the JCS form of `output`. */
  readonly result_hash: Hash
  /** Hash of what the tool really returned, before anything was cut or scrubbed. */
  readonly raw_hash: Hash | null
  /** The provider's own id of what was done. */
  readonly provider_reference: string | null
  readonly started_at: number
  readonly finished_at: number
}

export const executionResultShape: Shape<ExecutionResult> = objectShape({
  v: oneOfShape(1),
  action_id: actionIdField,
  tenant_id: tenantField,
  profile: profileField,
  jti: grantIdField,
  grant_hash: hashField,
  input_hash: hashField,
  outcome: oneOfShape('succeeded', 'failed', 'refused', 'unknown_outcome'),
  reason: nullableShape(nameField),
  output: jsonShape(),
  result_hash: hashField,
  raw_hash: nullableShape(hashField),
  provider_reference: nullableShape(stringShape({ max: 256 })),
  started_at: msField,
  finished_at: msField,
})

export function executionResultJson(result: ExecutionResult): JsonObject {
  return { ...result }
}
