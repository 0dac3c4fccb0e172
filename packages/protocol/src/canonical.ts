import { isWellFormed } from './bytes.ts'
import { isJsonArray, type Json, type JsonObject } from './json.ts'

/** Deeper than any parsed document (64), so that documents can be wrapped; stops cycles. */
const MAX_DEPTH = 128
const SHORT_CHARS = 64
const FEW_KEYS = 16

/**
 * RFC 8785 (JCS): members in UTF-16 code unit order, numbers as ECMAScript prints them.
 * Takes JSON values only; TypeError on anything else (undefined, a function, NaN, a lone
 * surrogate, a class instance, a cycle), since a hash that leaves something out is a lie.
 */
export function canonicalize(value: Json): string {
  return write(value, 0)
}

function write(value: Json, depth: number): string {
  if (typeof value === 'string') return quote(value)
  if (typeof value === 'number') return numeral(value)
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (value === null) return 'null'
  if (typeof value !== 'object') throw new TypeError(`not JSON: ${typeof value}`)
  if (depth >= MAX_DEPTH) throw new TypeError('not JSON: too deep or cyclic')
  return isJsonArray(value) ? writeArray(value, depth + 1) : writeObject(value, depth + 1)
}

function numeral(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError('not JSON: number is not finite')
  return String(value)
}

function writeArray(items: readonly Json[], depth: number): string {
  let text = '['
  for (let i = 0; i < items.length; i++) {
    const item = items[i]
    if (item === undefined) throw new TypeError('not JSON: undefined')
    text += i === 0 ? write(item, depth) : `,${write(item, depth)}`
  }
  return `${text}]`
}

function writeObject(members: JsonObject, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(members)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError('not JSON: not a plain object')
  }
  const names = inOrder(Object.keys(members))
  let text = '{'
  for (let i = 0; i < names.length; i++) {
    const name = names[i] ?? ''
    const member = members[name]
    if (member === undefined) throw new TypeError('not JSON: undefined')
    text += `${i === 0 ? '' : ','}${quote(name)}:${write(member, depth)}`
  }
  return `${text}}`
}

/** Most documents of ours are sorted already. `<` on strings is UTF-16 code unit order. */
function inOrder(names: string[]): string[] {
  for (let i = 1; i < names.length; i++) {
    if ((names[i - 1] ?? '') > (names[i] ?? '')) {
      return names.length < FEW_KEYS ? insertionSorted(names) : names.sort()
    }
  }
  return names
}

function insertionSorted(names: string[]): string[] {
  for (let i = 1; i < names.length; i++) {
    const name = names[i] ?? ''
    let j = i
    for (; j > 0 && (names[j - 1] ?? '') > name; j--) names[j] = names[j - 1] ?? ''
    names[j] = name
  }
  return names
}

/** JSON.stringify writes strings exactly as RFC 8785 §3.2.2.2 asks, but for lone surrogates. */
function quote(text: string): string {
  if (text.length < SHORT_CHARS && isPlain(text)) return `"${text}"`
  if (!isWellFormed(text)) throw new TypeError('not JSON: lone surrogate')
  return JSON.stringify(text)
}

function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x20 || unit === 0x22 || unit === 0x5c || (unit >= 0xd800 && unit < 0xe000)) {
      return false
    }
  }
  return true
}
