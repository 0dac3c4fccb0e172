import { isExactNumber } from './json-number.ts'

export type ScanRefusal =
  | 'json_too_deep'
  | 'json_syntax'
  | 'json_lone_surrogate'
  | 'json_noncharacter'
  | 'json_number_not_exact'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const MINUS = 0x2d
const PLUS = 0x2b
const POINT = 0x2e
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39
const LETTER_E = 0x65
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const SHORT_ESCAPES = '"\\/bfnrt'
const FOUR_HEX = /^[0-9a-fA-F]{4}$/
/** A double keeps every decimal of 15 digits; signs and points only make tokens longer. */
const SURELY_EXACT_CHARS = 15

/**
 * One pass over a JSON text for what `JSON.parse` lets pass, without building values and
 * without recursion. It follows the grammar of RFC 8259 so that an error has an offset.
 * Duplicate names are not looked for here: `names` lets the caller count (see json.ts).
 */
export class JsonScanner {
  /** Why the scan stopped; meaningful after `scan()` gave false. */
  reason: ScanRefusal = 'json_syntax'
  /** UTF-16 offset of the next unit, or of the fault. */
  at = 0
  /** Member names seen. */
  names = 0
  readonly #text: string
  readonly #closers: Uint8Array
  #depth = 0

  constructor(text: string, maxDepth: number) {
    this.#text = text
    this.#closers = new Uint8Array(maxDepth)
  }

  scan(): boolean {
    this.#skipSpace()
    for (;;) {
      if (!this.#value()) return false
      const more = this.#afterValue()
      if (more === undefined) return false
      if (!more) return true
    }
  }

  #fail(reason: ScanRefusal): false {
    this.reason = reason
    return false
  }

  #failAt(reason: ScanRefusal, at: number): false {
    this.at = at
    return this.#fail(reason)
  }

  #skipSpace(): void {
    const text = this.#text
    let at = this.at
    for (;;) {
      const unit = text.charCodeAt(at)
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) break
      at++
    }
    this.at = at
  }

  /** A scalar, or the opening of a container up to its first value. */
  #value(): boolean {
    for (;;) {
      const unit = this.#text.charCodeAt(this.at)
      if (unit === QUOTE) return this.#string()
      if (unit !== OPEN_OBJECT && unit !== OPEN_ARRAY) return this.#scalar(unit)
      if (this.#depth >= this.#closers.length) return this.#fail('json_too_deep')
      // The closing bracket of each kind is two code units after its opening one.
      this.#closers[this.#depth++] = unit + 2
      this.at++
      this.#skipSpace()
      if (this.#text.charCodeAt(this.at) === unit + 2) return true
      if (unit === OPEN_OBJECT && !this.#name()) return false
    }
  }

  #scalar(unit: number): boolean {
    if (unit === MINUS || (unit >= DIGIT_0 && unit <= DIGIT_9)) return this.#number()
    if (unit === 0x74) return this.#literal('true')
    if (unit === 0x66) return this.#literal('false')
    if (unit === 0x6e) return this.#literal('null')
    return this.#fail('json_syntax')
  }

  #literal(word: string): boolean {
    if (!this.#text.startsWith(word, this.at)) return this.#fail('json_syntax')
    this.at += word.length
    return true
  }

  /** True when another value follows, false at the end of the text, undefined on a fault. */
  #afterValue(): boolean | undefined {
    for (;;) {
      this.#skipSpace()
      const unit = this.#text.charCodeAt(this.at)
      if (this.#depth === 0) {
        if (this.at === this.#text.length) return false
        break
      }
      const closer = this.#closers[this.#depth - 1]
      if (unit === COMMA) {
        this.at++
        this.#skipSpace()
        return closer === CLOSE_ARRAY || this.#name() ? true : undefined
      }
      if (unit !== closer) break
      this.#depth--
      this.at++
    }
    this.#fail('json_syntax')
    return undefined
  }

  #name(): boolean {
    if (this.#text.charCodeAt(this.at) !== QUOTE) return this.#fail('json_syntax')
    if (!this.#string()) return false
    this.#skipSpace()
    if (this.#text.charCodeAt(this.at) !== COLON) return this.#fail('json_syntax')
    this.at++
    this.#skipSpace()
    this.names++
    return true
  }

  #string(): boolean {
    const text = this.#text
    let at = this.at + 1
    for (;;) {
      const unit = text.charCodeAt(at)
      if (unit === QUOTE) {
        this.at = at + 1
        return true
      }
      if (unit >= 0x20 && unit < 0xd800 && unit !== BACKSLASH) {
        at++
        continue
      }
      this.at = at
      if (!this.#oddUnit()) return false
      at = this.at
    }
  }

  /** An escape, a surrogate pair, another high code unit; or a fault. */
  #oddUnit(): boolean {
    const start = this.at
    const unit = this.#unit()
    if (unit < 0) return this.#fail('json_syntax')
    if (unit < 0xd800) return true
    if (unit >= 0xe000) return this.#assigned(unit, start)
    const low = unit < 0xdc00 ? this.#lowSurrogate() : -1
    if (low < 0) return this.#failAt('json_lone_surrogate', start)
    return this.#assigned(0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff), start)
  }

  /** Moves over one raw or escaped UTF-16 unit; -1 at the end, a control or a bad escape. */
  #unit(): number {
    const unit = this.#text.charCodeAt(this.at)
    if (unit !== BACKSLASH) {
      if (!(unit >= 0x20)) return -1
      this.at++
      return unit
    }
    const letter = this.#text.charAt(this.at + 1)
    if (letter !== 'u') {
      if (letter === '' || !SHORT_ESCAPES.includes(letter)) return -1
      this.at += 2
      return 0
    }
    const digits = this.#text.slice(this.at + 2, this.at + 6)
    if (!FOUR_HEX.test(digits)) return -1
    this.at += 6
    return Number.parseInt(digits, 16)
  }

  #lowSurrogate(): number {
    const unit = this.#text.charCodeAt(this.at) >= 0x20 ? this.#unit() : -1
    return unit >= 0xdc00 && unit < 0xe000 ? unit : -1
  }

  /** I-JSON excludes noncharacters (RFC 7493 §2.1). */
  #assigned(point: number, start: number): boolean {
    const assigned = (point & 0xfffe) !== 0xfffe && (point < 0xfdd0 || point > 0xfdef)
    return assigned || this.#failAt('json_noncharacter', start)
  }

  #number(): boolean {
    const text = this.#text
    const start = this.at
    const negative = text.charCodeAt(start) === MINUS
    if (negative) this.at++
    const zero = text.charCodeAt(this.at) === DIGIT_0
    if (zero) this.at++
    else if (!this.#digits()) return this.#fail('json_syntax')
    if (!this.#fraction()) return this.#fail('json_syntax')
    const scaled = (text.charCodeAt(this.at) | 0x20) === LETTER_E
    if (scaled && !this.#exponent()) return this.#fail('json_syntax')
    const plain = !scaled && !(negative && zero)
    if (plain && this.at - start <= SURELY_EXACT_CHARS) return true
    const exact = isExactNumber(text.slice(start, this.at))
    return exact || this.#failAt('json_number_not_exact', start)
  }

  #fraction(): boolean {
    if (this.#text.charCodeAt(this.at) !== POINT) return true
    this.at++
    return this.#digits()
  }

  #exponent(): boolean {
    this.at++
    const sign = this.#text.charCodeAt(this.at)
    if (sign === MINUS || sign === PLUS) this.at++
    return this.#digits()
  }

  /** Moves over one digit or more. */
  #digits(): boolean {
    const text = this.#text
    const start = this.at
    let at = start
    for (;;) {
      const unit = text.charCodeAt(at)
      if (!(unit >= DIGIT_0 && unit <= DIGIT_9)) break
      at++
    }
    this.at = at
    return at > start
  }
}
