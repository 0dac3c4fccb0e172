import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  asksOf,
  type CompiledLayers,
  compilePolicy,
  decideLayers,
  joinLayers,
  type PolicyFacts,
  type Recorded,
  recheckDecision,
  redecide,
  zonesOf,
} from '@trustgw/core'
import type { Json } from '@trustgw/protocol'
import { sha256 } from '../hashing.ts'
import { factsOf, mustParse } from './world.ts'

const TEXT = `version = 1
[[rules]]
id = "r"
priority = 1
effect = "allow"
[rules.match]
operation = ["transfer"]
category = ["crm"]
tags = ["pii"]
bundle = ["shop"]
source = ["mcp"]
agent = ["support.*"]
user = ["ann"]
roles = ["ops"]
scopes = ["a"]
skill_level = ["expert"]
auth_level = { gte = 3 }
auth_method = ["passkey"]
amount = { gt = "10 EUR" }
time = { days = ["mon"], tz = "UTC" }
chain = { depth = { lt = 5 } }
provenance = { "/to" = ["user"] }
args = { "/to" = { eq = "a" } }
[[limits]]
id = "l"
match = { tool = ["**"] }
key = ["tenant"]
window = "1h"
max_amount = "100 EUR"
on_exceed = "deny"
`
const layers: CompiledLayers = joinLayers([compilePolicy(mustParse(TEXT), sha256)], sha256)
const facts: PolicyFacts = factsOf({
  category: 'crm',
  tags: ['pii'],
  user: 'ann',
  roles: ['ops'],
  scopes: ['a'],
  skill_level: 'expert',
  auth_level: 4,
  auth_method: 'passkey',
  local_times: { UTC: { day: 'mon', minute: 600 } },
  chain: { depth: 2, repeats: 1, cycle: false },
  provenance: { '/to': ['user'] },
  counters: { l: { count: 1, amount: '5 EUR' } },
  args: { amount: '12.50', currency: 'EUR', to: 'a' },
})
const { tool, args, tenant, workspace, agent, user, time_ms, local_times = new Map() } = facts
const derived = { tool, args, tenant, workspace, agent, user, time_ms, local_times }
const record: Recorded = {
  ...decideLayers(layers, facts),
  tool_id: tool.id,
  tenant,
  workspace,
  decided_at: time_ms,
}

const tampered = (name: string, value: Json): Recorded => ({
  ...record,
  facts: record.facts.map((fact) => (fact.name === name ? { ...fact, value } : fact)),
})

test('the record of the example is whole', () => {
  assert.equal(record.effect, 'allow')
  assert.deepEqual(redecide(layers, record), { ok: true, decision: decideLayers(layers, facts) })
  assert.equal(recheckDecision(layers, record, derived).ok, true)
})

/** Facts in forms that no decision writes; asserted ones concern whoever checks, too. */
const ASSERTED: Readonly<Record<string, readonly Json[]>> = {
  source: ['x', 7],
  roles: ['ops', ['ops', 1], {}],
  scopes: ['a', [null]],
  skill_level: [1],
  auth_level: ['4', 4.5, true],
  auth_method: [{}],
  chain: [
    1,
    'x',
    [],
    {},
    { depth: 2, repeats: 1 },
    { depth: '2', repeats: 1, cycle: false },
    { depth: 2, repeats: null, cycle: false },
    { depth: 2.5, repeats: 1, cycle: false },
    { depth: 2, repeats: 1, cycle: 'no' },
  ],
  'provenance:/to': ['user', ['user', 1]],
  'counter:l': [
    1,
    {},
    { count: 1 },
    { amount: null },
    { count: '1', amount: null },
    { count: 1, amount: 5 },
    { count: 1, amount: '5' },
    { count: 1.5, amount: '5 EUR' },
  ],
}
const DERIVED: Readonly<Record<string, readonly Json[]>> = {
  agent: [7, ['a']],
  user: [true],
  operation: ['x', 1],
  category: [1],
  tags: ['pii', [1]],
  bundle: [1],
  amount: [12.5, '12.50', true, {}],
  'time:UTC': [
    1,
    {},
    { day: 'mon' },
    { day: 'monday', minute: 1 },
    { day: 'mon', minute: '1' },
    { day: 'mon', minute: 1.5 },
  ],
}

for (const [name, values] of Object.entries({ ...ASSERTED, ...DERIVED })) {
  test(`a record whose ${name} has another form is refused, naming it`, () => {
    for (const value of values) {
      const refused = { ok: false, reason: 'record_malformed', detail: name }
      const given = tampered(name, value)
      assert.deepEqual(redecide(layers, given), refused, JSON.stringify(value))
      if (!Object.hasOwn(ASSERTED, name)) continue
      assert.deepEqual(recheckDecision(layers, given, derived), refused, JSON.stringify(value))
    }
  })
}

test('a null is a fact that was not known, whatever the fact', () => {
  for (const { name } of record.facts) {
    if (name === 'operation' || name === 'tags' || name === 'bundle') continue
    const again = redecide(layers, tampered(name, null))
    assert.ok(again.ok, name)
    assert.equal(again.decision.effect, name === 'tool' ? 'allow' : 'deny', name)
  }
})

test('an amount is what the record says: none, money, or unknown', () => {
  for (const [value, effect] of [
    ['none', 'deny'],
    ['10.01 EUR', 'allow'],
    ['10.00 EUR', 'deny'],
    [null, 'deny'],
  ] as const) {
    const again = redecide(layers, tampered('amount', value))
    assert.ok(again.ok)
    assert.equal(again.decision.effect, effect, String(value))
  }
})

test('a record that lacks a derived fact cannot be decided from alone', () => {
  for (const name of ['amount', 'args:/to']) {
    const without = { ...record, facts: record.facts.filter((fact) => fact.name !== name) }
    assert.deepEqual(redecide(layers, without), {
      ok: false,
      reason: 'fact_not_recorded',
      detail: name,
    })
  }
  const elided = tampered('args:/to', { elided: { type: 'string', length: 300 } })
  assert.deepEqual(redecide(layers, elided), {
    ok: false,
    reason: 'fact_not_recorded',
    detail: 'args:/to',
  })
})

test('what the record says of an argument is what it was, wrapped or not', () => {
  for (const [value, effect] of [
    ['a', 'allow'],
    [{ json: 'a' }, 'allow'],
    [{ json: ['a'] }, 'deny'],
    [{ json: null }, 'deny'],
    ['b', 'deny'],
  ] as const) {
    const again = redecide(layers, tampered('args:/to', value))
    assert.ok(again.ok)
    assert.equal(again.decision.effect, effect, JSON.stringify(value))
  }
})

test('whoever checks compares every member, and says which differs', () => {
  const differs: Readonly<Partial<Record<keyof Recorded, unknown>>> = {
    policy_fingerprint: '0'.repeat(64),
    effect: 'deny',
    tier: 1,
    rule_id: 'other',
    reason: 'Other',
    obligations: { ...record.obligations, grant_ttl_ms: 1 },
    facts: record.facts.slice(1),
    unknown: ['agent'],
  }
  for (const [name, value] of Object.entries(differs)) {
    assert.deepEqual(
      recheckDecision(layers, { ...record, [name]: value }, derived),
      { ok: false, reason: 'decision_differs', detail: name },
      name,
    )
  }
  const { approvers, channels, approval_ttl_ms, grant_ttl_ms } = record.obligations
  const obligations = { channels, approvers, approval_ttl_ms, grant_ttl_ms }
  const reordered = { ...record, obligations }
  assert.equal(recheckDecision(layers, reordered, derived).ok, true)
  const other = { ...derived, args: { ...(args as object), to: 'b' } as Json }
  assert.deepEqual(recheckDecision(layers, record, other), {
    ok: false,
    reason: 'decision_differs',
    detail: 'effect',
  })
})

test('another fault than of the record is not swallowed', () => {
  const broken = { ...derived, local_times: 7 as unknown as Map<string, never> }
  assert.throws(() => recheckDecision(layers, record, broken), TypeError)
})

test('the zones that layers ask for are named once, in order', () => {
  const zone = (layer: 'platform' | 'tenant', zones: readonly string[]) =>
    compilePolicy(
      mustParse(
        `version = 1\n${zones.map((tz, index) => `[[rules]]\nid = "r${index}"\npriority = 1\neffect = "deny"\nmatch.time = { days = ["mon"], tz = "${tz}" }\n`).join('')}`,
      ),
      sha256,
      { layer },
    )
  const joined = joinLayers(
    [zone('platform', ['UTC', 'Europe/Vienna']), zone('tenant', ['UTC', 'Asia/Tokyo'])],
    sha256,
  )
  assert.deepEqual(zonesOf(joined), ['Asia/Tokyo', 'Europe/Vienna', 'UTC'])
})

test('layers are joined in their order; one without a platform or given twice is a fault', () => {
  const of = (layer: 'platform' | 'tenant' | 'agent') =>
    compilePolicy(mustParse('version = 1\n'), sha256, { layer })
  const joined = joinLayers([of('agent'), of('platform'), of('tenant')], sha256)
  assert.deepEqual(
    joined.layers.map(({ layer }) => layer),
    ['platform', 'tenant', 'agent'],
  )
  assert.throws(() => joinLayers([], sha256), /^TypeError: the platform layer is missing$/)
  assert.throws(() => joinLayers([of('tenant')], sha256), /the platform layer is missing/)
  assert.throws(
    () => joinLayers([of('platform'), of('tenant'), of('tenant')], sha256),
    /^TypeError: a layer is given twice$/,
  )
})

const manyFacts = (limits: number): string =>
  `version = 1\n[[rules]]\nid = "r"\npriority = 1\neffect = "deny"\n${Array.from({ length: 200 }, (_, index) => `match.args."/${index}" = { eq = 1 }\n`).join('')}` +
  Array.from(
    { length: limits },
    (_, index) =>
      `[[limits]]\nid = "l${index}"\nmatch.tool = ["**"]\nkey = ["tenant"]\nwindow = "1h"\nmax_count = 5\non_exceed = "deny"\n`,
  ).join('') +
  '[[rules]]\nid = "rest"\npriority = 2\neffect = "require_approval"\ntier = 1\nmatch.tool = ["**"]\n'

test('a decision that looked at more facts than a record holds is denied, and says so', () => {
  const known = { args: Object.fromEntries(Array.from({ length: 199 }, (_, at) => [at, 1])) }
  for (const [given, limits, rule_id, unknown] of [
    [known, 55, 'r', 56],
    [known, 56, 'default', 57],
    [{}, 55, 'r', 255],
    [{}, 57, 'default', 256],
  ] as const) {
    const compiled = compilePolicy(mustParse(manyFacts(limits)), sha256)
    const decision = decideLayers(joinLayers([compiled], sha256), factsOf(given))
    assert.deepEqual([decision.effect, decision.rule_id], ['deny', rule_id])
    assert.equal(decision.facts.length, 256)
    assert.equal(decision.unknown.length, unknown)
    if (rule_id === 'default') {
      assert.match(decision.reason, /^More than 256 facts would have to be looked at \(unknown: /)
      assert.equal(decision.tier, 0)
      assert.deepEqual(decision.obligations.approvers, [])
    }
  }
})

test('a fact that a record does not hold is a fault with its name, where nobody guards it', () => {
  const without = { ...facts, recorded: { values: new Map(), amount: null } }
  assert.throws(() => decideLayers(layers, without), {
    name: 'FactNotRecorded',
    code: 'fact_not_recorded',
    fact: 'amount',
    message: 'the record does not hold amount',
  })
})

test('facts that are left out are not available', () => {
  const { local_times: _times, provenance: _origins, counters: _counters, ...rest } = facts
  const { effect, unknown } = decideLayers(layers, rest)
  assert.equal(effect, 'deny')
  assert.deepEqual([...unknown].sort(), ['counter:l', 'provenance:/to', 'time:UTC'])
})

test('what layers may ask for is told, so that nobody gathers more', () => {
  assert.deepEqual(asksOf(layers), {
    zones: ['UTC'],
    chain: true,
    provenance: ['/to'],
    limits: true,
  })
  const of = (layer: 'platform' | 'tenant', lines: string) =>
    compilePolicy(
      mustParse(
        `version = 1\n[[rules]]\nid = "r"\npriority = 1\neffect = "deny"\n[rules.match]\n${lines}\n`,
      ),
      sha256,
      { layer },
    )
  const plain = of('platform', 'tool = ["x"]')
  const nothing = { zones: [], chain: false, provenance: [], limits: false }
  assert.deepEqual(asksOf(joinLayers([plain], sha256)), nothing)
  const origins = of('tenant', 'provenance."/b" = ["user"]\nprovenance."/a" = ["user"]')
  assert.deepEqual(asksOf(joinLayers([plain, origins], sha256)), {
    ...nothing,
    provenance: ['/a', '/b'],
  })
  const chain = of('tenant', 'chain = { cycle = true }')
  assert.deepEqual(asksOf(joinLayers([plain, chain], sha256)), { ...nothing, chain: true })
})

test('a reason names at most four unknown facts, in order, each cut to forty characters', () => {
  const pointers = ['z', 'a'.repeat(60), 'b', 'c', 'd']
  const text = `version = 1\n${pointers
    .map(
      (pointer, index) =>
        `[[rules]]\nid = "r${index}"\npriority = 1\neffect = "deny"\nreason = "No"\nmatch.args."/${pointer}" = { eq = 1 }\n`,
    )
    .join('')}`
  const decision = decideLayers(
    joinLayers([compilePolicy(mustParse(text), sha256)], sha256),
    factsOf({}),
  )
  const named = `args:/${'a'.repeat(34)}, args:/b, args:/c, args:/d`
  assert.equal(
    decision.reason,
    `No rule matches, so the default holds (unknown: ${named} and 1 more)`,
  )
})
