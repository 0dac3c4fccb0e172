import { hardenText } from '@trustgw/card'

/** A line of a file with something that the eye may miss. */
export interface OddLine {
  readonly line: number
  readonly text: string
}

const ODD_LINES_MAX = 20
const PLAIN = /^[\t\x20-\x7e]*\r?$/

/** Lines with invisible or odd characters, or with letters of several scripts in one word. */
export function oddLines(text: string): readonly OddLine[] {
  const odd: OddLine[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    if (PLAIN.test(raw)) continue
    const line = raw.replace(/\r$/, '').replaceAll('\t', ' ').trim()
    const { marks, mixedScripts } = hardenText(line)
    if (marks > 0 || mixedScripts.length > 0) odd.push({ line: index + 1, text: line })
    if (odd.length === ODD_LINES_MAX) break
  }
  return odd
}
