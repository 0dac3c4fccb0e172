/**
 * A text that a pattern finds, made of its tokens: the first alternative, each repetition as often as
 * it must be, each class by its first character. Not every pattern is read rightly (quoted parts, what must or
 * must not stand around), so whoever uses it asks the pattern.
 */
import type { Predicate } from './ast.ts'
import { compileRegex } from './regex.ts'

type RegexPredicate = Extract<Predicate, { kind: 'regex' }>

/** Of one repetition; RE2 repeats nothing more than a thousand times. */
const REPEATED_MAX_CHARS = 1_024
const TOKENS =
  /\\[pP](?:\{\w+\}|\w)|\\.|\[(?:\\.|[^\]])*\]|\(\?[\w-]+\)|\(\?(?:P?<\w+>|[\w-]*:)|(?:[*+?]|\{\d+(?:,\d*)?\})\??|[^]/g
/** Those first that most classes hold. */
const CHARACTERS: readonly string[] = [
  'x',
  '0',
  'A',
  ...Array.from({ length: 95 }, (_, at) => String.fromCharCode(0x20 + at)),
]
const WITHOUT_PATTERN: ReadonlyMap<string, string> = new Map([
  ['.', 'x'],
  ['^', ''],
  ['$', ''],
])

interface Reading {
  readonly tokens: readonly string[]
  at: number
}

/** A class, an escape or a flag is itself a pattern: asked of one character each. */
function atom(token: string): string {
  if (token.length === 1) return WITHOUT_PATTERN.get(token) ?? token
  const regex = compileRegex(`^(?:${token})$`)
  return CHARACTERS.find((character) => regex?.find(character) === true) ?? ''
}

/** How often what stands before must be there. */
function leastTimes(reading: Reading): number {
  const found = /^(?:[*+?]|\{(\d+))/.exec(reading.tokens[reading.at] ?? '')
  if (found === null) return 1
  reading.at += 1
  return Number(found[1] ?? found[0] === '+')
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

/** Of patterns of policies in force: the same ones with every refusal. */
const known = new WeakMap<RegexPredicate, string>()

/** Empty where nothing is found out. */
export function regexExample(predicate: RegexPredicate): string {
  const text = known.get(predicate) ?? group({ tokens: tokensOf(predicate), at: 0 })
  known.set(predicate, text)
  return text
}

const tokensOf = ({ pattern }: RegexPredicate): readonly string[] =>
  Array.from(pattern.matchAll(TOKENS), ([token]) => token)
