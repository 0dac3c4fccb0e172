import { canonicalize } from './canonical.ts'
import { nameField, titleField } from './fields.ts'
import { type Hash, hashJson, type Sha256 } from './hash.ts'
import { type Json, type JsonObject, parseJson } from './json.ts'
import { pointerProblem, valueAt } from './pointer.ts'
import { ok, type Result, refuse } from './result.ts'
import {
  arrayShape,
  jsonObjectShape,
  mapShape,
  objectShape,
  parsedShape,
  type Shape,
  stringShape,
} from './shape.ts'

/** An argument of the read: a constant, or what stands at a pointer of the action's own arguments. */
export type PreconditionArgument = string | number | boolean | null | { readonly pointer: string }

/**
 * A read whose value is approved together with the action and read again just before it runs
 * (spec/protocol.md §3). Part of the contract, and so of its hash.
 */
export interface PreconditionRule {
  /** Id of a tool of the same connector that is declared to read and has no precondition itself. */
  readonly tool: string
  readonly arguments: { readonly [name: string]: PreconditionArgument }
  /** JSON pointers into what the read gives: what is bound. */
  readonly select: readonly string[]
  /** What the bound values are, for people. */
  readonly title: string
}

/** What was read: its hash is the `precondition_hash` of statement and grant. */
export interface PreconditionValue {
  readonly tool: string
  readonly arguments: JsonObject
  /** By the pointer under which each value was found. */
  readonly values: JsonObject
}

/** Longest canonical form of a value, in bytes of UTF-8. */
export const PRECONDITION_MAX_BYTES = 16_384
/** Levels of a value: it travels inside other documents, which have a depth of their own. */
const PRECONDITION_MAX_DEPTH = 32
const SELECT_MAX = 16
const ARGUMENTS_MAX = 32
const ARGUMENT_NAME_MAX_CHARS = 64

const pointerText: Shape<string> = parsedShape(
  stringShape({ min: 1, max: 256, characters: 'any' }),
  'json-pointer',
  (text) => (pointerProblem(text) === null ? ok(text) : refuse('pointer')),
)
const constantText: Shape<string> = stringShape({ max: 256, characters: 'any' })
const pointerForm: Shape<{ readonly pointer: string }> = objectShape({ pointer: pointerText })

const argumentForm: Shape<PreconditionArgument> = {
  description: {
    anyOf: [
      constantText.description,
      { type: ['number', 'boolean', 'null'] },
      pointerForm.description,
    ],
  },
  read: (value) => {
    if (typeof value === 'string') return constantText.read(value)
    if (typeof value === 'number' || typeof value === 'boolean' || value === null) return ok(value)
    return pointerForm.read(value)
  },
}

export const preconditionRuleShape: Shape<PreconditionRule> = objectShape({
  tool: nameField,
  arguments: mapShape(argumentForm, { max: ARGUMENTS_MAX, nameMax: ARGUMENT_NAME_MAX_CHARS }),
  select: arrayShape(pointerText, { min: 1, max: SELECT_MAX }),
  title: titleField,
})

/** NOT checked by it: the size, and that it is the value of some contract ({@link fitsPrecondition}). */
export const preconditionValueShape: Shape<PreconditionValue> = objectShape({
  tool: nameField,
  arguments: jsonObjectShape(),
  values: jsonObjectShape(),
})

export function preconditionRuleJson(rule: PreconditionRule): JsonObject {
  const args = Object.entries(rule.arguments).map(([name, value]): [string, Json] => [
    name,
    typeof value === 'object' && value !== null ? { ...value } : value,
  ])
  return { ...rule, arguments: Object.fromEntries(args), select: [...rule.select] }
}

/** `precondition_hash`; of null for a contract without a precondition. */
export function preconditionHash(sha256: Sha256, value: PreconditionValue | null): Hash {
  return hashJson(sha256, value === null ? null : { ...value })
}

/** The hash of JSON `null`: what `precondition_hash` is for a contract without a precondition. */
export function noPreconditionHash(sha256: Sha256): Hash {
  return preconditionHash(sha256, null)
}

/** With what the read is called for an action with these arguments; undefined: one is missing. */
export function preconditionArguments(rule: PreconditionRule, args: Json): JsonObject | undefined {
  const entries: [string, Json][] = []
  for (const [name, argument] of Object.entries(rule.arguments)) {
    const isPointer = typeof argument === 'object' && argument !== null
    const value = isPointer ? valueAt(args, argument.pointer) : argument
    if (value === undefined) return undefined
    entries.push([name, value])
  }
  return Object.fromEntries(entries)
}

export type PreconditionRefusal =
  /** The action has not the argument that the read needs. */
  | 'argument_missing'
  /** What the read gave has nothing at a pointer. */
  | 'value_missing'
  | 'value_too_large'

/** What is bound of an output of the read that was called for an action with these arguments. */
export function preconditionValue(
  rule: PreconditionRule,
  args: Json,
  output: Json,
): Result<PreconditionValue, PreconditionRefusal> {
  const called = preconditionArguments(rule, args)
  if (called === undefined) return refuse('argument_missing')
  const values: [string, Json][] = []
  for (const pointer of rule.select) {
    const value = valueAt(output, pointer)
    if (value === undefined) return refuse('value_missing', pointer)
    values.push([pointer, value])
  }
  const found = { tool: rule.tool, arguments: called, values: Object.fromEntries(values) }
  return isSmall(found) ? ok(found) : refuse('value_too_large')
}

/**
 * Whether a value is one that the contract's rule gives for an action with these arguments; none
 * where it has no rule. NOT checked: that this is what stands there.
 */
export function fitsPrecondition(
  rule: PreconditionRule | null,
  args: Json,
  value: PreconditionValue | null,
): boolean {
  if (rule === null || value === null) return rule === value
  const called = preconditionArguments(rule, args)
  const bound = new Set(rule.select)
  return (
    isSmall(value) &&
    value.tool === rule.tool &&
    called !== undefined &&
    canonicalize(called) === canonicalize(value.arguments) &&
    Object.keys(value.values).length === bound.size &&
    Object.keys(value.values).every((pointer) => bound.has(pointer))
  )
}

function isSmall(value: PreconditionValue): boolean {
  const limits = { maxBytes: PRECONDITION_MAX_BYTES, maxDepth: PRECONDITION_MAX_DEPTH }
  return parseJson(canonicalize({ ...value }), limits).ok
}
