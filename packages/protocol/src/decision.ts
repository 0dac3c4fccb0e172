import { type ApproversClause, approversJson, approversShape } from './approvers.ts'
import {
  actionIdField,
  countField,
  hashField,
  labelsField,
  msField,
  nameField,
  reasonField,
  tenantField,
} from './fields.ts'
import { type Hash, hashJson, type Sha256 } from './hash.ts'
import type { ActionId } from './ids.ts'
import type { Json, JsonObject } from './json.ts'
import { type OnBehalfOf, onBehalfOfShape, type Principal, principalShape } from './principal.ts'
import {
  arrayShape,
  integerShape,
  jsonShape,
  objectShape,
  oneOfShape,
  optionalMember,
  type Shape,
  stringShape,
} from './shape.ts'
import type { TenantId } from './subjects.ts'

/** From least to most restrictive (policy.md). */
export type Effect = 'allow' | 'require_approval' | 'require_proof' | 'deny'
export const EFFECTS: readonly Effect[] = ['allow', 'require_approval', 'require_proof', 'deny']

/** What releases the action (policy.md): 0 nothing, 1 a click, 2 a passkey, 3 a presentation too. */
export type Tier = 0 | 1 | 2 | 3

/** `derived`: an executor recomputes it. `asserted`: the gateway's word (spec/protocol.md §3). */
export type FactOrigin = 'derived' | 'asserted'

/**
 * A fact that the decision looked at; `value` is null where there was none. What a condition could not
 * judge, there or not, is listed in `unknown`. Arguments are written as spec/policy.md has it.
 */
export interface DecisionFact {
  readonly name: string
  readonly origin: FactOrigin
  readonly value: Json
}

/** What holds when the action goes on. Durations in milliseconds. */
export interface Obligations {
  readonly grant_ttl_ms: number
  readonly approval_ttl_ms: number
  /** All of them hold; empty where nobody is asked. */
  readonly approvers: readonly ApproversClause[]
  /** Where people may say so. */
  readonly channels: readonly string[]
  /** How long it waits, once it may run, for somebody to stop it; absent: not at all. */
  readonly undo_ms?: number
}

/**
 * The record of a decision: with it anyone can decide again. Its hash is the grant's
 * `decision_hash`, so what it says of principal and tier is bound by the gateway's signature.
 */
export interface DecisionRecord {
  readonly typ: 'trustgw/decision/1'
  readonly action_id: ActionId
  readonly tenant: TenantId
  readonly workspace: string
  readonly principal: Principal
  readonly on_behalf_of: OnBehalfOf
  readonly tool_id: string
  readonly contract_hash: Hash
  readonly input_hash: Hash
  readonly effect: Effect
  readonly tier: Tier
  readonly rule_id: string
  readonly reason: string
  readonly obligations: Obligations
  readonly policy_fingerprint: Hash
  readonly policy_epoch: number
  readonly facts: readonly DecisionFact[]
  readonly unknown: readonly string[]
  readonly decided_at: number
}

/** How old a decision may be when a grant names it, in milliseconds (spec/protocol.md §4). */
export const DECISION_FRESH_MS = 10_000

/** Longest undo window. */
export const UNDO_MAX_MS: number = 24 * 3_600_000

const FACTS_MAX = 256
const HOUR_MS = 3_600_000

export const obligationsShape: Shape<Obligations> = objectShape({
  grant_ttl_ms: integerShape({ min: 1_000, max: 30_000 }),
  approval_ttl_ms: integerShape({ min: 1_000, max: 30 * 24 * HOUR_MS }),
  approvers: approversShape,
  channels: labelsField,
  undo_ms: optionalMember(integerShape({ min: 1_000, max: UNDO_MAX_MS })),
})

export const tierShape: Shape<Tier> = oneOfShape(0, 1, 2, 3)
export const effectShape: Shape<Effect> = oneOfShape(...EFFECTS)

export const decisionRecordShape: Shape<DecisionRecord> = objectShape({
  typ: oneOfShape('trustgw/decision/1'),
  action_id: actionIdField,
  tenant: tenantField,
  workspace: nameField,
  principal: principalShape,
  on_behalf_of: onBehalfOfShape,
  tool_id: nameField,
  contract_hash: hashField,
  input_hash: hashField,
  effect: effectShape,
  tier: tierShape,
  rule_id: nameField,
  reason: reasonField,
  obligations: obligationsShape,
  policy_fingerprint: hashField,
  policy_epoch: countField,
  facts: arrayShape(
    objectShape({
      name: stringShape({ min: 1, max: 300 }),
      origin: oneOfShape('derived', 'asserted'),
      value: jsonShape(),
    }),
    { max: FACTS_MAX },
  ),
  unknown: arrayShape(stringShape({ min: 1, max: 300 }), { max: FACTS_MAX }),
  decided_at: msField,
})

export function decisionJson(record: DecisionRecord): JsonObject {
  return {
    ...record,
    principal: { ...record.principal },
    obligations: {
      ...record.obligations,
      approvers: approversJson(record.obligations.approvers),
      channels: [...record.obligations.channels],
    },
    facts: record.facts.map((fact) => ({ ...fact })),
    unknown: [...record.unknown],
  }
}

/** `decision_hash` (spec/protocol.md §4). */
export function decisionHash(sha256: Sha256, record: DecisionRecord): Hash {
  return hashJson(sha256, decisionJson(record))
}
