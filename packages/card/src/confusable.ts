import { LOOK_ALIKES } from './look-alikes.ts'

const IGNORABLE = /[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cc}]/gu
/** What ASCII itself has of look-alikes, once all is lower case. */
const ASCII_FOLDS: readonly (readonly [RegExp, string])[] = [
  [/[1i|]/g, 'l'],
  [/0/g, 'o'],
  [/rn/g, 'm'],
  [/vv/g, 'w'],
]
/** Texts beyond this are not compared letter by letter. */
const COMPARED_MAX_CHARS = 512

/**
 * What two texts have in common that look alike: a skeleton after UTS #39, case folded, without white
 * space. Only for comparison, never for show. Undefined for a text that is too long to be a name.
 */
export function skeleton(text: string): string | undefined {
  if (text.length > COMPARED_MAX_CHARS) return undefined
  const plain = readsLike(text).toLowerCase().replaceAll(/\s/g, '')
  return ASCII_FOLDS.reduce((left, [from, to]) => left.replaceAll(from, to), plain)
}

/** Looks alike, and is not merely written in another case or with other gaps. */
export function looksLike(one: string, other: string): boolean {
  if (folded(one) === folded(other)) return false
  const skeletonOf = skeleton(one)
  return skeletonOf !== undefined && skeletonOf !== '' && skeletonOf === skeleton(other)
}

/** The same but for case and white space. */
export function folded(text: string): string {
  return text.toLowerCase().replaceAll(/[ \t\r\n]/g, '')
}

/** The text with each character that is drawn like an ASCII one replaced by that. */
function readsLike(text: string): string {
  const plain = text.normalize('NFKC').replaceAll(IGNORABLE, '')
  return Array.from(plain, (character) => LOOK_ALIKES.get(character) ?? character).join('')
}

const NOT_ASCII = /[^\p{ASCII}]/u
const LETTERS = /\p{L}/gu
const LETTERS_MIN = 3
const OTHER_DIGIT = /(?![0-9])\p{Nd}/u
const SCRIPTS = ['Cyrillic', 'Greek', 'Armenian', 'Cherokee', 'Coptic', 'Lisu', 'Georgian'] as const

/** What a text that is not ASCII may be taken for. */
export type Disguise =
  /** Every letter is one of another alphabet that is drawn like a Latin one. */
  | { readonly kind: 'alphabet'; readonly script: string; readonly reads: string }
  /** Full-width, mathematical, circled: Latin letters drawn in another style. */
  | { readonly kind: 'style'; readonly reads: string }
  | { readonly kind: 'digits'; readonly reads: string }

/**
 * Undefined where nothing pretends to be ASCII. A text of one alphabet that also has letters of its own
 * is plain Russian or Greek, and no disguise.
 */
export function disguiseOf(text: string): Disguise | undefined {
  if (text.length > COMPARED_MAX_CHARS || !NOT_ASCII.test(text)) return undefined
  const plain = text.normalize('NFKC')
  if (plain !== text && isAsciiWord(plain)) return { kind: 'style', reads: plain }
  if (OTHER_DIGIT.test(plain)) return { kind: 'digits', reads: asciiDigits(plain) }
  const foreign = (plain.match(LETTERS) ?? []).filter((letter) => NOT_ASCII.test(letter))
  const hidden = foreign.filter((letter) => LOOK_ALIKES.has(letter))
  if (hidden.length < LETTERS_MIN || hidden.length < foreign.length) return undefined
  const script = SCRIPTS.find((name) =>
    new RegExp(`\\p{Script=${name}}`, 'u').test(hidden.join('')),
  )
  if (script === undefined) return undefined
  return { kind: 'alphabet', script, reads: readsLike(text) }
}

function isAsciiWord(text: string): boolean {
  return !NOT_ASCII.test(text) && /[A-Za-z0-9]/.test(text)
}

/** Decimal digits of every script come in rows of ten, from zero to nine. */
function asciiDigits(text: string): string {
  return Array.from(text, (character) => {
    if (!OTHER_DIGIT.test(character)) return character
    const point = character.codePointAt(0) ?? 0
    let zero = point
    while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1)) && point - zero < 9) zero -= 1
    return String(point - zero)
  }).join('')
}
