/**
 * When a predicate holds of a value (spec/policy.md "Three-valued matching"). A missing value, one
 * of another type, a text that is not NFC and whatever else leaves doubt is `unknown`, never false;
 * `exists` and `type` are always known.
 */
import { isJsonArray, isJsonObject, type Json } from '@trustgw/protocol'
import type { Bound, NamesPredicate, Predicate, Scalar, ValueType } from './ast.ts'
import { compileGlob, GLOB_VALUE_MAX_CHARS } from './glob.ts'
import { matchesName, type NamePattern, parseNamePattern } from './host-name.ts'
import { type Address, type Cidr, inCidr, parseAddress, parseCidr } from './ip.ts'
import { compileRegex } from './regex.ts'
import { isBelow, mailDomain, normalPath } from './texts.ts'
import { allOf, anyOf, isNfc, not, type Truth } from './truth.ts'
import { hostOf, readHost, schemeOf } from './url.ts'

/** The separator of globs over argument values: `*` stays inside one segment of a path. */
const ARGS_SEPARATOR = '/'
/** Longer lists are not judged item by item. */
export const ITEMS_MAX = 1_000

export type Judge = (value: Json | undefined) => Truth

function equals(value: Json | undefined, wanted: Scalar): Truth {
  if (typeof value !== typeof wanted) return 'unknown'
  if (typeof value === 'string' && !isNfc(value)) return 'unknown'
  return value === wanted
}

function compileIn(values: readonly Scalar[]): Judge {
  const wanted = new Set<Json | undefined>(values)
  const [kind, ...otherKinds] = new Set(values.map((value) => typeof value))
  return (value) => {
    if (wanted.has(value)) return true
    if (typeof value !== kind || otherKinds.length > 0) return 'unknown'
    return typeof value === 'string' && !isNfc(value) ? 'unknown' : false
  }
}

export function order(a: number, b: number): number {
  if (a < b) return -1
  return a > b ? 1 : 0
}

export function withinBound(compared: number, bound: Bound): boolean {
  if (bound === 'gt') return compared > 0
  if (bound === 'gte') return compared >= 0
  return bound === 'lt' ? compared < 0 : compared <= 0
}

/** What a text must be for any glob to judge it. */
export function isGlobbable(value: Json | undefined): value is string {
  return typeof value === 'string' && value.length <= GLOB_VALUE_MAX_CHARS && isNfc(value)
}

/** Judges texts in NFC; everything else is unknown. */
function onText(judge: (value: string) => Truth): Judge {
  return (value) => (typeof value === 'string' && isNfc(value) ? judge(value) : 'unknown')
}

function compileGlobs(globs: readonly string[]): Judge {
  const compiled = globs.map((glob) => compileGlob(glob, ARGS_SEPARATOR))
  return (value) => (isGlobbable(value) ? compiled.some((glob) => glob(value)) : 'unknown')
}

function compilePattern(pattern: string): Judge {
  const regex = compileRegex(pattern)
  return onText((value) =>
    regex === null || value.length > regex.maxChars ? 'unknown' : regex.find(value),
  )
}

/** In characters (code points), so that the count is the one a person makes. */
function lengthOf(text: string): number {
  let count = 0
  for (let at = 0; at < text.length; at++) {
    if ((text.charCodeAt(at) & 0xfc00) !== 0xdc00) count++
  }
  return count
}

function maxLength(limit: number): Judge {
  const judgeText = onText((value) => lengthOf(value) <= limit)
  return (value) =>
    value !== undefined && isJsonArray(value) ? value.length <= limit : judgeText(value)
}

function typesOf(value: Json): readonly ValueType[] {
  if (value === null) return ['null']
  if (isJsonArray(value)) return ['array']
  if (typeof value === 'number') return Number.isInteger(value) ? ['number', 'integer'] : ['number']
  if (typeof value === 'string') return ['string']
  return typeof value === 'boolean' ? ['boolean'] : ['object']
}

function compilePaths(bases: readonly string[]): Judge {
  return onText((value) => {
    const path = normalPath(value)
    return path === null ? 'unknown' : bases.some((base) => isBelow(path, base))
  })
}

function compileHosts(names: readonly string[]): Judge {
  const patterns: NamePattern[] = []
  const addresses = new Set<Address>()
  for (const name of names) {
    const address = readHost(name)?.address ?? null
    const pattern = address === null ? parseNamePattern(name) : null
    if (address !== null) addresses.add(address)
    else if (pattern !== null) patterns.push(pattern)
  }
  return onText((value) => {
    const host = hostOf(value)
    if (host === null) return 'unknown'
    const { address, name } = host
    const isNamed =
      address === null
        ? patterns.some((pattern) => matchesName(name, pattern))
        : addresses.has(address)
    // What is not public is refused whichever way the rule asks, unless it is named.
    return isNamed || (host.isPrivate ? 'unknown' : false)
  })
}

function compileSchemes(names: readonly string[]): Judge {
  const wanted = new Set(names)
  return onText((value) => {
    const scheme = schemeOf(value)
    return scheme === null ? 'unknown' : wanted.has(scheme)
  })
}

function compileRanges(names: readonly string[]): Judge {
  const ranges: readonly Cidr[] = names.flatMap((name) => parseCidr(name) ?? [])
  return onText((value) => {
    const address = parseAddress(value)
    return address === null ? 'unknown' : ranges.some((range) => inCidr(address, range))
  })
}

function compileDomains(names: readonly string[]): Judge {
  const patterns = names.flatMap((name) => parseNamePattern(name) ?? [])
  return onText((value) => {
    const domain = mailDomain(value)
    return domain === null ? 'unknown' : patterns.some((pattern) => matchesName(domain, pattern))
  })
}

function compileKeys(names: readonly string[]): Judge {
  const allowed = new Set(names)
  return (value) =>
    value !== undefined && isJsonObject(value)
      ? Object.keys(value).every((key) => allowed.has(key))
      : 'unknown'
}

function compileItems(kind: 'each' | 'any', predicates: readonly Predicate[]): Judge {
  const judge = compilePredicates(predicates)
  const join = kind === 'each' ? allOf : anyOf
  return (value) => {
    if (value === undefined || !isJsonArray(value)) return 'unknown'
    if (value.length === 0 || value.length > ITEMS_MAX) return 'unknown'
    return join(value.map(judge))
  }
}

const negated =
  (judge: Judge): Judge =>
  (value) =>
    not(judge(value))

/** The predicate as a function of a value, or of undefined where there is none. */
// oxlint-disable-next-line complexity -- one straight case for each predicate
export function compilePredicate(predicate: Predicate): Judge {
  switch (predicate.kind) {
    case 'eq':
      return (value) => equals(value, predicate.value)
    case 'in':
      return compileIn(predicate.values)
    case 'not_in':
      return negated(compileIn(predicate.values))
    case 'glob':
      return compileGlobs(predicate.globs)
    case 'regex':
      return compilePattern(predicate.pattern)
    case 'max_length':
      return maxLength(predicate.value)
    case 'type':
      return (value) =>
        value !== undefined && typesOf(value).some((type) => predicate.any.includes(type))
    case 'exists':
      return (value) => (value !== undefined) === predicate.value
    case 'each':
    case 'any':
      return compileItems(predicate.kind, predicate.predicates)
    case 'subpath_of':
    case 'host_in':
    case 'host_not_in':
    case 'scheme_in':
    case 'cidr_in':
    case 'email_domain_in':
    case 'email_domain_not_in':
    case 'keys_in':
      return compileNames(predicate.kind, predicate.names)
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return compileBound(predicate.kind, predicate.value)
  }
}

function compileNames(kind: NamesPredicate, names: readonly string[]): Judge {
  switch (kind) {
    case 'subpath_of':
      return compilePaths(names)
    case 'host_in':
      return compileHosts(names)
    case 'host_not_in':
      return negated(compileHosts(names))
    case 'scheme_in':
      return compileSchemes(names)
    case 'cidr_in':
      return compileRanges(names)
    case 'email_domain_in':
      return compileDomains(names)
    case 'email_domain_not_in':
      return negated(compileDomains(names))
    case 'keys_in':
      return compileKeys(names)
  }
}

function compileBound(bound: Bound, limit: number): Judge {
  return (value) =>
    typeof value === 'number' ? withinBound(order(value, limit), bound) : 'unknown'
}

export function compilePredicates(predicates: readonly Predicate[]): Judge {
  const judges = predicates.map(compilePredicate)
  const [only] = judges
  if (judges.length === 1 && only !== undefined) return only
  return (value) => allOf(judges.map((judge) => judge(value)))
}
