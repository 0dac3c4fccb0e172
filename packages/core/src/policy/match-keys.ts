/**
 * The keys of a rule's match (spec/policy.md "What a rule can match"): one table of how each is
 * read. What is in LATER_MATCH_KEYS belongs to the language and cannot be judged yet, so a policy
 * that uses it does not load: a line nobody judges would be a hole.
 */
import { OPERATIONS, parseMoney, SOURCES } from '@trustgw/protocol'
import {
  type AmountBound,
  type Bound,
  type Condition,
  POINTER_MAX_CHARS,
  type Predicate,
} from './ast.ts'
import { pointerProblem } from './pointer.ts'
import { LATER_PREDICATES, PREDICATE_NAMES, readGlob, readPredicate } from './predicates.ts'
import {
  type At,
  checkKeys,
  inside,
  type Raw,
  readChoice,
  readList,
  readTable,
  readText,
  wrong,
  wrongKey,
} from './raw.ts'

type ReadCondition = (raw: Raw, at: At) => readonly Condition[] | null

const BOUNDS: readonly Bound[] = ['gt', 'gte', 'lt', 'lte']

function globs(kind: 'tool' | 'agent'): ReadCondition {
  return (raw, at) => {
    const read = readList(raw, at, readGlob)
    return read === null ? null : [{ kind, globs: read }]
  }
}

const MONEY_PROBLEMS = {
  amount_format: 'expected an amount such as "100.00 EUR"',
  amount_negative: 'an amount is never negative',
  amount_too_many_digits: 'more digits than an amount can have',
  amount_too_many_decimals: 'more decimals than the currency has',
  currency_unknown: 'not an ISO 4217 currency',
} as const

function readAmountBound(raw: Raw, at: At, bound: Bound): AmountBound | null {
  const text = readText(raw, at)
  if (text === null) return null
  const money = parseMoney(text)
  if (money.ok) return { bound, money: money.value }
  const upper = text.toUpperCase()
  const nearest = parseMoney(upper).ok ? upper : undefined
  return wrong(at, MONEY_PROBLEMS[money.reason], nearest)
}

function readAmount(raw: Raw, at: At): readonly Condition[] | null {
  const table = readTable(raw, at)
  if (table === null) return null
  checkKeys(table, { known: BOUNDS, later: [] }, at)
  const bounds: AmountBound[] = []
  for (const bound of BOUNDS) {
    const written = table.get(bound)
    if (written === undefined) continue
    const read = readAmountBound(written, inside(at, bound), bound)
    if (read !== null) bounds.push(read)
  }
  if (table.size === 0) return wrong(at, 'expected at least one of gt, gte, lt, lte')
  if (new Set(bounds.map(({ money }) => money.currency)).size > 1) {
    return wrong(at, 'two currencies in one amount: no amount is in both')
  }
  return [{ kind: 'amount', bounds }]
}

function readPredicates(raw: Raw, at: At): readonly Predicate[] | null {
  const table = readTable(raw, at)
  if (table === null) return null
  checkKeys(table, { known: PREDICATE_NAMES, later: LATER_PREDICATES }, at)
  if (table.size === 0) return wrong(at, 'expected a predicate such as { eq = "…" }')
  const predicates: Predicate[] = []
  for (const name of PREDICATE_NAMES) {
    const written = table.get(name)
    const read = written === undefined ? null : readPredicate(name, written, at)
    if (read !== null) predicates.push(read)
  }
  return predicates
}

function readArgs(raw: Raw, at: At): readonly Condition[] | null {
  const table = readTable(raw, at)
  if (table === null) return null
  if (table.size === 0) return wrong(at, 'expected a pointer such as args."/amount"')
  const conditions: Condition[] = []
  for (const [pointer, written] of table) {
    const here = inside(at, pointer)
    const problem = pointerProblem(pointer)
    if (problem !== null)
      wrongKey(here, problem, pointer.startsWith('/') ? undefined : `/${pointer}`)
    if (pointer.length > POINTER_MAX_CHARS)
      wrong(here, `longer than ${POINTER_MAX_CHARS} characters`)
    const predicates = readPredicates(written, here)
    if (predicates !== null) conditions.push({ kind: 'args', pointer, predicates })
  }
  return conditions
}

const READERS: ReadonlyMap<string, ReadCondition> = new Map<string, ReadCondition>([
  ['tool', globs('tool')],
  [
    'operation',
    (raw, at) => {
      const any = readList(raw, at, (item, here) => readChoice(item, here, OPERATIONS))
      return any === null ? null : [{ kind: 'operation', any }]
    },
  ],
  [
    'source',
    (raw, at) => {
      const any = readList(raw, at, (item, here) => readChoice(item, here, SOURCES))
      return any === null ? null : [{ kind: 'source', any }]
    },
  ],
  ['agent', globs('agent')],
  ['amount', readAmount],
  ['args', readArgs],
])

const LATER_MATCH_KEYS: readonly string[] = [
  'category',
  'tags',
  'bundle',
  'tenant',
  'workspace',
  'user',
  'roles',
  'scopes',
  'skill_level',
  'auth_level',
  'auth_method',
  'time',
  'chain',
  'provenance',
  'agreement',
]

/** All lines of a match; lines that are wrong are reported and left out. */
export function readMatch(raw: Raw, at: At): readonly Condition[] | null {
  const table = readTable(raw, at)
  if (table === null) return null
  if (table.size === 0) {
    return wrong(at, 'an empty match would match everything: say tool = ["**"] if that is meant')
  }
  checkKeys(table, { known: [...READERS.keys()], later: LATER_MATCH_KEYS }, at)
  const conditions: Condition[] = []
  for (const [name, read] of READERS) {
    const written = table.get(name)
    if (written === undefined) continue
    conditions.push(...(read(written, inside(at, name)) ?? []))
  }
  return conditions
}
