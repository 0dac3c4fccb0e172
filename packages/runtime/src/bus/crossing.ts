/** `from` with `*` for one token, `to` with `$1` for the first of them. */
export interface Crossing {
  readonly from: string
  readonly to: string
}

/** The subject on the other side of an account boundary; unchanged where no crossing fits. */
export function crossSubject(crossings: readonly Crossing[], subject: string): string {
  for (const { from, to } of crossings) {
    const tokens = wildcardTokens(from, subject)
    if (tokens !== undefined) {
      return to.replaceAll(
        /\$([1-9])(?=\.|$)/g,
        (whole, index: string) => tokens[Number(index) - 1] ?? whole,
      )
    }
  }
  return subject
}

function wildcardTokens(filter: string, subject: string): readonly string[] | undefined {
  const want = filter.split('.')
  const have = subject.split('.')
  if (want.length !== have.length) return undefined
  const found: string[] = []
  for (const [index, token] of want.entries()) {
    const actual = have[index] ?? ''
    if (token === '*') found.push(actual)
    else if (token !== actual) return undefined
  }
  return found
}
