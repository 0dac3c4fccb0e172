/** The smallest change of a proposal's own arguments under which policy would allow it. */
import {
  asObject,
  type CurrencyRule,
  formatMoney,
  isJsonArray,
  isJsonObject,
  type Json,
  type Money,
} from '@trustgw/protocol'
import type { AmountBound, Condition, Predicate } from './ast.ts'
import { argumentExamples } from './cells-args.ts'
import { type CompiledLayers, decideLayers } from './decide.ts'
import type { PolicyFacts } from './facts.ts'
import { pointerParts, valueAt } from './pointer.ts'

/** How much is looked at before giving up. */
export interface SearchBounds {
  /** Proposals tried. */
  readonly triesMax: number
  /** Lines of the rules that may match the tool; with more nothing is tried. */
  readonly linesMax: number
  /** Whether only what the caller may hear of is tried. */
  readonly isToldOnly?: boolean
}

export const WIDE: SearchBounds = { triesMax: 4_000, linesMax: Number.POSITIVE_INFINITY }
/** Values kept for each pointer when several are changed at once. */
const PAIR_VALUES_MAX = 24

export interface ArgumentChange {
  readonly pointer: string
  /** Left out where the argument is not there: it is added. */
  readonly from?: Json
  readonly to: Json
  /** Whether `to` follows from an order (a bound), so that it discloses no list of the policy. */
  readonly isBound: boolean
  /** What `to` is cut to, in code points of a text or items of a list; it is the caller's own. */
  readonly length?: number
}

type Change = readonly ArgumentChange[]

/** Whether the schema that callers know names the argument at a pointer. */
function isNamed(schema: Json, [first, ...rest]: readonly string[]): boolean {
  if (first === undefined) return true
  const named = asObject(asObject(schema)?.['properties'] ?? null) ?? {}
  return Object.hasOwn(named, first) && isNamed(named[first] ?? null, rest)
}

/** What a caller may hear of: arguments that it sent, or that its tool's schema names. */
function mayBeTold({ from, pointer }: ArgumentChange, { tool }: PolicyFacts): boolean {
  return from !== undefined || isNamed(tool.input_schema ?? null, pointerParts(pointer))
}

/** The arguments with one value set or, in an object, added; null when the pointer leads nowhere. */
function withValue(root: Json, parts: readonly string[], value: Json): Json | null {
  const [first, ...rest] = parts
  if (first === undefined) return value
  if (isJsonArray(root)) {
    const index = Number(first)
    const item = root[index]
    const inner = item === undefined ? null : withValue(item, rest, value)
    return inner === null ? null : root.with(index, inner)
  }
  if (!isJsonObject(root)) return null
  const member = Object.hasOwn(root, first) ? root[first] : undefined
  const inner = withValue(member ?? null, rest, value)
  return inner === null ? null : Object.fromEntries([...Object.entries(root), [first, inner]])
}

function apply(facts: PolicyFacts, change: Change): PolicyFacts | null {
  let args: Json | null = facts.args
  for (const { pointer, to } of change) {
    if (args === null) return null
    args = withValue(args, pointerParts(pointer), to)
  }
  return args === null ? null : { ...facts, args }
}

function linesFor({ layers }: CompiledLayers, facts: PolicyFacts): readonly Condition[] {
  const rules = layers.flatMap((layer) => layer.candidates(facts.tool.id).map(({ rule }) => rule))
  const limits = layers.flatMap((layer) => layer.policy.limits)
  return [...rules, ...limits].flatMap(({ match }) => match)
}

/** Of an argument that is there, or is to be added. */
function changesOf(
  { args }: PolicyFacts,
  pointer: string,
  changes: readonly Pick<ArgumentChange, 'to' | 'isBound'>[],
): readonly ArgumentChange[] {
  const from = valueAt(args, pointer)
  return changes.map((change) => ({ pointer, ...(from === undefined ? {} : { from }), ...change }))
}

function inUnit(
  { minor, currency }: Money,
  unit: 'minor' | 'decimal',
  like: Json | undefined,
): Json {
  const text =
    unit === 'minor' ? String(minor) : formatMoney({ minor, currency }).split(' ', 1).join()
  const number = Number(text)
  return typeof like === 'number' && Number.isSafeInteger(Math.trunc(number)) ? number : text
}

function amountChanges(lines: readonly Condition[], facts: PolicyFacts): readonly ArgumentChange[] {
  const { amount: rule } = facts.tool
  if (rule.kind === 'none') return []
  const like = valueAt(facts.args, rule.pointer)
  const bounds = lines.flatMap((line) => (line.kind === 'amount' ? [...line.bounds] : []))
  const amounts = bounds.flatMap(({ money: { minor, currency } }) =>
    [minor, minor + 1n, minor - 1n]
      .filter((value) => value >= 0n)
      .map((value) => ({
        to: inUnit({ minor: value, currency }, rule.unit, like),
        isBound: true,
      })),
  )
  return [
    ...changesOf(facts, rule.pointer, amounts),
    ...currencyChanges(rule.currency, bounds, facts),
  ]
}

/** Added where it is missing: without it the amount is not known. */
function currencyChanges(
  rule: CurrencyRule,
  bounds: readonly AmountBound[],
  facts: PolicyFacts,
): readonly ArgumentChange[] {
  if (rule.kind === 'fixed' || valueAt(facts.args, rule.pointer) !== undefined) return []
  const codes = new Set(bounds.map(({ money }) => money.currency))
  const changes = [...codes].map((to) => ({ to, isBound: false }))
  return changesOf(facts, rule.pointer, changes)
}

/** A text or a list with as much of its beginning as its limits let it have. */
function cuts(pointer: string, from: Json, predicates: readonly Predicate[]): Change {
  return predicates.flatMap((one): Change => {
    if (one.kind !== 'max_length') return []
    const length = one.value
    const kept = (to: Json): Change => [{ pointer, from, to, isBound: true, length }]
    if (isJsonArray(from)) return from.length > length ? kept(from.slice(0, length)) : []
    const characters = typeof from === 'string' ? Array.from(from) : []
    return characters.length > length ? kept(characters.slice(0, length).join('')) : []
  })
}

const ORDERED: readonly Predicate['kind'][] = ['gt', 'gte', 'lt', 'lte', 'max_length']

function argumentChanges(
  lines: readonly Condition[],
  facts: PolicyFacts,
): readonly ArgumentChange[] {
  const byPointer = new Map<string, Predicate[]>()
  for (const line of lines) {
    if (line.kind !== 'args') continue
    byPointer.set(line.pointer, [...(byPointer.get(line.pointer) ?? []), ...line.predicates])
  }
  return [...byPointer].flatMap(([pointer, predicates]) => {
    const isBound = predicates.every(({ kind }) => ORDERED.includes(kind))
    const from = valueAt(facts.args, pointer)
    const cut = from === undefined ? [] : cuts(pointer, from, predicates)
    const values = argumentExamples(predicates).values.filter((to) => to !== undefined)
    const changes = values.map((to) => ({ to, isBound }))
    return [...cut, ...changesOf(facts, pointer, changes)]
  })
}

function distance({ from, to, length }: ArgumentChange): number {
  // The longer the nearer, and any beginning nearer than something else.
  if (length !== undefined) return 1e-12 / (1 + length)
  if (typeof from === typeof to && Number.isFinite(Number(from)) && Number.isFinite(Number(to))) {
    return Math.min(Math.abs(Number(from) - Number(to)) / 1e9, 0.5)
  }
  return (typeof from === typeof to ? 1 : 1_000) + JSON.stringify(to).length / 1e3
}

const cost = (change: Change): number => change.reduce((sum, one) => sum + distance(one), 0)

function* product(a: readonly ArgumentChange[], b: readonly ArgumentChange[]): Generator<Change> {
  for (const one of a) for (const other of b) yield [one, other]
}

function* pairs(all: readonly ArgumentChange[]): Generator<Change> {
  const kept = new Map<string, ArgumentChange[]>()
  for (const one of all) {
    const list = kept.get(one.pointer) ?? []
    if (list.length < PAIR_VALUES_MAX) kept.set(one.pointer, [...list, one])
  }
  const lists = [...kept.values()]
  for (const [index, first] of lists.entries()) {
    for (const second of lists.slice(index + 1)) {
      yield* product(first, second)
    }
  }
}

/**
 * Tries values of arguments that the proposal has, and of those that rules ask for and it lacks, one
 * pointer at a time and then two, nearest first. Null when none of those tried is allowed; facts that
 * the caller does not set stay.
 */
export function smallestChange(
  layers: CompiledLayers,
  facts: PolicyFacts,
  { triesMax, linesMax, isToldOnly = false }: SearchBounds = WIDE,
): Change | null {
  const lines = linesFor(layers, facts)
  if (lines.length > linesMax) return null
  const all = [...amountChanges(lines, facts), ...argumentChanges(lines, facts)]
    .filter((one) => !isToldOnly || mayBeTold(one, facts))
    .map((one) => ({ one, far: distance(one) }))
    .sort((a, b) => a.far - b.far)
    .map(({ one }) => one)
  let tries = 0
  const isAllowed = (change: Change): boolean => {
    const changed = apply(facts, change)
    if (changed === null) return false
    tries += 1
    return decideLayers(layers, changed).effect === 'allow'
  }
  const single = all.find((one) => tries < triesMax && isAllowed([one]))
  if (single !== undefined) return [single]
  let best: Change | null = null
  for (const change of pairs(all)) {
    if (tries >= triesMax) break
    if (best !== null && cost(change) >= cost(best)) continue
    if (isAllowed(change)) best = change
  }
  return best
}
