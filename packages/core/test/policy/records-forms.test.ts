import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  asksOf,
  type CompiledPolicy,
  compilePolicy,
  decideLayers,
  joinLayers,
  type LayerName,
  parsePolicy,
  type Recorded,
  recheckDecision,
  redecide,
} from '@trustgw/core'
import type { Json } from '@trustgw/protocol'
import { sha256 } from '../hashing.ts'
import { factsOf } from './world.ts'

function compiled(text: string, layer: LayerName = 'platform'): CompiledPolicy {
  const parsed = parsePolicy(`version = 1\n${text}`, { file: 'p.toml', layer })
  assert.ok(parsed.ok)
  return compilePolicy(parsed.value, sha256, { layer })
}

const TEXT = `[[rules]]
id = "r"
priority = 1
effect = "deny"
[rules.match]
user = ["ann"]
args."/o" = { eq = "x" }
args."" = { type = "object" }
roles = ["ops"]
`
const layers = joinLayers([compiled(TEXT)], sha256)
const facts = factsOf({ args: { o: { '0': 'x' } }, roles: ['ops'] })
const { tool, args, tenant, workspace, agent, user, time_ms } = facts
const derived = { tool, args, tenant, workspace, agent, user, time_ms }
const record: Recorded = {
  ...decideLayers(layers, facts),
  tool_id: tool.id,
  tenant,
  workspace,
  decided_at: time_ms,
}

const withFact = (name: string, value: Json): Recorded => ({
  ...record,
  facts: record.facts.map((fact) => (fact.name === name ? { ...fact, value } : fact)),
})

test('a fact of the arguments as a whole is not taken for another fact of the record', () => {
  assert.deepEqual(
    record.facts.map(({ name }) => name),
    ['tool', 'user', 'args:', 'args:/o', 'roles'],
  )
  const again = redecide(layers, record)
  assert.deepEqual(again, { ok: true, decision: decideLayers(layers, facts) })
})

test('a record that says the same in another form of JSON differs, and breaks nothing', () => {
  assert.equal(recheckDecision(layers, record, derived).ok, true)
  const forms: readonly (readonly [string, unknown])[] = [
    ['effect', { ...record, effect: { 0: 'd', 1: 'e', 2: 'n', 3: 'y' } }],
    ['effect', { ...record, effect: null }],
    ['obligations', { ...record, obligations: null }],
    ['obligations', { ...record, obligations: 'x' }],
    ['unknown', { ...record, unknown: Object.fromEntries(record.unknown.entries()) }],
    ['facts', withFact('user', {})],
    ['facts', withFact('user', [])],
    ['facts', withFact('args:/o', { json: 'x' })],
    ['facts', withFact('args:/o', { json: ['x'] })],
    ['facts', withFact('args:/o', { json: null })],
  ]
  for (const [detail, other] of forms) {
    const again = recheckDecision(layers, other as Recorded, derived)
    assert.deepEqual(again, { ok: false, reason: 'decision_differs', detail })
  }
})

test('limits of one layer are asked for whatever the others have', () => {
  const limit =
    '[[limits]]\nid = "l"\nmatch.tool = ["x"]\nkey = ["tool"]\nwindow = "1h"\nmax_count = 1\non_exceed = "deny"\n'
  const asks = (platform: string, tenantText: string): boolean =>
    asksOf(joinLayers([compiled(platform), compiled(tenantText, 'tenant')], sha256)).limits
  assert.deepEqual(
    [asks(limit, ''), asks('', limit), asks(limit, limit), asks('', '')],
    [true, true, true, false],
  )
})
