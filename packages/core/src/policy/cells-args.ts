/**
 * Values of one argument, one for each way in which a set of predicates can judge it. Where that
 * set is complete, no other value is judged in another way; where it may not be, `gap` says why.
 */
import type { Json } from '@trustgw/protocol'
import { BOUNDS, type NamesPredicate, ofKind, type Predicate, type Scalar } from './ast.ts'
import { exampleTexts, freshText } from './cells-text.ts'
import { parseCidr } from './ip.ts'
import { compilePredicate, order } from './predicates.ts'
import { regexExample } from './regex-example.ts'
import { HOST_SCHEMES } from './url.ts'

export interface Examples {
  /** Undefined: no value at all. */
  readonly values: readonly (Json | undefined)[]
  /** Why there may be other ways; null when these are all. */
  readonly gap: string | null
}

/** Ways in which items or keys together can be judged, before giving up. */
const UNIONS_MAX = 300
const NOT_NFC = 'e\u0301'

const scalarsOf = (predicates: readonly Predicate[]): readonly Scalar[] => [
  ...ofKind(predicates, 'eq').map(({ value }) => value),
  ...ofKind(predicates, 'in', 'not_in').flatMap(({ values }) => values),
]

const limitsOf = (predicates: readonly Predicate[]): readonly number[] =>
  ofKind(predicates, 'max_length').map(({ value }) => value)

/** Each number compared with, and between any two, below and above all, a whole one and another. */
function numbersOf(predicates: readonly Predicate[]): readonly number[] {
  const compared = scalarsOf(predicates).filter((value) => typeof value === 'number')
  const bounds = ofKind(predicates, ...BOUNDS).map(({ value }) => value)
  const values = [0, 0.5, ...compared, ...bounds]
  const wholes = values.map(Math.floor).flatMap((whole) => [whole - 1, whole + 1])
  const ends = [-Number.MAX_VALUE, Number.MAX_VALUE]
  const all = [...new Set([...values, ...wholes, ...ends])].sort(order)
  const between = all.slice(1).map((value, index) => (all[index] ?? value) / 2 + value / 2)
  return [...values, ...wholes, ...between]
}

const namesOf = (
  predicates: readonly Predicate[],
  ...kinds: readonly NamesPredicate[]
): readonly string[] => ofKind(predicates, ...kinds).flatMap(({ names }) => names)

/** Hosts, or domains: each name, something else below each, and one that is none of them. */
function hostExamples(names: readonly string[]): readonly string[] {
  const hosts = names.map((name) => name.replace('*.', ''))
  const label = freshText(hosts.flatMap((host) => host.split('.')))
  return [...hosts, ...hosts.map((host) => `${label}.${host}`), label]
}

function urlExamples(predicates: readonly Predicate[]): readonly string[] {
  const hosts = hostExamples(namesOf(predicates, 'host_in', 'host_not_in'))
  const schemes = [...namesOf(predicates, 'scheme_in'), ...HOST_SCHEMES]
  return [
    ...schemes.flatMap((scheme) => hosts.map((host) => `${scheme}://${host}`)),
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
  const ranges = namesOf(predicates, 'cidr_in').flatMap((name) => parseCidr(name) ?? [])
  // Behind the last address of all the text is the first one's.
  const edges = ranges.flatMap(({ first, last }) => [first, last + 1n])
  return ['8.8.8.8', ...edges.map(addressText)]
}

function pathExamples(predicates: readonly Predicate[]): readonly string[] {
  return ['/', ...namesOf(predicates, 'subpath_of')]
}

function mailExamples(predicates: readonly Predicate[]): readonly string[] {
  const names = namesOf(predicates, 'email_domain_in', 'email_domain_not_in')
  return hostExamples(names).map((domain) => `a@${domain}`)
}

function lengthExamples(predicates: readonly Predicate[]): readonly string[] {
  return limitsOf(predicates).map((limit) => 'x'.repeat(limit + 1))
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
  const globs = ofKind(predicates, 'glob').flatMap((one) => one.globs)
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

/** Lists whose items together are judged in every way that they can be. */
function listExamples(predicates: readonly Predicate[]): Examples {
  const limits = limitsOf(predicates)
  const lengths = limits.map((limit): Json => Array.from({ length: limit + 1 }, () => 0))
  const overItems = ofKind(predicates, 'each', 'any')
  if (overItems.length === 0) return { values: [[], ...lengths], gap: null }
  const items = argumentExamples(overItems.flatMap((one) => one.predicates))
  const judges = overItems.map(compilePredicate)
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
  // The queue grows while it is walked.
  for (const known of queue) {
    for (const item of items) {
      const list = [...known, item]
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
  const closed = ofKind(predicates, 'keys_in')
  const known = [...new Set(closed.flatMap((one) => one.names))]
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
