/** The smallest change of a proposal's own arguments under which policy would allow it. */
import { formatMoney, isJsonArray, isJsonObject, type Json, type Money } from '@trustgw/protocol'
import type { Condition, Predicate } from './ast.ts'
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
}

const WIDE: SearchBounds = { triesMax: 4_000, linesMax: Number.POSITIVE_INFINITY }
/** Values kept for each pointer when several are changed at once. */
const PAIR_VALUES_MAX = 24

export interface ArgumentChange {
  readonly pointer: string
  readonly from: Json
  readonly to: Json
  /** Whether `to` follows from an order (a bound), so that it discloses no list of the policy. */
  readonly isBound: boolean
  /** What `to` is cut to, in code points of a text or items of a list; it is the caller's own. */
  readonly length?: number
}

type Change = readonly ArgumentChange[]

/** The arguments with one value set; null when the pointer leads nowhere. */
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
  const inner = member === undefined ? null : withValue(member, rest, value)
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

function inUnit({ minor, currency }: Money, unit: 'minor' | 'decimal', like: Json): Json {
  const text =
    unit === 'minor' ? String(minor) : (formatMoney({ minor, currency }).split(' ')[0] ?? '')
  const number = Number(text)
  return typeof like === 'number' && Number.isSafeInteger(Math.trunc(number)) ? number : text
}

function amountChanges(lines: readonly Condition[], facts: PolicyFacts): readonly ArgumentChange[] {
  const { amount: rule } = facts.tool
  if (rule.kind === 'none') return []
  const from = valueAt(facts.args, rule.pointer)
  if (from === undefined) return []
  return lines.flatMap((line) =>
    line.kind === 'amount'
      ? line.bounds.flatMap(({ money: { minor, currency } }) =>
          [minor, minor + 1n, minor - 1n]
            .filter((value) => value >= 0n)
            .map((value) => ({
              pointer: rule.pointer,
              from,
              to: inUnit({ minor: value, currency }, rule.unit, from),
              isBound: true,
            })),
        )
      : [],
  )
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
    const from = valueAt(facts.args, pointer)
    if (from === undefined) return []
    const isBound = predicates.every(({ kind }) => ORDERED.includes(kind))
    const examples = argumentExamples(predicates)
      .values.filter((to) => to !== undefined)
      .map((to) => ({ pointer, from, to, isBound }))
    return [...cuts(pointer, from, predicates), ...examples]
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

const cost = (change: Change): number =>
  change.reduce((sum, one) => sum + distance(one), change.length * 1e6)

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
 * Tries values of the arguments that the proposal has, one pointer at a time and then two, nearest
 * first. Null when none of those tried is allowed; facts that the caller does not set stay.
 */
export function smallestChange(
  layers: CompiledLayers,
  facts: PolicyFacts,
  { triesMax, linesMax }: SearchBounds = WIDE,
): Change | null {
  const lines = linesFor(layers, facts)
  if (lines.length > linesMax) return null
  const all = [...amountChanges(lines, facts), ...argumentChanges(lines, facts)]
    .map((one) => ({ one, far: distance(one) }))
    .sort((a, b) => a.far - b.far)
    .map(({ one }) => one)
  let tries = 0
  const isAllowed = (change: Change): boolean => {
    tries += 1
    const changed = apply(facts, change)
    return changed !== null && decideLayers(layers, changed).effect === 'allow'
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
