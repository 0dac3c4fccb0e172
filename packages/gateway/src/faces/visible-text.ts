import { isJsonArray, isJsonObject, type Json, type JsonObject } from '@trustgw/protocol'

/**
 * What a person does not see but a model reads, as ranges of code points in order: controls,
 * bidirectional marks, zero-width and filler characters, tags, variation selectors but the emoji one.
 */
const HIDDEN: readonly (readonly [number, number])[] = [
  [0x00, 0x08],
  [0x0b, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x61c, 0x61c],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0x3164, 0x3164],
  [0xd800, 0xdfff],
  [0xfe00, 0xfe0d],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
  [0xfff0, 0xfffb],
  [0x1_bca0, 0x1_bca3],
  [0x1_d173, 0x1_d17a],
  [0xe_0000, 0xe_0fff],
]
/** Selectors of text and emoji form: fine after a character, a hidden message in a row. */
const FORM_SELECTORS: readonly [number, number] = [0xfe0e, 0xfe0f]
const SEEN_ONLY = /^[\x20-\x7e\n\t]*$/

/** The text with every hidden character written out as `[U+202E]`, so that it works no longer. */
export function visibleText(text: string): string {
  if (SEEN_ONLY.test(text)) return text
  let seen = ''
  let afterSelector = false
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0
    const selector = isWithin(point, FORM_SELECTORS)
    const hidden = (selector && afterSelector) || HIDDEN.some((range) => isWithin(point, range))
    seen += hidden ? `[U+${point.toString(16).toUpperCase().padStart(4, '0')}]` : character
    afterSelector = selector
  }
  return seen
}

function isWithin(point: number, [first, last]: readonly [number, number]): boolean {
  return point >= first && point <= last
}

/** The value with {@link visibleText} on every text and every name in it. Depth is bounded by the parser. */
export function visibleJson(value: Json): Json {
  if (typeof value === 'string') return visibleText(value)
  if (isJsonArray(value)) return value.map(visibleJson)
  return isJsonObject(value) ? visibleObject(value) : value
}

export function visibleObject(value: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [visibleText(name), visibleJson(member)]),
  )
}
