import { RE2JS, RE2JSException } from 're2js'
import { SCHEMA_PATTERN_MAX_CHARS } from './schema.ts'

/** Thrown while a schema is being compiled; never leaves this folder. */
export class PatternRefused extends Error {
  constructor() {
    super('pattern is not RE2 syntax')
    this.name = 'PatternRefused'
  }
}

/**
 * Linear time is characters times the states of the compiled pattern, and `(a?){500}a{500}` has
 * thousands of them. This bounds the product, so the slowest search, to some tens of milliseconds.
 */
const PATTERN_MAX_STEPS = 2_000_000

/**
 * A pattern in linear time. Ajv keys its cache of patterns by `toString()`: without one of its own
 * every pattern would share the first one's entry, and invalid input would pass.
 */
export class LinearPattern {
  readonly #source: string
  readonly #compiled: RE2JS
  /** Longer text is not searched, and so does not match. */
  readonly #maxChars: number

  constructor(source: string) {
    if (source.length > SCHEMA_PATTERN_MAX_CHARS) throw new PatternRefused()
    this.#source = source
    try {
      this.#compiled = RE2JS.compile(source)
      this.#maxChars = PATTERN_MAX_STEPS / this.#compiled.programSize()
    } catch (error) {
      if (error instanceof RE2JSException) throw new PatternRefused()
      throw error
    }
  }

  /** Unanchored, as JSON Schema has it. */
  test(text: string): boolean {
    return text.length <= this.#maxChars && this.#compiled.test(text)
  }

  toString(): string {
    return `re2:${this.#source}`
  }
}
