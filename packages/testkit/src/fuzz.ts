import { parseArgs } from 'node:util'
import {
  describeShape,
  isJsonArray,
  isJsonObject,
  type Json,
  type JsonObject,
  makeId,
  type Shape,
} from '@trustgw/protocol'
import fc from 'fast-check'

const RUNS = 100
const SEED = 4
const LIST_MAX = 3
const TEXT_MAX = 24
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

export interface FuzzRun {
  readonly numRuns: number
  readonly seed: number
}

/** How often and from which seed: `--runs N --seed N` behind a test file that is started by itself. */
export function fuzzRun(): FuzzRun {
  const { values } = parseArgs({
    options: { runs: { type: 'string' }, seed: { type: 'string' } },
    strict: false,
  })
  return { numRuns: given(values['runs'], RUNS), seed: given(values['seed'], SEED) }
}

function given(value: unknown, otherwise: number): number {
  return typeof value === 'string' && Number.isSafeInteger(Number(value))
    ? Number(value)
    : otherwise
}

/** Values that a shape should take, and such with something wrong about them. */
export function valuesOf(shape: Shape<unknown>): {
  readonly good: fc.Arbitrary<Json>
  readonly odd: fc.Arbitrary<Json>
} {
  const good = described(describeShape(shape))
  return { good, odd: fc.tuple(good, fc.array(twist, { maxLength: 3 })).map(applied) }
}

const fixed: Readonly<Record<string, fc.Arbitrary<string>>> = {
  sha256: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => {
    return `sha256:${Buffer.from(bytes).toString('hex')}`
  }),
  tenant: fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,30}$/),
  profile: fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,30}$/),
  'action-id': idOf('action'),
  'grant-id': idOf('grant'),
  'event-id': idOf('audit_event'),
}

function idOf(kind: 'action' | 'grant' | 'audit_event'): fc.Arbitrary<string> {
  return fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => makeId(kind, bytes))
}

/** Anything that JSON can say and that I-JSON lets pass. */
const anything: fc.Arbitrary<Json> = fc
  .jsonValue({ maxDepth: 3 })
  .map((value): Json => JSON.parse(JSON.stringify(value).replaceAll('-0', '0')))

function described(form: JsonObject): fc.Arbitrary<Json> {
  const choices = form['anyOf'] ?? form['oneOf']
  if (isList(form['enum'])) return fc.constantFrom(...form['enum'])
  if (isList(choices)) return fc.oneof(...choices.filter(isJsonObject).map(described))
  const { type } = form
  return typeof type === 'string' ? (BY_TYPE[type]?.(form) ?? anything) : anything
}

const BY_TYPE: { readonly [type: string]: (form: JsonObject) => fc.Arbitrary<Json> } = {
  string: text,
  integer,
  boolean: () => fc.boolean(),
  array: list,
  object,
}

const isList = (value: Json | undefined): value is readonly Json[] =>
  value !== undefined && isJsonArray(value)
const numberOf = (value: Json | undefined, otherwise: number): number =>
  typeof value === 'number' ? value : otherwise

function text(form: JsonObject): fc.Arbitrary<string> {
  const { format, characters } = form
  const known = typeof format === 'string' ? fixed[format] : undefined
  if (known !== undefined) return known
  const minLength = numberOf(form['minLength'], 0)
  const maxLength = Math.min(numberOf(form['maxLength'], TEXT_MAX), minLength + TEXT_MAX)
  const limits = { minLength, maxLength }
  if (format === 'base64url') {
    const unit = fc.constantFrom(...Array.from(BASE64URL))
    return fc.string({ ...limits, unit })
  }
  const token = fc.integer({ min: 0x21, max: 0x7e }).map((unit) => String.fromCodePoint(unit))
  return fc.string({ ...limits, unit: characters === 'token' ? token : 'grapheme-ascii' })
}

function integer(form: JsonObject): fc.Arbitrary<number> {
  const min = numberOf(form['minimum'], Number.MIN_SAFE_INTEGER)
  const max = numberOf(form['maximum'], Number.MAX_SAFE_INTEGER)
  return fc.oneof(fc.constant(min), fc.constant(max), fc.integer({ min, max }))
}

function list(form: JsonObject): fc.Arbitrary<Json> {
  const { items } = form
  const item = items !== undefined && isJsonObject(items) ? described(items) : anything
  const minLength = numberOf(form['minItems'], 0)
  const maxLength = Math.min(numberOf(form['maxItems'], LIST_MAX), minLength + LIST_MAX)
  return fc.array(item, { minLength, maxLength })
}

function object(form: JsonObject): fc.Arbitrary<Json> {
  const { properties, required, additionalProperties: more } = form
  if (properties !== undefined && isJsonObject(properties)) {
    const members = Object.entries(properties).map(([name, member]) => {
      return [name, isJsonObject(member) ? described(member) : anything] as const
    })
    const requiredKeys = isList(required) ? required.map(String) : []
    return fc.record(Object.fromEntries(members), { requiredKeys })
  }
  const value = more !== undefined && isJsonObject(more) ? described(more) : anything
  return fc.dictionary(fc.string({ minLength: 1, maxLength: 8 }), value, { maxKeys: LIST_MAX })
}

type Twist = (value: Json) => Json

/** Something else at one place of a value. */
const twist: fc.Arbitrary<Twist> = fc.tuple(fc.array(fc.nat(), { maxLength: 4 }), changes()).map(
  ([path, change]) =>
    (value: Json) =>
      at(value, path, change),
)

function changes(): fc.Arbitrary<Twist> {
  return fc.oneof(
    anything.map((other) => () => other),
    fc.nat().map((pick) => (value: Json) => without(value, pick)),
    fc.constant((value: Json): Json => [value]),
    fc.constant((value: Json): Json => (isJsonArray(value) ? [...value, ...value] : value)),
    fc.constantFrom('\u0000', ' ', '=', 'ä', '\u202e').map((end) => (value: Json) => {
      return typeof value === 'string' ? value + end : value
    }),
    fc.constantFrom(-1, 0.5, 1e21, 2 ** 53).map((step) => (value: Json) => {
      return typeof value === 'number' ? value + step : value
    }),
    fc
      .tuple(fc.constantFrom('__proto__', 'constructor', 'toString', 'x', ''), anything)
      .map(([name, member]) => (value: Json) => {
        return isJsonObject(value)
          ? Object.fromEntries([...Object.entries(value), [name, member]])
          : value
      }),
  )
}

function without(value: Json, pick: number): Json {
  if (isJsonArray(value)) return value.toSpliced(pick % (value.length + 1), 1)
  if (!isJsonObject(value)) return null
  const entries = Object.entries(value)
  return Object.fromEntries(entries.toSpliced(pick % (entries.length + 1), 1))
}

function at(value: Json, path: readonly number[], change: Twist): Json {
  const [step, ...rest] = path
  if (step === undefined || typeof value !== 'object' || value === null) return change(value)
  if (isJsonArray(value)) {
    if (value.length === 0) return change(value)
    const index = step % value.length
    return value.with(index, at(value[index] ?? null, rest, change))
  }
  const entries = Object.entries(value)
  const picked = entries[step % Math.max(1, entries.length)]
  if (picked === undefined) return change(value)
  const [name, member] = picked
  return Object.fromEntries(
    entries.map(([key, old]) => [key, key === name ? at(member, rest, change) : old]),
  )
}

function applied([value, twists]: [Json, readonly Twist[]]): Json {
  return twists.reduce((changed, one) => one(changed), value)
}

/** Bytes near to good ones: some changed, left out, put in, or cut off. */
export function bytesNear(good: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const edit = fc.tuple(fc.nat(), fc.constantFrom('set', 'drop', 'add', 'cut'), fc.nat(255))
  return fc.tuple(good, fc.array(edit, { maxLength: 4 })).map(([bytes, edits]) => {
    const units = [...bytes]
    for (const [place, kind, unit] of edits) {
      const index = place % (units.length + 1)
      if (kind === 'set') units[index] = unit
      else if (kind === 'drop') units.splice(index, 1)
      else if (kind === 'add') units.splice(index, 0, unit)
      else if (place % 4 === 0) units.splice(index)
    }
    return Uint8Array.from(units)
  })
}

/** So many bytes of which none may be looked at: whoever refuses by size does not. */
export function untouchable(length: number): Uint8Array {
  return new Proxy(new Uint8Array(), {
    get: (_target, name) => {
      if (name === 'length' || name === 'byteLength') return length
      throw new Error(`looked at ${String(name)}`)
    },
  })
}
