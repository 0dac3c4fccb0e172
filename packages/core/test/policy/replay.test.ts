import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CompiledLayers,
  compilePolicy,
  decideLayers,
  joinLayers,
  type PastDecision,
  type PastProposal,
  pastFacts,
  type Replay,
  replay,
} from '@trustgw/core'
import { sha256 } from '../hashing.ts'
import { factsOf, type Given, mustParse } from './world.ts'

const rule = (id: string, priority: number, effect: string, match: string): string =>
  `[[rules]]\nid = "${id}"\npriority = ${priority}\neffect = "${effect}"\nmatch = { ${match} }\n`

const layersOf = (...rules: readonly string[]): CompiledLayers =>
  joinLayers([compilePolicy(mustParse(`version = 1\n${rules.join('')}`), sha256)], sha256)

/** Looks at nothing but the tool, and denies. */
const NOTHING = layersOf(rule('all', 1, 'deny', 'tool = ["**"]'))

/** What was decided under `NOTHING`, or another policy; `keep`: what is left of the proposal. */
function past(
  given: Given,
  keep: (facts: ReturnType<typeof factsOf>) => PastProposal | null,
  layers: CompiledLayers = NOTHING,
): PastDecision {
  const facts = factsOf(given)
  const { id: tool_id } = facts.tool
  const { tenant, workspace, time_ms: decided_at } = facts
  const record = { ...decideLayers(layers, facts), tool_id, tenant, workspace, decided_at }
  return { action_id: 'a', record, proposal: keep(facts) }
}

const bare = (): null => null
const whole = ({ args, tool, agent, user, source, auth_level }: ReturnType<typeof factsOf>) => ({
  args,
  tool,
  identity: { agent, user, source, auth_level },
})
const anonymous = ({ args, tool }: ReturnType<typeof factsOf>) => ({ args, tool })

const againUnder = (match: string, one: PastDecision): Replay =>
  replay(layersOf(rule('new', 1, 'allow', match)), [one])

const uncertainOf = ({ uncertain }: Replay): readonly string[] =>
  uncertain.flatMap(({ facts }) => facts)

test('a flip has both decisions, and what the new one did not know', () => {
  const one = past({ roles: null }, whole)
  const asks = layersOf(
    rule('doubtful', 1, 'require_proof', 'roles = ["x"]'),
    rule('open', 2, 'allow', 'tool = ["**"]'),
  )
  assert.deepEqual(replay(asks, [one]), {
    decided: 1,
    flips: [
      {
        action_id: 'a',
        before: { effect: 'deny', tier: 0, rule_id: 'all' },
        after: { effect: 'require_proof', tier: 3, rule_id: 'doubtful', unknown: ['roles'] },
        direction: 'wider',
      },
    ],
    uncertain: [{ action_id: 'a', facts: ['roles'] }],
    undecidable: [],
  })
})

test('what is as strict as before is no flip, whichever rule says so', () => {
  const other = layersOf(rule('other', 1, 'deny', 'tool = ["shop.*"]'))
  assert.deepEqual(replay(other, [past({}, bare)]).flips, [])
})

test('an action that cannot be decided again does not count as decided', () => {
  const found = replay(layersOf(rule('new', 1, 'allow', 'tags = ["x"]')), [
    past({}, bare),
    past({}, whole),
    past({}, bare),
  ])
  assert.deepEqual([found.decided, found.undecidable.length], [1, 2])
})

test('what an argument or the contract lacks is known to be absent where the proposal is', () => {
  for (const match of [
    'args = { "/x" = { eq = 1 } }',
    'amount = { lt = "5 EUR" }',
    'category = ["x"]',
  ]) {
    const found = againUnder(match, past({ category: null }, anonymous))
    assert.deepEqual([found.decided, uncertainOf(found)], [1, []], match)
  }
})

test('who proposed is known from the proposal, everything else that is asserted only as recorded', () => {
  const nobody: Given = { agent: null, user: null, source: null, auth_level: null }
  for (const [match, fact] of [
    ['agent = ["x"]', 'agent'],
    ['user = ["x"]', 'user'],
    ['source = ["mcp"]', 'source'],
    ['auth_level = { gte = 1 }', 'auth_level'],
  ] as const) {
    assert.deepEqual(uncertainOf(againUnder(match, past(nobody, anonymous))), [fact])
    assert.deepEqual(uncertainOf(againUnder(match, past(nobody, whole))), [])
    assert.deepEqual(uncertainOf(againUnder(match, past(nobody, bare))), [fact])
    const looked = layersOf(rule('old', 1, 'allow', match))
    assert.deepEqual(uncertainOf(againUnder(match, past(nobody, bare, looked))), [])
  }
  for (const match of ['roles = ["x"]', 'scopes = ["x"]', 'skill_level = ["x"]']) {
    const [fact = ''] = match.split(' ')
    assert.deepEqual(uncertainOf(againUnder(match, past({}, whole))), [fact])
  }
})

test('who proposed counts as the proposal says, not as left out of the record', () => {
  const match = 'agent = ["night-*"], user = ["ann"], source = ["rest"], auth_level = { gte = 3 }'
  const night: Given = { agent: 'night-1', user: 'ann', source: 'rest', auth_level: 3 }
  assert.equal(againUnder(match, past(night, whole)).flips.length, 1)
  assert.equal(againUnder(match, past(night, anonymous)).flips.length, 0)
})

const NIGHT = 'time = { tz = "UTC", from = "22:00", to = "06:00" }'
const at = (minute: number) => new Map([['UTC', { day: 'mon' as const, minute }]])

test('the local time is the one given, else the one recorded, else not known', () => {
  const one = past({}, whole)
  assert.deepEqual(uncertainOf(againUnder(NIGHT, one)), ['time:UTC'])
  assert.equal(againUnder(NIGHT, { ...one, local_times: at(1_380) }).flips.length, 1)
  assert.equal(againUnder(NIGHT, { ...one, local_times: at(720) }).flips.length, 0)
  const evening = layersOf(rule('old', 1, 'deny', NIGHT))
  const recorded = past({ local_times: { UTC: { day: 'mon', minute: 1_380 } } }, whole, evening)
  assert.equal(againUnder(NIGHT, recorded).flips.length, 1)
  assert.equal(againUnder(NIGHT, { ...recorded, local_times: at(720) }).flips.length, 0)
})

test('without its contract an action has its arguments and of the contract what was recorded', () => {
  const args = { note: 'y'.repeat(600) }
  const looked = layersOf(rule('old', 1, 'deny', 'category = ["x"]'))
  const one = past({ args, category: 'x' }, () => ({ args, tool: null }), looked)
  const facts = pastFacts(one)
  assert.deepEqual([facts.args, facts.tool.category], [args, 'x'])
  assert.deepEqual([facts.recorded?.values, facts.recorded?.names?.has('category')], [null, true])
  const found = againUnder('category = ["x"], args = { "/note" = { glob = "y*" } }', one)
  assert.deepEqual([found.flips.length, found.undecidable], [1, []])
  assert.deepEqual(againUnder('tags = ["x"]', one).undecidable, [
    { action_id: 'a', why: 'fact_not_recorded: tags' },
  ])
})

test('with its contract an action owes its record nothing', () => {
  const facts = pastFacts(past({ args: { n: 1 } }, whole))
  assert.equal('recorded' in facts, false)
  assert.deepEqual(facts.args, { n: 1 })
})
