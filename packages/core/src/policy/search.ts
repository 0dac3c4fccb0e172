/**
 * What can be said of rules while only some facts are chosen, and the walk over the choices that
 * still matter. Two policies that leave the same rules open are the same from there on, so the walk
 * ends where they begin to agree.
 */

import { type Asked, allAsked, askedBy, NOBODY_ASKED } from './approvers.ts'
import type { Condition, Rule } from './ast.ts'
import { restrictsInDoubt, strength } from './ast.ts'
import {
  BLANK_FACTS,
  type Cell,
  conditionKey,
  type ExampleFacts,
  type RealCell,
  type Variable,
  variablesOf,
} from './cells.ts'
import { longestUndo } from './decide.ts'
import type { PolicyFacts } from './facts.ts'
import type { Truth } from './truth.ts'

/** A rule whose lines are known by their keys. */
export interface KeyedRule {
  readonly rule: Rule
  readonly keys: readonly string[]
}

/** Of some conditions all variables, and which of them judges which condition. */
export interface Space {
  readonly variableOf: ReadonlyMap<string, Variable>
}

export const keyed = (rules: readonly Rule[]): readonly KeyedRule[] =>
  rules.map((rule) => ({ rule, keys: rule.match.map(conditionKey) }))

export function spaceOf(rules: readonly Rule[]): Space {
  const conditions = new Map<string, Condition>()
  for (const condition of rules.flatMap(({ match }) => match)) {
    conditions.set(conditionKey(condition), condition)
  }
  return { variableOf: variablesOf([...conditions.values()]) }
}

/** The cells chosen so far, and the truths that follow. */
export interface Choice {
  readonly cells: ReadonlyMap<Variable, Cell>
  readonly truths: ReadonlyMap<string, Truth>
}

export const NOTHING_CHOSEN: Choice = { cells: new Map(), truths: new Map() }

export function choose(choice: Choice, variable: Variable, cell: Cell): Choice {
  return {
    cells: new Map([...choice.cells, [variable, cell]]),
    truths: new Map([...choice.truths, ...cell.truths]),
  }
}

/** Only rules whose tools may be the same can stand in each other's way. */
export function mayShareTool(a: Rule, b: Rule): boolean {
  const [first, second] = [toolsOf(a), toolsOf(b)]
  if (first === null || second === null) return true
  return first.some((one) => second.some((other) => mayOverlap(one, other)))
}

const toolsOfRule = new WeakMap<Rule, readonly string[] | null>()

function toolsOf(rule: Rule): readonly string[] | null {
  let globs = toolsOfRule.get(rule)
  if (globs === undefined) {
    const written = rule.match.flatMap((line) => (line.kind === 'tool' ? line.globs : []))
    globs = written.length === 0 ? null : written
    toolsOfRule.set(rule, globs)
  }
  return globs
}

function mayOverlap(a: string, b: string): boolean {
  const [first, second] = [a.indexOf('*'), b.indexOf('*')]
  if (first === -1 && second === -1) return a === b
  const [one, other] = [
    first === -1 ? a : a.slice(0, first),
    second === -1 ? b : b.slice(0, second),
  ]
  return one.startsWith(other) || other.startsWith(one)
}

/** One cell for each way in which the values of a fact matter to these rules. */
export function distinctCells(variable: Variable, rules: readonly KeyedRule[]): readonly Cell[] {
  const asked = new Set(rules.flatMap(({ keys }) => keys))
  const cells = new Map<string, Cell>()
  for (const cell of variable.cells) {
    const lines = [...cell.truths].filter(([key]) => asked.has(key))
    const way = lines.map(([, truth]) => truth).join()
    const known = cells.get(way)
    if (known === undefined || shownSize(cell) < shownSize(known)) cells.set(way, cell)
  }
  return [...cells.values()]
}

const shownSize = ({ shown }: Cell): number => JSON.stringify(shown).length

/** What is known of a rule: `open` while a line that could still make it false or unknown is not chosen. */
export type Status = 'true' | 'false' | 'unknown' | 'open'

export function statusOf({ keys }: KeyedRule, { truths }: Choice): Status {
  let status: Status = 'true'
  for (const key of keys) {
    const truth = truths.get(key)
    if (truth === false) return 'false'
    if (truth === undefined) status = 'open'
    else if (truth === 'unknown' && status === 'true') status = 'unknown'
  }
  return status
}

/** The first line of a rule that is not chosen yet. */
export function openVariable(
  { keys }: KeyedRule,
  { truths }: Choice,
  { variableOf }: Space,
): Variable | null {
  for (const key of keys) if (!truths.has(key)) return variableOf.get(key) ?? null
  return null
}

/** One rule that a policy may still meet. */
export interface Left {
  readonly keyed: KeyedRule
  readonly status: Status
  /** Says the same of two rules exactly when they do the same from here on. */
  readonly form: string
}

/** The rules that may still be met, in the order of reading. */
export function remaining(rules: readonly KeyedRule[], choice: Choice): readonly Left[] {
  const left: Left[] = []
  let reached = Number.POSITIVE_INFINITY
  let last = -1
  for (const keyedRule of rules) {
    const { rule, keys } = keyedRule
    if (rule.priority > reached) break
    const status = statusOf(keyedRule, choice)
    if (status === 'false') continue
    const doubted = keys.some((key) => choice.truths.get(key) === 'unknown')
    if (doubted && !restrictsInDoubt(rule)) continue
    if (status === 'true') reached = rule.priority
    const isBeside = rule.priority === last
    last = rule.priority
    const open = keys.filter((key) => !choice.truths.has(key)).sort()
    const asks = JSON.stringify(rule.approvers)
    const form = `${isBeside} ${doubted} ${strength(rule)} ${asks} ${rule.undo_ms} ${open.join()}`
    left.push({ keyed: keyedRule, status, form })
  }
  return left
}

/** What stands once nothing is open. */
export interface Stands {
  readonly strength: number
  readonly asked: Asked
  readonly undo_ms: number
}

const DEFAULT_STRENGTH = { deny: 4, allow: 0, none: -1 }
export type DefaultEffect = keyof typeof DEFAULT_STRENGTH

const rulesThat = (left: readonly Left[], are: Status): readonly Rule[] =>
  left.filter(({ status }) => status === are).map(({ keyed: { rule } }) => rule)

export function standing(left: readonly Left[], fallback: DefaultEffect): Stands {
  const known = rulesThat(left, 'true')
  const most = Math.max(...known.map(strength))
  const matched = known.filter((rule) => strength(rule) === most)
  const rules = [...matched, ...rulesThat(left, 'unknown')]
  const falls = known.length === 0 ? [DEFAULT_STRENGTH[fallback]] : []
  const top = Math.max(...falls, ...rules.map(strength))
  const undo_ms = top === 4 ? 0 : longestUndo(rules)
  if (top <= 0 || top === 4) return { strength: top, asked: NOBODY_ASKED, undo_ms }
  const asked = allAsked(rules.map(({ approvers }) => ({ asked: askedBy(approvers) })))
  return asked === null
    ? { strength: 4, asked: NOBODY_ASKED, undo_ms: 0 }
    : { strength: top, asked, undo_ms }
}

export interface StrengthRange {
  readonly least: number
  readonly most: number
}

/** Bounds on the strength of whatever may come of the rules left. */
export function strengthRange(left: readonly Left[], fallback: DefaultEffect): StrengthRange {
  const falls = rulesThat(left, 'true').length === 0 ? [DEFAULT_STRENGTH[fallback]] : []
  const strengths = left.map(({ keyed: { rule } }) => strength(rule))
  const ends = left
    .filter(({ status }) => status !== 'unknown')
    .map(({ keyed: { rule } }) => strength(rule))
  const most = Math.max(...falls, ...strengths)
  // Asking what nobody could approve denies, so asking may always end as strict as denying.
  return { least: Math.min(...falls, ...ends), most: most > 0 ? 4 : most }
}

/** A cell of real values with all the truths chosen for the fact; null when none is known. */
function witness({ real }: Variable, { truths: chosen }: Choice): RealCell | null {
  const fits = ({ truths }: Cell): boolean =>
    [...truths].every(([key, truth]) => (chosen.get(key) ?? truth) === truth)
  return real.find(fits) ?? null
}

/** A proposal in which every chosen fact has a value; what was not chosen is as in `blank`. */
export interface Example {
  readonly facts: PolicyFacts
  readonly shown: ReadonlyMap<string, Cell['shown']>
}

/** Null where a value is not known to exist. */
export function exampleOf(choice: Choice, blank: ExampleFacts = BLANK_FACTS): Example | null {
  let facts = blank
  const shown = new Map<string, Cell['shown']>()
  for (const variable of choice.cells.keys()) {
    const cell = witness(variable, choice)
    if (cell === null) return null
    facts = cell.set(facts)
    shown.set(variable.fact, cell.shown)
  }
  return { facts, shown }
}

/** Counts choices down; at zero a question stays open rather than unanswered for ever. */
export class Work {
  left: number
  constructor(limit: number) {
    this.left = limit
  }

  spend(cost: number): boolean {
    this.left -= cost
    return this.left >= 0
  }
}
