import { hardenText } from './harden.ts'

/** A text of others as plain text: what has no ink of its own stands as `⟦U+202E right-to-left override⟧`. */
export function ink(text: string, extent: 'whole' | 'part' = 'whole'): string {
  return hardenText(text, extent)
    .segments.map((segment) => {
      if (segment.kind === 'text') return segment.text
      return segment.kind === 'break' ? '\n' : `⟦${segment.label} ${segment.meaning}⟧`
    })
    .join('')
}

/** The same in one line, and what runs from right to left once more in the order of its letters. */
export function inkLine(text: string): string {
  const written = writtenOrder(text)
  return written === undefined ? joined(text) : `${joined(text)} ⟦written: ${joined(written)}⟧`
}

function joined(text: string): string {
  return ink(text).replaceAll('\n', ' ⟦line break⟧ ')
}

/** Letters of scripts that run from right to left; among others they change places when drawn. */
const RIGHT_TO_LEFT =
  /[\u{590}-\u{8ff}\u{fb1d}-\u{fdff}\u{fe70}-\u{fefe}\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u

/**
 * The characters in the order in which they are written, where plain text would be drawn in another:
 * each letter that runs from right to left by its number. Undefined where nothing does.
 */
export function writtenOrder(text: string): string | undefined {
  if (!RIGHT_TO_LEFT.test(text)) return undefined
  return Array.from(text, (character) => {
    const point = character.codePointAt(0) ?? 0
    return RIGHT_TO_LEFT.test(character) ? `\\u{${point.toString(16)}}` : character
  }).join('')
}
