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
interface Coder {
  readonly encode: (look: Look) => number
}

interface Rows {
  readonly entry: Int32Array
  /** Three numbers for each row: its coder, and the least and the most that the coder may say. */
  readonly cells: Int32Array
  readonly coders: readonly Coder[]
  /** What each coder said in the decision with the stamp. */
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

function textCoder(hints: readonly Extract<Hint, { kind: 'texts' }>[]): {
  readonly encode: Coder['encode']
  readonly codeOf: (text: string) => number
} {
  const codes = new Map<string, number>()
  for (const text of hints.flatMap(({ texts }) => texts)) {
    if (!codes.has(text)) codes.set(text, codes.size)
  }
  const codeOf = (text: string): number => codes.get(text) ?? NONE
  const read = hints[0]?.read
  const encode = (look: Look): number => {
    const value = read?.(look)
    return value === undefined ? ASK : codeOf(value)
  }
  return { encode, codeOf }
}

/** Twice the number of thresholds below a value, and one more when it is a threshold itself. */
function place(thresholds: readonly Value[], value: Value): number {
  let low = 0
  let high = thresholds.length
  while (low < high) {
    const middle = (low + high) >> 1
    const threshold = thresholds[middle]
    if (threshold !== undefined && threshold < value) low = middle + 1
    else high = middle
  }
  return thresholds[low] === value ? 2 * low + 1 : 2 * low
}

function boundsCoder(hints: readonly Extract<Hint, { kind: 'bounds' }>[]): {
  readonly encode: Coder['encode']
  readonly rangeOf: (hint: Extract<Hint, { kind: 'bounds' }>) => Range
} {
  const values = new Set(hints.flatMap(({ bounds }) => bounds.map(({ value }) => value)))
  const thresholds = [...values].sort((a, b) => (a < b ? -1 : 1))
  const read = hints[0]?.read
  const encode = (look: Look): number => {
    const value = read?.(look)
    if (value === undefined) return ASK
    return value === null ? NONE : place(thresholds, value)
  }
  const rangeOf = ({ bounds }: Extract<Hint, { kind: 'bounds' }>): Range => {
    let low = 0
    let high = 2 * thresholds.length
    for (const { bound, value } of bounds) {
      const at = place(thresholds, value)
      if (bound === 'gt') low = Math.max(low, at + 1)
      else if (bound === 'gte') low = Math.max(low, at)
      else if (bound === 'lt') high = Math.min(high, at - 1)
      else high = Math.min(high, at)
    }
    return { low, high }
  }
  return { encode, rangeOf }
}

interface Coding {
  readonly coder: number
  readonly ranges: readonly Range[]
}

/** The line of an entry that most likely tells it from others: a short list of texts, else bounds. */
function hintOf({ tests }: Entry): Hint | null {
  const hints = tests.flatMap(({ hint }) => hint ?? [])
  const texts = hints.find((hint) => hint.kind === 'texts' && hint.texts.length <= TEXTS_MAX)
  return texts ?? hints.find((hint) => hint.kind === 'bounds') ?? null
}

/** For rules that no number tells from others. */
const NO_CODER: Coder = { encode: () => 0 }
const ALWAYS: readonly Range[] = [{ low: 0, high: 0 }]

function codings(hints: readonly (Hint | null)[]): {
  readonly coders: readonly Coder[]
  readonly codingOf: (hint: Hint) => Coding
} {
  const texts = new Map<string, Extract<Hint, { kind: 'texts' }>[]>()
  const bounds = new Map<string, Extract<Hint, { kind: 'bounds' }>[]>()
  for (const hint of hints) {
    if (hint?.kind === 'texts') push(texts, hint.key, hint)
    else if (hint?.kind === 'bounds') push(bounds, hint.key, hint)
  }
  const coders: Coder[] = [NO_CODER]
  const byKey = new Map<string, (hint: Hint) => Coding>()
  for (const [key, list] of texts) {
    const { encode, codeOf } = textCoder(list)
    const coder = coders.push({ encode }) - 1
    byKey.set(`texts ${key}`, (hint) => ({
      coder,
      ranges: (hint.kind === 'texts' ? hint.texts : []).map((text) => ({
        low: codeOf(text),
        high: codeOf(text),
      })),
    }))
  }
  for (const [key, list] of bounds) {
    const { encode, rangeOf } = boundsCoder(list)
    const coder = coders.push({ encode }) - 1
    byKey.set(`bounds ${key}`, (hint) => ({
      coder,
      ranges: hint.kind === 'bounds' ? [rangeOf(hint)] : [],
    }))
  }
  const codingOf = (hint: Hint): Coding =>
    byKey.get(`${hint.kind} ${hint.key}`)?.(hint) ?? { coder: 0, ranges: ALWAYS }
  return { coders, codingOf }
}

export function push<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [item])
  else list.push(item)
}

function makeRows(entries: readonly Entry[]): Rows {
  const hints = entries.map(hintOf)
  const { coders, codingOf } = codings(hints)
  const rows: (readonly [entry: number, coder: number, range: Range])[] = []
  for (const [index, hint] of hints.entries()) {
    const { coder, ranges } = hint === null ? { coder: 0, ranges: ALWAYS } : codingOf(hint)
    for (const range of ranges) rows.push([index, coder, range])
  }
  return {
    entry: Int32Array.from(rows, ([entry]) => entry),
    cells: Int32Array.from(rows.flatMap(([, coder, { low, high }]) => [coder, low, high])),
    coders,
    codes: new Int32Array(coders.length),
    stamp: 0,
  }
}

/** Rules behind one that always holds are never reached. */
function reachable(entries: readonly Entry[]): readonly Entry[] {
  const first = entries.find(({ tests }) => tests.length === 0)
  if (first === undefined) return entries
  const behind = entries.findIndex(({ priority }) => priority > first.priority)
  return behind === -1 ? entries : entries.slice(0, behind)
}

export function makePlan(all: readonly Entry[]): Plan {
  const entries = reachable(all)
  return { entries, rows: entries.length < ROWS_MIN ? null : makeRows(entries) }
}

const isWithin = (cells: Int32Array, at: number, code: number): boolean =>
  code >= (cells[at + 1] ?? 0) && code <= (cells[at + 2] ?? 0)

function askCoder({ coders, codes }: Rows, which: number, look: Look): number {
  const code = coders[which]?.encode(look) ?? ASK
  codes[which] = code
  return code
}

/**
 * The next row, from `row` on, whose entry is not known false by its number; `rowCount` at the end.
 * Rows of one entry follow each other.
 */
export function nextRow({ entries, rows }: Plan, look: Look, from: number): number {
  if (rows === null) return from < entries.length ? from : entries.length
  if (rows.stamp !== look.stamp) {
    rows.stamp = look.stamp
    rows.codes.fill(UNASKED)
  }
  const { cells, codes } = rows
  for (let at = 3 * from; at < cells.length; at += 3) {
    const which = cells[at] ?? 0
    let code = codes[which] ?? ASK
    if (code === UNASKED) code = askCoder(rows, which, look)
    if (code === ASK || isWithin(cells, at, code)) return at / 3
  }
  return cells.length / 3
}

export const rowCount = ({ entries, rows }: Plan): number => rows?.entry.length ?? entries.length

export const entryIndex = ({ rows }: Plan, row: number): number =>
  rows === null ? row : (rows.entry[row] ?? row)
