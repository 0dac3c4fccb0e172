import { isJsonArray, isJsonObject, type Json, type JsonObject } from './json.ts'
import { ok, type Refusal, type Result, refuse } from './result.ts'

/** What is wrong with a value; a part of the refusal's detail. */
export type ShapeProblem =
  | 'type'
  | 'length'
  | 'characters'
  | 'range'
  | 'value'
  | 'missing'
  | 'unknown_member'

export type ShapeRefusal = 'shape'

/** Reader of one form of JSON value, and its description (spec/protocol.md §3). */
export interface Shape<T> {
  /** In the words of JSON Schema; the drift snapshots of the wire nouns are made of it. */
  readonly description: JsonObject
  /** `detail` is a JSON pointer as a URI fragment, and the problem: `#/limits/0: range`. */
  readonly read: (value: Json) => Result<T, ShapeRefusal>
}

/** A member that may be absent. There is no other way to be optional. */
export interface OptionalMember<T> {
  readonly optional: Shape<T>
}

export type Members = { readonly [name: string]: Shape<unknown> | OptionalMember<unknown> }

type OptionalNames<M extends Members> = {
  [K in keyof M]: M[K] extends OptionalMember<unknown> ? K : never
}[keyof M]

/** The value that {@link objectShape} reads. */
export type ObjectOf<M extends Members> = {
  readonly [K in Exclude<keyof M, OptionalNames<M>>]: M[K] extends Shape<infer T> ? T : never
} & {
  readonly [K in OptionalNames<M>]?: M[K] extends OptionalMember<infer T> ? T : never
}

export type ShapeOf<S> = S extends Shape<infer T> ? T : never

/** Reads a value that was parsed strictly. The result is new, frozen, and holds nothing else. */
export function readShape<T>(shape: Shape<T>, value: Json): Result<T, ShapeRefusal> {
  return shape.read(value)
}

/** The shape in the words of JSON Schema. */
export function describeShape(shape: Shape<unknown>): JsonObject {
  return shape.description
}

function problem(kind: ShapeProblem): Refusal<ShapeRefusal> {
  return refuse('shape', `#: ${kind}`)
}

/** Puts a step before the pointer of a refusal from inside. */
function inside(step: string | number, refusal: Refusal<ShapeRefusal>): Refusal<ShapeRefusal> {
  const pointed = String(step).replaceAll('~', '~0').replaceAll('/', '~1')
  return refuse('shape', `#/${pointed}${(refusal.detail ?? '#').slice(1)}`)
}

/**
 * `token`: visible ASCII without space. `line` (default): no control characters and no line or
 * paragraph separators. `any`: every well-formed text.
 */
export type TextCharacters = 'token' | 'line' | 'any'

export interface StringLimits {
  /** In UTF-16 units. */
  readonly max: number
  readonly min?: number
  readonly characters?: TextCharacters
}

export function stringShape(limits: StringLimits): Shape<string> {
  const { max, min = 0, characters = 'line' } = limits
  return {
    description: { type: 'string', minLength: min, maxLength: max, characters },
    read: (value) => {
      if (typeof value !== 'string') return problem('type')
      if (value.length < min || value.length > max) return problem('length')
      return hasOnly(characters, value) ? ok(value) : problem('characters')
    },
  }
}

function hasOnly(characters: TextCharacters, text: string): boolean {
  if (characters === 'any') return true
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (characters === 'token' ? unit <= 0x20 || unit >= 0x7f : breaksLine(unit)) return false
  }
  return true
}

function breaksLine(unit: number): boolean {
  return unit < 0x20 || (unit >= 0x7f && unit <= 0x9f) || unit === 0x2028 || unit === 0x2029
}

export interface IntegerRange {
  readonly min: number
  readonly max: number
}

export function integerShape(range: IntegerRange): Shape<number> {
  return {
    description: { type: 'integer', minimum: range.min, maximum: range.max },
    read: (value) => {
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) return problem('type')
      return value >= range.min && value <= range.max ? ok(value) : problem('range')
    },
  }
}

export function booleanShape(): Shape<boolean> {
  return {
    description: { type: 'boolean' },
    read: (value) => (typeof value === 'boolean' ? ok(value) : problem('type')),
  }
}

/** One of the given texts, numbers or booleans; a single one is a literal. */
export function oneOfShape<const T extends string | number | boolean>(
  ...values: readonly T[]
): Shape<T> {
  return {
    description: { enum: values },
    read: (value) => {
      const found = values.find((candidate) => candidate === value)
      return found === undefined ? problem('value') : ok(found)
    },
  }
}

/** Any JSON value, kept as it is. */
export function jsonShape(): Shape<Json> {
  return { description: {}, read: (value) => ok(value) }
}

/** Any JSON object, kept as it is. */
export function jsonObjectShape(): Shape<JsonObject> {
  return {
    description: { type: 'object' },
    read: (value) => (isJsonObject(value) ? ok(value) : problem('type')),
  }
}

export function nullableShape<T>(shape: Shape<T>): Shape<T | null> {
  return {
    description: { anyOf: [shape.description, { type: 'null' }] },
    read: (value) => (value === null ? ok(null) : shape.read(value)),
  }
}

export interface CountLimits {
  readonly max: number
  readonly min?: number
}

export function arrayShape<T>(item: Shape<T>, limits: CountLimits): Shape<readonly T[]> {
  const { max, min = 0 } = limits
  return {
    description: { type: 'array', items: item.description, minItems: min, maxItems: max },
    read: (value) => {
      if (!isJsonArray(value)) return problem('type')
      if (value.length < min || value.length > max) return problem('length')
      const items: T[] = []
      for (const [i, element] of value.entries()) {
        const read = item.read(element)
        if (!read.ok) return inside(i, read)
        items.push(read.value)
      }
      return ok(Object.freeze(items))
    },
  }
}

/** An object used as a map: any names of at most `nameMax` UTF-16 units, values of one shape. */
export function mapShape<T>(
  item: Shape<T>,
  limits: { readonly max: number; readonly nameMax: number },
): Shape<{ readonly [name: string]: T }> {
  return {
    description: {
      type: 'object',
      additionalProperties: item.description,
      maxProperties: limits.max,
      propertyNames: { maxLength: limits.nameMax },
    },
    read: (value) => {
      if (!isJsonObject(value)) return problem('type')
      const members = Object.entries(value)
      if (members.length > limits.max) return problem('length')
      const entries: [string, T][] = []
      for (const [name, member] of members) {
        if (name.length > limits.nameMax) return problem('unknown_member')
        const read = item.read(member)
        if (!read.ok) return inside(name, read)
        entries.push([name, read.value])
      }
      return ok(Object.freeze(Object.fromEntries(entries)))
    },
  }
}

/** A closed object: unknown members refuse, missing ones refuse unless declared optional. */
export function objectShape<const M extends Members>(members: M): Shape<ObjectOf<M>> {
  const declared = Object.entries<Members[string]>(members).map(([name, member]) => ({
    name,
    optional: 'optional' in member,
    shape: 'optional' in member ? member.optional : member,
  }))
  const properties = declared.map(({ name, shape }) => [name, shape.description] as const)
  return {
    description: {
      type: 'object',
      properties: Object.fromEntries(properties),
      required: declared.filter(({ optional }) => !optional).map(({ name }) => name),
      additionalProperties: false,
    },
    read: (value) => {
      if (!isJsonObject(value)) return problem('type')
      const found: Record<string, unknown> = {}
      let count = 0
      for (const { name, optional, shape } of declared) {
        const member = Object.hasOwn(value, name) ? value[name] : undefined
        if (member === undefined && optional) continue
        const read = member === undefined ? problem('missing') : shape.read(member)
        if (!read.ok) return inside(name, read)
        found[name] = read.value
        count += 1
      }
      if (count !== Object.keys(value).length) return problem('unknown_member')
      // The one assertion: the loop above read each declared member with its own shape.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      return ok(Object.freeze(found) as ObjectOf<M>)
    },
  }
}

/**
 * The named members of a document that is somebody else's or holds more than is needed; the others
 * are left out instead of refused, so that they cannot be used by accident.
 */
export function pickedShape<const M extends Members>(members: M): Shape<ObjectOf<M>> {
  const closed = objectShape(members)
  const keep = (value: Json): Json =>
    isJsonObject(value)
      ? Object.fromEntries(Object.entries(value).filter(([name]) => Object.hasOwn(members, name)))
      : value
  return { description: closed.description, read: (value) => closed.read(keep(value)) }
}

export function optionalMember<T>(shape: Shape<T>): OptionalMember<T> {
  return { optional: shape }
}

/** One of several objects, told apart by the text in the member `tag` of each. */
export function taggedShape<const V extends { readonly [tag: string]: Shape<unknown> }>(
  tag: string,
  variants: V,
): Shape<ShapeOf<V[keyof V]>> {
  const shapes = new Map<string, Shape<unknown>>(Object.entries(variants))
  return {
    description: { oneOf: [...shapes.values()].map(({ description }) => description) },
    read: (value) => {
      if (!isJsonObject(value)) return problem('type')
      const named = Object.hasOwn(value, tag) ? value[tag] : undefined
      const shape = typeof named === 'string' ? shapes.get(named) : undefined
      if (shape === undefined)
        return inside(tag, problem(named === undefined ? 'missing' : 'value'))
      const read = shape.read(value)
      // The variants' readers are the only source of the value.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      return read.ok ? ok(read.value as ShapeOf<V[keyof V]>) : read
    },
  }
}

/** What another parser makes of a value that has the inner shape; `format` names it. */
export function parsedShape<A, B>(
  inner: Shape<A>,
  format: string,
  parse: (value: A) => Result<B>,
): Shape<B> {
  return {
    description: { ...inner.description, format },
    read: (value) => {
      const read = inner.read(value)
      if (!read.ok) return read
      const parsed = parse(read.value)
      return parsed.ok ? ok(parsed.value) : problem('value')
    },
  }
}
