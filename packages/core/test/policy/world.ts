import assert from 'node:assert/strict'
import {
  compilePolicy,
  decide,
  type Policy,
  type PolicyDecision,
  type PolicyFacts,
  parsePolicy,
} from '@trustgw/core'
import { type Json, parseMoney } from '@trustgw/protocol'
import { sha256 } from '../hashing.ts'

/** What a vector says of a proposal; what it leaves out is as here. */
export interface Given {
  readonly tool?: string
  readonly operation?: string
  readonly source?: string | null
  readonly agent?: string | null
  readonly amount?: Json
  /** What callers are told of the arguments. */
  readonly input_schema?: Json
  readonly args?: Json
  readonly category?: string | null
  readonly tags?: readonly string[]
  readonly bundle?: string
  readonly tenant?: string
  readonly workspace?: string
  readonly user?: string | null
  readonly roles?: readonly string[] | null
  readonly scopes?: readonly string[] | null
  readonly skill_level?: string | null
  readonly auth_level?: number | null
  readonly auth_method?: string | null
  readonly chain?: Json
  readonly local_times?: Readonly<Record<string, Json>>
  readonly provenance?: Readonly<Record<string, readonly string[]>>
  readonly counters?: Readonly<
    Record<string, { readonly count: number; readonly amount: string | null }>
  >
}

function counters(given: Given): PolicyFacts['counters'] {
  return new Map(
    Object.entries(given.counters ?? {}).map(([name, { count, amount }]) => {
      const money = amount === null ? null : parseMoney(amount)
      return [name, { count, amount: money?.ok === true ? money.value : null }] as const
    }),
  )
}

export function factsOf(given: Given): PolicyFacts {
  const facts = {
    tool: {
      id: given.tool ?? 'shop.refund_order',
      operation: given.operation ?? 'transfer',
      category: given.category ?? null,
      tags: given.tags ?? [],
      bundle: given.bundle ?? 'shop',
      amount: given.amount ?? {
        kind: 'pointer',
        pointer: '/amount',
        unit: 'decimal',
        currency: { kind: 'pointer', pointer: '/currency' },
      },
      ...(given.input_schema === undefined ? {} : { input_schema: given.input_schema }),
    },
    args: given.args ?? {},
    tenant: given.tenant ?? 'acme',
    workspace: given.workspace ?? 'main',
    agent: given.agent === undefined ? 'support.bot' : given.agent,
    user: given.user ?? null,
    source: given.source === undefined ? 'mcp' : given.source,
    auth_level: given.auth_level === undefined ? 1 : given.auth_level,
    auth_method: given.auth_method ?? null,
    roles: given.roles ?? null,
    scopes: given.scopes ?? null,
    skill_level: given.skill_level ?? null,
    chain: given.chain ?? null,
    local_times: new Map(Object.entries(given.local_times ?? {})),
    provenance: new Map(Object.entries(given.provenance ?? {})),
    counters: counters(given),
    time_ms: 1_700_000_000_000,
  }
  return facts as unknown as PolicyFacts
}

export function mustParse(text: string, development = false): Policy {
  const parsed = parsePolicy(text, { file: 'policy.toml', development })
  assert.ok(parsed.ok, parsed.ok ? '' : JSON.stringify(parsed.findings))
  return parsed.value
}

export function decideText(text: string, given: Given, development = false): PolicyDecision {
  return decide(compilePolicy(mustParse(text, development), sha256), factsOf(given))
}
