import type { Json, Result } from '@trustgw/protocol'

/** Where a value breaks its schema. Holds names from the schema and the document, never values. */
export interface SchemaMismatch {
  /** JSON Pointer into the value. */
  readonly pointer: string
  /** The keyword of the schema that does not hold. */
  readonly keyword: string
}

/** A compiled schema. Pure: the same value gets the same answer; the value is not changed. */
export interface SchemaValidator {
  /** Undefined when the value is valid, else the first mismatch. */
  check(value: Json): SchemaMismatch | undefined
}

export type SchemaRefusal =
  /** Larger or deeper than a contract's schema may be. */
  | 'schema_too_large'
  /** `$schema` names neither draft 2020-12 nor draft-07 (without it: 2020-12). */
  | 'schema_dialect'
  /** A reference to another document. Nothing is ever fetched. */
  | 'schema_remote_ref'
  /** A `pattern` that is not RE2 syntax, and so not linear in time. */
  | 'schema_pattern'
  /** Not a schema. */
  | 'schema_invalid'

/** Compiles JSON Schemas of tool contracts. */
export interface SchemaCompiler {
  /**
   * `format` is an annotation and not checked; unknown keywords say nothing, as the specification
   * has it. Defaults are not filled in and types not coerced.
   */
  compile(schema: Json): Result<SchemaValidator, SchemaRefusal>
}

/** The longest canonical form of a schema. */
export const SCHEMA_MAX_BYTES = 65_536
/** The longest `pattern` inside a schema. */
export const SCHEMA_PATTERN_MAX_CHARS = 1_024
