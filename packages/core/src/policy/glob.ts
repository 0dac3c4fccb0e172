/**
 * Globs of the policy language (spec/policy.md "What a rule can match"): `*` is any run that does
 * not cross the separator, `**` any run at all, everything else itself.
 */

/** Values longer than this are not matched: the answer is unknown, not an unbounded wait. */
export const GLOB_VALUE_MAX_CHARS = 8_192
const GLOB_MAX_CHARS = 256

export type Glob = (value: string) => boolean

export type Token =
  | { readonly kind: 'text'; readonly char: string }
  | { readonly kind: 'part' | 'any' }

/** Why `text` is not a glob, or null when it is one. */
export function globProblem(text: string): string | null {
  if (text === '') return 'an empty glob matches nothing'
  if (text.length > GLOB_MAX_CHARS) return `a glob has at most ${GLOB_MAX_CHARS} characters`
  if (text.includes('***')) return 'three stars mean nothing: * stays inside a part, ** crosses'
  const special = /[?[\]{}\\]/.exec(text)?.[0]
  if (special !== undefined) return `${special} means nothing in a glob: only * and ** do`
  return null
}

export function tokenizeGlob(text: string): readonly Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== '*') {
      tokens.push({ kind: 'text', char: text.charAt(at) })
    } else if (text[at + 1] === '*') {
      tokens.push({ kind: 'any' })
      at++
    } else {
      tokens.push({ kind: 'part' })
    }
  }
  return tokens
}

/** Marks what can be reached without reading: a star may stand for nothing. */
function close(reach: Uint8Array, tokens: readonly Token[]): void {
  for (let state = 0; state < tokens.length; state++) {
    if (reach[state] === 1 && tokens[state]?.kind !== 'text') reach[state + 1] = 1
  }
}

/** All states reached before reading. */
export function globStart(tokens: readonly Token[]): Uint8Array {
  const reach = new Uint8Array(tokens.length + 1)
  reach[0] = 1
  close(reach, tokens)
  return reach
}

/** All states reached by reading one more character; null when there is none. */
export function globStep(
  tokens: readonly Token[],
  separator: string,
  reach: Uint8Array,
  char: string,
): Uint8Array | null {
  const next = new Uint8Array(tokens.length + 1)
  let alive = false
  for (let state = 0; state < tokens.length; state++) {
    const token = tokens[state]
    if (reach[state] !== 1 || token === undefined) continue
    const target = stepTarget(token, state, char === separator, char)
    if (target === null) continue
    next[target] = 1
    alive = true
  }
  if (!alive) return null
  close(next, tokens)
  return next
}

/** Simulates all ways to match at once: steps are value length × glob length, whatever the input. */
function run(tokens: readonly Token[], separator: string, value: string): boolean {
  let reach: Uint8Array | null = globStart(tokens)
  for (let at = 0; at < value.length && reach !== null; at++) {
    reach = globStep(tokens, separator, reach, value.charAt(at))
  }
  return reach?.[tokens.length] === 1
}

function stepTarget(token: Token, state: number, crosses: boolean, char: string): number | null {
  if (token.kind === 'text') return token.char === char ? state + 1 : null
  return token.kind === 'part' && crosses ? null : state
}

/**
 * A matcher for a glob that `globProblem` found no fault with. The caller keeps values within
 * GLOB_VALUE_MAX_CHARS.
 */
export function compileGlob(text: string, separator: string): Glob {
  const firstStar = text.indexOf('*')
  if (firstStar === -1) return (value) => value === text
  if (text === '**') return () => true
  const prefix = text.slice(0, firstStar)
  const suffix = text.slice(text.lastIndexOf('*') + 1)
  const tokens = tokenizeGlob(text)
  if (tokens.filter(({ kind }) => kind !== 'text').length === 1) {
    const least = prefix.length + suffix.length
    const crosses = text.startsWith('**', firstStar)
    return (value) => {
      if (value.length < least || !value.startsWith(prefix) || !value.endsWith(suffix)) return false
      if (crosses) return true
      const at = value.indexOf(separator, prefix.length)
      return at === -1 || at >= value.length - suffix.length
    }
  }
  return (value) =>
    value.startsWith(prefix) && value.endsWith(suffix) && run(tokens, separator, value)
}
