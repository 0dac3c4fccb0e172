/**
 * A text that a pattern finds, made of its tokens: the first alternative, each repetition as often as
 * it must be, each class by its first character. Not every pattern is read rightly (quoted parts, what must or
 * must not stand around), so whoever uses it asks the pattern.
 */
import { compileRegex } from './regex.ts'

/** Of one repetition; RE2 repeats nothing more than a thousand times. */
const REPEATED_MAX_CHARS = 1_024
const TOKENS =
  /\\[pP](?:\{\w+\}|\w)|\\.|\[(?:\\.|[^\]])*\]|\(\?[\w-]+\)|\((?:\?(?:P?<\w+>|[\w-]*:))?|\{\d+(?:,\d*)?\}|[^]/g
/** A letter before all else that is written. */
const CHARACTERS: readonly string[] = [
  'x',
  ...Array.from({ length: 95 }, (_, at) => String.fromCharCode(0x20 + at)),
]

interface Reading {
  readonly tokens: readonly string[]
  at: number
}

/** A class, an escape, an anchor or a flag is itself a pattern: asked of one character each. */
function atom(token: string): string {
  if (token.length === 1 && !'.^$'.includes(token)) return token
  const regex = compileRegex(`^(?:${token})$`)
  return CHARACTERS.find((character) => regex?.find(character)) ?? ''
}

/** How often what stands before must be there. */
function leastTimes(reading: Reading): number {
  const token = reading.tokens[reading.at] ?? '|'
  const [, count] = /^\{(\d+)/.exec(token) ?? []
  if (count === undefined && !'*+?'.includes(token)) return 1
  reading.at += 1
  // Whether as many or as few as possible are taken is no matter of what is found.
  if (reading.tokens[reading.at] === '?') reading.at += 1
  return count === undefined ? Number(token === '+') : Number(count)
}

function sequence(reading: Reading): string {
  let text = ''
  for (;;) {
    const token = reading.tokens[reading.at] ?? ')'
    if (token === '|' || token === ')') return text
    reading.at += 1
    const isGroup = token.startsWith('(') && !token.endsWith(')')
    const one = isGroup ? group(reading) : atom(token)
    text += one.repeat(leastTimes(reading)).slice(0, REPEATED_MAX_CHARS)
  }
}

function group(reading: Reading): string {
  const text = sequence(reading)
  while (reading.tokens[reading.at] === '|') {
    reading.at += 1
    sequence(reading)
  }
  reading.at += 1
  return text
}

/** Empty where nothing is found out. */
export const regexExample = (pattern: string): string =>
  group({ tokens: pattern.match(TOKENS) ?? [], at: 0 })
