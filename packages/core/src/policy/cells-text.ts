/**
 * Every way in which a set of globs and texts can judge a text, each with a shortest example: the
 * product of their machines, walked breadth first.
 */
import { ofKind } from './ast.ts'
import { globStart, globStep, type Token, tokenizeGlob } from './glob.ts'

/** Product states walked before giving up. */
const STATES_MAX = 4_000
/** Steps of single machines before giving up. */
const STEPS_MAX = 1_000_000

export interface Patterns {
  readonly globs: readonly string[]
  /** Texts that are equal to themselves only, stars included. */
  readonly texts?: readonly string[]
  readonly separator: string
  /** Whether no empty text is meant, as for names. */
  readonly isName?: boolean
}

type State = readonly (Uint8Array | null)[]

const literal = (text: string): readonly Token[] =>
  Array.from({ length: text.length }, (_, at) => ({ kind: 'text', char: text.charAt(at) }))

/** A letter that no pattern mentions: what it stands for is any other character. */
function otherChar(used: ReadonlySet<string>): string {
  const letters = 'xabcdefghijklmnopqrstuvwyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_'
  return Array.from(letters).find((letter) => !used.has(letter)) ?? '\u00e6'
}

/** A short text that is none of these. */
export function freshText(texts: readonly string[]): string {
  for (let text = 'x'; ; text += 'x') if (!texts.includes(text)) return text
}

/** One shortest text for each way; null when there are too many to walk. */
export function exampleTexts(patterns: Patterns): readonly string[] | null {
  const { globs, texts = [], separator, isName = false } = patterns
  if (globs.every((glob) => !glob.includes('*'))) {
    const empty = isName ? [] : ['']
    return [...new Set([...empty, ...globs, ...texts, freshText([...globs, ...texts])])]
  }
  const machines = [...globs.map(tokenizeGlob), ...texts.map(literal)]
  const used = new Set([separator, ...ofKind(machines.flat(), 'text').map(({ char }) => char)])
  const alphabet = [otherChar(used), ...used]
  return walk({ machines, alphabet, separator, isName })
}

interface Product {
  readonly machines: readonly (readonly Token[])[]
  readonly alphabet: readonly string[]
  readonly separator: string
  readonly isName: boolean
}

function step({ machines, separator }: Product, state: State, char: string): State {
  return machines.map((tokens, index) => {
    const reach = state[index] ?? null
    return reach === null ? null : globStep(tokens, separator, reach, char)
  })
}

function walk(product: Product): readonly string[] | null {
  const { machines, alphabet, isName } = product
  const perState = alphabet.length * machines.length
  const found = new Map<string, string>()
  const queue: { readonly state: State; readonly text: string }[] = [
    { state: machines.map(globStart), text: '' },
  ]
  // The first state may come again after a letter, where the empty text does not count.
  const seen = new Set<string>()
  // The queue grows while it is walked.
  for (const [at, { state, text }] of queue.entries()) {
    const accepts = machines.map((tokens, index) => state[index]?.[tokens.length] ?? 0).join()
    if (!found.has(accepts) && !(isName && text === '')) found.set(accepts, text)
    for (const char of alphabet) {
      const next = step(product, state, char)
      const key = next.join('|')
      if (seen.has(key)) continue
      if (seen.size >= STATES_MAX || at * perState > STEPS_MAX) return null
      seen.add(key)
      queue.push({ state: next, text: text + char })
    }
  }
  return [...found.values()]
}
