/** Findings of `policy check` on a policy that loads (spec/policy.md "Bad policies never load"). */

import type { Json } from '@trustgw/protocol'
import { type Condition, compareVerdicts, type Limit, type Predicate, type Rule } from './ast.ts'
import { BLANK_FACTS } from './cells.ts'
import type { CompiledPolicy } from './compile.ts'
import { compileCondition } from './conditions.ts'
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
  statusOf,
  Work,
} from './search.ts'
import { Slots } from './slots.ts'

/** Rules looked at for one question, and for all of one check. */
const QUESTION_WORK_MAX = 200_000
const CHECK_WORK_MAX = 8_000_000
/** Lines of one question; its cells grow with their square. */
const QUESTION_LINES_MAX = 1_000
/** Comparisons of two lines that cost as much as a rule looked at. */
const LINES_PER_WORK = 8
/** Rules that only their tools are compared of. */
const RULES_PER_WORK = 32
/** Rules named of those that lie before a shadowed one. */
const SHADOWED_BY_MAX = 32
/** Conflicts named; in a policy that has more the rest is not looked for. */
const CONFLICTS_MAX = 1_000

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

/** `none` is a proof; `some` where a choice was found; `open` where the work ended first. */
type Answer =
  | { readonly kind: 'some'; readonly choice: Choice }
  | { readonly kind: 'none' }
  | { readonly kind: 'open' }

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
  if (!work.spend(hold.length + not.length)) return { kind: 'open' }
  for (const rule of hold) {
    const status = statusOf(rule, choice)
    if (status === 'false' || status === 'unknown') return { kind: 'none' }
    if (status === 'open') return branch(question, choice, openVariable(rule, choice, space))
  }
  const left = not.filter((rule) => mayHold(rule, choice))
  const settled = left.find((rule) => statusOf(rule, choice) === 'true')
  if (settled !== undefined) return { kind: 'none' }
  const [first] = left
  if (first === undefined) return { kind: 'some', choice }
  return branch(question, choice, openVariable(first, choice, space))
}

const mayHold = ({ keys }: KeyedRule, { truths }: Choice): boolean =>
  keys.every((key) => (truths.get(key) ?? true) === true)

function branch(
  question: Question,
  choice: Choice,
  variable: ReturnType<typeof openVariable>,
): Answer {
  if (variable === null) return { kind: 'open' }
  let answer: Answer = { kind: 'none' }
  const { hold, not } = question
  for (const cell of distinctCells(variable, [...hold, ...not])) {
    const found = ask(question, choose(choice, variable, cell))
    if (found.kind === 'some') return found
    if (found.kind === 'open') answer = found
  }
  return answer
}

interface Check {
  /** In the order of reading. */
  readonly rules: readonly KeyedRule[]
  readonly work: Work
  readonly findings: CheckFinding[]
}

/** Whenever the first holds, the second does: it asks for no more. */
function implies({ keys }: KeyedRule, other: KeyedRule): boolean {
  return other.keys.every((key) => keys.includes(key))
}

/** With the rules because of which there is none. */
type PutAnswer =
  | Exclude<Answer, { kind: 'none' }>
  | { readonly kind: 'none'; readonly by: readonly string[] }

/** Asks for a proposal in which all of `hold` are known true and none of `before` that matter. */
function put(check: Check, hold: readonly KeyedRule[], before: readonly KeyedRule[]): PutAnswer {
  if (!check.work.spend(before.length / RULES_PER_WORK)) return { kind: 'open' }
  const near: KeyedRule[] = []
  for (const one of before) {
    if (!hold.every((held) => mayShareTool(held.rule, one.rule))) continue
    if (hold.some((held) => implies(held, one))) return { kind: 'none', by: [one.rule.id] }
    near.push(one)
  }
  const lines = near.reduce((sum, { keys }) => sum + keys.length, hold.length)
  if (lines > QUESTION_LINES_MAX) return { kind: 'open' }
  if (!check.work.spend(near.length + (lines * lines) / LINES_PER_WORK)) return { kind: 'open' }
  const space = spaceOf([...hold, ...near].map(({ rule }) => rule))
  const work = new Work(QUESTION_WORK_MAX)
  const answer = ask({ hold, not: near, space, work }, NOTHING_CHOSEN)
  check.work.spend(QUESTION_WORK_MAX - work.left)
  return answer.kind === 'none' ? { ...answer, by: near.map(({ rule }) => rule.id) } : answer
}

/** Rules that lie before all of this rule's priority. */
const beforeOf = ({ rules }: Check, { rule }: KeyedRule): readonly KeyedRule[] =>
  rules.slice(
    0,
    rules.findIndex((one) => one.rule.priority === rule.priority),
  )

function checkShadowed(check: Check, keyedRule: KeyedRule): boolean {
  const { rule } = keyedRule
  const answer = put(check, [keyedRule], beforeOf(check, keyedRule))
  if (answer.kind === 'some') return false
  if (answer.kind === 'open') {
    check.findings.push({ kind: 'not_checked', rule: rule.id, question: 'shadowed' })
    return false
  }
  check.findings.push({ kind: 'shadowed', rule: rule.id, by: answer.by.slice(0, SHADOWED_BY_MAX) })
  return true
}

/** False when the work ended before there was an answer. */
function checkConflict(check: Check, one: KeyedRule, other: KeyedRule): boolean {
  if (!check.work.spend(1)) return false
  if (compareVerdicts(one.rule, other.rule) === 0 || !mayShareTool(one.rule, other.rule))
    return true
  const answer = put(check, [one, other], beforeOf(check, one))
  if (answer.kind === 'none') return true
  if (answer.kind === 'open') return false
  const shown = exampleOf(answer.choice)?.shown
  const example = shown === undefined ? null : Object.fromEntries(shown)
  check.findings.push({ kind: 'conflict', rule: one.rule.id, other: other.rule.id, example })
  return true
}

/** Each rule with those behind it of its priority. */
function checkConflicts(check: Check, reachable: readonly KeyedRule[]): void {
  let found = 0
  for (const [index, one] of reachable.entries()) {
    let isWhole = true
    for (let at = index + 1; isWhole && at < reachable.length; at++) {
      const other = reachable[at]
      if (other?.rule.priority !== one.rule.priority) break
      const before = check.findings.length
      isWhole = found < CONFLICTS_MAX && checkConflict(check, one, other)
      found += check.findings.length - before
    }
    if (!isWhole) {
      check.findings.push({ kind: 'not_checked', rule: one.rule.id, question: 'conflict' })
    }
  }
}

const OF_CONTRACT: readonly Condition['kind'][] = [
  'tool',
  'operation',
  'category',
  'tags',
  'bundle',
]

function covers(rule: Rule, tool: ToolFacts): boolean {
  const slots = new Slots()
  const look = { facts: { ...BLANK_FACTS, tool }, stamp: 1, order: [] }
  return rule.match
    .filter(({ kind }) => OF_CONTRACT.includes(kind))
    .every((line) => compileCondition(line, slots).judge(look) !== false)
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
  const globs = match.flatMap((line) => (line.kind === 'tool' ? line.globs : []))
  for (const glob of globs) checkToolId(check, id, glob)
}

/** With those inside `each` and `any`. */
const allOf = (predicates: readonly Predicate[]): readonly Predicate[] =>
  predicates.flatMap((one) =>
    one.kind === 'each' || one.kind === 'any' ? allOf(one.predicates) : [one],
  )

function checkPatterns({ findings }: Check, { id, effect, match }: Rule): void {
  const predicates = match.flatMap((line) => (line.kind === 'args' ? allOf(line.predicates) : []))
  for (const predicate of effect === 'allow' ? predicates : []) {
    if (predicate.kind === 'regex' && !isAnchored(predicate.pattern)) {
      findings.push({ kind: 'unanchored_regex', rule: id, pattern: predicate.pattern })
    }
  }
}

/**
 * Everything worth a look in a policy that loads. Shadowed rules and conflicts are exact: what is
 * not named was proved not to be, but for the rules named `not_checked`. `tools` are the registered
 * ones.
 */
export function checkPolicy(
  { rules: compiled, policy }: CompiledPolicy,
  tools: readonly ToolFacts[] = [],
): readonly CheckFinding[] {
  const rules = compiled.map(({ rule }) => rule)
  const check: Check = { rules: keyed(rules), work: new Work(CHECK_WORK_MAX), findings: [] }
  const reachable = check.rules.filter((rule) => !checkShadowed(check, rule))
  checkConflicts(check, reachable)
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
