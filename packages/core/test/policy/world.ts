import assert from 'node:assert/strict'
import {
  compilePolicy,
  decide,
  type Policy,
  type PolicyDecision,
  type PolicyFacts,
  parsePolicy,
} from '@trustgw/core'
import type { Json } from '@trustgw/protocol'
import { sha256 } from '../hashing.ts'

/** What a vector says of a proposal; what it leaves out is as here. */
export interface Given {
  readonly tool?: string
  readonly operation?: string
  readonly source?: string | null
  readonly agent?: string | null
  readonly amount?: Json
  readonly args?: Json
}

export function factsOf(given: Given): PolicyFacts {
  const facts = {
    tool: {
      id: given.tool ?? 'shop.refund_order',
      operation: given.operation ?? 'transfer',
      category: null,
      tags: [],
      bundle: 'shop',
      amount: given.amount ?? {
        kind: 'pointer',
        pointer: '/amount',
        unit: 'decimal',
        currency: { kind: 'pointer', pointer: '/currency' },
      },
    },
    args: given.args ?? {},
    tenant: 'acme',
    workspace: 'main',
    agent: given.agent === undefined ? 'support.bot' : given.agent,
    user: null,
    source: given.source === undefined ? 'mcp' : given.source,
    auth_level: 1,
    roles: null,
    time_ms: 1_700_000_000_000,
  }
  return facts as PolicyFacts
}

export function mustParse(text: string, development = false): Policy {
  const parsed = parsePolicy(text, { file: 'policy.toml', development })
  assert.ok(parsed.ok, parsed.ok ? '' : JSON.stringify(parsed.findings))
  return parsed.value
}

export function decideText(text: string, given: Given, development = false): PolicyDecision {
  return decide(compilePolicy(mustParse(text, development), sha256), factsOf(given))
}
