/** A policy made ready to decide: rules in order, their lines as functions, an index over tools. */
import { formatMoney, type Hash, hashJson, type Json, type Sha256 } from '@trustgw/protocol'
import type {
  AmountBound,
  Condition,
  Policy,
  PolicyDefaults,
  Predicate,
  Rule,
  Scalar,
} from './ast.ts'
import { compileCondition, NAME_SEPARATOR, type Test } from './conditions.ts'
import { compileGlob, type Glob } from './glob.ts'

/** Tool ids whose candidate rules are remembered. */
const MEMO_MAX_TOOLS = 4_096

export interface CompiledRule {
  readonly rule: Rule
  /** Place in the order of reading: by priority, then id, so that lines may stand in any order. */
  readonly rank: number
  readonly tests: readonly Test[]
}

export interface CompiledPolicy {
  /** SHA-256 of the canonical form: comments, key order and rule order do not change it. */
  readonly fingerprint: Hash
  readonly defaults: PolicyDefaults
  /** The rules whose `tool` line holds for an id, in the order of reading. */
  readonly candidates: (toolId: string) => readonly CompiledRule[]
}

const byText = (a: string, b: string): number => {
  if (a === b) return 0
  return a < b ? -1 : 1
}

const sorted = (texts: readonly string[]): string[] => [...new Set(texts)].sort(byText)

const scalarKey = (value: Scalar): string => `${typeof value}:${String(value)}`

function predicateForm(predicate: Predicate): Json {
  if (predicate.kind === 'glob') return sorted(predicate.globs)
  if (predicate.kind !== 'in') return predicate.value
  const values = new Map(predicate.values.map((value) => [scalarKey(value), value]))
  return [...values.keys()].sort(byText).map((key) => values.get(key) ?? null)
}

const boundForm = ({ bound, money }: AmountBound): [string, Json] => [bound, formatMoney(money)]

function conditionForm(condition: Condition): [string, Json] {
  const { kind } = condition
  if (kind === 'tool' || kind === 'agent') return [kind, sorted(condition.globs)]
  if (kind === 'operation' || kind === 'source') return [kind, sorted(condition.any)]
  if (kind === 'amount') return [kind, Object.fromEntries(condition.bounds.map(boundForm))]
  const predicates = condition.predicates.map((predicate): [string, Json] => [
    predicate.kind,
    predicateForm(predicate),
  ])
  return [`args:${condition.pointer}`, Object.fromEntries(predicates)]
}

function ruleForm(rule: Rule): Json {
  const { id, priority, effect, tier, reason, approvers } = rule
  return {
    id,
    priority,
    effect,
    tier,
    reason,
    approvers: approvers && {
      roles: sorted(approvers.roles),
      quorum: approvers.quorum,
      channels: sorted(approvers.channels),
    },
    match: Object.fromEntries(rule.match.map(conditionForm)),
  }
}

/** What the fingerprint is the hash of. */
function canonicalForm(policy: Policy, inOrder: readonly Rule[]): Json {
  return {
    language: 1,
    defaults: { ...policy.defaults },
    rules: inOrder.map(ruleForm),
  }
}

/** Cheap lines first, arguments by pointer: the order of looking does not depend on the file's. */
const LINE_ORDER = ['operation', 'source', 'agent', 'amount'] as const

function lineKey(test: Test): string {
  const place = LINE_ORDER.findIndex((name) => name === test.fact)
  return `${place === -1 ? LINE_ORDER.length : place}:${test.fact}`
}

function compileRule(rule: Rule, rank: number): CompiledRule {
  const tests = rule.match.flatMap((line) => (line.kind === 'tool' ? [] : [compileCondition(line)]))
  return { rule, rank, tests: tests.sort((a, b) => byText(lineKey(a), lineKey(b))) }
}

interface Globbed {
  readonly rule: CompiledRule
  readonly matches: Glob
}

/** Rules by what their tool globs begin with, so that a tool meets only those that may be its own. */
class ToolIndex {
  readonly #exact = new Map<string, CompiledRule[]>()
  readonly #firstPart = new Map<string, Globbed[]>()
  readonly #anywhere: Globbed[] = []
  readonly #memo = new Map<string, readonly CompiledRule[]>()

  add(rule: CompiledRule): void {
    const tools = rule.rule.match.filter((line) => line.kind === 'tool')
    if (tools.length === 0) this.#anywhere.push({ rule, matches: () => true })
    for (const text of tools.flatMap(({ globs }) => globs)) this.#addGlob(rule, text)
  }

  #addGlob(rule: CompiledRule, text: string): void {
    const star = text.indexOf('*')
    if (star === -1) {
      push(this.#exact, text, rule)
      return
    }
    const globbed = { rule, matches: compileGlob(text, NAME_SEPARATOR) }
    const dot = text.indexOf(NAME_SEPARATOR)
    if (dot !== -1 && dot < star) push(this.#firstPart, text.slice(0, dot), globbed)
    else this.#anywhere.push(globbed)
  }

  candidates(toolId: string): readonly CompiledRule[] {
    const known = this.#memo.get(toolId)
    if (known !== undefined) return known
    const found = new Set(this.#exact.get(toolId))
    const firstPart = toolId.split(NAME_SEPARATOR, 1)[0] ?? ''
    for (const list of [this.#firstPart.get(firstPart) ?? [], this.#anywhere]) {
      for (const { rule, matches } of list) if (matches(toolId)) found.add(rule)
    }
    const inOrder = [...found].sort((a, b) => a.rank - b.rank)
    if (this.#memo.size >= MEMO_MAX_TOOLS) this.#memo.clear()
    this.#memo.set(toolId, inOrder)
    return inOrder
  }
}

function push<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [item])
  else list.push(item)
}

/** Makes a parsed policy ready for `decide`. `sha256` is the caller's hash function. */
export function compilePolicy(policy: Policy, sha256: Sha256): CompiledPolicy {
  const inOrder = [...policy.rules].sort((a, b) => a.priority - b.priority || byText(a.id, b.id))
  const index = new ToolIndex()
  for (const [rank, rule] of inOrder.entries()) index.add(compileRule(rule, rank))
  return {
    fingerprint: hashJson(sha256, canonicalForm(policy, inOrder)),
    defaults: policy.defaults,
    candidates: (toolId) => index.candidates(toolId),
  }
}
