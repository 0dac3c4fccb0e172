/** Why a policy file was refused, and where (spec/policy.md "Bad policies never load"). */

/** Findings kept for one file; a file that is wrong throughout needs no longer list. */
export const FINDINGS_MAX = 100

export interface Finding {
  readonly file: string
  /** 1-based. */
  readonly line: number
  /** 1-based, in UTF-16 code units. */
  readonly column: number
  /** The dotted key that is wrong, empty when the file as a whole is. */
  readonly key: string
  readonly message: string
  /** The valid name closest to what was written, when one is close. */
  readonly nearest?: string
}

/** On one line: where it is, what is wrong, the nearest valid name. */
export function findingText({ file, line, column, message, nearest }: Finding): string {
  const hint = nearest === undefined ? '' : ` (did you mean ${nearest}?)`
  return `${file}:${line}:${column}: ${message}${hint}`
}

/** Names further away than this are no help to whoever misspelt one. */
const NEAREST_MAX_DISTANCE = 3

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(substitution, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    previous = row
  }
  return previous[b.length] ?? 0
}

/** The name among `names` that `written` most likely meant, or undefined when none is close. */
export function nearestName(written: string, names: readonly string[]): string | undefined {
  if (written.length > 64) return undefined
  let best: string | undefined
  let bestDistance = Math.min(NEAREST_MAX_DISTANCE, Math.max(1, written.length - 1)) + 1
  for (const name of names) {
    const distance = editDistance(written.toLowerCase(), name)
    if (distance < bestDistance) {
      best = name
      bestDistance = distance
    }
  }
  return best
}
