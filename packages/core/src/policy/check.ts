/** Findings of `policy check` on a policy that loads (spec/policy.md "Bad policies never load"). */

import type { Json } from '@trustgw/protocol'
import {
  type Condition,
  compareVerdicts,
  type Limit,
  ofKind,
  type Predicate,
  type Rule,
} from './ast.ts'
import { BLANK_FACTS, judging, type Variable } from './cells.ts'
import type { CompiledPolicy } from './compile.ts'
import type { ToolFacts } from './facts.ts'
import { isAnchored } from './regex.ts'
import {
  type Choice,
  choose,
  distinctCells,
  exampleOf,
  type KeyedRule,
  keyed,
  mayShareTool,
  NOTHING_CHOSEN,
  openVariable,
  type Space,
  spaceOf,
  Work,
} from './search.ts'

/** Comparisons of two lines that cost as much as a rule looked at. */
const LINES_PER_WORK = 8
/** Rules that only their tools are compared of. */
const RULES_PER_WORK = 32
/** Rules named of those that lie before a shadowed one. */
const SHADOWED_BY_MAX = 32

interface CheckLimits {
  /** Rules looked at for one question, and for all of one check. */
  readonly questionWork: number
  readonly checkWork: number
  /** Lines of one question; its cells grow with their square. */
  readonly questionLines: number
  /** Conflicts named; in a policy that has more the rest is not looked for. */
  readonly conflicts: number
}
const CHECK_LIMITS: CheckLimits = {
  questionWork: 200_000,
  checkWork: 8_000_000,
  questionLines: 1_000,
  conflicts: 1_000,
}

export type CheckFinding =
  /** No proposal makes the rule decide; `by` are rules looked at before it, not all of many. */
  | { readonly kind: 'shadowed'; readonly rule: string; readonly by: readonly string[] }
  /** Both hold at once, at one priority, with different effect; the stricter stands. */
  | {
      readonly kind: 'conflict'
      readonly rule: string
      readonly other: string
      readonly example: Readonly<Record<string, Json>> | null
    }
  /** A registered tool that only the default decides. */
  | { readonly kind: 'uncovered_tool'; readonly tool: string }
  /** Whoever takes over the gateway chooses whether the rule holds. */
  | { readonly kind: 'asserted_only'; readonly rule: string; readonly facts: readonly string[] }
  /** A rule that permits, by a pattern found in the middle of anything. */
  | { readonly kind: 'unanchored_regex'; readonly rule: string; readonly pattern: string }
  /** A tool id with other characters than ASCII's; in a rule or limit, or registered (rule null). */
  | { readonly kind: 'confusable_tool'; readonly rule: string | null; readonly glob: string }
  /** The question took more work than one check does. */
  | {
      readonly kind: 'not_checked'
      readonly rule: string
      readonly question: 'shadowed' | 'conflict'
    }

/** Null is a proof that there is none; `open` where the work ended first. */
type Answer = Choice | 'open' | null

interface Question {
  /** Must all be known true. */
  readonly hold: readonly KeyedRule[]
  /** Must none be known true. */
  readonly not: readonly KeyedRule[]
  readonly space: Space
  readonly work: Work
}

function ask(question: Question, choice: Choice): Answer {
  const { hold, not, space, work } = question
  if (!work.spend(hold.length + not.length)) return 'open'
  for (const rule of hold) {
    if (!isMet(rule, choice)) return null
    const variable = openVariable(rule, choice, space)
    if (variable !== null) return branch(question, choice, variable)
  }
  let next: Variable | null = null
  for (const rule of not.filter((one) => isMet(one, choice))) {
    const variable = openVariable(rule, choice, space)
    if (variable === null) return null
    next ??= variable
  }
  return next === null ? choice : branch(question, choice, next)
}

/** No line that is chosen keeps it from being known true. */
const isMet = ({ keys }: KeyedRule, { truths }: Choice): boolean =>
  keys.every((key) => (truths.get(key) ?? true) === true)

function branch(question: Question, choice: Choice, variable: Variable): Answer {
  const { hold, not } = question
  for (const cell of distinctCells(variable, [...hold, ...not])) {
    // Once the work has ended all further answers are open, too.
    const found = ask(question, choose(choice, variable, cell))
    if (found !== null) return found
  }
  return null
}

/** Rules of one priority. */
interface Group {
  readonly rules: readonly KeyedRule[]
  /** How many rules lie before them. */
  readonly start: number
}

interface Check {
  /** In the order of reading. */
  readonly rules: readonly KeyedRule[]
  readonly limits: CheckLimits
  readonly work: Work
  /** Conflicts that may still be named. */
  readonly conflicts: Work
  readonly findings: CheckFinding[]
}

function groupsOf(rules: readonly KeyedRule[]): readonly Group[] {
  const groups = new Map<number, { readonly rules: KeyedRule[]; readonly start: number }>()
  for (const [start, one] of rules.entries()) {
    const { priority } = one.rule
    const group = groups.get(priority) ?? { rules: [], start }
    group.rules.push(one)
    groups.set(priority, group)
  }
  return [...groups.values()]
}

/** Whenever the first holds, the second does: it asks for no more. */
function implies({ keys }: KeyedRule, other: KeyedRule): boolean {
  return other.keys.every((key) => keys.includes(key))
}

interface PutAnswer {
  readonly found: Answer
  /** The rules before that were looked at. */
  readonly by: readonly string[]
}

/** Asks for a proposal in which all of `hold` are known true and no rule before `start` is. */
function put(check: Check, hold: readonly KeyedRule[], start: number): PutAnswer {
  const { limits } = check
  const open: PutAnswer = { found: 'open', by: [] }
  if (!check.work.spend(start / RULES_PER_WORK)) return open
  const near: KeyedRule[] = []
  for (const one of check.rules.slice(0, start)) {
    if (!hold.every((held) => mayShareTool(held.rule, one.rule))) continue
    if (hold.some((held) => implies(held, one))) return { found: null, by: [one.rule.id] }
    near.push(one)
  }
  const lines = [...hold, ...near].reduce((sum, { keys }) => sum + keys.length, 0)
  if (lines > limits.questionLines) return open
  if (!check.work.spend((lines * lines) / LINES_PER_WORK)) return open
  const space = spaceOf([...hold, ...near].map(({ rule }) => rule))
  const work = new Work(limits.questionWork)
  const found = ask({ hold, not: near, space, work }, NOTHING_CHOSEN)
  check.work.spend(limits.questionWork - work.left)
  return { found, by: near.map(({ rule }) => rule.id) }
}

function checkShadowed(check: Check, keyedRule: KeyedRule, start: number): void {
  const rule = keyedRule.rule.id
  const { found, by } = put(check, [keyedRule], start)
  if (found === 'open') check.findings.push({ kind: 'not_checked', rule, question: 'shadowed' })
  if (found !== null) return
  check.findings.push({ kind: 'shadowed', rule, by: by.slice(0, SHADOWED_BY_MAX) })
}

/** A proposal in which both hold at once, where their verdicts differ. */
function askConflict(check: Check, one: KeyedRule, other: KeyedRule, start: number): Answer {
  if (!check.work.spend(1)) return 'open'
  if (compareVerdicts(one.rule, other.rule) === 0 || !mayShareTool(one.rule, other.rule))
    return null
  return put(check, [one, other], start).found
}

/** Each rule with those behind it of its priority. */
function checkConflicts(check: Check, { rules, start }: Group): void {
  for (const [index, one] of rules.entries()) {
    const rule = one.rule.id
    for (const other of rules.slice(index + 1)) {
      const found = check.conflicts.left > 0 ? askConflict(check, one, other, start) : 'open'
      if (found === null) continue
      if (found === 'open') {
        check.findings.push({ kind: 'not_checked', rule, question: 'conflict' })
        break
      }
      check.conflicts.spend(1)
      const shown = exampleOf(found)?.shown
      const example = shown === undefined ? null : Object.fromEntries(shown)
      check.findings.push({ kind: 'conflict', rule, other: other.rule.id, example })
    }
  }
}

const OF_CONTRACT = ['tool', 'operation', 'category', 'tags', 'bundle'] as const

function covers({ match }: Rule, tool: ToolFacts): boolean {
  const judge = judging(ofKind(match, ...OF_CONTRACT))
  return judge({ ...BLANK_FACTS, tool }).every((truth) => truth !== false)
}

const ASSERTED: readonly Condition['kind'][] = [
  'source',
  'agent',
  'user',
  'roles',
  'scopes',
  'skill_level',
  'auth_level',
  'auth_method',
  'chain',
  'provenance',
]

function checkAsserted({ findings }: Check, { id, match }: Rule): void {
  const facts = match.map(({ kind }) => kind).filter((kind) => ASSERTED.includes(kind))
  const derived = match.some(({ kind }) => kind === 'args' || kind === 'amount' || kind === 'time')
  if (facts.length > 0 && !derived) findings.push({ kind: 'asserted_only', rule: id, facts })
}

function checkToolId({ findings }: Check, rule: string | null, glob: string): void {
  if (!/^[!-~]+$/.test(glob)) findings.push({ kind: 'confusable_tool', rule, glob })
}

function checkTools(check: Check, { id, match }: Rule | Limit): void {
  const globs = ofKind(match, 'tool').flatMap((line) => line.globs)
  for (const glob of globs) checkToolId(check, id, glob)
}

/** With those inside `each` and `any`. */
const allOf = (predicates: readonly Predicate[]): readonly Predicate[] => [
  ...predicates,
  ...ofKind(predicates, 'each', 'any').flatMap((one) => allOf(one.predicates)),
]

function checkPatterns({ findings }: Check, { id, effect, match }: Rule): void {
  if (effect !== 'allow') return
  const predicates = allOf(ofKind(match, 'args').flatMap((line) => line.predicates))
  for (const { pattern } of ofKind(predicates, 'regex')) {
    if (!isAnchored(pattern)) findings.push({ kind: 'unanchored_regex', rule: id, pattern })
  }
}

/**
 * Everything worth a look in a policy that loads. Shadowed rules and conflicts are exact: what is
 * not named was proved not to be, but for the rules named `not_checked`. `tools` are the registered
 * ones; `limits` bound the work.
 */
export function checkPolicy(
  { rules: compiled, policy }: CompiledPolicy,
  tools: readonly ToolFacts[] = [],
  limits: CheckLimits = CHECK_LIMITS,
): readonly CheckFinding[] {
  const rules = compiled.map(({ rule }) => rule)
  const all = keyed(rules)
  const check: Check = {
    rules: all,
    limits,
    work: new Work(limits.checkWork),
    conflicts: new Work(limits.conflicts),
    findings: [],
  }
  const groups = groupsOf(all)
  for (const group of groups) {
    for (const rule of group.rules) checkShadowed(check, rule, group.start)
  }
  for (const group of groups) checkConflicts(check, group)
  for (const rule of rules) {
    checkAsserted(check, rule)
    checkTools(check, rule)
    checkPatterns(check, rule)
  }
  for (const limit of policy.limits) checkTools(check, limit)
  for (const tool of tools) {
    checkToolId(check, null, tool.id)
    if (rules.some((rule) => covers(rule, tool))) continue
    check.findings.push({ kind: 'uncovered_tool', tool: tool.id })
  }
  return check.findings
}
