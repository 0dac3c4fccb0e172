/**
 * Values of one argument, one for each way in which a set of predicates can judge it. Where that
 * set is complete, no other value is judged in another way; where it may not be, `gap` says why.
 */
import type { Json } from '@trustgw/protocol'
import type { NamesPredicate, Predicate, Scalar } from './ast.ts'
import { exampleTexts, freshText } from './cells-text.ts'
import { parseNamePattern } from './host-name.ts'
import { parseCidr } from './ip.ts'
import { compilePredicate } from './predicates.ts'
import { regexExample } from './regex-example.ts'
import { readHost } from './url.ts'

export interface Examples {
  /** Undefined: no value at all. */
  readonly values: readonly (Json | undefined)[]
  /** Why there may be other ways; null when these are all. */
  readonly gap: string | null
}

/** Ways in which items or keys together can be judged, before giving up. */
const UNIONS_MAX = 300
const NOT_NFC = 'e\u0301'

const isScalars = (
  predicate: Predicate,
): predicate is Extract<Predicate, { kind: 'in' | 'not_in' }> =>
  predicate.kind === 'in' || predicate.kind === 'not_in'

function scalarsOf(predicates: readonly Predicate[]): readonly Scalar[] {
  return predicates.flatMap((predicate) => {
    if (predicate.kind === 'eq') return [predicate.value]
    return isScalars(predicate) ? [...predicate.values] : []
  })
}

function numbersOf(predicates: readonly Predicate[]): readonly number[] {
  const compared = scalarsOf(predicates).filter((value) => typeof value === 'number')
  const bounds = predicates.flatMap((predicate) =>
    predicate.kind === 'gt' ||
    predicate.kind === 'gte' ||
    predicate.kind === 'lt' ||
    predicate.kind === 'lte'
      ? [predicate.value]
      : [],
  )
  const all = [...new Set([...compared, ...bounds])].sort((a, b) => a - b)
  const first = all[0]
  const last = all.at(-1)
  if (first === undefined || last === undefined) return [0, 0.5]
  const between = all.slice(1).map((value, index) => ((all[index] ?? value) + value) / 2)
  return [
    0,
    0.5,
    ...all,
    ...between,
    first - 1,
    last + 1,
    ...all.flatMap((value) => [value + 0.5, value + 1]),
  ]
}

function namesOf(
  predicates: readonly Predicate[],
  kinds: readonly NamesPredicate[],
): readonly string[] {
  return predicates.flatMap((predicate) =>
    'names' in predicate && kinds.includes(predicate.kind) ? [...predicate.names] : [],
  )
}

/** Hosts, or domains: each name, something below each, and one that is none of them. */
function hostExamples(names: readonly string[]): readonly string[] {
  const hosts = names.map((name) => name.replace(/^\*\./, ''))
  const below = hosts.filter((host) => parseNamePattern(host) !== null).map((host) => `x.${host}`)
  // A single label that is no name is below none, either.
  return [...hosts, ...below, ...below.map((host) => `x.${host}`), freshText(hosts)]
}

function urlExamples(predicates: readonly Predicate[]): readonly string[] {
  const hosts = hostExamples(namesOf(predicates, ['host_in', 'host_not_in']))
  const schemes = [...namesOf(predicates, ['scheme_in']), 'https', 'http', 'ws', 'ftp']
  const special = ['10.9.8.7', '8.8.8.8'].filter((host) => !hosts.includes(host))
  return [
    ...schemes.flatMap((scheme) =>
      [...hosts, ...special]
        .filter((host) => readHost(host) !== null)
        .map((host) => `${scheme}://${host}`),
    ),
    ...schemes.map((scheme) => `${scheme}:x`),
    `${freshText(schemes)}:x`,
  ]
}

function addressText(address: bigint): string {
  const groups = Array.from({ length: 8 }, (_, at) =>
    ((address >> BigInt(16 * (7 - at))) & 0xffffn).toString(16),
  )
  return groups.join(':')
}

function addressExamples(predicates: readonly Predicate[]): readonly string[] {
  const ranges = namesOf(predicates, ['cidr_in']).flatMap((name) => parseCidr(name) ?? [])
  const edges = ranges.flatMap(({ first, last }) => [first, last, first - 1n, last + 1n])
  const inside = edges.filter((edge) => edge >= 0n && edge < 1n << 128n)
  return ['8.8.8.8', '2606:4700::1', ...inside.map(addressText)]
}

function pathExamples(predicates: readonly Predicate[]): readonly string[] {
  const bases = namesOf(predicates, ['subpath_of'])
  return ['/', '/x', 'x', ...bases, ...bases.map((base) => `${base === '/' ? '' : base}/x`)]
}

function mailExamples(predicates: readonly Predicate[]): readonly string[] {
  const kinds: readonly NamesPredicate[] = ['email_domain_in', 'email_domain_not_in']
  return [...hostExamples(namesOf(predicates, kinds)).map((domain) => `a@${domain}`), 'x']
}

function lengthExamples(predicates: readonly Predicate[]): readonly string[] {
  const limits = predicates.flatMap((one) => (one.kind === 'max_length' ? [one.value] : []))
  return limits.flatMap((limit) => ['x'.repeat(limit), 'x'.repeat(limit + 1)])
}

/** Kinds of predicates on texts that say nothing of each other: two of them leave a gap. */
const FAMILIES: readonly {
  readonly name: string
  readonly kinds: readonly string[]
  readonly examples: (predicates: readonly Predicate[]) => readonly string[]
}[] = [
  { name: 'max_length', kinds: ['max_length'], examples: lengthExamples },
  {
    name: 'host_in and scheme_in',
    kinds: ['host_in', 'host_not_in', 'scheme_in'],
    examples: urlExamples,
  },
  {
    name: 'email_domain_in',
    kinds: ['email_domain_in', 'email_domain_not_in'],
    examples: mailExamples,
  },
  { name: 'cidr_in', kinds: ['cidr_in'], examples: addressExamples },
  { name: 'subpath_of', kinds: ['subpath_of'], examples: pathExamples },
]

function textExamples(predicates: readonly Predicate[]): Examples {
  const globs = predicates.flatMap((one) => (one.kind === 'glob' ? [...one.globs] : []))
  const texts = scalarsOf(predicates).filter((value) => typeof value === 'string')
  const found = predicates.flatMap((one) => (one.kind === 'regex' ? [regexExample(one)] : []))
  const hasRegex = found.length > 0
  const patterns = exampleTexts({ globs: [...new Set(globs)], texts, separator: '/' })
  const families = FAMILIES.filter(({ kinds }) =>
    predicates.some(({ kind }) => kinds.includes(kind)),
  )
  const names = [...(globs.length > 0 ? ['glob'] : []), ...families.map(({ name }) => name)]
  const examples = families.flatMap((family) => family.examples(predicates))
  const values = [
    ...(patterns ?? []),
    ...examples,
    ...texts,
    ...(hasRegex ? ['a', 'A', '0', 'x1', ' '] : []),
    ...found.flatMap((text) => [text, `x${text}`]),
    NOT_NFC,
    ...(globs.length > 0 || hasRegex ? ['x'.repeat(8_193)] : []),
  ]
  if (hasRegex) return { values, gap: 'a regex is not taken apart' }
  if (patterns === null) return { values, gap: 'more globs than are taken apart' }
  if (names.length > 1) return { values, gap: `${names.join(' and ')} on one value` }
  // An example that is told apart from all others stands for none of them.
  const isTaken = examples.some((example) => texts.some((text) => text === example))
  return { values, gap: isTaken ? `${names.join()} and a text of its own on one value` : null }
}

function nestedOf(predicates: readonly Predicate[]): readonly Predicate[] {
  return predicates.flatMap((one) =>
    one.kind === 'each' || one.kind === 'any' ? [...one.predicates] : [],
  )
}

/** Lists whose items together are judged in every way that they can be. */
function listExamples(predicates: readonly Predicate[]): Examples {
  const limits = predicates.flatMap((one) => (one.kind === 'max_length' ? [one.value] : []))
  const lengths = limits.flatMap((limit) =>
    [limit, limit + 1].map((length): Json => Array.from({ length }, () => 0)),
  )
  const nested = nestedOf(predicates)
  if (nested.length === 0) return { values: [[], [0], ...lengths], gap: null }
  const items = argumentExamples(nested)
  const judges = predicates
    .filter(({ kind }) => kind === 'each' || kind === 'any')
    .map(compilePredicate)
  const present = items.values.filter((value) => value !== undefined)
  const lists = unions<Json>(present, (list) => judges.map((judge) => judge(list)).join())
  const gap =
    items.gap ??
    (lists === null ? 'more lists than are taken apart' : null) ??
    (limits.length > 0 ? 'max_length and items of one list' : null)
  return { values: [[], ...(lists ?? present.map((item) => [item])), ...lengths], gap }
}

/** Smallest unions of items for each key that `judge` gives; null when there are too many. */
export function unions<T>(
  items: readonly T[],
  judge: (list: readonly T[]) => string,
): readonly (readonly T[])[] | null {
  const found = new Map<string, readonly T[]>()
  const queue: (readonly T[])[] = [[]]
  for (let at = 0; at < queue.length; at++) {
    for (const item of items) {
      const list = [...(queue[at] ?? []), item]
      const key = judge(list)
      if (found.has(key)) continue
      if (found.size >= UNIONS_MAX) return null
      found.set(key, list)
      queue.push(list)
    }
  }
  return [...found.values()]
}

const objectOf = (keys: readonly string[]): Json => Object.fromEntries(keys.map((key) => [key, 0]))

function objectExamples(predicates: readonly Predicate[]): Examples {
  const closed = predicates.filter(({ kind }) => kind === 'keys_in')
  if (closed.length === 0) return { values: [{}], gap: null }
  const known = [...new Set(namesOf(closed, ['keys_in']))]
  const names = [...known, freshText(known)]
  const judges = closed.map(compilePredicate)
  const lists = unions<string>(names, (keys) => judges.map((judge) => judge(objectOf(keys))).join())
  const objects = (lists ?? names.map((name) => [name])).map(objectOf)
  return { values: [{}, ...objects], gap: lists === null ? 'more keys than are taken apart' : null }
}

/** Values for every way in which these predicates can judge one. */
export function argumentExamples(predicates: readonly Predicate[]): Examples {
  const texts = textExamples(predicates)
  const lists = listExamples(predicates)
  const objects = objectExamples(predicates)
  const values = [
    undefined,
    null,
    true,
    false,
    ...numbersOf(predicates),
    ...texts.values,
    ...lists.values,
    ...objects.values,
  ]
  return { values, gap: texts.gap ?? lists.gap ?? objects.gap }
}
