/**
 * The language's building blocks. Each says once how a value is read, how it is written again and
 * which JSON Schema describes it, so that parser, printer and the published schema cannot differ.
 */
import { isJsonArray, type Json, type JsonObject } from '@trustgw/protocol'
import { LIST_MAX_ITEMS, TEXT_MAX_CHARS } from './ast.ts'
import {
  type At,
  checkKeys,
  inside,
  type Raw,
  type RawTable,
  readChoice,
  readInteger,
  readList,
  readNumber,
  readTable,
  readText,
  wrong,
  wrongKey,
} from './raw.ts'

export interface Syntax<T> {
  /** Null when the value is wrong; what is wrong was said to `at`. */
  readonly read: (raw: Raw, at: At) => T | null
  readonly write: (value: T) => Json
  /** JSON Schema 2020-12 of what `read` takes; it may take a little more than `read`. */
  readonly schema: JsonObject
}

/** Text that `problem` finds no fault with. */
export function text(
  problem: (text: string) => string | null = () => null,
  maxChars: number = TEXT_MAX_CHARS,
): Syntax<string> {
  return {
    read: (raw, at) => {
      const read = readText(raw, at, maxChars)
      const fault = read === null ? null : problem(read)
      return fault === null ? read : wrong(at, fault)
    },
    write: (value) => value,
    schema: { type: 'string', minLength: 1, maxLength: maxChars },
  }
}

export function choice<T extends string>(choices: readonly T[]): Syntax<T> {
  return {
    read: (raw, at) => readChoice(raw, at, choices),
    write: (value) => value,
    schema: { enum: [...choices] },
  }
}

export function integer(range: { readonly min: number; readonly max: number }): Syntax<number> {
  return {
    read: (raw, at) => readInteger(raw, at, range),
    write: (value) => value,
    schema: { type: 'integer', minimum: range.min, maximum: range.max },
  }
}

export const number: Syntax<number> = {
  read: readNumber,
  write: (value) => value,
  schema: { type: 'number' },
}

export const boolean: Syntax<boolean> = {
  read: (raw, at) => (typeof raw === 'boolean' ? raw : wrong(at, 'expected true or false')),
  write: (value) => value,
  schema: { type: 'boolean' },
}

/** A list with something in it. Every list of the language is a set: its order means nothing. */
export function list<T>(item: Syntax<T>): Syntax<readonly T[]> {
  return {
    read: (raw, at) => readList(raw, at, item.read),
    write: (values) => values.map(item.write),
    schema: { type: 'array', items: item.schema, minItems: 1, maxItems: LIST_MAX_ITEMS },
  }
}

/** A list, or one item in its place. */
export function oneOrMore<T>(item: Syntax<T>): Syntax<readonly T[]> {
  const many = list(item)
  return {
    read: (raw, at) => {
      if (typeof raw === 'object') return many.read(raw, at)
      const one = item.read(raw, at)
      return one === null ? null : [one]
    },
    write: many.write,
    schema: { anyOf: [item.schema, many.schema] },
  }
}

/** With a note for whoever writes the file in an editor. */
export function described<T>(syntax: Syntax<T>, description: string): Syntax<T> {
  return { ...syntax, schema: { ...syntax.schema, description } }
}

/** Kinds of a tagged value, each written under a key of its own in one table. */
export type Members<T> = ReadonlyMap<string, Member<T>>
export interface Member<T> {
  readonly read: Syntax<T>['read']
  /** Null when the value is of another member. */
  readonly write: (value: T) => Json | null
  readonly schema: JsonObject
}

/** What is written as one thing and kept as another. */
export function member<T, U>(
  syntax: Syntax<T>,
  to: (value: T) => U,
  from: (value: U) => T | null,
): Member<U> {
  return {
    read: (raw, at) => {
      const read = syntax.read(raw, at)
      return read === null ? null : to(read)
    },
    write: (value) => {
      const own = from(value)
      return own === null ? null : syntax.write(own)
    },
    schema: syntax.schema,
  }
}

/** A table whose keys each give one value; at least one is there. */
export function anyOfMembers<T>(members: Members<T>, expected: string): Syntax<readonly T[]> {
  const names = [...members.keys()]
  return {
    read: (raw, at) => {
      const table = readTable(raw, at)
      if (table === null) return null
      checkKeys(table, { known: names }, at)
      if (table.size === 0) return wrong(at, expected)
      const values: T[] = []
      for (const [name, { read }] of members) {
        const written = table.get(name)
        const value = written === undefined ? null : read(written, inside(at, name))
        if (value !== null) values.push(value)
      }
      return values
    },
    write: (values) => writeMembers(members, values),
    schema: {
      type: 'object',
      properties: Object.fromEntries([...members].map(([name, { schema }]) => [name, schema])),
      additionalProperties: false,
      minProperties: 1,
    },
  }
}

function writeMembers<T>(members: Members<T>, values: readonly T[]): JsonObject {
  const written: [string, Json][] = []
  for (const [name, { write }] of members) {
    for (const value of values) {
      const own = write(value)
      if (own !== null) written.push([name, own])
    }
  }
  return Object.fromEntries(written)
}

export function required(table: RawTable, name: string, at: At): Raw | null {
  return table.get(name) ?? wrongKey(inside(at, name), `"${name}" is missing`)
}

/** What stands under a key that has to be there. */
export function need<T>(
  table: RawTable,
  name: string,
  syntax: Pick<Syntax<T>, 'read'>,
  at: At,
): T | null {
  const written = required(table, name, at)
  return written === null ? null : syntax.read(written, inside(at, name))
}

/** What stands under a key; `fallback` where nothing does, or what is wrong and was said to `at`. */
export function optional<T, F>(
  table: RawTable,
  [name, syntax]: readonly [string, Syntax<T>],
  fallback: F,
  at: At,
): T | F {
  const written = table.get(name)
  return written === undefined ? fallback : (syntax.read(written, inside(at, name)) ?? fallback)
}

/**
 * One form for every way to write the same: lists are sets, so they are sorted, each item once; but for
 * the order in which people are asked.
 */
export function canonicalSets(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value
  if (isJsonArray(value)) {
    const items = new Map(value.map((item) => [JSON.stringify(canonicalSets(item)), item]))
    return [...items.keys()].sort(byText).map((key) => canonicalSets(items.get(key) ?? null))
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      name,
      name === 'in_order' ? item : canonicalSets(item),
    ]),
  )
}

/** Orders texts of which no two are alike. */
export function byText(a: string, b: string): number {
  return a < b ? -1 : 1
}
