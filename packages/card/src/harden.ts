/**
 * Text from an agent, made safe to judge by eye: whatever has no ink of its own, reorders its
 * neighbours or pretends to be a plain space becomes a visible mark. Never HTML, never Markdown.
 */
export type Segment =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'break' }
  | { readonly kind: 'mark'; readonly label: string; readonly meaning: string }

export interface HardenedText {
  readonly segments: readonly Segment[]
  /** Marks other than line breaks. */
  readonly marks: number
  /** Scripts that share one word, e.g. `Latin + Cyrillic`: look-alike letters are likely. */
  readonly mixedScripts: readonly string[]
}

/**
 * Control, format, private, unassigned, line and paragraph separators, every space but U+0020,
 * all that Unicode says may be drawn as nothing (Hangul fillers, variation selectors, tags), and the
 * two that are drawn as nothing without saying so (blank Braille pattern, null notehead).
 */
const HIDDEN =
  /[\u{2800}\u{1d159}\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u
const SPACE = /\p{Zs}/u
const COMBINING = /\p{M}/u
/** Stacks of combining marks beyond this push ink over the lines around them. */
const MAX_COMBINING = 2
const OUTER_SPACE = 'space at the edge'
const WORD = /[\p{L}\p{M}\p{N}]+/gu

const MEANINGS: ReadonlyMap<number, string> = new Map([
  [0x00, 'null'],
  [0x08, 'backspace'],
  [0x09, 'tab'],
  [0x0d, 'carriage return'],
  [0x1b, 'escape, starts a terminal command'],
  [0xa0, 'no-break space'],
  [0xad, 'soft hyphen'],
  [0x61c, 'Arabic letter mark'],
  [0x200b, 'zero-width space'],
  [0x200c, 'zero-width non-joiner'],
  [0x200d, 'zero-width joiner'],
  [0x200e, 'left-to-right mark'],
  [0x200f, 'right-to-left mark'],
  [0x202a, 'left-to-right embedding'],
  [0x202b, 'right-to-left embedding'],
  [0x202c, 'end of direction change'],
  [0x202d, 'left-to-right override'],
  [0x202e, 'right-to-left override'],
  [0x2028, 'line separator'],
  [0x2029, 'paragraph separator'],
  [0x2060, 'word joiner'],
  [0x2066, 'left-to-right isolate'],
  [0x2067, 'right-to-left isolate'],
  [0x2068, 'first strong isolate'],
  [0x2069, 'end of isolate'],
  [0x2800, 'blank Braille pattern'],
  [0x3164, 'Hangul filler, drawn as nothing'],
  [0xfeff, 'zero-width no-break space'],
])

const SCRIPTS: readonly (readonly [string, RegExp])[] = [
  ['Latin', /\p{Script=Latin}/u],
  ['Cyrillic', /\p{Script=Cyrillic}/u],
  ['Greek', /\p{Script=Greek}/u],
  ['Armenian', /\p{Script=Armenian}/u],
  ['Cherokee', /\p{Script=Cherokee}/u],
]

/**
 * Cuts a text into ink and marks. Total: every code point appears in exactly one segment. Spaces at
 * either end are marks too, since nobody sees them; those of a `part` are not at an end.
 */
export function hardenText(text: string, extent: 'whole' | 'part' = 'whole'): HardenedText {
  const segments: Segment[] = []
  const isOuter = extent === 'whole' ? outerSpaces(text) : () => false
  let plain = ''
  let combining = 0
  let at = 0
  for (const character of text) {
    combining = COMBINING.test(character) ? combining + 1 : 0
    const odd = isOuter(character, at) ? mark(character, OUTER_SPACE) : oddOf(character, combining)
    at += character.length
    if (odd === undefined) {
      plain += character
      continue
    }
    if (plain !== '') segments.push({ kind: 'text', text: plain })
    plain = ''
    segments.push(odd)
  }
  if (plain !== '') segments.push({ kind: 'text', text: plain })
  const marks = segments.filter(({ kind }) => kind === 'mark').length
  return { segments, marks, mixedScripts: mixedScripts(text) }
}

function outerSpaces(text: string): (character: string, at: number) => boolean {
  const from = text.length - text.trimStart().length
  const to = text.trimEnd().length
  return (character, at) => character === ' ' && (at < from || at >= to)
}

/** What stands for a character that is not plain ink, or undefined. */
function oddOf(character: string, combining: number): Segment | undefined {
  if (character === '\n') return { kind: 'break' }
  const meaning = meaningOf(character, combining)
  return meaning === undefined ? undefined : mark(character, meaning)
}

function mark(character: string, meaning: string): Segment {
  return { kind: 'mark', label: labelOf(character), meaning }
}

function meaningOf(character: string, combining: number): string | undefined {
  const point = character.codePointAt(0) ?? 0
  if (HIDDEN.test(character)) return MEANINGS.get(point) ?? 'invisible or control character'
  if (character !== ' ' && SPACE.test(character)) return MEANINGS.get(point) ?? 'unusual space'
  return combining > MAX_COMBINING ? 'stacked combining mark' : undefined
}

function labelOf(character: string): string {
  const point = character.codePointAt(0) ?? 0
  return `U+${point.toString(16).toUpperCase().padStart(4, '0')}`
}

function mixedScripts(text: string): readonly string[] {
  for (const [word] of text.matchAll(WORD)) {
    const found = SCRIPTS.filter(([, script]) => script.test(word)).map(([name]) => name)
    if (found.length > 1) return found
  }
  return []
}
