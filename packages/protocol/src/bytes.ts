import { Fault } from './result.ts'

const LONE_SURROGATE = /\p{Surrogate}/u
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const HEX = '0123456789abcdef'
const INVALID = 255

const BASE64URL_VALUES: Uint8Array = valuesOf(BASE64URL)
const BASE64URL_CODES: Uint8Array = codesOf(BASE64URL)
const HEX_VALUES: Uint8Array = valuesOf(HEX)

function codesOf(alphabet: string): Uint8Array {
  return Uint8Array.from(alphabet, (character) => character.charCodeAt(0))
}

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
  return UTF8.encode(text)
}

/** Beyond ECMAScript, but in every browser and in Node: the language itself knows no bytes of texts. */
declare const TextEncoder: new () => { encode(text: string): Uint8Array }
declare const TextDecoder: new (
  label: 'utf-8',
  options: { readonly fatal: boolean; readonly ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string }

const UTF8 = new TextEncoder()
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

/** base64url without padding (RFC 4648 §5). Through bytes: a text of many joined parts is slow to read. */
export function base64urlEncode(bytes: Uint8Array): string {
  const rest = bytes.length % 3
  const whole = bytes.length - rest
  const text = new Uint8Array(Math.ceil((bytes.length * 4) / 3))
  let at = 0
  for (let i = 0; i < whole; i += 3) {
    const group = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    text[at++] = digitOf(group >> 18)
    text[at++] = digitOf(group >> 12)
    text[at++] = digitOf(group >> 6)
    text[at++] = digitOf(group)
  }
  const last = ((bytes[whole] ?? 0) << 16) | ((bytes[whole + 1] ?? 0) << 8)
  for (let digit = 0; rest > 0 && digit <= rest; digit++) {
    text[at++] = digitOf(last >> (18 - 6 * digit))
  }
  return STRICT_UTF8.decode(text)
}

/** The character of the last six bits. */
function digitOf(bits: number): number {
  return BASE64URL_CODES[bits & 63] ?? 0
}

/**
 * Bytes of canonical base64url, or undefined. Padding, whitespace, the characters of plain
 * base64, an impossible length and non-zero trailing bits are refused, so each byte string has
 * exactly one accepted text.
 */
export function base64urlDecode(text: string): Uint8Array | undefined {
  const rest = text.length % 4
  if (rest === 1) return undefined
  const whole = text.length - rest
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let at = 0
  for (let i = 0; i < whole; i += 4) {
    const group = groupAt(text, i)
    if (group < 0) return undefined
    bytes[at++] = group >> 16
    bytes[at++] = group >> 8
    bytes[at++] = group
  }
  return rest === 0 || putRest(text, whole, bytes) ? bytes : undefined
}

/** The 24 bits of four characters, or below 0 where one is not of the alphabet. */
function groupAt(text: string, index: number): number {
  const a = valueAt(BASE64URL_VALUES, text, index)
  const b = valueAt(BASE64URL_VALUES, text, index + 1)
  const c = valueAt(BASE64URL_VALUES, text, index + 2)
  const d = valueAt(BASE64URL_VALUES, text, index + 3)
  return (a | b | c | d) === INVALID ? -1 : (a << 18) | (b << 12) | (c << 6) | d
}

/** The one or two bytes of the last two or three characters; false where there is more in them. */
function putRest(text: string, index: number, bytes: Uint8Array): boolean {
  const isThree = text.length - index === 3
  const group = groupAt(text.slice(index) + (isThree ? 'A' : 'AA'), 0)
  const at = isThree ? bytes.length - 2 : bytes.length - 1
  bytes[at] = group >> 16
  if (isThree) bytes[at + 1] = group >> 8
  return group >= 0 && (group & (isThree ? 0xff : 0xffff)) === 0
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
