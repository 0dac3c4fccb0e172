import { Fault } from './result.ts'

const LONE_SURROGATE = /\p{Surrogate}/u
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const HEX = '0123456789abcdef'
const INVALID = 255

const BASE64URL_VALUES: Uint8Array = valuesOf(BASE64URL)
/** The two characters of every 12 bits: half the concatenations of one at a time. */
const BASE64URL_PAIRS: readonly string[] = Array.from(BASE64URL).flatMap((first) =>
  Array.from(BASE64URL).map((second) => first + second),
)
const HEX_VALUES: Uint8Array = valuesOf(HEX)

function valuesOf(alphabet: string): Uint8Array {
  const values = new Uint8Array(128).fill(INVALID)
  for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i
  return values
}

/** Value of the character at `index` in an alphabet, or INVALID (255) outside of it. */
function valueAt(values: Uint8Array, text: string, index: number): number {
  return values[text.charCodeAt(index)] ?? INVALID
}

/** True when the text holds no lone surrogate, so that it has a UTF-8 form. */
export function isWellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text)
}

/** Length in bytes of the UTF-8 form, without making it. A lone surrogate counts as three. */
export function utf8Length(text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0x80) bytes += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2
  }
  return bytes
}

/** UTF-8 bytes of a text. Fault `text_not_well_formed` on a lone surrogate: it has no UTF-8 form. */
export function utf8Encode(text: string): Uint8Array {
  if (!isWellFormed(text)) throw new Fault('text_not_well_formed', 'lone surrogate in text')
  const bytes = new Uint8Array(utf8Length(text))
  let at = 0
  for (let i = 0; i < text.length; i++) {
    const point = text.codePointAt(i) ?? 0
    if (point > 0xffff) i++
    at = putCodePoint(bytes, at, point)
  }
  return bytes
}

function putCodePoint(bytes: Uint8Array, start: number, point: number): number {
  let at = start
  if (point < 0x80) {
    bytes[at++] = point
    return at
  }
  if (point < 0x800) {
    bytes[at++] = 0xc0 | (point >> 6)
  } else {
    if (point < 0x10000) {
      bytes[at++] = 0xe0 | (point >> 12)
    } else {
      bytes[at++] = 0xf0 | (point >> 18)
      bytes[at++] = 0x80 | ((point >> 12) & 0x3f)
    }
    bytes[at++] = 0x80 | ((point >> 6) & 0x3f)
  }
  bytes[at++] = 0x80 | (point & 0x3f)
  return at
}

/** Beyond ECMAScript, but in every browser and in Node: the language itself cannot decode bytes. */
declare const TextDecoder: new (
  label: 'utf-8',
  options: { readonly fatal: boolean; readonly ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string }

const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Text of UTF-8 bytes, or the offset of the first byte that is not UTF-8. */
export type Utf8Decoded =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly at: number }

/**
 * Strict UTF-8 (RFC 3629): overlong forms, surrogates, code points over U+10FFFF and cut
 * sequences are refused with their byte offset. A byte order mark is kept as U+FEFF.
 */
export function utf8Decode(bytes: Uint8Array): Utf8Decoded {
  try {
    return { ok: true, value: STRICT_UTF8.decode(bytes) }
  } catch {
    return { ok: false, at: firstFault(bytes) }
  }
}

/** Offset of the first byte that begins no code point. */
function firstFault(bytes: Uint8Array): number {
  let at = 0
  while (at < bytes.length) {
    const lead = bytes[at] ?? 0
    if (lead >= 0x80 && multiByteAt(bytes, at) < 0) return at
    at += lead < 0x80 ? 1 : sequenceBytes(lead)
  }
  return at
}

function sequenceBytes(lead: number): number {
  if (lead < 0xe0) return 2
  return lead < 0xf0 ? 3 : 4
}

/** Smallest code point of a sequence of so many bytes; a smaller one is an overlong form. */
const LEAST_POINT = [0, 0, 0x80, 0x800, 0x10000]

/** Code point of the multi-byte sequence at an offset, or -1. */
function multiByteAt(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0
  if (lead < 0xc2 || lead > 0xf4) return -1
  const size = sequenceBytes(lead)
  let point = lead & (0x7f >> size)
  for (let i = 1; i < size; i++) {
    const next = bytes[at + i] ?? 0
    if ((next & 0xc0) !== 0x80) return -1
    point = (point << 6) | (next & 0x3f)
  }
  if (point < (LEAST_POINT[size] ?? 0) || point > 0x10ffff) return -1
  return point >= 0xd800 && point < 0xe000 ? -1 : point
}

/** base64url without padding (RFC 4648 §5). */
export function base64urlEncode(bytes: Uint8Array): string {
  const rest = bytes.length % 3
  const whole = bytes.length - rest
  let text = ''
  for (let i = 0; i < whole; i += 3) {
    const group = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    text += BASE64URL_PAIRS[group >> 12] ?? ''
    text += BASE64URL_PAIRS[group & 0xfff] ?? ''
  }
  if (rest === 0) return text
  const group = ((bytes[whole] ?? 0) << 16) | ((bytes[whole + 1] ?? 0) << 8)
  text += BASE64URL_PAIRS[group >> 12] ?? ''
  return rest === 1 ? text : text + BASE64URL.charAt((group >> 6) & 63)
}

/**
 * Bytes of canonical base64url, or undefined. Padding, whitespace, the characters of plain
 * base64, an impossible length and non-zero trailing bits are refused, so each byte string has
 * exactly one accepted text.
 */
export function base64urlDecode(text: string): Uint8Array | undefined {
  const rest = text.length % 4
  if (rest === 1) return undefined
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let pending = 0
  let bits = 0
  let at = 0
  for (let i = 0; i < text.length; i++) {
    const value = valueAt(BASE64URL_VALUES, text, i)
    if (value === INVALID) return undefined
    pending = ((pending << 6) | value) & 0xfff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = pending >> bits
    }
  }
  return (pending & ((1 << bits) - 1)) === 0 ? bytes : undefined
}

/** Lower-case hexadecimal. */
export function hexEncode(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += HEX.charAt(byte >> 4) + HEX.charAt(byte & 15)
  return text
}

/** Bytes of lower-case hexadecimal, or undefined (upper case, odd length, other characters). */
export function hexDecode(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) {
    const high = valueAt(HEX_VALUES, text, 2 * i)
    const low = valueAt(HEX_VALUES, text, 2 * i + 1)
    if (high === INVALID || low === INVALID) return undefined
    bytes[i] = (high << 4) | low
  }
  return bytes
}

/** Equality whose time depends on the lengths only. Texts are compared by UTF-16 code units. */
export function constantTimeEqual(a: Uint8Array | string, b: Uint8Array | string): boolean {
  if (typeof a !== typeof b || a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= unitAt(a, i) ^ unitAt(b, i)
  return difference === 0
}

function unitAt(data: Uint8Array | string, index: number): number {
  return typeof data === 'string' ? data.charCodeAt(index) : (data[index] ?? 0)
}
