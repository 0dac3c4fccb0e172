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
  replay,
  zonesOf,
} from '@trustgw/core'
import fc from 'fast-check'
import { sha256 } from '../hashing.ts'
import { policyText, proposal } from './arbitrary.ts'
import { factsOf, type Given, mustParse } from './world.ts'

const layersOf = (text: string): CompiledLayers =>
  joinLayers([compilePolicy(mustParse(text), sha256)], sha256)

function recordOf(layers: CompiledLayers, facts: PolicyFacts): Recorded {
  const record = {
    ...decideLayers(layers, facts),
    tool_id: facts.tool.id,
    tenant: facts.tenant,
    workspace: facts.workspace,
    decided_at: facts.time_ms,
  }
  return JSON.parse(JSON.stringify(record)) as Recorded
}

const derived = (facts: PolicyFacts) => ({
  tool: facts.tool,
  args: facts.args,
  tenant: facts.tenant,
  workspace: facts.workspace,
  agent: facts.agent,
  user: facts.user,
  time_ms: facts.time_ms,
  ...(facts.local_times === undefined ? {} : { local_times: facts.local_times }),
})

test('decide ∘ record = decide: from the record alone, unless a value was too long to record', () => {
  let elided = 0
  fc.assert(
    fc.property(policyText, proposal, (text, given) => {
      const layers = layersOf(text)
      const record = recordOf(layers, factsOf(given))
      const again = redecide(layers, record)
      if (!again.ok) {
        assert.equal(again.reason, 'fact_not_recorded')
        assert.match(JSON.stringify(record.facts), /"elided"/)
        elided += 1
        return
      }
      assert.deepEqual(JSON.parse(JSON.stringify(again.decision)), {
        ...JSON.parse(JSON.stringify(decideLayers(layers, factsOf(given)))),
      })
    }),
    { numRuns: 3_000 },
  )
  assert.ok(elided < 1_500)
})

test('an executor decides as the gateway did from its own derived facts, long values too', () => {
  fc.assert(
    fc.property(policyText, proposal, (text, given) => {
      const facts = factsOf(given)
      const layers = layersOf(text)
      const again = recheckDecision(layersOf(text), recordOf(layers, facts), derived(facts))
      assert.ok(again.ok, again.ok ? '' : `${again.reason} ${again.detail}`)
    }),
    { numRuns: 2_000 },
  )
})

const AMOUNTS = `version = 1
[[rules]]
id = "small"
priority = 1
effect = "allow"
match = { amount = { lt = "50 EUR" }, args = { "/note" = { max_length = 1000 } }, roles = ["clerk"] }
`
const GIVEN: Given = {
  args: { amount: '10', currency: 'EUR', note: 'x'.repeat(600) },
  roles: ['clerk'],
}

test('other arguments, another tool or another policy than the recorded one are noticed', () => {
  const layers = layersOf(AMOUNTS)
  const facts = factsOf(GIVEN)
  const record = recordOf(layers, facts)
  const own = derived(facts)
  assert.ok(recheckDecision(layers, record, own).ok)
  const reasons = [
    recheckDecision(layers, record, { ...own, args: { amount: '60', currency: 'EUR' } }),
    recheckDecision(layers, record, { ...own, args: { amount: '11', currency: 'EUR', note: 'x' } }),
    recheckDecision(layers, record, { ...own, tool: { ...own.tool, amount: { kind: 'none' } } }),
    recheckDecision(layersOf(AMOUNTS.replace('50', '51')), record, own),
    recheckDecision(layers, { ...record, effect: 'deny' }, own),
    recheckDecision(layers, { ...record, tier: 1 }, own),
    recheckDecision(layers, { ...record, rule_id: 'x' }, own),
    recheckDecision(layers, { ...record, unknown: ['amount'] }, own),
    recheckDecision(layers, { ...record, facts: record.facts.toReversed() }, own),
    recheckDecision(
      layers,
      { ...record, obligations: { ...record.obligations, grant_ttl_ms: 1_000 } },
      own,
    ),
  ].map((again) => (again.ok ? 'ok' : again.reason))
  assert.deepEqual(new Set(reasons), new Set(['decision_differs']))
})

test('agent and user are those that the record is bound to, whatever it says of them', () => {
  const layers = layersOf(`version = 1
[[rules]]
id = "of-ana-by-her-bot"
priority = 1
effect = "allow"
match = { agent = ["ana.bot"], user = ["ana"] }
`)
  const facts = factsOf({ agent: 'ana.bot', user: 'ana' })
  const record = recordOf(layers, facts)
  assert.equal(record.effect, 'allow')
  assert.ok(recheckDecision(layers, record, derived(facts)).ok)
  for (const bound of [{ agent: 'other.bot' }, { user: 'ben' }, { user: null }]) {
    const again = recheckDecision(layers, record, { ...derived(facts), ...bound })
    assert.equal(again.ok ? 'ok' : again.reason, 'decision_differs')
  }
})

test('a record in no form that a decision writes is refused, never guessed', () => {
  const layers = layersOf(AMOUNTS)
  const facts = factsOf(GIVEN)
  const record = recordOf(layers, facts)
  for (const fact of [
    { name: 'roles', origin: 'asserted', value: 'clerk' },
    { name: 'roles', origin: 'asserted', value: [1] },
    { name: 'source', origin: 'asserted', value: 'pigeon' },
    { name: 'auth_level', origin: 'asserted', value: '5' },
    { name: 'chain', origin: 'asserted', value: {} },
    { name: 'counter:x', origin: 'asserted', value: { count: 1 } },
  ] as const) {
    const again = recheckDecision(layers, { ...record, facts: [fact] }, derived(facts))
    assert.deepEqual(again.ok ? 'ok' : again.reason, 'record_malformed', fact.name)
  }
})

test('an argument that looks like the note of a long one is told apart from it', () => {
  const text = `version = 1
[[rules]]
id = "r"
priority = 1
effect = "allow"
match = { args = { "/a" = { keys_in = ["elided"] } } }
`
  const layers = layersOf(text)
  const record = recordOf(
    layers,
    factsOf({ args: { a: { elided: { type: 'string', length: 1 } } } }),
  )
  const again = redecide(layers, record)
  assert.equal(again.ok && again.decision.effect, 'allow')
})

test('the zones whose local time a decision needs can be asked for', () => {
  const text = `version = 1
[[rules]]
id = "r"
priority = 1
effect = "allow"
match = { time = { days = ["mon"], tz = "Europe/Vienna" } }
`
  assert.deepEqual(zonesOf(layersOf(text)), ['Europe/Vienna'])
})

test('what somebody has to gather for a policy is known beforehand', () => {
  const none = { zones: [], chain: false, provenance: [], limits: false }
  const rule = (match: string): CompiledLayers =>
    layersOf(`version = 1
[[rules]]
id = "one"
priority = 1
effect = "allow"
match = { ${match} }
`)
  assert.deepEqual(asksOf(rule('tool = ["**"]')), none)
  assert.deepEqual(asksOf(rule('chain = { depth = { lt = 3 } }')), { ...none, chain: true })
  const origins = rule('provenance = { "/b" = ["agent"], "/a" = ["user"] }')
  assert.deepEqual(asksOf(origins), { ...none, provenance: ['/a', '/b'] })
  const limited = layersOf(`version = 1
[[limits]]
id = "few"
match = { chain = { cycle = true }, time = { days = ["mon"], tz = "UTC" } }
key = ["tenant"]
window = "1h"
max_count = 1
on_exceed = "deny"
`)
  const all = { zones: ['UTC'], chain: true, provenance: [], limits: true }
  assert.deepEqual(asksOf(limited), all)
})

test('replay names every flip, which way it goes, and what cannot be decided again', () => {
  const layers = layersOf(AMOUNTS)
  const past = (action_id: string, given: Given, keep: boolean) => {
    const facts = factsOf(given)
    const kept = keep ? { tool: facts.tool, args: facts.args } : null
    return { action_id, record: recordOf(layers, facts), proposal: kept }
  }
  const small: Given = { ...GIVEN, args: { amount: '10', currency: 'EUR', note: 'x' } }
  const middle: Given = { ...GIVEN, args: { amount: '45', currency: 'EUR', note: 'x' } }
  const large: Given = { ...GIVEN, args: { amount: '90', currency: 'EUR', note: 'x' } }
  const all = [
    past('small', small, false),
    past('middle', middle, true),
    past('large', large, true),
    past('long', GIVEN, false),
  ]
  const tighter = replay(layersOf(AMOUNTS.replace('50', '20')), all)
  assert.deepEqual(
    tighter.flips.map(({ action_id, direction }) => [action_id, direction]),
    [['middle', 'narrower']],
  )
  assert.deepEqual(
    tighter.undecidable.map(({ action_id }) => action_id),
    ['long'],
  )
  const unasked = replay(layersOf(AMOUNTS.replace('50', '100')), all)
  assert.deepEqual(unasked.flips, [])
  assert.deepEqual(unasked.uncertain, [{ action_id: 'large', facts: ['roles'] }])
  const wide = AMOUNTS.replace('50', '100').replace(', roles = ["clerk"]', '')
  assert.deepEqual(
    replay(layersOf(wide), all).flips.map(({ action_id, direction }) => [action_id, direction]),
    [['large', 'wider']],
  )
  assert.deepEqual(replay(layers, all).flips, [])
})

const TAGGED = `version = 1
[[rules]]
id = "tagged"
priority = 1
effect = "deny"
match = { tags = ["vip"] }
[[rules]]
id = "rest"
priority = 2
effect = "allow"
match = { operation = ["transfer"], agent = ["*.*"] }
`

test('what a record does not hold of the contract is not taken to be absent', () => {
  const facts = factsOf({ tags: ['vip'], operation: 'transfer' })
  const record = recordOf(layersOf(AMOUNTS), facts)
  const bare = redecide(layersOf(TAGGED), record)
  assert.deepEqual(bare.ok ? [] : [bare.reason, bare.detail], ['fact_not_recorded', 'operation'])
  const past = { action_id: 'a', record, proposal: { args: facts.args, tool: null } }
  const without = replay(layersOf(TAGGED), [past])
  assert.deepEqual(without.undecidable, [{ action_id: 'a', why: 'fact_not_recorded: operation' }])
  const kept = { args: facts.args, tool: facts.tool }
  const whole = replay(layersOf(TAGGED), [{ ...past, proposal: kept }])
  assert.deepEqual([whole.flips, whole.undecidable, whole.uncertain], [[], [], []])
})

test('replay uses what the gateway knew of the proposer, and arguments without their contract', () => {
  const facts = factsOf({ args: { note: 'y'.repeat(600) } })
  const record = recordOf(layersOf(AMOUNTS), facts)
  const { agent, user, source, auth_level } = facts
  const text = AMOUNTS.replace('amount = { lt = "50 EUR" }, ', '')
    .replace('roles', 'agent')
    .replace('clerk', 'support.*')
  const past = { action_id: 'a', record, proposal: { args: facts.args, tool: null } }
  const unknown = replay(layersOf(text), [past])
  assert.deepEqual(unknown.uncertain, [{ action_id: 'a', facts: ['agent'] }])
  const identity = { agent, user, source, auth_level }
  const known = replay(layersOf(text), [{ ...past, proposal: { ...past.proposal, identity } }])
  assert.deepEqual(known.uncertain, [])
  assert.deepEqual(
    known.flips.map(({ direction }) => direction),
    ['wider'],
  )
})
