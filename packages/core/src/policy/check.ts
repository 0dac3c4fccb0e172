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

export type CheckFinding =
  /** No proposal makes the rule decide; `by` are the rules looked at before it. */
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

function makeQuestion(hold: readonly Rule[], not: readonly Rule[]): Question {
  const near = not.filter((rule) => hold.every((one) => mayShareTool(one, rule)))
  return {
    hold: keyed(hold),
    not: keyed(near),
    space: spaceOf([...hold, ...near]),
    work: new Work(QUESTION_WORK_MAX),
  }
}

interface Check {
  readonly rules: readonly Rule[]
  readonly work: Work
  readonly findings: CheckFinding[]
}

function put(check: Check, hold: readonly Rule[], not: readonly Rule[]): Answer {
  if (check.work.left <= 0) return { kind: 'open' }
  const asked = makeQuestion(hold, not)
  const answer = ask(asked, NOTHING_CHOSEN)
  check.work.spend(QUESTION_WORK_MAX - asked.work.left + asked.not.length)
  return answer
}

function checkShadowed(check: Check, rule: Rule): boolean {
  const before = check.rules.filter(({ priority }) => priority < rule.priority)
  const answer = put(check, [rule], before)
  if (answer.kind === 'some') return false
  if (answer.kind === 'open') {
    check.findings.push({ kind: 'not_checked', rule: rule.id, question: 'shadowed' })
    return false
  }
  const by = before.filter((one) => mayShareTool(one, rule)).map(({ id }) => id)
  check.findings.push({ kind: 'shadowed', rule: rule.id, by })
  return true
}

function checkConflict(check: Check, rule: Rule, other: Rule): void {
  if (compareVerdicts(rule, other) === 0 || !mayShareTool(rule, other)) return
  const before = check.rules.filter(({ priority }) => priority < rule.priority)
  const answer = put(check, [rule, other], before)
  if (answer.kind === 'none') return
  if (answer.kind === 'open') {
    check.findings.push({ kind: 'not_checked', rule: rule.id, question: 'conflict' })
    return
  }
  const shown = exampleOf(answer.choice)?.shown
  const example = shown === undefined ? null : Object.fromEntries(shown)
  check.findings.push({ kind: 'conflict', rule: rule.id, other: other.id, example })
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
  const check: Check = { rules, work: new Work(CHECK_WORK_MAX), findings: [] }
  const reachable = rules.filter((rule) => !checkShadowed(check, rule))
  for (const [index, rule] of reachable.entries()) {
    for (const other of reachable.slice(index + 1)) {
      if (other.priority !== rule.priority) break
      checkConflict(check, rule, other)
    }
  }
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
