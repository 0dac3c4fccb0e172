import { labelsField, nameField, profileField, titleField } from './fields.ts'
import { type Hash, hashJson, type Sha256 } from './hash.ts'
import type { JsonObject } from './json.ts'
import {
  arrayShape,
  jsonObjectShape,
  nullableShape,
  objectShape,
  oneOfShape,
  optionalMember,
  type Shape,
  stringShape,
  taggedShape,
} from './shape.ts'
import type { Profile } from './subjects.ts'

/** What a tool does to the world, from harmless to highest risk; declared, never guessed. */
export type Operation = 'read' | 'create' | 'update' | 'delete' | 'transfer'
export const OPERATIONS: readonly Operation[] = ['read', 'create', 'update', 'delete', 'transfer']
export const operationShape: Shape<Operation> = oneOfShape(...OPERATIONS)

/** What a tool counts as whose operation nobody declared (policy.md). */
export const UNDECLARED_OPERATION: Operation = 'transfer'

/** Where the currency of an amount stands. */
export type CurrencyRule =
  | { readonly kind: 'fixed'; readonly code: string }
  | { readonly kind: 'pointer'; readonly pointer: string }

/** How an amount of money is read from the arguments; `none`: the tool moves none. */
export type AmountRule =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'pointer'
      readonly pointer: string
      /** `minor`: integer minor units. `decimal`: a decimal text or JSON number. */
      readonly unit: 'minor' | 'decimal'
      readonly currency: CurrencyRule
    }

/**
 * Everything that an action is approved for (spec/protocol.md §2): its hash covers the whole, so a
 * changed description is a changed tool.
 */
export interface ToolContract {
  /** `<connector>.<tool>`. */
  readonly id: string
  readonly version: string
  readonly title: string
  readonly description: string
  readonly input_schema: JsonObject
  readonly output_schema: JsonObject | null
  readonly operation: Operation
  readonly category: string | null
  readonly bundle: string
  readonly tags: readonly string[]
  readonly skill_level: string | null
  readonly amount: AmountRule
  /** A read whose value is part of what is approved; none in this version. */
  readonly precondition: null
  /** Hosts that the tool may reach. */
  readonly egress: readonly string[]
  readonly profile: Profile
  /** The name of the credential with which the executor acts. */
  readonly credential_ref: string
  /** Hash of the code or endpoint that does the work, as the executor computes it. */
  readonly digest: string
  /**
   * A call that comes again under its idempotency key does its work once, or does none at all: then,
   * and only then, an unseen call is made again (spec/protocol.md §5). Absent: it is not.
   */
  readonly idempotent?: true
}

const pointerField: Shape<string> = stringShape({ max: 256 })
const DESCRIPTION_MAX_CHARS = 8_192

const currencyShape: Shape<CurrencyRule> = taggedShape('kind', {
  fixed: objectShape({
    kind: oneOfShape('fixed'),
    code: stringShape({ min: 3, max: 3, characters: 'token' }),
  }),
  pointer: objectShape({ kind: oneOfShape('pointer'), pointer: pointerField }),
})

export const amountRuleShape: Shape<AmountRule> = taggedShape('kind', {
  none: objectShape({ kind: oneOfShape('none') }),
  pointer: objectShape({
    kind: oneOfShape('pointer'),
    pointer: pointerField,
    unit: oneOfShape('minor', 'decimal'),
    currency: currencyShape,
  }),
})

const nullOnly: Shape<null> = {
  description: { type: 'null' },
  read: (value) =>
    value === null ? { ok: true, value } : { ok: false, reason: 'shape', detail: '#: value' },
}

export const toolContractShape: Shape<ToolContract> = objectShape({
  id: nameField,
  version: nameField,
  title: titleField,
  description: stringShape({ max: DESCRIPTION_MAX_CHARS, characters: 'any' }),
  input_schema: jsonObjectShape(),
  output_schema: nullableShape(jsonObjectShape()),
  operation: operationShape,
  category: nullableShape(nameField),
  bundle: nameField,
  tags: labelsField,
  skill_level: nullableShape(nameField),
  amount: amountRuleShape,
  precondition: nullOnly,
  egress: arrayShape(nameField, { max: 64 }),
  profile: profileField,
  credential_ref: nameField,
  digest: nameField,
  idempotent: optionalMember(oneOfShape(true)),
})

/** The contract as JSON, member by member: what is hashed and sent. */
export function contractJson(contract: ToolContract): JsonObject {
  return {
    ...contract,
    tags: [...contract.tags],
    egress: [...contract.egress],
    amount: amountJson(contract.amount),
  }
}

function amountJson(rule: AmountRule): JsonObject {
  return rule.kind === 'none' ? { ...rule } : { ...rule, currency: { ...rule.currency } }
}

/** `contract_hash` (spec/protocol.md §2). */
export function contractHash(sha256: Sha256, contract: ToolContract): Hash {
  return hashJson(sha256, contractJson(contract))
}
