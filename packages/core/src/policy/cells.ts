/**
 * The facts of a policy as variables of finite choice: the values of each fact fall into cells, in
 * each of which every condition on it has one truth. What cannot be taken apart (a regex) becomes
 * one free variable for each condition, which permits at least what there is: nothing found over
 * such variables is never wrong, something found needs a value to prove it.
 */
import { formatMoney, type Json, OPERATIONS, parseCurrency, SOURCES } from '@trustgw/protocol'
import { type Condition, DAYS, type Predicate } from './ast.ts'
import { argumentExamples, unions } from './cells-args.ts'
import { exampleTexts, freshText } from './cells-text.ts'
import { compileCondition, NAME_SEPARATOR } from './conditions.ts'
import type { Amount, Chain, LocalTime, PolicyFacts } from './facts.ts'
import { MATCH_KEYS, ORIGINS, TOOL_RESULT } from './match-syntax.ts'
import { type AnySlot, Slots, showArgument } from './slots.ts'
import { canonicalSets } from './syntax.ts'
import type { Truth } from './truth.ts'

/** Sets one fact of a proposal. */
export type SetFact = (facts: PolicyFacts) => PolicyFacts

export interface Cell {
  /** The truth of each condition on the fact, by {@link conditionKey}. */
  readonly truths: ReadonlyMap<string, Truth>
  /** Null where no value is known. */
  readonly set: SetFact | null
  readonly shown: Json
}

/** A cell that a value of the fact is known to fall into. */
export interface RealCell extends Cell {
  readonly set: SetFact
}

export interface Variable {
  readonly fact: string
  readonly cells: readonly Cell[]
  /** Why the cells are free: null when they are those of real values. */
  readonly gap: string | null
  /** Cells of values, in which all conditions on the fact have a truth. */
  readonly real: readonly RealCell[]
}

interface Sample {
  readonly set: SetFact
  readonly shown: Json
}

interface Samples {
  readonly samples: readonly Sample[]
  readonly gap: string | null
}

/** Two lines that say the same have the same key. */
export function conditionKey(condition: Condition): string {
  for (const { name, write } of MATCH_KEYS) {
    const written = write([condition])
    if (written !== null) return `${name} = ${JSON.stringify(canonicalSets(written))}`
  }
  throw new TypeError('a condition that no key writes')
}

/** What a proposal is before any fact of it is set. */
export const BLANK_FACTS: PolicyFacts = {
  tool: {
    id: 'x',
    operation: 'transfer',
    category: null,
    tags: [],
    bundle: 'x',
    amount: { kind: 'none' },
  },
  args: {},
  tenant: 'x',
  workspace: 'x',
  agent: null,
  user: null,
  source: null,
  auth_level: null,
  roles: null,
  time_ms: 0,
  recorded: { values: new Map(), amount: { kind: 'unknown', why: 'blank' } },
}

function withRecorded(
  facts: PolicyFacts,
  values: ReadonlyMap<string, Json | undefined>,
): PolicyFacts {
  return { ...facts, recorded: { values, amount: facts.recorded?.amount ?? null } }
}

function setArgument(pointer: string, value: Json | undefined): SetFact {
  return (facts) =>
    withRecorded(facts, new Map([...(facts.recorded?.values ?? []), [pointer, value]]))
}

const setAmount =
  (amount: Amount): SetFact =>
  (facts) => ({ ...facts, recorded: { values: facts.recorded?.values ?? new Map(), amount } })

function argumentSamples(pointer: string, conditions: readonly Condition[]): Samples {
  const predicates = conditions.flatMap((one): readonly Predicate[] =>
    one.kind === 'args' ? one.predicates : [],
  )
  const { values, gap } = argumentExamples(predicates)
  const samples = values.map((value) => ({
    set: setArgument(pointer, value),
    shown: value === undefined ? 'nothing' : showArgument(value),
  }))
  return { samples, gap }
}

function amountSamples(conditions: readonly Condition[]): Samples {
  const bounds = conditions.flatMap((one) => (one.kind === 'amount' ? [...one.bounds] : []))
  const amounts: Amount[] = [{ kind: 'none' }, { kind: 'unknown', why: 'unknown' }]
  const codes = [...new Set(bounds.map(({ money }) => money.currency))]
  const spare = ['CHF', 'SEK', 'NOK', 'PLN', 'CZK'].find(
    (code) => !codes.some((own) => own === code),
  )
  const other = parseCurrency(spare ?? 'EUR')
  for (const { money } of bounds) {
    for (const minor of [0n, money.minor - 1n, money.minor, money.minor + 1n]) {
      if (minor >= 0n) amounts.push({ kind: 'money', money: { minor, currency: money.currency } })
    }
  }
  if (other.ok) amounts.push({ kind: 'money', money: { minor: 0n, currency: other.value } })
  const samples = amounts.map((amount) => ({
    set: setAmount(amount),
    shown: amount.kind === 'money' ? formatMoney(amount.money) : amount.kind,
  }))
  return { samples, gap: null }
}

function timeSamples(zone: string, conditions: readonly Condition[]): Samples {
  const edges = new Set([0])
  for (const condition of conditions) {
    if (condition.kind !== 'time') continue
    const { from, to } = condition.window
    for (const edge of [from, to]) if (edge !== null) edges.add(edge)
  }
  const minutes = [...edges].flatMap((edge) => (edge === 0 ? [0] : [edge - 1, edge]))
  const times = DAYS.flatMap((day) => minutes.map((minute): LocalTime => ({ day, minute })))
  const samples = [undefined, ...times].map(
    (time): Sample => ({
      set: (facts) => {
        const known = new Map(facts.local_times)
        if (time !== undefined) known.set(zone, time)
        return { ...facts, local_times: known }
      },
      shown: time === undefined ? 'nothing' : { day: time.day, minute: time.minute },
    }),
  )
  return { samples, gap: null }
}

function countsAround(values: readonly number[]): readonly number[] {
  const around = values.flatMap((value) => [value - 1, value, value + 1])
  return [...new Set([0, ...around])].filter((value) => value >= 0)
}

function chainSamples(conditions: readonly Condition[]): Samples {
  const bounds = conditions.flatMap((one) => (one.kind === 'chain' ? [one.bounds] : []))
  const depths = countsAround(bounds.flatMap(({ depth }) => depth.map(({ value }) => value)))
  const repeats = countsAround(bounds.flatMap((one) => one.repeats.map(({ value }) => value)))
  const chains = depths.flatMap((depth) =>
    repeats.flatMap((repeat) =>
      [false, true].map((cycle): Chain => ({ depth, repeats: repeat, cycle })),
    ),
  )
  const samples = [null, ...chains].map(
    (chain): Sample => ({
      set: (facts) => ({ ...facts, chain }),
      shown: chain === null ? 'nothing' : { ...chain },
    }),
  )
  return { samples, gap: null }
}

type NamedList = 'roles' | 'scopes' | 'tags'

function listSamples(kind: NamedList, conditions: readonly Condition[]): Samples {
  const words = [...new Set(conditions.flatMap((one) => ('words' in one ? [...one.words] : [])))]
  const slots = new Slots()
  const tests = conditions.map((condition) => compileCondition(condition, slots))
  const setTo =
    (list: readonly string[] | null): SetFact =>
    (facts) =>
      kind === 'tags'
        ? { ...facts, tool: { ...facts.tool, tags: list ?? [] } }
        : { ...facts, [kind]: list }
  let stamp = 0
  const judge = (list: readonly string[]): string => {
    stamp += 1
    const look = { facts: setTo(list)(BLANK_FACTS), stamp, order: [] }
    return tests.map((test) => test.judge(look)).join()
  }
  const lists = unions(words, judge)
  const all = [...(kind === 'tags' ? [] : [null]), [], ...(lists ?? words.map((word) => [word]))]
  const samples = all.map((list) => ({
    set: setTo(list),
    shown: list === null ? 'nothing' : [...list],
  }))
  return { samples, gap: lists === null ? 'more words than are taken apart' : null }
}

function originSamples(pointer: string, conditions: readonly Condition[]): Samples {
  const globs = [
    ...new Set(conditions.flatMap((one) => (one.kind === 'provenance' ? [...one.globs] : []))),
  ]
  const tools = globs.flatMap((glob) =>
    glob.startsWith(TOOL_RESULT) ? [glob.slice(TOOL_RESULT.length)] : [],
  )
  const names = exampleTexts({ globs: tools, texts: [], separator: NAME_SEPARATOR, isName: true })
  const results = (names ?? tools).map((name) => `${TOOL_RESULT}${name}`)
  const all = [[], ...[...ORIGINS, ...results].map((label) => [label])]
  const samples = all.map(
    (list): Sample => ({
      set: (facts) => ({
        ...facts,
        provenance: new Map([...(facts.provenance ?? []), [pointer, list]]),
      }),
      shown: list,
    }),
  )
  const gap = names === null ? 'more globs than are taken apart' : null
  return { samples, gap: gap ?? (globs.length > 1 ? 'several origins of one value' : null) }
}

type Named = 'agent' | 'tenant' | 'workspace' | 'user' | 'tool'

function nameSamples(kind: Named, conditions: readonly Condition[]): Samples {
  const globs = [...new Set(conditions.flatMap((one) => ('globs' in one ? [...one.globs] : [])))]
  const texts = exampleTexts({ globs, texts: [], separator: NAME_SEPARATOR, isName: true })
  const names = texts ?? globs.map((glob) => glob.replaceAll('*', 'x'))
  const setTo =
    (name: string | null): SetFact =>
    (facts) =>
      kind === 'tool'
        ? { ...facts, tool: { ...facts.tool, id: name ?? 'x' } }
        : { ...facts, [kind]: name }
  const absent = kind === 'agent' || kind === 'user' ? [null] : []
  const samples = [...absent, ...names].map((name) => ({
    set: setTo(name),
    shown: name ?? 'nothing',
  }))
  return { samples, gap: texts === null ? 'more globs than are taken apart' : null }
}

function wordSamples(kind: string, conditions: readonly Condition[]): Samples {
  const words = [...new Set(conditions.flatMap((one) => ('words' in one ? [...one.words] : [])))]
  const known = [...words, freshText(words)].map(
    (word): Sample => ({
      set: (facts) =>
        kind === 'category' || kind === 'bundle'
          ? { ...facts, tool: { ...facts.tool, [kind]: word } }
          : { ...facts, [kind]: word },
      shown: word,
    }),
  )
  const absent: Sample = {
    set: (facts) =>
      kind === 'category'
        ? { ...facts, tool: { ...facts.tool, category: null } }
        : { ...facts, [kind]: null },
    shown: 'nothing',
  }
  return { samples: kind === 'bundle' ? known : [...known, absent], gap: null }
}

const operationSamples = (): Samples => ({
  samples: OPERATIONS.map((operation) => ({
    set: (facts) => ({ ...facts, tool: { ...facts.tool, operation } }),
    shown: operation,
  })),
  gap: null,
})

const sourceSamples = (): Samples => ({
  samples: [...SOURCES, null].map((source) => ({
    set: (facts) => ({ ...facts, source }),
    shown: source ?? 'nothing',
  })),
  gap: null,
})

const levelSamples = (): Samples => ({
  samples: [1, 2, 3, 4, 5, null].map((auth_level) => ({
    set: (facts) => ({ ...facts, auth_level }),
    shown: auth_level ?? 'nothing',
  })),
  gap: null,
})

// oxlint-disable-next-line complexity -- one straight case for each key
function samplesFor(first: Condition, conditions: readonly Condition[]): Samples {
  switch (first.kind) {
    case 'args':
      return argumentSamples(first.pointer, conditions)
    case 'amount':
      return amountSamples(conditions)
    case 'time':
      return timeSamples(first.window.tz, conditions)
    case 'chain':
      return chainSamples(conditions)
    case 'provenance':
      return originSamples(first.pointer, conditions)
    case 'operation':
      return operationSamples()
    case 'source':
      return sourceSamples()
    case 'auth_level':
      return levelSamples()
    case 'roles':
    case 'scopes':
    case 'tags':
      return listSamples(first.kind, conditions)
    case 'agent':
    case 'tenant':
    case 'workspace':
    case 'user':
    case 'tool':
      return nameSamples(first.kind, conditions)
    case 'category':
    case 'bundle':
    case 'skill_level':
    case 'auth_method':
      return wordSamples(first.kind, conditions)
  }
}

interface Group {
  readonly slot: AnySlot
  readonly conditions: Map<string, Condition>
}

const size = (value: Json): number => JSON.stringify(value).length

/** Real cells: one for each way in which a sample is judged, with the shortest sample. */
function realCells(group: Group, samples: readonly Sample[]): readonly RealCell[] {
  const slots = new Slots()
  const tests = [...group.conditions].map(
    ([key, condition]) => [key, compileCondition(condition, slots)] as const,
  )
  const cells = new Map<string, RealCell>()
  for (const [index, { set, shown }] of samples.entries()) {
    const look = { facts: set(BLANK_FACTS), stamp: index + 1, order: [] }
    const truths = new Map(tests.map(([key, test]) => [key, test.judge(look)] as const))
    const way = [...truths.values()].join()
    const known = cells.get(way)
    if (known === undefined || size(shown) < size(known.shown))
      cells.set(way, { truths, set, shown })
  }
  return [...cells.values()]
}

const FREE: readonly Truth[] = [true, false, 'unknown']

function freeVariables(group: Group, real: readonly RealCell[], gap: string): readonly Variable[] {
  return [...group.conditions.keys()].map((key) => ({
    fact: group.slot.name,
    gap,
    real,
    cells: FREE.map((truth) => ({ truths: new Map([[key, truth]]), set: null, shown: null })),
  }))
}

/** The variables over which some conditions are judged, by the key of each condition. */
export function variablesOf(conditions: readonly Condition[]): ReadonlyMap<string, Variable> {
  const slots = new Slots()
  const groups = new Map<string, Group>()
  for (const condition of conditions) {
    const { slot } = compileCondition(condition, slots)
    const group = groups.get(slot.name) ?? { slot, conditions: new Map<string, Condition>() }
    group.conditions.set(conditionKey(condition), condition)
    groups.set(slot.name, group)
  }
  const byCondition = new Map<string, Variable>()
  for (const group of groups.values()) {
    const all = [...group.conditions.values()]
    const [first] = all
    if (first === undefined) continue
    const { samples, gap } = samplesFor(first, all)
    const cells = realCells(group, samples)
    const whole: Variable = { fact: group.slot.name, cells, gap: null, real: cells }
    const variables = gap === null ? [whole] : freeVariables(group, cells, gap)
    for (const variable of variables) {
      for (const key of variable.cells[0]?.truths.keys() ?? []) byCondition.set(key, variable)
    }
  }
  return byCondition
}
