import {
  actionIdField,
  grantIdField,
  hashField,
  msField,
  nameField,
  reasonField,
  tenantField,
  titleField,
} from './fields.ts'
import type { Hash } from './hash.ts'
import type { ActionId, GrantId } from './ids.ts'
import { ARGUMENTS_MAX_BYTES, type JsonObject } from './json.ts'
import { POLICY_ADMIN_ROLE } from './policy-bundle.ts'
import {
  arrayShape,
  nullableShape,
  objectShape,
  oneOfShape,
  type Shape,
  stringShape,
} from './shape.ts'
import type { TenantId } from './subjects.ts'

const ROLES_MAX = 32
const REFERENCE_MAX_CHARS = 256

/**
 * An action whose tool was entered and whose end nobody saw, as the gateway lays it out for people
 * (spec/protocol.md §3, §5): the evidence by which a person settles it. In the bucket `unsettled`.
 */
export interface UnsettledAction {
  readonly v: 1
  readonly action_id: ActionId
  readonly tenant: TenantId
  readonly tool_id: string
  readonly title: string
  /** The JCS text of the arguments. */
  readonly arguments: string
  readonly input_hash: Hash
  readonly agent: string
  /** Who may not settle it: the person on whose behalf the agent acted, else the agent. */
  readonly initiator: string
  /** Roles that approve such an action; `admin` may settle it besides. */
  readonly roles: readonly string[]
  readonly amount: string | null
  /** The grant under which it was entered. */
  readonly jti: GrantId
  /** Under which the provider knows the call, if it knows it. */
  readonly idempotency_key: Hash
  readonly proposed_at: number
  /** When the executor entered the tool, or is known to have claimed it. */
  readonly entered_at: number | null
  readonly provider_reference: string | null
  /** Why its end is not known, as the executor said it. */
  readonly doubt: string | null
  /** What asking the provider came to. */
  readonly reconciled: string
  readonly since: number
}

export const unsettledActionShape: Shape<UnsettledAction> = objectShape({
  v: oneOfShape(1),
  action_id: actionIdField,
  tenant: tenantField,
  tool_id: nameField,
  title: titleField,
  arguments: stringShape({ max: ARGUMENTS_MAX_BYTES, characters: 'any' }),
  input_hash: hashField,
  agent: nameField,
  initiator: nameField,
  roles: arrayShape(nameField, { max: ROLES_MAX }),
  amount: nullableShape(stringShape({ max: 40 })),
  jti: grantIdField,
  idempotency_key: hashField,
  proposed_at: msField,
  entered_at: nullableShape(msField),
  provider_reference: nullableShape(stringShape({ max: REFERENCE_MAX_CHARS })),
  doubt: nullableShape(reasonField),
  reconciled: reasonField,
  since: msField,
})

export function unsettledActionJson(action: UnsettledAction): JsonObject {
  return { ...action, roles: [...action.roles] }
}

/** What stands in the way of this person's settling the action; null: nothing. */
export function outcomeObjection(
  action: Pick<UnsettledAction, 'initiator' | 'roles'>,
  person: string,
  roles: readonly string[],
): 'initiator_cannot_settle' | 'role_missing' | null {
  if (person === action.initiator) return 'initiator_cannot_settle'
  const may = roles.includes(POLICY_ADMIN_ROLE) || roles.some((role) => action.roles.includes(role))
  return may ? null : 'role_missing'
}

export const OUTCOME_DECISION_TYP = 'outcome-decision+jwt'
export const OUTCOME_DECISION_MAX_BYTES = 8_192

/**
 * host → gateway: what a person found out about an action, as the payload of a JWS of
 * `OUTCOME_DECISION_TYP` by the host's key. It permits nothing: the action ends either way.
 */
export interface OutcomeDecision {
  readonly v: 1
  readonly action_id: ActionId
  readonly tenant: TenantId
  /** The run that is settled. */
  readonly jti: GrantId
  readonly outcome: 'succeeded' | 'failed'
  readonly person: string
  readonly roles: readonly string[]
  readonly reason: string
  readonly decided_at: number
}

export const outcomeDecisionShape: Shape<OutcomeDecision> = objectShape({
  v: oneOfShape(1),
  action_id: actionIdField,
  tenant: tenantField,
  jti: grantIdField,
  outcome: oneOfShape('succeeded', 'failed'),
  person: nameField,
  roles: arrayShape(nameField, { max: ROLES_MAX }),
  reason: stringShape({ min: 1, max: 500 }),
  decided_at: msField,
})

export function outcomeDecisionJson(decision: OutcomeDecision): JsonObject {
  return { ...decision, roles: [...decision.roles] }
}
