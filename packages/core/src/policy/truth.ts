/** Three-valued logic (spec/policy.md "Three-valued matching, closed by construction"). */

import { isPlain } from './characters.ts'

export type Truth = boolean | 'unknown'

/** False if any is false, else unknown if any is unknown, else true. */
export function allOf(truths: readonly Truth[]): Truth {
  if (truths.includes(false)) return false
  return truths.includes('unknown') ? 'unknown' : true
}

/** True if any is true, else unknown if any is unknown, else false. */
export function anyOf(truths: readonly Truth[]): Truth {
  if (truths.includes(true)) return true
  return truths.includes('unknown') ? 'unknown' : false
}

/** What is unknown stays so under negation, too. */
export function not(truth: Truth): Truth {
  return truth === 'unknown' ? 'unknown' : !truth
}

/** Two texts that look alike must not differ in bytes: what is not NFC is not judged. */
export function isNfc(text: string): boolean {
  return isPlain(text) || text.normalize('NFC') === text
}
