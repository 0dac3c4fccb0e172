/**
 * What a new policy allows that the old one did not (spec/policy.md "Commands"): every region of
 * facts in which it is less restrictive, each with a smallest example that both policies were asked
 * about. Facts are taken as independent: whatever the registry or the gateway would never say.
 */
import type { Json } from '@trustgw/protocol'
import { askedAtLeast } from './approvers.ts'
import { type Limit, type Policy, type Rule, strength } from './ast.ts'
import { BLANK_FACTS, type Cell, conditionKey, type ExampleFacts, type Variable } from './cells.ts'
import type { CompiledPolicy } from './compile.ts'
import { compileCondition } from './conditions.ts'
import { decide, type PolicyDecision } from './decide.ts'
import type { Counter, PolicyFacts } from './facts.ts'
import { limitSyntax, ruleSyntax } from './rule-syntax.ts'
import {
  type Choice,
  choose,
  distinctCells,
  exampleOf,
  type KeyedRule,
  keyed,
  type Left,
  mayShareTool,
  NOTHING_CHOSEN,
  openVariable,
  remaining,
  type Space,
  type Stands,
  type StrengthRange,
  spaceOf,
  standing,
  strengthRange,
  Work,
} from './search.ts'
import { Slots } from './slots.ts'
import { canonicalSets } from './syntax.ts'
import type { Truth } from './truth.ts'

/** How much of two policies is looked at. */
export interface DiffBounds {
  /** Rules looked at. */
  readonly workMax: number
  /** Different lines about one fact: its cells grow with their square. */
  readonly factLinesMax: number
  /** Regions named of those that widen. */
  readonly regionsMax: number
}

const WIDE: DiffBounds = { workMax: 4_000_000, factLinesMax: 1_500, regionsMax: 200 }

export interface Side {
  readonly effect: PolicyDecision['effect']
  readonly tier: PolicyDecision['tier']
  readonly rule_id: string
}

/** What a region asks of one fact: which lines hold there. */
export interface RegionLine {
  readonly line: string
  readonly truth: Truth
}

export interface Region {
  readonly before: Side
  readonly after: Side
  readonly lines: readonly RegionLine[]
  /** The smallest proposal found in it, by fact; facts left out do not matter. */
  readonly example: Readonly<Record<string, Json>>
}

/** Something that may be less restrictive and that no example proves. */
export interface Doubt {
  readonly why: string
  readonly lines: readonly RegionLine[]
}

export interface PolicyDiff {
  /** `same`: no decision differs in what it lets through, nor is any stricter. */
  readonly verdict: 'same' | 'narrower' | 'widens' | 'may_widen'
  readonly widens: readonly Region[]
  readonly doubts: readonly Doubt[]
}

interface Walk {
  readonly space: Space
  readonly old: CompiledPolicy
  readonly next: CompiledPolicy
  /** What an example is before its facts are set: no argument is there, no amount is moved. */
  readonly blank: ExampleFacts
  readonly work: Work
  readonly regions: Map<string, Region>
  readonly doubts: Map<string, Doubt>
  isNarrower: boolean
}

function isWider(before: Stands, after: Stands): boolean {
  if (after.strength < before.strength) return true
  if (after.strength !== before.strength) return false
  return after.undo_ms < before.undo_ms || !askedAtLeast(before.asked, after.asked)
}

const sideOf = ({ effect, tier, rule_id }: PolicyDecision): Side => ({ effect, tier, rule_id })

const standsOf = (decision: PolicyDecision): Stands => ({
  strength: strength(decision),
  asked: decision.obligations,
  undo_ms: decision.obligations.undo_ms ?? 0,
})

const TRUTH_ORDER: readonly Truth[] = [true, 'unknown', false]

/** The lines that tell a cell from the others of its fact: first those that few other cells share. */
function telling(variable: Variable, cell: Cell): readonly RegionLine[] {
  const alike = (line: string, truth: Truth): number =>
    variable.cells.filter(({ truths }) => truths.get(line) === truth).length
  const lines = [...cell.truths]
    .map(([line, truth]) => ({ line, truth, alike: alike(line, truth) }))
    .sort(
      (a, b) => TRUTH_ORDER.indexOf(a.truth) - TRUTH_ORDER.indexOf(b.truth) || a.alike - b.alike,
    )
  let left = variable.cells
  return lines.flatMap(({ line, truth }) => {
    const rest = left.filter(({ truths }) => truths.get(line) === truth)
    if (rest.length === left.length) return []
    left = rest
    return [{ line, truth }]
  })
}

const linesOf = ({ cells }: Choice): readonly RegionLine[] =>
  [...cells].flatMap(([variable, cell]) => telling(variable, cell))

function doubt(walk: Walk, why: string, choice: Choice): void {
  if (!walk.doubts.has(why)) walk.doubts.set(why, { why, lines: linesOf(choice) })
}

/** Asks both policies about the example of a choice; without one it stays a doubt. */
function prove(walk: Walk, choice: Choice): void {
  const facts = [...choice.cells.keys()]
  const gaps = new Set(facts.flatMap(({ gap, fact }) => (gap === null ? [] : [`${fact}: ${gap}`])))
  const example = exampleOf(choice, walk.blank)
  if (example === null) {
    doubt(walk, [...gaps].join('; '), choice)
    return
  }
  const before = decideUnused(walk.old, example.facts)
  const after = decideUnused(walk.next, example.facts)
  if (!isWider(standsOf(before), standsOf(after))) {
    doubt(walk, [...gaps, 'a limit stands in the way of the example'].join('; '), choice)
    return
  }
  const region = {
    before: sideOf(before),
    after: sideOf(after),
    example: Object.fromEntries(example.shown),
  }
  const key = JSON.stringify([region.before, region.after])
  const known = walk.regions.get(key)
  if (known !== undefined && weight(region) >= weight(known)) return
  walk.regions.set(key, { ...region, lines: linesOf(choice) })
}

const weight = ({ example }: Pick<Region, 'example'>): number =>
  Object.keys(example).length * 1_000 + JSON.stringify(example).length

/** With limits of which nothing was used: whether one is reached is no matter of the proposal. */
function decideUnused(policy: CompiledPolicy, facts: PolicyFacts): PolicyDecision {
  const counters = policy.limits.map(
    ({ counterName, limit: { max_amount } }): readonly [string, Counter] => [
      counterName,
      { count: 0, amount: max_amount && { ...max_amount, minor: 0n } },
    ],
  )
  return decide(policy, { ...facts, counters: new Map(counters) })
}

function blankFacts(...policies: readonly CompiledPolicy[]): ExampleFacts {
  const pointers = policies.flatMap(({ slots }) => slots.argumentPointers())
  const values = new Map(pointers.map((pointer) => [pointer, undefined]))
  return { ...BLANK_FACTS, recorded: { values, amount: { kind: 'none' } } }
}

/** Where two lists of rules begin to differ; -1 where they do not. */
const differsAt = (a: readonly Left[], b: readonly Left[]): number =>
  [...a, ...b].findIndex((_, index) => a[index]?.form !== b[index]?.form)

interface Rules {
  readonly old: readonly KeyedRule[]
  readonly next: readonly KeyedRule[]
}

const keyedOf = (left: readonly Left[]): readonly KeyedRule[] => left.map((one) => one.keyed)

/** Whether the bounds alone tell that nothing widens, and whether anything is stricter. */
function isSettled(walk: Walk, old: StrengthRange, next: StrengthRange): boolean {
  if (next.least > old.most) {
    walk.isNarrower = true
    return true
  }
  // Nothing is stricter than what denies throughout; only whether it was so before is asked.
  return next.least === 4 && (walk.isNarrower || old.least === 4)
}

function compare(walk: Walk, choice: Choice, rules: Rules): void {
  if (!walk.work.spend(rules.old.length + rules.next.length + 1)) {
    doubt(walk, 'more cases than are looked at', choice)
    return
  }
  const before = remaining(rules.old, choice)
  const after = remaining(rules.next, choice)
  const [was, is] = [walk.old.defaults.effect, walk.next.defaults.effect]
  const at = differsAt(before, after)
  if (was === is && at === -1) return
  if (isSettled(walk, strengthRange(before, was), strengthRange(after, is))) return
  const left = { old: keyedOf(before), next: keyedOf(after) }
  // What differs first; before that both have the same lines open.
  for (const rule of [...left.next.slice(at), ...left.old.slice(at), ...left.next]) {
    const variable = openVariable(rule, choice, walk.space)
    if (variable === null) continue
    for (const cell of distinctCells(variable, [...left.old, ...left.next])) {
      compare(walk, choose(choice, variable, cell), left)
    }
    return
  }
  const [old, next] = [standing(before, was), standing(after, is)]
  if (isWider(old, next)) prove(walk, choice)
  else if (isWider(next, old)) walk.isNarrower = true
}

/** A layer without an opinion restricts nothing. */
function asAlone(compiled: CompiledPolicy): CompiledPolicy {
  const { defaults } = compiled
  return defaults.effect === 'none'
    ? { ...compiled, defaults: { ...defaults, effect: 'allow' } }
    : compiled
}

interface RuleLists {
  readonly old: readonly Rule[]
  readonly next: readonly Rule[]
}

/**
 * Where no changed rule can match, both policies decide alike; so only rules that may be over a tool
 * of a changed one matter.
 */
function rulesThatMatter(old: CompiledPolicy, next: CompiledPolicy): RuleLists {
  const lists = { old: old.rules.map(({ rule }) => rule), next: next.rules.map(({ rule }) => rule) }
  if (old.defaults.effect !== next.defaults.effect) return lists
  const was = new Set(lists.old.map(ruleForm))
  const is = new Set(lists.next.map(ruleForm))
  const changed = [
    ...lists.old.filter((rule) => !is.has(ruleForm(rule))),
    ...lists.next.filter((rule) => !was.has(ruleForm(rule))),
  ]
  const matters = (rule: Rule): boolean => changed.some((one) => mayShareTool(one, rule))
  return { old: lists.old.filter(matters), next: lists.next.filter(matters) }
}

const ruleForm = (rule: Rule): string => JSON.stringify(canonicalSets(ruleSyntax.write(rule)))

/** Whatever reason it gives. */
const limitForm = (limit: Limit): string =>
  JSON.stringify(canonicalSets(limitSyntax.write({ ...limit, reason: limit.id })))

/** Limits restrict only, so equal ones change nothing; another one is not looked into. */
function compareLimits(
  old: Policy,
  next: Policy,
): { readonly doubts: readonly Doubt[]; readonly differs: boolean } {
  const now = new Set(next.limits.map(limitForm))
  const gone = old.limits.filter((limit) => !now.has(limitForm(limit)))
  return {
    doubts: gone.map(({ id }) => ({ why: `limit ${id} is gone or changed`, lines: [] })),
    differs: next.limits.length !== old.limits.length,
  }
}

function longerLifetimes(old: Policy, next: Policy): readonly Doubt[] {
  return (['grant_ttl_ms', 'approval_ttl_ms'] as const)
    .filter((name) => next.defaults[name] > old.defaults[name])
    .map((name) => ({
      why: `${name} is longer: ${old.defaults[name]} to ${next.defaults[name]}`,
      lines: [],
    }))
}

/** The most different lines about one fact. */
function mostLines({ old, next }: RuleLists): number {
  const slots = new Slots()
  const lines = new Map<string, Set<string>>()
  for (const line of [...old, ...next].flatMap(({ match }) => match)) {
    const { slot } = compileCondition(line, slots)
    const known = lines.get(slot.name) ?? new Set()
    lines.set(slot.name, known.add(conditionKey(line)))
  }
  return Math.max(...[...lines.values()].map(({ size }) => size))
}

/**
 * Compares two policies of one layer. `same` and `narrower` are proofs; `widens` has at least one
 * example on which both policies were asked; `may_widen` says why no proof was found.
 */
export function diffPolicies(
  before: CompiledPolicy,
  after: CompiledPolicy,
  { workMax, factLinesMax, regionsMax }: DiffBounds = WIDE,
): PolicyDiff {
  const [old, next] = [asAlone(before), asAlone(after)]
  const rules = rulesThatMatter(old, next)
  const isWide = mostLines(rules) > factLinesMax
  const walk: Walk = {
    space: spaceOf(isWide ? [] : [...rules.old, ...rules.next]),
    old,
    next,
    blank: blankFacts(old, next),
    work: new Work(workMax),
    regions: new Map(),
    doubts: new Map(),
    isNarrower: false,
  }
  if (isWide)
    doubt(walk, `more than ${factLinesMax} different lines about one fact`, NOTHING_CHOSEN)
  else compare(walk, NOTHING_CHOSEN, { old: keyed(rules.old), next: keyed(rules.next) })
  const limits = compareLimits(old.policy, next.policy)
  const doubts = [
    ...walk.doubts.values(),
    ...limits.doubts,
    ...longerLifetimes(old.policy, next.policy),
  ]
  const widens = [...walk.regions.values()].slice(0, regionsMax)
  const isNarrower = walk.isNarrower || limits.differs
  const safe = isNarrower ? 'narrower' : 'same'
  const verdict = widens.length > 0 ? 'widens' : doubts.length > 0 ? 'may_widen' : safe
  return { verdict, widens, doubts }
}
