import { type CompiledPolicy, compilePolicy, type PolicyFacts, parsePolicy } from '@trustgw/core'
import type { Sha256 } from '@trustgw/protocol'

/** A policy and the proposals that it is asked about, the same for every engine. */
export interface Shape {
  readonly name: string
  readonly rules: number
  readonly text: string
  readonly proposals: readonly PolicyFacts[]
}

const PROPOSALS = 4_096
const RULES_PER_NAMESPACE = 25

/** mulberry32: the same policies in every run. */
function prng(seed: number): () => number {
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

function verdict(random: Random): string {
  return pick(random, [
    'effect = "allow"',
    'effect = "allow"',
    'effect = "require_approval"\ntier = 1',
    'effect = "require_approval"\ntier = 2',
    'effect = "deny"',
  ])
}

function lines(random: Random): string {
  const all = [
    `operation = ["${pick(random, ['read', 'create', 'transfer'])}"]`,
    `source = ["${pick(random, ['mcp', 'rest', 'nats'])}"]`,
    `agent = ["${pick(random, ['support', 'sales', 'ops'])}.*"]`,
    `amount = { gt = "${Math.floor(random() * 500)}.00 EUR" }`,
    `amount = { lte = "${Math.floor(random() * 500)}.50 EUR" }`,
    `args."/region" = { in = ["${pick(random, ['eu', 'us', 'uk'])}", "ch"] }`,
    `args."/note" = { glob = "${pick(random, ['urgent', 'vip', 'test'])}*" }`,
  ]
  const first = pick(random, [0, 1, 2, 3, 4, 5, 6])
  const second = pick(random, [0, 1, 2, 3, 4, 5, 6])
  const chosen = new Map([first, second].map((at) => [all[at]?.split(' = ')[0], all[at]]))
  return [...chosen.values()].join('\n')
}

function toolLine(random: Random, spaces: number): string {
  const kind = random()
  const space = `ns${Math.floor(random() * spaces)}`
  if (kind < 0.75) return `${space}.${pick(random, VERBS)}_${Math.floor(random() * 4)}`
  if (kind < 0.95) return `${space}.*`
  return `${space}.${pick(random, VERBS)}_*`
}

const ruleText = (index: number, tool: string, body: string): string =>
  `[[rules]]\nid = "r${index}"\npriority = ${index % 997}\n${body}\ntool = ["${tool}"]\n`

function proposal(random: Random, tool: string, verb: (typeof VERBS)[number]): PolicyFacts {
  return {
    tool: {
      id: tool,
      operation: OPERATION_OF[verb],
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
    args: {
      amount: Math.floor(random() * 60_000),
      region: pick(random, ['eu', 'us', 'jp']),
      note: pick(random, ['urgent: call', 'nothing', 'vip']),
    },
    tenant: 'acme',
    workspace: 'main',
    agent: pick(random, ['support.bot', 'sales.bot', 'legal.bot']),
    user: null,
    source: pick(random, ['mcp', 'rest', 'cron']),
    auth_level: 1,
    roles: ['clerk'],
    time_ms: 1_700_000_000_000,
  }
}

/** Tools in namespaces; a quarter of the rules by glob, five over all tools. */
export function usualShape(rules: number): Shape {
  const random = prng(rules)
  const spaces = Math.max(1, Math.floor(rules / RULES_PER_NAMESPACE))
  const texts = Array.from({ length: rules }, (_, index) => {
    const tool = index < 5 ? '**' : toolLine(random, spaces)
    return ruleText(index, tool, `${verdict(random)}\n[rules.match]\n${lines(random)}`)
  })
  const proposals = Array.from({ length: PROPOSALS }, () => {
    const verb = pick(random, VERBS)
    const space = Math.floor(random() * spaces)
    return proposal(random, `ns${space}.${verb}_${Math.floor(random() * 4)}`, verb)
  })
  return { name: 'usual', rules, text: `version = 1\n${texts.join('')}`, proposals }
}

/** The usual policy, each proposal with a tool never seen before. */
export function coldShape(rules: number): Shape {
  const usual = usualShape(rules)
  const proposals = usual.proposals.map((facts, index) => ({
    ...facts,
    tool: { ...facts.tool, id: `${facts.tool.id}x${index}` },
  }))
  return { ...usual, name: 'cold', proposals }
}

/** Every rule is over every tool, and hardly any holds. */
export function worstShape(rules: number): Shape {
  const random = prng(rules)
  const texts = Array.from({ length: rules }, (_, index) => {
    const line = pick(random, [
      `agent = ["nobody${index}.bot"]`,
      `args."/region" = { eq = "r${index}" }`,
      `amount = { gt = "${1_000 + index}.00 EUR" }`,
    ])
    return ruleText(index, '**', `${verdict(random)}\n[rules.match]\n${line}`)
  })
  return { ...usualShape(10), name: 'worst', rules, text: `version = 1\n${texts.join('')}` }
}

export interface Compiled {
  readonly compiled: CompiledPolicy
  readonly compile_ms: number
}

export function compileShape(shape: Shape, sha256: Sha256): Compiled {
  const begun = process.hrtime.bigint()
  const parsed = parsePolicy(shape.text, { file: `${shape.name}.toml` })
  if (!parsed.ok) throw new Error(`${shape.name}: ${parsed.findings[0]?.message ?? ''}`)
  const compiled = compilePolicy(parsed.value, sha256)
  return { compiled, compile_ms: Number(process.hrtime.bigint() - begun) / 1e6 }
}
