/** Regular expressions in linear time, the same engine everywhere (RE2 syntax). */
import { RE2JS, RE2JSException } from 're2js'

/** Longer values are not judged. */
const REGEX_VALUE_MAX_CHARS = 8_192
/**
 * Linear time is characters times the instructions of the compiled pattern, and `(a?){500}a{500}` has
 * thousands. This bounds the product, so the slowest search, to some tens of milliseconds.
 */
export const REGEX_STEPS_MAX = 2_000_000

export interface Regex {
  /** Unanchored: whether the pattern is found somewhere. */
  readonly find: (text: string) => boolean
  /** Longer texts, in UTF-16 units, are not judged. */
  readonly maxChars: number
}

/** Null when the pattern is outside RE2: back-references, look-around, too many repetitions. */
export function compileRegex(pattern: string): Regex | null {
  try {
    const compiled = RE2JS.compile(pattern)
    const maxChars = Math.min(REGEX_VALUE_MAX_CHARS, REGEX_STEPS_MAX / compiled.programSize())
    return { find: (text) => compiled.test(text), maxChars }
  } catch (error) {
    if (error instanceof RE2JSException) return null
    throw error
  }
}

/** Whether a pattern judges the whole text; one that does not matches in the middle of anything. */
export function isAnchored(pattern: string): boolean {
  let depth = 0
  for (const part of pattern.match(/\\.|\[(?:\\.|[^\]])*\]|[^]/g) ?? []) {
    if (part === '(') depth += 1
    else if (part === ')') depth -= 1
    else if (part === '|' && depth === 0) return false
  }
  return /^(?:\^|\\A)/.test(pattern) && /(?:[^\\]\$|\\z)$/.test(pattern)
}
