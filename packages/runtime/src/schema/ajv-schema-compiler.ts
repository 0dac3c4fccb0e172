import {
  asObject,
  canonicalize,
  isJsonArray,
  isJsonObject,
  type Json,
  ok,
  type Result,
  refuse,
} from '@trustgw/protocol'
import { _, Ajv, type AnySchema, type KeywordCxt, type Options } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { LinearPattern, PatternRefused } from './re2-engine.ts'
import {
  SCHEMA_MAX_BYTES,
  type SchemaCompiler,
  type SchemaRefusal,
  type SchemaValidator,
} from './schema.ts'

const DRAFT_2020 = /^https:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/
const DRAFT_07 = /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/

function linearPattern(pattern: string): LinearPattern {
  return new LinearPattern(pattern)
}
/** Only for standalone code, which is never generated here. */
linearPattern.code = 'linearPattern'

const OPTIONS: Options = {
  strict: false,
  allErrors: false,
  validateFormats: false,
  messages: false,
  logger: false,
  addUsedSchema: false,
  code: { regExp: linearPattern },
}

type Dialect = typeof Ajv | typeof Ajv2020

/** By dialect the engine that says whether something is a schema; it keeps nothing of what it is shown. */
const META_ENGINES = new Map<Dialect, Ajv>()

/** The port over Ajv. Each schema has an engine of its own, so no `$id` reaches another schema. */
export class AjvSchemaCompiler implements SchemaCompiler {
  compile(schema: Json): Result<SchemaValidator, SchemaRefusal> {
    if (canonicalize(schema).length > SCHEMA_MAX_BYTES) return refuse('schema_too_large')
    const dialect = dialectOf(schema)
    if (dialect === undefined) return refuse('schema_dialect')
    if (refersOutside(schema)) return refuse('schema_remote_ref')
    if (typeof schema !== 'boolean' && !isJsonObject(schema)) return refuse('schema_invalid')
    try {
      const copy = mutableCopy(schema)
      if (metaEngineOf(dialect).validateSchema(copy) !== true) return refuse('schema_invalid')
      const ownProperties = namesInherited(schema)
      const validate = engineOf(dialect, { ownProperties, validateSchema: false }).compile(copy)
      return ok({
        check: (value) => {
          if (validate(value) === true) return undefined
          const first = validate.errors?.[0]
          return { pointer: first?.instancePath ?? '', keyword: first?.keyword ?? 'schema' }
        },
      })
    } catch (error) {
      return refuse(error instanceof PatternRefused ? 'schema_pattern' : 'schema_invalid')
    }
  }
}

function dialectOf(schema: Json): Dialect | undefined {
  const dialect = asObject(schema)?.['$schema']
  if (dialect === undefined) return Ajv2020
  if (typeof dialect !== 'string') return undefined
  if (DRAFT_2020.test(dialect)) return Ajv2020
  if (DRAFT_07.test(dialect)) return Ajv
  return undefined
}

function engineOf(dialect: Dialect, options: Options): Ajv {
  return withQuickKeywords(new dialect({ ...OPTIONS, ...options }))
}

/** Of each dialect one: to compile the schema of schemas takes longer than to compile any of a tool. */
function metaEngineOf(dialect: Dialect): Ajv {
  const known = META_ENGINES.get(dialect) ?? engineOf(dialect, { ownProperties: true })
  META_ENGINES.set(dialect, known)
  return known
}

const INHERITED: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype))

/**
 * Whether a schema says a name that every object inherits, anywhere. Only then must the validator tell
 * own members from inherited ones, which costs as much as the rest of it.
 */
function namesInherited(value: Json): boolean {
  if (typeof value === 'string') return INHERITED.has(value)
  if (isJsonArray(value)) return value.some(namesInherited)
  if (!isJsonObject(value)) return false
  return Object.entries(value).some(
    ([name, member]) => INHERITED.has(name) || namesInherited(member),
  )
}

/** Code points; arguments hold no lone surrogate. */
function characters(text: string): number {
  let count = text.length
  for (let at = 0; at < text.length; at++) {
    if ((text.charCodeAt(at) & 0xfc00) === 0xdc00) count--
  }
  return count
}

/**
 * Ajv counts the characters of every text with a `maxLength`, which costs more than all the rest of
 * a schema; and it compares every pair of unique items, so 128 KiB of arguments would take seconds.
 */
function withQuickKeywords(ajv: Ajv): Ajv {
  ajv.removeKeyword('maxLength')
  ajv.addKeyword({
    keyword: 'maxLength',
    type: 'string',
    schemaType: 'number',
    // A character is one UTF-16 unit or two, so a text with no more units has no more characters.
    code: (context: KeywordCxt) => {
      const { data, gen, schemaCode } = context
      const count = gen.scopeValue('func', { ref: characters })
      context.fail(_`${data}.length > ${schemaCode} && ${count}(${data}) > ${schemaCode}`)
    },
  })
  ajv.removeKeyword('uniqueItems')
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    validate: (unique: boolean, items: readonly Json[]) =>
      !unique || new Set(items.map((item) => canonicalize(item))).size === items.length,
  })
  return ajv
}

/** Also true for a literal that merely looks like a reference: refusing more is safe. */
function refersOutside(value: Json): boolean {
  if (isJsonArray(value)) return value.some(refersOutside)
  if (!isJsonObject(value)) return false
  return Object.entries(value).some(([name, member]) =>
    (name === '$ref' || name === '$dynamicRef' || name === '$recursiveRef') &&
    typeof member === 'string'
      ? !member.startsWith('#')
      : refersOutside(member),
  )
}

/** Ajv marks schemas that it has seen; the caller's are frozen. */
function mutableCopy(schema: Json): AnySchema {
  const copy: AnySchema = JSON.parse(canonicalize(schema))
  return copy
}
