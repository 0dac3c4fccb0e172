/** A TOML text as values that know their kind, and the readers that judge them one by one. */
import { isWellFormed, type Ok, ok } from '@trustgw/protocol'
import { parse, TomlDate, TomlError, type TomlTable, type TomlValue } from 'smol-toml'
import { LIST_MAX_ITEMS, TEXT_MAX_CHARS } from './ast.ts'
import { hasControl } from './characters.ts'
import { FINDINGS_MAX, nearestName } from './findings.ts'
import type { KeyPath, Position } from './positions.ts'

const TOML_MAX_DEPTH = 16
/** Of a name that is wrong. */
export const NAME_SHOWN_CHARS = 64
const DATE: RawOdd = { odd: 'a date' }
const TOO_DEEP: RawOdd = { odd: 'tables nested too deep' }

export type RawTable = ReadonlyMap<string, Raw>
export type Raw = string | bigint | number | boolean | RawOdd | RawList | RawTable
/** What stands nowhere in the language; that it was there is all that is kept. */
export interface RawOdd {
  readonly odd: string
}
export interface RawList {
  readonly items: readonly Raw[]
}

/** What is wrong with the value at a path. */
export interface Problem {
  readonly path: KeyPath
  /** Whether the key itself is wrong, or what it is given. */
  readonly part: 'key' | 'value'
  readonly message: string
  readonly nearest: string | undefined
}

/** Collects what is wrong, so that one load names everything. */
export class Problems {
  readonly list: Problem[] = []

  add(problem: Problem): void {
    if (this.list.length < FINDINGS_MAX) this.list.push(problem)
  }
}

export interface SyntaxRefusal extends Position {
  readonly ok: false
  readonly detail: string
}

function toRaw(value: TomlValue, depth: number): Raw {
  if (value instanceof TomlDate) return DATE
  if (typeof value !== 'object') return value
  // Dotted keys nest without the parser's limit.
  if (depth >= TOML_MAX_DEPTH) return TOO_DEEP
  if (Array.isArray(value)) return { items: value.map((item) => toRaw(item, depth + 1)) }
  return tableOf(value, depth + 1)
}

function tableOf(value: TomlTable, depth: number): RawTable {
  return new Map(Object.entries(value).map(([name, member]) => [name, toRaw(member, depth)]))
}

export function parseToml(text: string): Ok<RawTable> | SyntaxRefusal {
  try {
    const table = parse(text, {
      integersAsBigInt: true,
      maxDepth: TOML_MAX_DEPTH,
      unsafeKeyBehaviour: 'throw',
    })
    return ok(tableOf(table, 0))
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const detail = error.message.split('\n', 1).join()
    return { ok: false, detail, line: error.line, column: error.column }
  }
}

function kindOf(raw: Raw): string {
  if (typeof raw === 'string') return 'text'
  if (typeof raw === 'bigint') return 'an integer'
  if (typeof raw === 'number') return 'a number'
  if (typeof raw === 'boolean') return 'true or false'
  if (raw instanceof Map) return 'a table'
  return 'odd' in raw ? raw.odd : 'a list'
}

/** One value being read: where it stands, and where to say what is wrong with it. */
export interface At {
  readonly problems: Problems
  readonly path: KeyPath
}

export const inside = (at: At, step: string | number): At => ({
  problems: at.problems,
  path: [...at.path, step],
})

/** Says what is wrong with a value. Gives null, so that a reader can end with it. */
export function wrong(at: At, message: string, nearest?: string): null {
  at.problems.add({ path: at.path, part: 'value', message, nearest })
  return null
}

/** Says what is wrong with a key, or that it is missing. */
export function wrongKey(at: At, message: string, nearest?: string): null {
  at.problems.add({ path: at.path, part: 'key', message, nearest })
  return null
}

const expected = (at: At, what: string, raw: Raw): null =>
  wrong(at, `expected ${what}, found ${kindOf(raw)}`)

function isTable(raw: Raw): raw is RawTable {
  return raw instanceof Map
}

export function readTable(raw: Raw, at: At): RawTable | null {
  return isTable(raw) ? raw : expected(at, 'a table', raw)
}

export interface KnownKeys {
  readonly known: readonly string[]
  /** Those of them that this version cannot judge yet. */
  readonly later?: readonly string[]
}

/** Names every key of a table that is not understood, telling a later one from a mistake. */
export function checkKeys(table: RawTable, { known, later }: KnownKeys, at: At): void {
  for (const name of table.keys()) {
    if (later?.includes(name) === true) {
      wrongKey(inside(at, name), `"${name}" is not supported yet`)
    } else if (!known.includes(name)) {
      const nearest = nearestName(name, known)
      const shown = name.slice(0, NAME_SHOWN_CHARS)
      wrongKey(inside(at, name), `"${shown}" is not a key that means anything here`, nearest)
    }
  }
}

/** Not empty, one line, NFC: a text in another normal form would equal nothing a caller sends. */
export function readText(raw: Raw, at: At, maxChars: number = TEXT_MAX_CHARS): string | null {
  if (typeof raw !== 'string') return expected(at, 'text', raw)
  if (raw === '') return wrong(at, 'expected text, found an empty one')
  if (raw.length > maxChars) return wrong(at, `longer than ${maxChars} characters`)
  if (!isWellFormed(raw) || hasControl(raw)) return wrong(at, 'holds a control character')
  return raw.normalize('NFC') === raw ? raw : wrong(at, 'not in Unicode normal form NFC')
}

export function readInteger(
  raw: Raw,
  at: At,
  range: { readonly min: number; readonly max: number },
): number | null {
  if (typeof raw !== 'bigint') return expected(at, 'an integer', raw)
  const value = Number(raw)
  if (value >= range.min && value <= range.max) return value
  return wrong(at, `expected ${range.min} to ${range.max}`)
}

/** A number that JSON can hold exactly as written. */
export function readNumber(raw: Raw, at: At): number | null {
  if (typeof raw === 'bigint') {
    return Number.isSafeInteger(Number(raw)) ? Number(raw) : wrong(at, 'integer beyond 2^53 - 1')
  }
  if (typeof raw !== 'number') return expected(at, 'a number', raw)
  return Number.isFinite(raw) && !Object.is(raw, -0) ? raw : wrong(at, 'expected a finite number')
}

export function readChoice<T extends string>(raw: Raw, at: At, choices: readonly T[]): T | null {
  if (typeof raw !== 'string') return expected(at, 'text', raw)
  const found = choices.find((choice) => choice === raw)
  if (found !== undefined) return found
  return wrong(
    at,
    `"${raw.slice(0, 64)}" is none of ${choices.join(', ')}`,
    nearestName(raw, choices),
  )
}

type Complete<T> = T & { readonly [K in keyof T]: NonNullable<T[K]> }

function isComplete<T extends object>(parts: T): parts is Complete<T> {
  return !Object.values(parts).includes(null)
}

/** What was read of one thing; null when any part of it was wrong. */
export function complete<T extends object>(parts: T): Complete<T> | null {
  return isComplete(parts) ? parts : null
}

/** A list with something in it. Null when the list or any item is wrong. */
export function readList<T>(
  raw: Raw,
  at: At,
  readItem: (item: Raw, at: At) => T | null,
): readonly T[] | null {
  if (typeof raw !== 'object' || !('items' in raw)) return expected(at, 'a list', raw)
  if (raw.items.length === 0) return wrong(at, 'an empty list: nothing could match')
  if (raw.items.length > LIST_MAX_ITEMS) return wrong(at, `more than ${LIST_MAX_ITEMS} items`)
  return complete(raw.items.map((item, index) => readItem(item, inside(at, index))))
}

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

/** `30s`, `15m`, `2h`, `7d`, in milliseconds: at least a second, for there is no smaller unit. */
export function readDuration(raw: Raw, at: At, maxMs: number): number | null {
  if (typeof raw !== 'string') return expected(at, 'a duration such as "30s" or "15m"', raw)
  const count = raw.slice(0, -1)
  const unit = UNIT_MS.get(raw.slice(-1))
  if (unit === undefined || !/^[1-9][0-9]{0,8}$/.test(count)) {
    return wrong(at, 'expected a duration such as "30s", "15m", "2h" or "7d"')
  }
  const ms = Number(count) * unit
  return ms <= maxMs ? ms : wrong(at, `expected 1s to ${maxMs / 1_000}s`)
}
