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
 * A pattern in linear time. Ajv keys its cache of patterns by `toString()`: without one of its own
 * every pattern would share the first one's entry, and invalid input would pass.
 */
export class LinearPattern {
  readonly #source: string
  readonly #compiled: RE2JS

  constructor(source: string) {
    if (source.length > SCHEMA_PATTERN_MAX_CHARS) throw new PatternRefused()
    this.#source = source
    try {
      this.#compiled = RE2JS.compile(source)
    } catch (error) {
      if (error instanceof RE2JSException) throw new PatternRefused()
      throw error
    }
  }

  /** Unanchored, as JSON Schema has it. */
  test(text: string): boolean {
    return this.#compiled.matcher(text).find()
  }

  toString(): string {
    return `re2:${this.#source}`
  }
}
