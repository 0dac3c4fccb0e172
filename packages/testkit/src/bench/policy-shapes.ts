/** Policies for the benchmark, and the calls that they are asked about: the same in every run. */
import type { PolicyFacts } from '@trustgw/core'
import type { Operation, Source } from '@trustgw/protocol'

/** A rule in the terms that every engine of the benchmark has; lines that are left out hold. */
export interface BenchRule {
  readonly id: string
  /** Lower is read first. */
  readonly priority: number
  readonly effect: 'allow' | 'require_approval' | 'deny'
  readonly tier: 0 | 1 | 2
  /** One tool, or a glob that ends in its only star; none: all tools. */
  readonly tool?: string
  readonly operation?: Operation
  readonly source?: Source
  /** A glob that ends in its only star, or an exact name. */
  readonly agent?: string
  /** In cents: more than, at most. */
  readonly over?: number
  readonly upTo?: number
  readonly regions?: readonly string[]
  /** How the note begins. */
  readonly note?: string
}

/** What a rule looks at; nothing is missing, since the peers know no third truth value. */
export interface BenchCall {
  readonly tool: string
  readonly operation: Operation
  readonly source: Source
  readonly agent: string
  readonly amount: number
  readonly region: string
  readonly note: string
}

export const SHAPES = ['usual', 'flat', 'cold', 'worst'] as const
export type ShapeName = (typeof SHAPES)[number]

export interface Shape {
  readonly name: ShapeName
  readonly rules: readonly BenchRule[]
  readonly calls: readonly BenchCall[]
}

const SEED = 20
const CALLS = 1_024
/** Four times as many tools as the engine remembers, so that each is forgotten before it returns. */
const COLD_CALLS = 16_384
const RULES_PER_NAMESPACE = 25
const PRIORITIES = 997

/** mulberry32. */
export function prng(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

type Random = () => number

function pick<T>(random: Random, items: readonly [T, ...T[]]): T {
  return items[Math.floor(random() * items.length)] ?? items[0]
}

const VERBS = ['get', 'list', 'create', 'update', 'refund', 'delete'] as const
const OPERATION_OF = {
  get: 'read',
  list: 'read',
  create: 'create',
  update: 'update',
  refund: 'transfer',
  delete: 'delete',
} as const

type Verdict = Pick<BenchRule, 'effect' | 'tier'>
type Lines = Omit<BenchRule, 'id' | 'priority' | 'effect' | 'tier' | 'tool'>

const ALLOW: Verdict = { effect: 'allow', tier: 0 }
const ASK_ONE: Verdict = { effect: 'require_approval', tier: 1 }
const ASK_TWO: Verdict = { effect: 'require_approval', tier: 2 }
const DENY: Verdict = { effect: 'deny', tier: 0 }

/** What every policy begins with: rules over all tools, read first. */
const EVERYWHERE: readonly (Verdict & Lines)[] = [
  { ...DENY, operation: 'delete', source: 'mcp' },
  { ...DENY, over: 55_000 },
  { ...ASK_TWO, operation: 'transfer', over: 30_000 },
  { ...ASK_ONE, agent: 'sales.*', regions: ['us', 'ch'] },
  { ...ALLOW, operation: 'read', note: 'nothing' },
]

function oneLine(random: Random): Lines {
  return pick<() => Lines>(random, [
    () => ({ operation: pick(random, ['read', 'create', 'transfer']) }),
    () => ({ source: pick(random, ['mcp', 'rest', 'nats']) }),
    () => ({ agent: `${pick(random, ['support', 'sales', 'ops'])}.*` }),
    () => ({ over: Math.floor(random() * 500) * 100 }),
    () => ({ upTo: Math.floor(random() * 500) * 100 + 50 }),
    () => ({ regions: [pick(random, ['eu', 'us', 'uk']), 'ch'] }),
    () => ({ note: pick(random, ['urgent', 'vip', 'test']) }),
  ])()
}

function toolLine(random: Random, spaces: number): string {
  const kind = random()
  const space = `ns${Math.floor(random() * spaces)}`
  if (kind < 0.75) return `${space}.${pick(random, VERBS)}_${Math.floor(random() * 4)}`
  return kind < 0.95 ? `${space}.*` : `${space}.${pick(random, VERBS)}_*`
}

function usualRules(count: number): readonly BenchRule[] {
  const random = prng(SEED)
  const spaces = Math.max(1, Math.floor(count / RULES_PER_NAMESPACE))
  return Array.from({ length: count }, (_, index) => {
    const place = { id: `r${index}`, priority: index % PRIORITIES }
    const everywhere = EVERYWHERE[index]
    if (everywhere !== undefined) return { ...place, ...everywhere }
    const verdict = pick(random, [ALLOW, ALLOW, ASK_ONE, ASK_TWO, DENY])
    const tool = toolLine(random, spaces)
    return { ...place, ...verdict, tool, ...oneLine(random), ...oneLine(random) }
  })
}

function callOf(random: Random, tool: string, operation: Operation): BenchCall {
  return {
    tool,
    operation,
    source: pick(random, ['mcp', 'rest', 'cron']),
    agent: pick(random, ['support.bot', 'sales.bot', 'legal.bot']),
    amount: 1 + Math.floor(random() * 60_000),
    region: pick(random, ['eu', 'us', 'jp']),
    note: pick(random, ['urgent: call', 'nothing', 'vip']),
  }
}

function usualCalls(count: number): readonly BenchCall[] {
  const random = prng(SEED + 1)
  const spaces = Math.max(1, Math.floor(count / RULES_PER_NAMESPACE))
  return Array.from({ length: CALLS }, () => {
    const verb = pick(random, VERBS)
    const tool = `ns${Math.floor(random() * spaces)}.${verb}_${Math.floor(random() * 4)}`
    return callOf(random, tool, OPERATION_OF[verb])
  })
}

/** Every rule is over every tool, and none holds. */
function worstRules(count: number): readonly BenchRule[] {
  const random = prng(SEED)
  return Array.from({ length: count }, (_, index) => ({
    id: `r${index}`,
    priority: index % PRIORITIES,
    ...pick(random, [ALLOW, ASK_ONE, ASK_TWO, DENY]),
    ...pick<Lines>(random, [
      { agent: `nobody${index}.bot` },
      { regions: [`r${index}`] },
      { over: 100_000 + 100 * index },
    ]),
  }))
}

/**
 * `usual`: tools in namespaces, a quarter of the rules by glob, five over all tools. `flat`: the
 * same with one priority, so that no rule is passed over. `cold`: the usual policy, and a tool that
 * is not remembered in each call. `worst`: every rule over every tool, and none holds.
 */
export function makeShape(name: ShapeName, count: number): Shape {
  if (name === 'worst') return { name, rules: worstRules(count), calls: usualCalls(count) }
  const rules = usualRules(count)
  const calls = usualCalls(count)
  if (name === 'flat') {
    return { name, rules: rules.map((rule) => ({ ...rule, priority: 0 })), calls }
  }
  if (name === 'usual') return { name, rules, calls }
  const cold = Array.from({ length: COLD_CALLS }, (_, index) => {
    const call = calls[index % calls.length]
    return call === undefined ? [] : { ...call, tool: `${call.tool}x${index}` }
  })
  return { name, rules, calls: cold.flat() }
}

/** The call as the engine is asked about it: arguments as JSON, the rest as the gateway knows it. */
export function factsOf(call: BenchCall): PolicyFacts {
  const { tool: id, operation, source, agent, amount, region, note } = call
  return {
    tool: {
      id,
      operation,
      category: 'crm',
      tags: ['shop'],
      bundle: 'shop',
      amount: {
        kind: 'pointer',
        pointer: '/amount',
        unit: 'minor',
        currency: { kind: 'fixed', code: 'EUR' },
      },
    },
    args: { amount, region, note },
    tenant: 'acme',
    workspace: 'main',
    agent,
    user: null,
    source,
    auth_level: 1,
    roles: ['clerk'],
    time_ms: 1_700_000_000_000,
  }
}
