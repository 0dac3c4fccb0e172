import { utf8Decode, utf8Length } from './bytes.ts'
import { findDuplicateName } from './json-duplicate.ts'
import { JsonScanner, type ScanRefusal } from './json-scanner.ts'
import { ok, type Refusal, type Result, refuse } from './result.ts'

export type Json = null | boolean | number | string | readonly Json[] | JsonObject

export interface JsonObject {
  readonly [name: string]: Json
}

/** Longest text of arguments (spec/protocol.md §2). */
export const ARGUMENTS_MAX_BYTES = 131_072
/** Deepest nesting of arrays and objects; the outermost one counts as 1. */
export const JSON_MAX_DEPTH = 64

export interface JsonLimits {
  readonly maxBytes?: number
  readonly maxDepth?: number
}

export type JsonRefusal =
  | ScanRefusal
  | 'json_too_large'
  | 'json_invalid_utf8'
  | 'json_duplicate_name'

/**
 * Strict I-JSON (RFC 7493, spec/protocol.md §2): what this accepts, `JSON.parse` accepts with an
 * equal value. Refused besides: duplicate names (after decoding escapes), lone surrogates and
 * noncharacters, `-0` and every number that is not exactly its own shortest double form, a byte
 * order mark, invalid UTF-8, more than `maxBytes` UTF-8 bytes, more than `maxDepth` levels.
 *
 * The value is deeply frozen. Objects are plain; a member named `__proto__` is an own member
 * like any other and sets no prototype. `detail` is `char <UTF-16 offset>` or `byte <offset>`.
 */
export function parseJson(
  text: string | Uint8Array,
  limits: JsonLimits = {},
): Result<Json, JsonRefusal> {
  const maxBytes = limits.maxBytes ?? ARGUMENTS_MAX_BYTES
  if (text.length > maxBytes) return refuse('json_too_large')
  if (typeof text === 'string') {
    // A UTF-16 unit is at most three bytes, so the count is needed near the limit only.
    if (text.length * 3 > maxBytes && utf8Length(text) > maxBytes) return refuse('json_too_large')
    return parseText(text, limits.maxDepth ?? JSON_MAX_DEPTH)
  }
  const decoded = utf8Decode(text)
  if (!decoded.ok) return refuse('json_invalid_utf8', `byte ${decoded.at}`)
  return parseText(decoded.value, limits.maxDepth ?? JSON_MAX_DEPTH)
}

/** {@link parseJson} for a text whose value must be an object. */
export function parseJsonObject(
  text: string | Uint8Array,
  limits: JsonLimits = {},
): Result<JsonObject, JsonRefusal | 'json_not_object'> {
  const parsed = parseJson(text, limits)
  if (!parsed.ok) return parsed
  const object = asObject(parsed.value)
  return object === undefined ? refuse('json_not_object') : ok(object)
}

export function isJsonArray(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

export function isJsonObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value as an object, or undefined for null, arrays and scalars. */
export function asObject(value: Json): JsonObject | undefined {
  return isJsonObject(value) ? value : undefined
}

function parseText(text: string, maxDepth: number): Result<Json, JsonRefusal> {
  const scanner = new JsonScanner(text, maxDepth)
  if (!scanner.scan()) return refuse(scanner.reason, `char ${scanner.at}`)
  let value: Json
  try {
    value = JSON.parse(text)
  } catch {
    return refuse('json_syntax')
  }
  // JSON.parse keeps the last of equal names, so fewer members than names means a duplicate.
  if (freezeAndCount(value) !== scanner.names) return duplicateName(text)
  return ok(value)
}

function duplicateName(text: string): Refusal<'json_duplicate_name'> {
  return refuse('json_duplicate_name', `char ${findDuplicateName(text)}`)
}

/** Freezes the whole value and counts its members. Depth is bounded by the scanner. */
function freezeAndCount(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0
  const held: readonly Json[] = isJsonArray(value) ? value : Object.values(value)
  let names = held === value ? 0 : held.length
  for (const one of held) {
    // Most are scalars: a call for each of them is a fifth of the whole.
    if (typeof one === 'object' && one !== null) names += freezeAndCount(one)
  }
  Object.freeze(value)
  return names
}
