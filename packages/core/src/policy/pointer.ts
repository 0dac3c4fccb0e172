/** JSON Pointers into arguments (RFC 6901). */
import { isJsonArray, type Json, type JsonObject } from '@trustgw/protocol'

/** The value at an RFC 6901 pointer, or undefined when there is none. */
export function valueAt(root: Json, pointer: string): Json | undefined {
  let value: Json | undefined = root
  for (const part of pointer.split('/').slice(1)) {
    if (typeof value !== 'object' || value === null) return undefined
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    value = isJsonArray(value) ? itemAt(value, name) : memberAt(value, name)
  }
  return value
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
