/**
 * The facts of a policy as variables of finite choice: the values of each fact fall into cells, in
 * each of which every condition on it has one truth. What cannot be taken apart (a regex) becomes
 * one free variable for each condition, which permits at least what there is: nothing found over
 * such variables is never wrong, something found needs a value to prove it.
 */
import { formatMoney, type Json, OPERATIONS, SOURCES } from '@trustgw/protocol'
import { type Condition, DAYS, type NameKey, ofKind } from './ast.ts'
import { argumentExamples, unions } from './cells-args.ts'
import { exampleTexts, freshText } from './cells-text.ts'
import { compileCondition, NAME_SEPARATOR } from './conditions.ts'
import type { Amount, Chain, LocalTime, PolicyFacts, RecordedArguments } from './facts.ts'
import { MATCH_KEYS, ORIGINS, TOOL_RESULT } from './match-syntax.ts'
import { Slots, showArgument } from './slots.ts'
import { canonicalSets } from './syntax.ts'
import type { Truth } from './truth.ts'

/** A proposal of which only some facts are set. */
export interface ExampleFacts extends PolicyFacts {
  readonly recorded: RecordedArguments & { readonly values: ReadonlyMap<string, Json | undefined> }
}

/** Sets one fact of a proposal. */
export type SetFact = (facts: ExampleFacts) => ExampleFacts

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
export const BLANK_FACTS: ExampleFacts = {
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

/** The fact stays as it is in a blank proposal. */
const NOTHING: Sample = { set: (facts) => facts, shown: 'nothing' }

/** How these conditions judge proposals, in their order. */
export function judging(conditions: Iterable<Condition>): (facts: PolicyFacts) => readonly Truth[] {
  const slots = new Slots()
  const tests = Array.from(conditions, (condition) => compileCondition(condition, slots))
  let stamp = 0
  return (facts) => {
    stamp += 1
    const look = { facts, stamp, order: [] }
    return tests.map((test) => test.judge(look))
  }
}

const setArgument =
  (pointer: string, value: Json | undefined): SetFact =>
  ({ recorded, ...facts }) => {
    const values = new Map([...recorded.values, [pointer, value]])
    return { ...facts, recorded: { ...recorded, values } }
  }

const setAmount =
  (amount: Amount): SetFact =>
  ({ recorded, ...facts }) => ({ ...facts, recorded: { ...recorded, amount } })

function argumentSamples(pointer: string, conditions: readonly Condition[]): Samples {
  const predicates = ofKind(conditions, 'args').flatMap((one) => one.predicates)
  const { values, gap } = argumentExamples(predicates)
  const samples = values.map((value) => ({
    set: setArgument(pointer, value),
    shown: value === undefined ? 'nothing' : showArgument(value),
  }))
  return { samples, gap }
}

function amountSamples(conditions: readonly Condition[]): Samples {
  // An amount in a currency that none of them names is as unknown to them as no amount.
  const amounts: Amount[] = [{ kind: 'none' }, { kind: 'unknown', why: 'example' }]
  for (const { money } of ofKind(conditions, 'amount').flatMap(({ bounds }) => bounds)) {
    for (const minor of [0n, money.minor - 1n, money.minor, money.minor + 1n]) {
      if (minor >= 0n) amounts.push({ kind: 'money', money: { minor, currency: money.currency } })
    }
  }
  const samples = amounts.map((amount) => ({
    set: setAmount(amount),
    shown: amount.kind === 'money' ? formatMoney(amount.money) : amount.kind,
  }))
  return { samples, gap: null }
}

function timeSamples(zone: string, conditions: readonly Condition[]): Samples {
  const edges = new Set([0])
  for (const { window } of ofKind(conditions, 'time')) {
    for (const edge of [window.from, window.to]) if (edge !== null) edges.add(edge)
  }
  const minutes = [...edges].flatMap((edge) => (edge === 0 ? [0] : [edge - 1, edge]))
  const times = DAYS.flatMap((day) => minutes.map((minute): LocalTime => ({ day, minute })))
  const samples = times.map(
    (time): Sample => ({
      set: (facts) => ({
        ...facts,
        local_times: new Map([...(facts.local_times ?? []), [zone, time]]),
      }),
      shown: { ...time },
    }),
  )
  return { samples: [NOTHING, ...samples], gap: null }
}

function countsAround(values: readonly number[]): readonly number[] {
  const around = values.flatMap((value) => [value - 1, value, value + 1])
  return [...new Set([0, ...around])].filter((value) => value >= 0)
}

function chainSamples(conditions: readonly Condition[]): Samples {
  const bounds = ofKind(conditions, 'chain').map((one) => one.bounds)
  const depths = countsAround(bounds.flatMap(({ depth }) => depth.map(({ value }) => value)))
  const repeats = countsAround(bounds.flatMap((one) => one.repeats.map(({ value }) => value)))
  const chains = depths.flatMap((depth) =>
    repeats.flatMap((repeat) =>
      [false, true].map((cycle): Chain => ({ depth, repeats: repeat, cycle })),
    ),
  )
  const samples = chains.map(
    (chain): Sample => ({ set: (facts) => ({ ...facts, chain }), shown: { ...chain } }),
  )
  return { samples: [NOTHING, ...samples], gap: null }
}

type NamedList = 'roles' | 'scopes' | 'tags'

function listSamples(kind: NamedList, conditions: readonly Condition[]): Samples {
  const words = [...new Set(ofKind(conditions, kind).flatMap((one) => one.words))]
  const setTo =
    (list: readonly string[]): SetFact =>
    (facts) =>
      kind === 'tags'
        ? { ...facts, tool: { ...facts.tool, tags: list } }
        : { ...facts, [kind]: list }
  const judge = judging(conditions)
  const lists = unions(words, (list) => judge(setTo(list)(BLANK_FACTS)).join())
  const all = [[], ...(lists ?? words.map((word) => [word]))]
  const samples = all.map((list): Sample => ({ set: setTo(list), shown: [...list] }))
  // Of the tags, which are always there, the empty list is the shorter example of none.
  return {
    samples: [NOTHING, ...samples],
    gap: lists === null ? 'more words than are taken apart' : null,
  }
}

function originSamples(pointer: string, conditions: readonly Condition[]): Samples {
  const globs = [...new Set(ofKind(conditions, 'provenance').flatMap((one) => one.globs))]
  const tools = globs.flatMap((glob) =>
    glob.startsWith(TOOL_RESULT) ? [glob.slice(TOOL_RESULT.length)] : [],
  )
  const names = exampleTexts({ globs: tools, separator: NAME_SEPARATOR, isName: true })
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

function nameSamples(kind: NameKey, conditions: readonly Condition[]): Samples {
  const globs = [...new Set(ofKind(conditions, kind).flatMap((one) => one.globs))]
  const texts = exampleTexts({ globs, separator: NAME_SEPARATOR, isName: true })
  const names = texts ?? globs.map((glob) => glob.replaceAll('*', 'x'))
  const setTo =
    (name: string): SetFact =>
    (facts) =>
      kind === 'tool' ? { ...facts, tool: { ...facts.tool, id: name } } : { ...facts, [kind]: name }
  const samples = names.map((name): Sample => ({ set: setTo(name), shown: name }))
  const absent = kind === 'agent' || kind === 'user' ? [NOTHING] : []
  return {
    samples: [...absent, ...samples],
    gap: texts === null ? 'more globs than are taken apart' : null,
  }
}

type Word = 'category' | 'bundle' | 'skill_level' | 'auth_method'

function wordSamples(kind: Word, conditions: readonly Condition[]): Samples {
  const words = [...new Set(ofKind(conditions, kind).flatMap((one) => one.words))]
  const known = [...words, freshText(words)].map(
    (word): Sample => ({
      set: (facts) =>
        kind === 'category' || kind === 'bundle'
          ? { ...facts, tool: { ...facts.tool, [kind]: word } }
          : { ...facts, [kind]: word },
      shown: word,
    }),
  )
  // The bundle, which is always there, has a shorter example of what a blank one is.
  return { samples: [...known, NOTHING], gap: null }
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
  readonly fact: string
  readonly first: Condition
  readonly conditions: Map<string, Condition>
}

const size = (value: Json): number => JSON.stringify(value).length

/** Real cells: one for each way in which a sample is judged, with the shortest sample. */
function realCells({ conditions }: Group, samples: readonly Sample[]): readonly RealCell[] {
  const keys = [...conditions.keys()]
  const judge = judging(conditions.values())
  const cells = new Map<string, RealCell>()
  for (const { set, shown } of samples) {
    const judged = judge(set(BLANK_FACTS))
    const way = judged.join()
    const known = cells.get(way)
    if (known !== undefined && size(shown) >= size(known.shown)) continue
    const truths = new Map(judged.map((truth, at) => [keys[at] ?? '', truth]))
    cells.set(way, { truths, set, shown })
  }
  return [...cells.values()]
}

const FREE: readonly Truth[] = [true, false, 'unknown']

const freeCells = (key: string): readonly Cell[] =>
  FREE.map((truth) => ({ truths: new Map([[key, truth]]), set: null, shown: null }))

/** The variables over which some conditions are judged, by the key of each condition. */
export function variablesOf(conditions: readonly Condition[]): ReadonlyMap<string, Variable> {
  const slots = new Slots()
  const groups = new Map<string, Group>()
  for (const condition of conditions) {
    const { slot } = compileCondition(condition, slots)
    const group = groups.get(slot.name) ?? {
      fact: slot.name,
      first: condition,
      conditions: new Map<string, Condition>(),
    }
    group.conditions.set(conditionKey(condition), condition)
    groups.set(slot.name, group)
  }
  const byCondition = new Map<string, Variable>()
  for (const group of groups.values()) {
    const { samples, gap } = samplesFor(group.first, [...group.conditions.values()])
    const real = realCells(group, samples)
    const whole: Variable = { fact: group.fact, cells: real, gap, real }
    for (const key of group.conditions.keys()) {
      byCondition.set(key, gap === null ? whole : { ...whole, cells: freeCells(key) })
    }
  }
  return byCondition
}
