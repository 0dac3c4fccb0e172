/** JSON Pointers (RFC 6901). */
import { isJsonArray, type Json, type JsonObject } from './json.ts'

/** The member names and indexes that a pointer walks through. */
export function pointerParts(pointer: string): readonly string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function walk(root: Json, parts: readonly string[]): Json | undefined {
  let value: Json | undefined = root
  for (let at = 0; at < parts.length; at++) {
    const name = parts[at] ?? ''
    if (typeof value !== 'object' || value === null) return undefined
    value = isJsonArray(value) ? itemAt(value, name) : memberAt(value, name)
  }
  return value
}

/** Pointers of contracts come again and again; what they split into never changes. */
const MEMO_MAX_POINTERS = 1_024
const memo = new Map<string, readonly string[]>()

function knownParts(pointer: string): readonly string[] {
  let parts = memo.get(pointer)
  if (parts === undefined) {
    parts = pointerParts(pointer)
    if (memo.size >= MEMO_MAX_POINTERS) memo.clear()
    memo.set(pointer, parts)
  }
  return parts
}

/** The value at an RFC 6901 pointer, or undefined when there is none. */
export function valueAt(root: Json, pointer: string): Json | undefined {
  return walk(root, knownParts(pointer))
}

/** {@link valueAt} for a pointer that is asked for often. */
export function pointerReader(pointer: string): (root: Json) => Json | undefined {
  const parts = pointerParts(pointer)
  return (root) => walk(root, parts)
}

function itemAt(items: readonly Json[], name: string): Json | undefined {
  return /^(?:0|[1-9][0-9]*)$/.test(name) ? items[Number(name)] : undefined
}

function memberAt(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

/** Why a text is no JSON Pointer, or null when it is one. */
export function pointerProblem(text: string): string | null {
  if (text !== '' && !text.startsWith('/')) return `a JSON Pointer starts with "/"`
  return /~(?![01])/.test(text) ? 'in a JSON Pointer ~ stands only in ~0 and ~1' : null
}
