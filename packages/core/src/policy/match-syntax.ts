/** The keys of a rule's match (spec/policy.md "What a rule can match"): one table of their syntax. */
import { type Json, OPERATIONS, SOURCES } from '@trustgw/protocol'
import {
  type ChainBounds,
  type Condition,
  DAYS,
  type Day,
  type NameKey,
  type NumberBound,
  POINTER_MAX_CHARS,
  type Predicate,
  type TimeWindow,
  type WordKey,
} from './ast.ts'
import { nearestName } from './findings.ts'
import { globProblem } from './glob.ts'
import { pointerProblem } from './pointer.ts'
import { glob, predicates } from './predicate-syntax.ts'
import { type At, checkKeys, inside, type Raw, readTable, wrong, wrongKey } from './raw.ts'
import { boolean, choice, described, list, need, optional, type Syntax, text } from './syntax.ts'
import { amountBounds, integerBounds, timeOfDay } from './value-syntax.ts'
import { ZONES } from './zones.ts'

/** How the gateway was convinced of who acts. */
export const AUTH_METHODS = [
  'api_key',
  'nkey',
  'bearer',
  'session',
  'presentation',
  'passkey',
] as const
const COUNT_MAX = 1_000_000
const WORD_MAX_CHARS = 128

/** One key of a match: it may stand for several conditions (one for each pointer). */
interface MatchKey {
  readonly name: string
  readonly read: (raw: Raw, at: At) => readonly Condition[] | null
  /** Null when none of the conditions is its own. */
  readonly write: (conditions: readonly Condition[]) => Json | null
  readonly schema: Syntax<unknown>['schema']
}

function oneKey<T>(
  name: string,
  syntax: Syntax<T>,
  to: (value: T) => Condition,
  from: (condition: Condition) => T | null,
): MatchKey {
  return {
    name,
    read: (raw, at) => {
      const read = syntax.read(raw, at)
      return read === null ? null : [to(read)]
    },
    write: (conditions) => {
      for (const condition of conditions) {
        const own = from(condition)
        if (own !== null) return syntax.write(own)
      }
      return null
    },
    schema: syntax.schema,
  }
}

const names = (kind: NameKey, says: string): MatchKey =>
  oneKey<readonly string[]>(
    kind,
    described(list(glob), says),
    (globs) => ({ kind, globs }),
    (condition) => (condition.kind === kind ? condition.globs : null),
  )

const words = (kind: WordKey, item: Syntax<string>, says: string): MatchKey =>
  oneKey<readonly string[]>(
    kind,
    described(list(item), says),
    (read) => ({ kind, words: read }),
    (condition) => (condition.kind === kind ? condition.words : null),
  )

/** A table from JSON Pointers to what is said of the value there. */
function pointers<T>(
  name: 'args' | 'provenance',
  syntax: Syntax<T>,
  to: (pointer: string, value: T) => Condition,
  from: (condition: Condition) => readonly [pointer: string, value: T] | null,
): MatchKey {
  return {
    name,
    read: (raw, at) => {
      const table = readTable(raw, at)
      if (table === null) return null
      if (table.size === 0) return wrong(at, `expected a pointer such as ${name}."/amount"`)
      return [...table].flatMap(([pointer, written]) => {
        const here = inside(at, pointer)
        checkPointer(pointer, here)
        const value = syntax.read(written, here)
        return value === null ? [] : [to(pointer, value)]
      })
    },
    write: (conditions) => {
      const own = conditions.map(from).filter((pair) => pair !== null)
      if (own.length === 0) return null
      return Object.fromEntries(own.map(([pointer, value]) => [pointer, syntax.write(value)]))
    },
    schema: {
      type: 'object',
      propertyNames: { pattern: '^(/.*)?$' },
      additionalProperties: syntax.schema,
      minProperties: 1,
    },
  }
}

function checkPointer(pointer: string, at: At): void {
  const problem = pointerProblem(pointer)
  if (problem !== null) wrongKey(at, problem, pointer.startsWith('/') ? undefined : `/${pointer}`)
  if (pointer.length > POINTER_MAX_CHARS) wrong(at, `longer than ${POINTER_MAX_CHARS} characters`)
}

const zone: Syntax<string> = {
  read: (raw, at) => {
    if (typeof raw === 'string' && ZONES.has(raw)) return raw
    const near = typeof raw === 'string' ? nearestName(raw, [...ZONES]) : undefined
    return wrong(at, 'expected a time zone such as "Europe/Vienna"', near)
  },
  write: (value) => value,
  schema: { type: 'string', description: 'Canonical name in the IANA time zone database' },
}

const days = list(choice<Day>(DAYS))

function readTime(raw: Raw, at: At): TimeWindow | null {
  const table = readTable(raw, at)
  if (table === null) return null
  checkKeys(table, { known: ['days', 'from', 'to', 'tz'] }, at)
  const tz = need(table, 'tz', zone, at)
  const on = optional(table, ['days', days], null, at)
  const from = optional(table, ['from', timeOfDay], null, at)
  const to = optional(table, ['to', timeOfDay], null, at)
  if (!['days', 'from', 'to'].some((name) => table.has(name))) {
    return wrong(at, 'expected days, from or to')
  }
  if (from !== null && from === to) return wrong(at, 'from and to are the same: no time is between')
  return tz === null ? null : { tz, days: on, from, to }
}

const time: Syntax<TimeWindow> = {
  read: readTime,
  write: (window) => ({
    ...(window.days === null ? {} : { days: days.write(window.days) }),
    ...(window.from === null ? {} : { from: timeOfDay.write(window.from) }),
    ...(window.to === null ? {} : { to: timeOfDay.write(window.to) }),
    tz: zone.write(window.tz),
  }),
  schema: {
    type: 'object',
    properties: {
      days: days.schema,
      from: timeOfDay.schema,
      to: timeOfDay.schema,
      tz: zone.schema,
    },
    required: ['tz'],
    additionalProperties: false,
    description: 'Local time of the decision; past midnight where from is later than to',
  },
}

const chainCounts: Syntax<readonly NumberBound[]> = integerBounds({ min: 0, max: COUNT_MAX })

function readChain(raw: Raw, at: At): ChainBounds | null {
  const table = readTable(raw, at)
  if (table === null) return null
  checkKeys(table, { known: ['depth', 'repeats', 'cycle'] }, at)
  if (table.size === 0) return wrong(at, 'expected depth, repeats or cycle')
  return {
    depth: optional(table, ['depth', chainCounts], [], at),
    repeats: optional(table, ['repeats', chainCounts], [], at),
    cycle: optional(table, ['cycle', boolean], null, at),
  }
}

const chain: Syntax<ChainBounds> = {
  read: readChain,
  write: ({ depth, repeats, cycle }) => ({
    ...(depth.length === 0 ? {} : { depth: chainCounts.write(depth) }),
    ...(repeats.length === 0 ? {} : { repeats: chainCounts.write(repeats) }),
    ...(cycle === null ? {} : { cycle }),
  }),
  schema: {
    type: 'object',
    properties: { depth: chainCounts.schema, repeats: chainCounts.schema, cycle: boolean.schema },
    additionalProperties: false,
    minProperties: 1,
    description: 'The chain of calls that the gateway itself recorded',
  },
}

export const ORIGINS: readonly string[] = ['agent', 'user', 'first_seen']
export const TOOL_RESULT = 'tool_result:'

function originProblem(written: string): string | null {
  if (ORIGINS.includes(written)) return null
  if (!written.startsWith(TOOL_RESULT)) {
    return 'expected agent, user, first_seen or tool_result:<tool>'
  }
  return globProblem(written.slice(TOOL_RESULT.length))
}

const word = text(undefined, WORD_MAX_CHARS)

export const MATCH_KEYS: readonly MatchKey[] = [
  names('tool', 'The registered tool id'),
  words('operation', choice<string>(OPERATIONS), 'As declared in the contract of the tool'),
  words('category', word, 'As declared in the contract of the tool'),
  words('tags', word, 'Any of these, as declared in the contract of the tool'),
  words('bundle', word, 'As declared in the contract of the tool'),
  words('source', choice<string>(SOURCES), 'How the proposal came in'),
  names('agent', 'The authenticated agent'),
  names('tenant', 'The tenant of the authenticated agent'),
  names('workspace', 'The workspace'),
  names('user', 'On whose behalf the agent acts'),
  words('roles', word, 'Any of these roles of the authenticated actor'),
  words('scopes', word, 'All of these scopes of the authenticated actor'),
  words('skill_level', word, 'The skill level of the authenticated actor'),
  oneKey<readonly NumberBound[]>(
    'auth_level',
    described(
      integerBounds({ min: 1, max: 5 }),
      '1 API key, 2 bearer token, 3 session, 4 verified presentation, 5 passkey',
    ),
    (bounds) => ({ kind: 'auth_level', bounds }),
    (condition) => (condition.kind === 'auth_level' ? condition.bounds : null),
  ),
  words('auth_method', choice<string>(AUTH_METHODS), 'How the actor was authenticated'),
  oneKey(
    'amount',
    described(amountBounds, 'As the contract of the tool says where it stands'),
    (bounds): Condition => ({ kind: 'amount', bounds }),
    (condition) => (condition.kind === 'amount' ? condition.bounds : null),
  ),
  oneKey<TimeWindow>(
    'time',
    time,
    (window) => ({ kind: 'time', window }),
    (condition) => (condition.kind === 'time' ? condition.window : null),
  ),
  oneKey<ChainBounds>(
    'chain',
    chain,
    (bounds) => ({ kind: 'chain', bounds }),
    (condition) => (condition.kind === 'chain' ? condition.bounds : null),
  ),
  pointers<readonly string[]>(
    'provenance',
    described(list(text(originProblem)), 'Where the value of the argument came from'),
    (pointer, globs) => ({ kind: 'provenance', pointer, globs }),
    (condition) => (condition.kind === 'provenance' ? [condition.pointer, condition.globs] : null),
  ),
  pointers<readonly Predicate[]>(
    'args',
    predicates,
    (pointer, read) => ({ kind: 'args', pointer, predicates: read }),
    (condition) => (condition.kind === 'args' ? [condition.pointer, condition.predicates] : null),
  ),
]

/** Named in the language, and judged by none of its versions yet: a line nobody judges is a hole. */
const LATER_MATCH_KEYS: readonly string[] = ['agreement']

/** All lines of a match; lines that are wrong are reported and left out. */
export const matchSyntax: Syntax<readonly Condition[]> = {
  read: (raw, at) => {
    const table = readTable(raw, at)
    if (table === null) return null
    if (table.size === 0) {
      return wrong(at, 'an empty match would match everything: say tool = ["**"] if that is meant')
    }
    const known = [...MATCH_KEYS.map(({ name }) => name), ...LATER_MATCH_KEYS]
    checkKeys(table, { known, later: LATER_MATCH_KEYS }, at)
    return MATCH_KEYS.flatMap(({ name, read }) => {
      const written = table.get(name)
      return written === undefined ? [] : (read(written, inside(at, name)) ?? [])
    })
  },
  write: (conditions) => {
    const lines = MATCH_KEYS.map(({ name, write }) => [name, write(conditions)] as const)
    return Object.fromEntries(lines.filter(([, written]) => written !== null))
  },
  schema: {
    type: 'object',
    properties: Object.fromEntries(MATCH_KEYS.map(({ name, schema }) => [name, schema])),
    additionalProperties: false,
    minProperties: 1,
    description: 'Every line must hold; inside a list any may',
  },
}
