/** A policy made ready to decide: rules in order, their lines as functions, an index over tools. */
import { asObject, type Hash, hashJson, type Json, type Sha256 } from '@trustgw/protocol'
import { askedBy } from './approvers.ts'
import type { Condition, LayerName, Limit, Policy, PolicyDefaults, Rule } from './ast.ts'
import type { CompiledRule, Standing } from './compiled-rule.ts'
import { compileCondition, type Test } from './conditions.ts'
import type { Counter, PolicyFacts } from './facts.ts'
import { type Entry, makeEntry, type Plan } from './plan.ts'
import { limitSyntax, ruleSyntax } from './rule-syntax.ts'
import type { Slot } from './slots.ts'
import { type AnySlot, type Look, Slots } from './slots.ts'
import { byText, canonicalSets } from './syntax.ts'
import { ToolIndex } from './tool-index.ts'

export interface CompiledLimit {
  readonly limit: Limit
  readonly tests: readonly Test[]
  readonly counter: Slot<Counter>
  readonly counterName: string
  readonly reached: Standing
}

export interface CompiledPolicy {
  /** SHA-256 of the canonical form: comments, key order and rule order do not change it. */
  readonly fingerprint: Hash
  readonly layer: LayerName
  readonly policy: Policy
  readonly defaults: PolicyDefaults
  readonly slots: Slots
  /** All rules, in the order of reading. */
  readonly rules: readonly CompiledRule[]
  readonly limits: readonly CompiledLimit[]
  /** The rules whose `tool` line holds for an id, in the order of reading. */
  readonly candidates: (toolId: string) => readonly CompiledRule[]
  /** Begins a decision: the facts that every decision looks at are looked at. */
  readonly begin: (facts: PolicyFacts) => Look
  readonly plan: (look: Look) => Plan
  /** Every rule with all of its lines, `tool` too, in the order of reading. */
  readonly everyRule: () => readonly Entry[]
}

export interface CompileOptions {
  /** Which layer the policy is; `platform` unless said otherwise. */
  readonly layer?: LayerName
}

function byId<T extends { readonly id: string }>(items: readonly T[]): readonly T[] {
  return [...items].sort((a, b) => byText(a.id, b.id))
}

/** What the fingerprint is the hash of. */
function canonicalForm(policy: Policy, layer: LayerName): Json {
  return {
    language: 1,
    layer,
    defaults: { ...policy.defaults },
    rules: byId(policy.rules).map((rule) => ({
      ...asObject(canonicalSets(ruleSyntax.write(rule))),
      tier: rule.tier,
    })),
    limits: byId(policy.limits).map((limit) => canonicalSets(limitSyntax.write(limit))),
  }
}

/** Cheap lines first, arguments last: the order of looking does not depend on the file's. */
const LINE_ORDER = [
  'tool',
  'operation',
  'source',
  'tenant',
  'workspace',
  'agent',
  'user',
  'auth_level',
  'amount',
] as const

function lineKey({ slot: { name } }: Test): string {
  const place = LINE_ORDER.findIndex((line) => line === name)
  return `${place === -1 ? LINE_ORDER.length : place}:${name}`
}

const inLineOrder = (tests: readonly Test[]): readonly Test[] =>
  [...tests].sort((a, b) => byText(lineKey(a), lineKey(b)))

const isIndexed = ({ condition: { kind } }: Test): boolean =>
  kind === 'operation' || kind === 'source' || kind === 'tenant'

function standingOf(from: Rule | Limit, layer: LayerName): Standing {
  const { effect, tier, reason, approvers } = from
  const id = layer === 'platform' ? from.id : `${layer}:${from.id}`
  const undo_ms = 'undo_ms' in from ? from.undo_ms : 0
  return { effect, tier, id, reason, asked: askedBy(approvers), undo_ms }
}

const exactly = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? String(value) : value

/**
 * Compiles each line once for all rules that have it: lines repeat in large policies, and what many
 * rules share stays in the processor's cache (a seventh of the cost at ten thousand rules).
 */
function lineCompiler(slots: Slots): (line: Condition) => Test {
  const known = new Map<string, Test>()
  return (line) => {
    const key = JSON.stringify(line, exactly)
    const test = known.get(key) ?? compileCondition(line, slots)
    known.set(key, test)
    return test
  }
}

interface Place {
  readonly rank: number
  readonly layer: LayerName
  readonly compileLine: (line: Condition) => Test
}

function compileRule(rule: Rule, { rank, layer, compileLine }: Place): CompiledRule {
  const lines = rule.match.filter(({ kind }) => kind !== 'tool')
  const tests = inLineOrder(lines.map(compileLine))
  return {
    rule,
    rank,
    indexed: tests.filter(isIndexed),
    tests: tests.filter((test) => !isIndexed(test)),
    standing: standingOf(rule, layer),
  }
}

/** In the order of looking that the index keeps as well. */
function allTests(rule: CompiledRule, slots: Slots): readonly Test[] {
  const tools = rule.rule.match.filter(({ kind }) => kind === 'tool')
  const first = tools.map((line) => compileCondition(line, slots))
  return [...first, ...rule.indexed, ...rule.tests]
}

function compileLimit(limit: Limit, layer: LayerName, slots: Slots): CompiledLimit {
  const counterName = layer === 'platform' ? limit.id : `${layer}:${limit.id}`
  return {
    limit,
    tests: inLineOrder(limit.match.map((line) => compileCondition(line, slots))),
    counter: slots.counter(counterName),
    counterName,
    reached: standingOf(limit, layer),
  }
}

/** Facts that the index looks at; always in the record when any rule asks for them. */
function indexedSlots(rules: readonly CompiledRule[]): readonly AnySlot[] {
  return [...new Set(rules.flatMap(({ indexed }) => indexed.map(({ slot }) => slot)))]
}

/** Makes a parsed policy ready for `decide`. `sha256` is the caller's hash function. */
export function compilePolicy(
  policy: Policy,
  sha256: Sha256,
  options: CompileOptions = {},
): CompiledPolicy {
  const layer = options.layer ?? 'platform'
  const slots = new Slots()
  const compileLine = lineCompiler(slots)
  const rules = [...policy.rules]
    .sort((a, b) => a.priority - b.priority || byText(a.id, b.id))
    .map((rule, rank) => compileRule(rule, { rank, layer, compileLine }))
  const index = new ToolIndex(rules)
  const names = new Set(indexedSlots(rules).map(({ name }) => name))
  const { operation, source, tenant } = slots.words
  const always = [operation, source, tenant].filter(({ name }) => names.has(name))
  let every: readonly Entry[] | undefined
  let stamp = 0
  return {
    fingerprint: hashJson(sha256, canonicalForm(policy, layer)),
    layer,
    policy,
    defaults: policy.defaults,
    slots,
    rules,
    limits: policy.limits.map((limit) => compileLimit(limit, layer, slots)),
    candidates: (toolId) => index.candidates(toolId),
    begin: (facts) => {
      stamp += 1
      const look: Look = { facts, stamp, order: [] }
      slots.tool.look(look)
      for (const slot of always) slot.look(look)
      return look
    },
    plan: (look) => index.plan(look),
    everyRule: () => {
      every ??= rules.map((rule) => makeEntry(rule, allTests(rule, slots)))
      return every
    },
  }
}
