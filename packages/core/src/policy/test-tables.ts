/** `[[tests]]` beside a policy: proposals, and the decisions expected of them. */
import {
  type AmountRule,
  EFFECTS,
  type Json,
  type Ok,
  OPERATIONS,
  ok,
  parseMoney,
  SOURCES,
} from '@trustgw/protocol'
import { DAYS } from './ast.ts'
import { type CompiledLayers, decideLayers, type PolicyDecision } from './decide.ts'
import type { Chain, Counter, LocalTime, PolicyFacts } from './facts.ts'
import { AUTH_METHODS } from './match-syntax.ts'
import { type PolicyRefusal, readToml, refusal } from './parse.ts'
import {
  type At,
  checkKeys,
  complete,
  inside,
  Problems,
  type Raw,
  type RawTable,
  readNumber,
  readTable,
  wrong,
} from './raw.ts'
import { boolean, choice, integer, list, need, oneOrMore, type Syntax, text } from './syntax.ts'
import { timeOfDay } from './value-syntax.ts'

const TESTS_MAX = 10_000
const COUNT_MAX = 1_000_000_000

export interface Expected {
  readonly effect: PolicyDecision['effect']
  /** Null: any. */
  readonly tier: number | null
  readonly rule: string | null
  readonly unknown: readonly string[] | null
}

export interface PolicyTest {
  readonly name: string
  readonly facts: PolicyFacts
  readonly expect: Expected
}

export interface TestOutcome {
  readonly name: string
  readonly ok: boolean
  readonly expected: Expected
  readonly decision: PolicyDecision
}

const word = text()
const words: Syntax<readonly string[]> = {
  ...list(word),
  read: (raw, at) =>
    typeof raw === 'object' && 'items' in raw && raw.items.length === 0
      ? []
      : list(word).read(raw, at),
}

function toJson(raw: Raw, at: At): Json {
  if (typeof raw === 'string' || typeof raw === 'boolean') return raw
  if (typeof raw === 'bigint' || typeof raw === 'number') return readNumber(raw, at)
  if ('items' in raw) return raw.items.map((item, index) => toJson(item, inside(at, index)))
  if ('odd' in raw) return wrong(at, 'JSON has no such value')
  return Object.fromEntries([...raw].map(([name, item]) => [name, toJson(item, inside(at, name))]))
}

function maybe<T>(
  table: RawTable,
  name: string,
  syntax: Pick<Syntax<T>, 'read'>,
  at: At,
): T | null {
  const written = table.get(name)
  return written === undefined ? null : syntax.read(written, inside(at, name))
}

function readMap<T>(
  read: (raw: Raw, at: At) => T | null,
): Pick<Syntax<ReadonlyMap<string, T>>, 'read'> {
  return {
    read: (raw, at) => {
      const table = readTable(raw, at)
      if (table === null) return null
      const found = new Map<string, T>()
      for (const [name, written] of table) {
        const value = read(written, inside(at, name))
        if (value !== null) found.set(name, value)
      }
      return found
    },
  }
}

function readTableOf(raw: Raw, at: At, known: readonly string[]): RawTable | null {
  const table = readTable(raw, at)
  if (table !== null) checkKeys(table, { known }, at)
  return table
}

const localTimes = readMap<LocalTime>((raw, at) => {
  const table = readTableOf(raw, at, ['day', 'at'])
  if (table === null) return null
  const day = maybe(table, 'day', choice(DAYS), at)
  const minute = maybe(table, 'at', timeOfDay, at)
  return day === null || minute === null ? wrong(at, 'expected { day, at }') : { day, minute }
})

const counters = readMap<Counter>((raw, at) => {
  const table = readTableOf(raw, at, ['count', 'amount'])
  if (table === null) return null
  const count = maybe(table, 'count', integer({ min: 0, max: COUNT_MAX }), at) ?? 0
  const written = maybe(table, 'amount', word, at)
  const money = written === null ? null : parseMoney(written)
  if (money?.ok === false)
    return wrong(inside(at, 'amount'), 'expected an amount such as "20.00 EUR"')
  return { count, amount: money?.value ?? null }
})

const chain: Pick<Syntax<Chain>, 'read'> = {
  read: (raw, at) => {
    const table = readTableOf(raw, at, ['depth', 'repeats', 'cycle'])
    if (table === null) return null
    const count = integer({ min: 0, max: COUNT_MAX })
    return {
      depth: maybe(table, 'depth', count, at) ?? 0,
      repeats: maybe(table, 'repeats', count, at) ?? 0,
      cycle: maybe(table, 'cycle', boolean, at) ?? false,
    }
  },
}

/** `{ pointer, unit, currency }` or `{ pointer, unit, currency_pointer }`. */
const amountRule: Pick<Syntax<AmountRule>, 'read'> = {
  read: (raw, at) => {
    if (raw === 'none') return { kind: 'none' }
    const table = readTableOf(raw, at, ['pointer', 'unit', 'currency', 'currency_pointer'])
    if (table === null) return null
    const pointer = maybe(table, 'pointer', word, at)
    const unit = maybe(table, 'unit', choice(['minor', 'decimal'] as const), at) ?? 'decimal'
    const code = maybe(table, 'currency', word, at)
    const from = maybe(table, 'currency_pointer', word, at)
    if (pointer === null) return wrong(at, 'expected a pointer')
    if (code !== null) return { kind: 'pointer', pointer, unit, currency: { kind: 'fixed', code } }
    return from === null
      ? wrong(at, 'expected currency or currency_pointer')
      : { kind: 'pointer', pointer, unit, currency: { kind: 'pointer', pointer: from } }
  },
}

/** What a test or a proposal says of the facts. */
export const FACT_KEYS: readonly string[] = [
  'tool',
  'operation',
  'category',
  'tags',
  'bundle',
  'amount',
  'args',
  'tenant',
  'workspace',
  'agent',
  'user',
  'source',
  'auth_level',
  'auth_method',
  'roles',
  'scopes',
  'skill_level',
  'local_times',
  'chain',
  'provenance',
  'counters',
]

function readTool(table: RawTable, at: At): PolicyFacts['tool'] {
  const id = maybe(table, 'tool', word, at) ?? 'test.tool'
  return {
    id,
    operation: maybe(table, 'operation', choice(OPERATIONS), at) ?? 'transfer',
    category: maybe(table, 'category', word, at),
    tags: maybe(table, 'tags', words, at) ?? [],
    bundle: maybe(table, 'bundle', word, at) ?? id.split('.', 1)[0] ?? id,
    amount: maybe(table, 'amount', amountRule, at) ?? { kind: 'none' },
  }
}

/** What is left out is not available to rules. */
export function readFacts(table: RawTable, at: At): PolicyFacts {
  const args = table.get('args')
  return {
    tool: readTool(table, at),
    args: args === undefined ? {} : toJson(args, inside(at, 'args')),
    tenant: maybe(table, 'tenant', word, at) ?? 'test',
    workspace: maybe(table, 'workspace', word, at) ?? 'default',
    agent: maybe(table, 'agent', word, at),
    user: maybe(table, 'user', word, at),
    source: maybe(table, 'source', choice(SOURCES), at),
    auth_level: maybe(table, 'auth_level', integer({ min: 1, max: 5 }), at),
    auth_method: maybe(table, 'auth_method', choice(AUTH_METHODS), at),
    roles: maybe(table, 'roles', words, at),
    scopes: maybe(table, 'scopes', words, at),
    skill_level: maybe(table, 'skill_level', word, at),
    time_ms: 0,
    local_times: maybe(table, 'local_times', localTimes, at) ?? new Map(),
    chain: maybe(table, 'chain', chain, at),
    provenance: maybe(table, 'provenance', readMap(oneOrMore(word).read), at) ?? new Map(),
    counters: maybe(table, 'counters', counters, at) ?? new Map(),
  }
}

function readExpected(raw: Raw, at: At): Expected | null {
  const table = readTableOf(raw, at, ['effect', 'tier', 'rule', 'unknown'])
  if (table === null) return null
  const effect = need(table, 'effect', choice(EFFECTS), at)
  if (effect === null) return null
  return {
    effect,
    tier: maybe(table, 'tier', integer({ min: 0, max: 3 }), at),
    rule: maybe(table, 'rule', word, at),
    unknown: maybe(table, 'unknown', words, at),
  }
}

function readTest(raw: Raw, at: At): PolicyTest | null {
  const table = readTableOf(raw, at, ['name', 'expect', ...FACT_KEYS])
  if (table === null) return null
  return complete({
    name: need(table, 'name', word, at),
    facts: readFacts(table, at),
    expect: need(table, 'expect', { read: readExpected }, at),
  })
}

/** Reads a file of `[[tests]]`. What a test does not say of a proposal is not available to rules. */
export function parsePolicyTests(
  source: string,
  { file }: { readonly file: string },
): Ok<readonly PolicyTest[]> | PolicyRefusal {
  const table = readToml(source, file)
  if (!table.ok) return table
  const problems = new Problems()
  const at: At = { problems, path: [] }
  checkKeys(table.value, { known: ['version', 'tests'] }, at)
  const raw = table.value.get('tests')
  const here = inside(at, 'tests')
  const tests: PolicyTest[] = []
  if (typeof raw !== 'object' || !('items' in raw)) wrong(here, 'expected [[tests]] tables')
  else if (raw.items.length > TESTS_MAX) wrong(here, `more than ${TESTS_MAX} tests`)
  else {
    for (const [index, item] of raw.items.entries()) {
      const read = readTest(item, inside(here, index))
      if (read !== null) tests.push(read)
    }
  }
  return problems.list.length > 0 ? refusal(source, file, problems) : ok(tests)
}

function meets(decision: PolicyDecision, { effect, tier, rule, unknown }: Expected): boolean {
  if (decision.effect !== effect) return false
  if (tier !== null && decision.tier !== tier) return false
  if (rule !== null && decision.rule_id !== rule) return false
  return unknown === null || [...unknown].sort().join() === [...decision.unknown].sort().join()
}

/** Decides every test's proposal and compares. */
export function runPolicyTests(
  layers: CompiledLayers,
  tests: readonly PolicyTest[],
): readonly TestOutcome[] {
  return tests.map(({ name, facts, expect }) => {
    const decision = decideLayers(layers, facts)
    return { name, ok: meets(decision, expect), expected: expect, decision }
  })
}
