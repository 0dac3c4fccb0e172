/** The lines of a match as functions of the facts (spec/policy.md "Three-valued matching"). */
import type { Json, Money } from '@trustgw/protocol'
import {
  type AmountBound,
  BOUNDS,
  type ChainBounds,
  type Condition,
  DAYS,
  type NumberBound,
  ofKind,
  type Predicate,
  type TimeWindow,
} from './ast.ts'
import type { Amount, Chain, LocalTime } from './facts.ts'
import { compileGlob } from './glob.ts'
import { compilePredicates, isGlobbable, order, withinBound } from './predicates.ts'
import type { AnySlot, Look, Slot, Slots } from './slots.ts'
import { isNfc, type Truth } from './truth.ts'

/** Tool ids and identities are parts joined with dots. */
export const NAME_SEPARATOR = '.'
const MINUTES_OF_A_DAY = 1_440

/**
 * How a line can be told false without judging it: the value is one of a few texts, or within
 * bounds. `read` gives undefined where only judging can tell.
 */
export type Hint =
  | {
      readonly kind: 'texts'
      readonly key: string
      readonly texts: readonly string[]
      readonly read: (look: Look) => string | undefined
    }
  | {
      readonly kind: 'bounds'
      readonly key: string
      readonly bounds: readonly {
        readonly bound: NumberBound['bound']
        readonly value: bigint | number
      }[]
      /** Null where no bound holds. */
      readonly read: (look: Look) => bigint | number | null | undefined
    }

export interface Test {
  /** The fact that the line is about. */
  readonly slot: AnySlot
  readonly condition: Condition
  /** Looks at the fact; whoever stops at an unknown one says so to the slot. */
  readonly judge: (look: Look) => Truth
  readonly hint: Hint | null
}

type Judged<T> = readonly [slot: Slot<T>, judge: (value: T | undefined) => Truth]

function makeTest<T>(
  condition: Condition,
  [slot, judge]: Judged<T>,
  hint: Hint | null = null,
): Test {
  return { slot, condition, judge: (look) => judge(slot.look(look)), hint }
}

function textHint(slot: Slot<string>, texts: readonly string[]): Hint {
  const read = (look: Look): string | undefined => {
    const value = slot.look(look)
    return value !== undefined && isNfc(value) ? value : undefined
  }
  return { kind: 'texts', key: slot.name, texts, read }
}

function wordTest(condition: Condition, slot: Slot<string>, words: readonly string[]): Test {
  const wanted = new Set(words)
  const judge = (look: Look): Truth => {
    const value = slot.look(look)
    return value === undefined ? 'unknown' : wanted.has(value)
  }
  return { slot, condition, judge, hint: textHint(slot, words) }
}

/** Names as globs; what a glob cannot judge is unknown. */
export function nameJudge(globs: readonly string[]): (value: string | undefined) => Truth {
  const compiled = globs.map((glob) => compileGlob(glob, NAME_SEPARATOR))
  return (value) => {
    return isGlobbable(value) ? compiled.some((glob) => glob(value)) : 'unknown'
  }
}

function nameTest(condition: Condition, slot: Slot<string>, globs: readonly string[]): Test {
  const isExact = globs.every((glob) => !glob.includes('*'))
  const judgeName = nameJudge(globs)
  const judge = (look: Look): Truth => judgeName(slot.look(look))
  return { slot, condition, judge, hint: isExact ? textHint(slot, globs) : null }
}

function listTest(
  condition: Condition,
  slot: Slot<readonly string[]>,
  words: readonly string[],
): Test {
  const wanted = new Set(words)
  const judge = (value: readonly string[] | undefined): Truth => {
    if (value === undefined) return 'unknown'
    return condition.kind === 'scopes'
      ? words.every((word) => value.includes(word))
      : value.some((word) => wanted.has(word))
  }
  return makeTest(condition, [slot, judge])
}

function withinBounds(value: number, bounds: readonly NumberBound[]): boolean {
  return bounds.every((bound) => withinBound(order(value, bound.value), bound.bound))
}

function levelTest(condition: Condition, slot: Slot<number>, bounds: readonly NumberBound[]): Test {
  const judge = (value: number | undefined): Truth =>
    value === undefined ? 'unknown' : withinBounds(value, bounds)
  return makeTest(condition, [slot, judge])
}

/** Amounts of two currencies have no order. */
function moneyWithin({ minor, currency }: Money, { bound, money: limit }: AmountBound): Truth {
  if (currency !== limit.currency) return 'unknown'
  if (bound === 'gt') return minor > limit.minor
  if (bound === 'gte') return minor >= limit.minor
  return bound === 'lt' ? minor < limit.minor : minor <= limit.minor
}

function judgeAmount(amount: Amount | undefined, bounds: readonly AmountBound[]): Truth {
  if (amount === undefined || amount.kind === 'unknown') return 'unknown'
  if (amount.kind === 'none') return false
  let truth: Truth = true
  for (const bound of bounds) {
    const one = moneyWithin(amount.money, bound)
    if (one === false) return false
    if (one === 'unknown') truth = 'unknown'
  }
  return truth
}

function amountHint(slot: Slot<Amount>, bounds: readonly AmountBound[]): Hint {
  const currency = bounds[0]?.money.currency
  return {
    kind: 'bounds',
    key: `${slot.name} ${currency}`,
    bounds: bounds.map(({ bound, money }) => ({ bound, value: money.minor })),
    read: (look) => {
      const amount = slot.look(look)
      if (amount === undefined || amount.kind === 'unknown') return undefined
      if (amount.kind === 'none') return null
      return amount.money.currency === currency ? amount.money.minor : undefined
    },
  }
}

function amountTest(
  condition: Condition,
  slot: Slot<Amount>,
  bounds: readonly AmountBound[],
): Test {
  const judge = (look: Look): Truth => judgeAmount(slot.look(look), bounds)
  return { slot, condition, judge, hint: amountHint(slot, bounds) }
}

function textsOf(predicate: Predicate): readonly string[] | null {
  if (predicate.kind === 'eq') return typeof predicate.value === 'string' ? [predicate.value] : null
  if (predicate.kind !== 'in') return null
  const texts = predicate.values.filter((value) => typeof value === 'string')
  return texts.length === predicate.values.length ? texts : null
}

function argumentHint(slot: Slot<Json>, predicates: readonly Predicate[]): Hint | null {
  for (const predicate of predicates) {
    const texts = textsOf(predicate)
    if (texts === null) continue
    const read = (look: Look): string | undefined => {
      const value = slot.look(look)
      return typeof value === 'string' && isNfc(value) ? value : undefined
    }
    return { kind: 'texts', key: slot.name, texts, read }
  }
  const bounds = ofKind(predicates, ...BOUNDS).map(({ kind, value }) => ({ bound: kind, value }))
  if (bounds.length === 0) return null
  const read = (look: Look): number | undefined => {
    const value = slot.look(look)
    return typeof value === 'number' ? value : undefined
  }
  return { kind: 'bounds', key: slot.name, bounds, read }
}

function argumentTest(
  condition: Condition,
  slot: Slot<Json>,
  predicates: readonly Predicate[],
): Test {
  const judgeValue = compilePredicates(predicates)
  const judge = (look: Look): Truth => judgeValue(slot.look(look))
  return { slot, condition, judge, hint: argumentHint(slot, predicates) }
}

function isWithin({ from, to }: TimeWindow, minute: number): boolean {
  if (from === null) return to === null || minute < to
  const end = to ?? MINUTES_OF_A_DAY
  return from < end ? minute >= from && minute < end : minute >= from || minute < end
}

function timeTest(condition: Condition, slot: Slot<LocalTime>, window: TimeWindow): Test {
  const days = new Set(window.days ?? DAYS)
  const judge = (value: LocalTime | undefined): Truth =>
    value === undefined ? 'unknown' : days.has(value.day) && isWithin(window, value.minute)
  return makeTest(condition, [slot, judge])
}

function chainTest(condition: Condition, slot: Slot<Chain>, bounds: ChainBounds): Test {
  const { depth, repeats, cycle } = bounds
  const judge = (value: Chain | undefined): Truth => {
    if (value === undefined) return 'unknown'
    const counts = withinBounds(value.depth, depth) && withinBounds(value.repeats, repeats)
    return counts && (cycle === null || value.cycle === cycle)
  }
  return makeTest(condition, [slot, judge])
}

function provenanceTest(
  condition: Condition,
  slot: Slot<readonly string[]>,
  globs: readonly string[],
): Test {
  const compiled = globs.map((glob) => compileGlob(glob, NAME_SEPARATOR))
  const judge = (labels: readonly string[] | undefined): Truth => {
    if (labels === undefined || labels.length === 0) return 'unknown'
    return labels.some((label) => compiled.some((glob) => glob(label)))
  }
  return makeTest(condition, [slot, judge])
}

/** The judge of one line. */
// oxlint-disable-next-line complexity -- one straight case for each key
export function compileCondition(condition: Condition, slots: Slots): Test {
  switch (condition.kind) {
    case 'tool':
      return nameTest(condition, slots.tool, condition.globs)
    case 'agent':
    case 'tenant':
    case 'workspace':
    case 'user':
      return nameTest(condition, slots.words[condition.kind], condition.globs)
    case 'auth_level':
      return levelTest(condition, slots.auth_level, condition.bounds)
    case 'amount':
      return amountTest(condition, slots.amount, condition.bounds)
    case 'args':
      return argumentTest(condition, slots.argument(condition.pointer), condition.predicates)
    case 'time':
      return timeTest(condition, slots.localTime(condition.window.tz), condition.window)
    case 'chain':
      return chainTest(condition, slots.chain, condition.bounds)
    case 'provenance':
      return provenanceTest(condition, slots.provenance(condition.pointer), condition.globs)
    case 'tags':
    case 'roles':
    case 'scopes':
      return listTest(condition, slots.lists[condition.kind], condition.words)
    case 'operation':
    case 'category':
    case 'bundle':
    case 'source':
    case 'skill_level':
    case 'auth_method':
      return wordTest(condition, slots.words[condition.kind], condition.words)
  }
}
