import {
  asObject,
  describeShape,
  isJsonArray,
  type Json,
  type JsonObject,
  readShape,
  type Shape,
} from '@trustgw/protocol'
import { parse, TomlError } from 'smol-toml'

/** What is wrong with a settings file, in one line that a person can act on. */
export interface DocumentProblem {
  readonly file: string
  /** From 1; undefined where no line can be named. */
  readonly line: number | undefined
  /** The key's path, dots between its parts. */
  readonly key: string
  readonly problem: string
  /** The valid name that is nearest to an unknown one. */
  readonly nearest?: string
}

export type DocumentOutcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: DocumentProblem }

export const DOCUMENT_MAX_CHARS = 1_048_576
const NEAREST_MAX_EDITS = 3

/** Reads a TOML text as one closed shape. Dates, infinities and 64-bit integers refuse. */
export function readDocument<T>(file: string, text: string, shape: Shape<T>): DocumentOutcome<T> {
  const fail = (problem: Omit<DocumentProblem, 'file'>): DocumentOutcome<T> => ({
    ok: false,
    problem: { file, ...problem },
  })
  if (text.length > DOCUMENT_MAX_CHARS)
    return fail({ line: undefined, key: '', problem: 'too long' })
  let json: Json
  try {
    json = toJson(parse(text))
  } catch (error) {
    if (error instanceof TomlError) return fail({ line: error.line, key: '', problem: 'not TOML' })
    if (error instanceof TypeError)
      return fail({ line: undefined, key: '', problem: error.message })
    throw error
  }
  const read = readShape(shape, json)
  if (read.ok) return read
  return fail(explain(text, json, { shape, detail: read.detail ?? '#: value' }))
}

/** `connectors/shop.toml:12: tools.refund.opration: unknown key, did you mean "operation"?` */
export function formatProblem(problem: DocumentProblem): string {
  const place = problem.line === undefined ? problem.file : `${problem.file}:${problem.line}`
  const hint = problem.nearest === undefined ? '' : `, did you mean "${problem.nearest}"?`
  const key = problem.key === '' ? '' : `${problem.key}: `
  return `${place}: ${key}${problem.problem}${hint}`
}

function toJson(value: unknown): Json {
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (Array.isArray(value)) return value.map(toJson)
  if (typeof value === 'object' && value !== null && !(value instanceof Date)) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, toJson(item)]))
  }
  throw new TypeError('a value that is not text, a number, true, false, a list or a table')
}

const PROBLEMS: Readonly<Record<string, string>> = {
  type: 'has the wrong type',
  length: 'is too short or too long',
  characters: 'holds a character that is not allowed',
  range: 'is out of range',
  value: 'is not an allowed value',
  missing: 'is missing',
}

interface Refused {
  readonly shape: Shape<unknown>
  readonly detail: string
}

function explain(text: string, json: Json, refused: Refused): Omit<DocumentProblem, 'file'> {
  const colon = refused.detail.lastIndexOf(': ')
  const kind = refused.detail.slice(colon + 2)
  const path = refused.detail
    .slice(2, colon)
    .split('/')
    .filter((step) => step !== '')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  // A misspelt name is also a missing one; the misspelling is what a person can see.
  const parent = kind === 'missing' ? path.slice(0, -1) : path
  const unknown =
    kind === 'missing' || kind === 'unknown_member'
      ? findUnknown(refused.shape, json, parent)
      : undefined
  if (unknown === undefined || (kind === 'missing' && unknown.nearest !== path.at(-1))) {
    const problem = PROBLEMS[kind] ?? 'is not valid'
    return { line: lineOf(text, path), key: path.join('.'), problem }
  }
  const { name, nearest } = unknown
  return {
    line: lineOf(text, [...parent, name]),
    key: [...parent, name].join('.'),
    problem: 'unknown key',
    ...(nearest === undefined ? {} : { nearest }),
  }
}

interface UnknownName {
  readonly name: string
  readonly nearest: string | undefined
}

function findUnknown(
  shape: Shape<unknown>,
  json: Json,
  path: readonly string[],
): UnknownName | undefined {
  const known = knownNames(describeShape(shape), json, path)
  const present = Object.keys(asObject(valueAt(json, path)) ?? {})
  const name = present.find((candidate) => !known.includes(candidate))
  return name === undefined ? undefined : { name, nearest: nearestName(name, known) }
}

function valueAt(json: Json, path: readonly string[]): Json {
  let value: Json = json
  for (const step of path) {
    value = isJsonArray(value) ? (value[Number(step)] ?? null) : (asObject(value)?.[step] ?? null)
  }
  return value
}

/** The names that the shape's description allows at a path; variants are told apart by `kind`. */
function knownNames(
  description: JsonObject,
  json: Json,
  path: readonly string[],
): readonly string[] {
  let here = variantFor(description, json)
  for (const [depth, step] of path.entries()) {
    const properties = asObject(here['properties'] ?? null)
    const next = properties?.[step] ?? here['additionalProperties'] ?? here['items'] ?? null
    here = variantFor(asObject(next) ?? {}, valueAt(json, path.slice(0, depth + 1)))
  }
  return Object.keys(asObject(here['properties'] ?? null) ?? {})
}

function variantFor(description: JsonObject, value: Json): JsonObject {
  const variants = description['oneOf'] ?? description['anyOf'] ?? null
  if (variants === null || !isJsonArray(variants)) return description
  const kind = asObject(value)?.['kind'] ?? null
  const found = variants.find((variant) => kindOf(variant) === kind) ?? null
  return asObject(found) ?? description
}

function kindOf(variant: Json): Json | undefined {
  const properties = asObject(asObject(variant)?.['properties'] ?? null)
  const tag = asObject(properties?.['kind'] ?? null)?.['enum'] ?? null
  return tag !== null && isJsonArray(tag) ? tag[0] : undefined
}

/** The line where a path's last name is written: in its table if that is found, else the first. */
function lineOf(text: string, path: readonly string[]): number | undefined {
  const last = path.findLast((step) => !/^[0-9]+$/.test(step))
  if (last === undefined) return undefined
  const wanted = path.slice(0, path.lastIndexOf(last) + 1).join('\n')
  const lines = text.split('\n')
  const named = namesByLine(lines)
  const exact = named.findIndex((names) => names.join('\n') === wanted)
  if (exact >= 0) return exact + 1
  const inline = new RegExp(`\\b${escapePattern(last)}\\b\\s*=`)
  const loose = lines.findIndex((line, at) => named[at]?.at(-1) === last || inline.test(line))
  return loose < 0 ? undefined : loose + 1
}

/** The full path that each line begins: a table's for its header, a key's inside its table. */
function namesByLine(lines: readonly string[]): readonly (readonly string[])[] {
  let table: readonly string[] = []
  return lines.map((line) => {
    const header = /^\s*\[+\s*([^\]]+?)\s*\]+/.exec(line)?.[1]
    if (header !== undefined) {
      table = keyParts(header)
      return table
    }
    const key = /^\s*([^=#]+?)\s*=/.exec(line)?.[1]
    return key === undefined ? [] : [...table, ...keyParts(key)]
  })
}

function keyParts(key: string): string[] {
  return (key.match(/"[^"]*"|'[^']*'|[^.\s]+/g) ?? []).map((part) =>
    /^["']/.test(part) ? part.slice(1, -1) : part,
  )
}

function escapePattern(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_]/g, '\\$&')
}

function nearestName(name: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, edits: editDistance(name, candidate) }))
    .sort((a, b) => a.edits - b.edits)
  const best = ranked[0]
  return best !== undefined && best.edits <= NEAREST_MAX_EDITS ? best.candidate : undefined
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1
      row.push(
        Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + change),
      )
    }
    previous = row
  }
  return previous[b.length] ?? 0
}
