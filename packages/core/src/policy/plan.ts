/**
 * The rules that one kind of proposal can meet, in the order of reading. Where there are many, each
 * row says by one number per fact whether its rule is known false, so that a rule that cannot match
 * costs a comparison and not a judgement.
 */

import type { CompiledRule } from './compiled-rule.ts'
import type { Hint, Test } from './conditions.ts'
import type { Look } from './slots.ts'

/** Below this many rules, judging is as quick. */
const ROWS_MIN = 16
/** Lists longer than this are judged, not spread over rows. */
const TEXTS_MAX = 8
/** The fact is there and only judging tells. */
const ASK = -2
/** The fact equals none of the texts, or no bound holds of it. */
const NONE = -1

/** One rule as one kind of proposal meets it: without the lines that already hold. */
export interface Entry {
  readonly rule: CompiledRule
  readonly tests: readonly Test[]
  /** Of the rule, where reading finds it in one step. */
  readonly priority: number
}

export const makeEntry = (rule: CompiledRule, tests: readonly Test[]): Entry => ({
  rule,
  tests,
  priority: rule.rule.priority,
})

/** The decision did not ask yet. */
const UNASKED = -3

/** Numbers a fact's value so that each row's condition on it is a range of numbers. */
type Coder = (look: Look) => number

interface Rows {
  readonly entry: Int32Array
  /** Three numbers for each row: its coder, and the least and the most that the coder may say. */
  readonly cells: Int32Array
  readonly coders: readonly Coder[]
  /** What each coder, and none, said in the decision with the stamp. */
  readonly codes: Int32Array
  stamp: number
}

export interface Plan {
  readonly entries: readonly Entry[]
  readonly rows: Rows | null
}

interface Range {
  readonly low: number
  readonly high: number
}

type Value = bigint | number

/** How hints on one fact are numbered. */
interface Coding<H> {
  readonly encode: Coder
  readonly rangesOf: (hint: H) => readonly Range[]
}

type TextsHint = Extract<Hint, { kind: 'texts' }>
type BoundsHint = Extract<Hint, { kind: 'bounds' }>

function textCoding(hints: Filled<TextsHint>): Coding<TextsHint> {
  const texts = new Set(hints.flatMap((hint) => hint.texts))
  const codes = new Map(Array.from(texts, (text, code) => [text, code]))
  const codeOf = (text: string): number => codes.get(text) ?? NONE
  const [{ read }] = hints
  const encode = (look: Look): number => {
    const value = read(look)
    return value === undefined ? ASK : codeOf(value)
  }
  const rangesOf = (hint: TextsHint): readonly Range[] =>
    hint.texts.map((text) => ({ low: codeOf(text), high: codeOf(text) }))
  return { encode, rangesOf }
}

/** Twice the number of thresholds below a value, and one more when it is a threshold itself. */
function place(thresholds: readonly Value[], value: Value): number {
  let low = 0
  let high = thresholds.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((thresholds[middle] ?? value) < value) low = middle + 1
    else high = middle
  }
  return thresholds[low] === value ? 2 * low + 1 : 2 * low
}

function boundsCoding(hints: Filled<BoundsHint>): Coding<BoundsHint> {
  const values = new Set(hints.flatMap(({ bounds }) => bounds.map(({ value }) => value)))
  const thresholds = [...values].sort((a, b) => (a < b ? -1 : 1))
  const [{ read }] = hints
  const encode = (look: Look): number => {
    const value = read(look)
    if (value === undefined) return ASK
    return value === null ? NONE : place(thresholds, value)
  }
  const rangesOf = ({ bounds }: BoundsHint): readonly Range[] => {
    let low = 0
    let high = 2 * thresholds.length
    for (const { bound, value } of bounds) {
      const at = place(thresholds, value)
      if (bound === 'gt') low = Math.max(low, at + 1)
      else if (bound === 'gte') low = Math.max(low, at)
      else if (bound === 'lt') high = Math.min(high, at - 1)
      else high = Math.min(high, at)
    }
    return [{ low, high }]
  }
  return { encode, rangesOf }
}

/** The line of an entry that most likely tells it from others: a short list of texts, else bounds. */
function hintOf({ tests }: Entry): Hint | null {
  const hints = tests.map(({ hint }) => hint)
  const texts = hints.find((hint) => hint?.kind === 'texts' && hint.texts.length <= TEXTS_MAX)
  return texts ?? hints.find((hint) => hint?.kind === 'bounds') ?? null
}

/** One or more. */
export type Filled<T> = [T, ...T[]]

export function push<T>(lists: Map<string, Filled<T>>, key: string, item: T): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [item])
  else list.push(item)
}

function makeRows(entries: readonly Entry[]): Rows {
  const hints = entries.map(hintOf)
  const texts = new Map<string, Filled<TextsHint>>()
  const bounds = new Map<string, Filled<BoundsHint>>()
  for (const hint of hints) {
    if (hint?.kind === 'texts') push(texts, hint.key, hint)
    else if (hint?.kind === 'bounds') push(bounds, hint.key, hint)
  }
  const coders: Coder[] = []
  const ranges = new Map<Hint | null, readonly [coder: number, range: Range][]>()
  const number = <H extends Hint>(list: readonly H[], { encode, rangesOf }: Coding<H>): void => {
    const coder = coders.length
    coders.push(encode)
    for (const hint of list) {
      ranges.set(
        hint,
        rangesOf(hint).map((range) => [coder, range]),
      )
    }
  }
  for (const list of texts.values()) number(list, textCoding(list))
  for (const list of bounds.values()) number(list, boundsCoding(list))
  // Behind the last coder is none: what no number tells from others is always to be asked.
  const asked: readonly [number, Range][] = [[coders.length, { low: 0, high: 0 }]]
  const rows = hints.flatMap((hint, entry) =>
    (ranges.get(hint) ?? asked).map(([coder, range]) => ({ entry, coder, range })),
  )
  return {
    entry: Int32Array.from(rows, ({ entry }) => entry),
    cells: Int32Array.from(rows.flatMap(({ coder, range }) => [coder, range.low, range.high])),
    coders,
    codes: new Int32Array(coders.length + 1),
    stamp: 0,
  }
}

export function makePlan(entries: readonly Entry[]): Plan {
  return { entries, rows: entries.length < ROWS_MIN ? null : makeRows(entries) }
}

const isWithin = (cells: Int32Array, at: number, code: number): boolean =>
  code >= (cells[at + 1] ?? 0) && code <= (cells[at + 2] ?? 0)

function askCoder({ coders, codes }: Rows, which: number, look: Look): number {
  const code = coders[which]?.(look) ?? ASK
  codes[which] = code
  return code
}

/**
 * The next row, from `row` on, whose entry is not known false by its number; `rowCount` at the end.
 * Rows of one entry follow each other.
 */
export function nextRow({ rows }: Plan, look: Look, from: number): number {
  if (rows === null) return from
  if (rows.stamp !== look.stamp) {
    rows.stamp = look.stamp
    rows.codes.fill(UNASKED)
  }
  const { entry, cells, codes } = rows
  for (let at = 3 * from; at < cells.length; at += 3) {
    const which = cells[at] ?? 0
    let code = codes[which] ?? ASK
    if (code === UNASKED) code = askCoder(rows, which, look)
    if (code === ASK || isWithin(cells, at, code)) return at / 3
  }
  return entry.length
}

export const rowCount = ({ entries, rows }: Plan): number => rows?.entry.length ?? entries.length

export const entryIndex = ({ rows }: Plan, row: number): number =>
  rows === null ? row : (rows.entry[row] ?? row)
