/**
 * The predicates on a value of the arguments (spec/policy.md "What a rule can match"): one table,
 * how each is written and when it holds. A value of another type, a text that is not NFC and
 * whatever else leaves doubt is `unknown`, never false.
 */
import type { Json } from '@trustgw/protocol'
import type { Bound, Predicate, Scalar } from './ast.ts'
import { compileGlob, GLOB_VALUE_MAX_CHARS, globProblem } from './glob.ts'
import { type At, inside, type Raw, readList, readNumber, readText, wrong } from './raw.ts'
import { anyOf, isNfc, type Truth } from './truth.ts'

/** The separator of globs over argument values: `*` stays inside one segment of a path. */
const ARGS_SEPARATOR = '/'

type ReadPredicate = (raw: Raw, at: At) => Predicate | null

function readScalar(raw: Raw, at: At): Scalar | null {
  if (typeof raw === 'boolean') return raw
  return typeof raw === 'string' ? readText(raw, at) : readNumber(raw, at)
}

export function readGlob(raw: Raw, at: At): string | null {
  const text = readText(raw, at)
  const problem = text === null ? null : globProblem(text)
  return problem === null ? text : wrong(at, problem)
}

function readBound(bound: Bound): ReadPredicate {
  return (raw, at) => {
    const value = readNumber(raw, at)
    return value === null ? null : { kind: bound, value }
  }
}

const READERS: ReadonlyMap<string, ReadPredicate> = new Map<string, ReadPredicate>([
  [
    'eq',
    (raw, at) => {
      const value = readScalar(raw, at)
      return value === null ? null : { kind: 'eq', value }
    },
  ],
  [
    'in',
    (raw, at) => {
      const values = readList(raw, at, readScalar)
      return values === null ? null : { kind: 'in', values }
    },
  ],
  ['gt', readBound('gt')],
  ['gte', readBound('gte')],
  ['lt', readBound('lt')],
  ['lte', readBound('lte')],
  [
    'glob',
    (raw, at) => {
      if (typeof raw !== 'string') {
        const globs = readList(raw, at, readGlob)
        return globs === null ? null : { kind: 'glob', globs }
      }
      const glob = readGlob(raw, at)
      return glob === null ? null : { kind: 'glob', globs: [glob] }
    },
  ],
])

export const PREDICATE_NAMES: readonly string[] = [...READERS.keys()]

export const LATER_PREDICATES: readonly string[] = [
  'not_in',
  'regex',
  'max_length',
  'type',
  'exists',
  'subpath_of',
  'host_in',
  'host_not_in',
  'scheme_in',
  'cidr_in',
  'email_domain_in',
  'email_domain_not_in',
  'each',
  'any',
  'keys_in',
]

/** Reads one predicate by its name; a name that is none was reported by the caller. */
export function readPredicate(name: string, raw: Raw, at: At): Predicate | null {
  return READERS.get(name)?.(raw, inside(at, name)) ?? null
}

function equals(value: Json, wanted: Scalar): Truth {
  if (typeof value !== typeof wanted) return 'unknown'
  if (typeof value === 'string' && !isNfc(value)) return 'unknown'
  return value === wanted
}

function order(a: number, b: number): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

export function withinBound(compared: number, bound: Bound): boolean {
  if (bound === 'gt') return compared > 0
  if (bound === 'gte') return compared >= 0
  return bound === 'lt' ? compared < 0 : compared <= 0
}

/** What a text must be for any glob to judge it. */
export function isGlobbable(value: Json): value is string {
  return typeof value === 'string' && value.length <= GLOB_VALUE_MAX_CHARS && isNfc(value)
}

/** The predicate as a function of a value that is there. */
export function compilePredicate(predicate: Predicate): (value: Json) => Truth {
  if (predicate.kind === 'eq') return (value) => equals(value, predicate.value)
  if (predicate.kind === 'in') {
    return (value) => anyOf(predicate.values.map((wanted) => equals(value, wanted)))
  }
  if (predicate.kind === 'glob') {
    const globs = predicate.globs.map((glob) => compileGlob(glob, ARGS_SEPARATOR))
    return (value) => (isGlobbable(value) ? globs.some((glob) => glob(value)) : 'unknown')
  }
  const { kind, value: limit } = predicate
  return (value) => (typeof value === 'number' ? withinBound(order(value, limit), kind) : 'unknown')
}
