import { isJsonArray, isJsonObject, type Json, type JsonObject } from '@trustgw/protocol'

/**
 * Characters that a person does not see but a model reads: controls, bidirectional marks, zero-width
 * and filler characters, tags, variation selectors beyond a single emoji one.
 */
const HIDDEN =
  /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u2028-\u202E\u2060-\u206F\u3164\uFE00-\uFE0D\uFEFF\uFFA0\uFFF0-\uFFFB\u{1BCA0}-\u{1BCA3}\u{1D173}-\u{1D17A}\u{E0000}-\u{E0FFF}]|(?<=[\uFE00-\uFE0F])[\uFE0E\uFE0F]|\p{Surrogate}/gu

/** The text with every hidden character written out as `[U+202E]`, so that it works no longer. */
export function visibleText(text: string): string {
  return text.replaceAll(
    HIDDEN,
    (found) => `[U+${(found.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`,
  )
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
