import type { CardLine, CardSection } from '@trustgw/card'
import type { Style } from '../terminal.ts'

/** Names up to here stand beside their text, longer ones above it. */
const NAME_COLUMNS = 19
const INDENT = '  '
const WIDTH_MIN = 40
const WIDTH_MAX = 100

const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u{3000}-\u{303f}\u{ff01}-\u{ff60}\u{ffe0}-\u{ffe6}]/u
const NO_WIDTH = /\p{M}/u

/** A card for a terminal: nothing is left out, no line is wider than the terminal. */
export function layoutCard(
  sections: readonly CardSection[],
  { style, width }: { readonly style: Style; readonly width: number },
): string {
  const columns = Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, width))
  return sections
    .map(({ title, lines }) => {
      const indent = title === null ? '' : INDENT
      const body = lines.flatMap((line) => layoutLine(line, { style, columns, indent }))
      return (title === null ? body : [...wrap(title, columns).map(style.bold), ...body]).join('\n')
    })
    .join('\n\n')
}

interface Place {
  readonly style: Style
  readonly columns: number
  readonly indent: string
}

function layoutLine({ name, text, tone }: CardLine, place: Place): readonly string[] {
  const { style, columns, indent } = place
  const { mark, paint } = looksOf(tone, style)
  const column = name === null ? indent : ' '.repeat(NAME_COLUMNS + 1)
  const isMarked = name === null || name === ''
  // At the very left stand only lines that begin there.
  const hanging = isMarked ? (column + ' '.repeat(mark.length)).padEnd(INDENT.length) : column
  const body = text
    .split('\n')
    .map((part, at, all) => (at < all.length - 1 ? `${part}⏎` : part))
    .flatMap((part) => wrap(part, columns - hanging.length))
    .map((part) => paint(part))
  if (isMarked) return body.map((part, at) => (at === 0 ? column + paint(mark) : hanging) + part)
  const label = `${indent}${mark}${name}`
  const gap = NAME_COLUMNS + 1 - columnsOf(label)
  if (gap > 0) {
    const first = `${indent}${paint(mark)}${style.dim(name)}${' '.repeat(gap)}`
    return body.map((part, at) => (at === 0 ? first : hanging) + part)
  }
  const names = wrap(`${mark}${name}`, columns - indent.length)
  return [...names.map((part) => indent + style.dim(part)), ...body.map((part) => hanging + part)]
}

/** A mark says what colour says, so that nothing is said by colour alone. */
function looksOf(
  tone: CardLine['tone'],
  style: Style,
): { readonly mark: string; readonly paint: (text: string) => string } {
  switch (tone) {
    case 'alarm':
      return { mark: '!! ', paint: style.bad }
    case 'care':
      return { mark: '! ', paint: style.warn }
    case 'strong':
      return { mark: '', paint: style.bold }
    case 'soft':
      return { mark: '', paint: style.dim }
    case 'plain':
      return { mark: '', paint: (text) => text }
  }
}

/** Cut into lines, after a space where there is one; every character stays, spaces too. */
export function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = []
  let current = ''
  let used = 0
  for (const character of text) {
    // The last column is for a space, so that the next line begins with a word.
    const limit = character === ' ' ? columns : columns - 1
    if (used + columnsOf(character) > limit) {
      const space = current.lastIndexOf(' ') + 1
      const at = character !== ' ' && space > columns / 2 ? space : current.length
      lines.push(current.slice(0, at))
      current = current.slice(at)
      used = columnsOf(current)
    }
    current += character
    used += columnsOf(character)
  }
  return [...lines, current]
}

/** Columns of a text on a terminal, as far as that can be told. */
export function columnsOf(text: string): number {
  let columns = 0
  for (const character of text) {
    columns += WIDE.test(character) ? 2 : NO_WIDTH.test(character) ? 0 : 1
  }
  return columns
}
