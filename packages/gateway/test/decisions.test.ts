import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { ActionId, ActionView, Json, JsonObject } from '@trustgw/protocol'
import type { RunningGateway } from '../src/start-gateway.ts'
import { CONTRACTS, contract, POLICY } from './support/keys.ts'
import { agentRecord, policyOf, World } from './support/world.ts'

const REFUND = { amount: '50.00' }

interface Running {
  readonly world: World
  readonly gateway: RunningGateway
}

async function under(t: TestContext, rules: string): Promise<Running> {
  const world = await World.open(t)
  world.policy = policyOf(`${POLICY}${rules}`)
  return { world, gateway: await world.gateway() }
}

function read({ world, gateway }: Running, path: string): Promise<ActionView> {
  return world.accepted(gateway, 'files.read', { path }, { holdMs: 50 })
}

async function factOf(world: World, id: ActionId, name: string): Promise<Json | undefined> {
  return (await world.record(id)).decision.facts.find((fact) => fact.name === name)?.value
}

const LOOP = `
[[rules]]
id = "loop"
priority = 1
effect = "deny"
reason = "The same call three times"
[rules.match]
chain = { repeats = { gte = 2 } }
`

test('the gateway itself sees a loop, whatever the caller calls it', async (t) => {
  const running = await under(t, LOOP)
  assert.equal((await read(running, 'a')).status, 'succeeded')
  assert.equal((await read(running, 'a')).status, 'succeeded')
  const third = await read(running, 'a')
  assert.equal(third.status, 'denied')
  assert.deepEqual(await factOf(running.world, third.action_id, 'chain'), {
    depth: 2,
    repeats: 2,
    cycle: false,
  })
  assert.equal((await read(running, 'b')).status, 'succeeded')
  running.world.clock.advance(900_000)
  assert.equal((await read(running, 'a')).status, 'succeeded', 'the trace forgets')
})

test('each principal has a trace of its own, and each person on whose behalf it acts', async (t) => {
  const running = await under(t, LOOP)
  const { world, gateway } = running
  await read(running, 'a')
  await read(running, 'a')
  await world.enlist(agentRecord({ on_behalf_of: 'ann' }))
  await world.idle()
  assert.equal((await read(running, 'a')).status, 'succeeded')
  const { value } = (await world.records('limits').list('acme'))[0] ?? {}
  assert.ok(value !== undefined && gateway.recovered === 0)
})

test('a trace that cannot be read makes the chain unknown, so that what restricts counts', async (t) => {
  const running = await under(t, LOOP)
  const { world } = running
  await read(running, 'a')
  const limits = world.records('limits')
  const [trace] = await limits.list('acme')
  assert.ok(trace !== undefined)
  await limits.replace(trace.key, Buffer.from('odd'), trace.revision)
  const view = await read(running, 'b')
  assert.equal(view.status, 'denied')
  assert.equal(await factOf(world, view.action_id, 'chain'), null)
})

test('a call that waited keeps the chain that it had when it came', async (t) => {
  const running = await under(
    t,
    LOOP.replace('"deny"', '"require_approval"\ntier = 1').replace('gte = 2', 'gte = 1'),
  )
  const { world, gateway } = running
  await read(running, 'a')
  const second = await read(running, 'a')
  assert.equal(second.status, 'pending_approval')
  await world.until('the host', () => world.host.requests.length === 1)
  world.clock.advance(899_000)
  const request = world.host.request(second.action_id)
  assert.deepEqual(request.chain, { depth: 1, tools: ['files.read'], complete: true })
  const answer = await world.run(world.host.send(world.host.approval(request)))
  assert.deepEqual(answer, { status: 'accepted', state: 'dispatched' })
  await world.reaches(second.action_id, 'succeeded')
  assert.ok(gateway.recovered === 0)
})

const ORIGIN = `
[[rules]]
id = "payee-from-crm"
priority = 1
effect = "allow"
reason = "The payee stands in our own records"
[rules.match]
tool = ["shop.payto"]
provenance."/iban" = ["tool_result:crm.*"]
[[rules]]
id = "payee-known"
priority = 2
effect = "require_approval"
tier = 1
reason = "A payee from elsewhere"
[rules.match]
tool = ["shop.payto"]
provenance."/iban" = ["first_seen"]
[[rules]]
id = "crm"
priority = 3
effect = "allow"
reason = "Reads"
[rules.match]
tool = ["crm.*", "shop.payto"]
`
const IBAN = 'DE89 3704 0044 0532 0130 00'

async function withCrm(t: TestContext): Promise<Running> {
  const running = await under(t, ORIGIN)
  const tools = [
    ...CONTRACTS,
    contract('crm.get'),
    contract('shop.payto', { operation: 'transfer' }),
  ]
  await running.world.serve(tools)
  await running.world.idle()
  return running
}

function payTo({ world, gateway }: Running, iban: Json, n = 1): Promise<ActionView> {
  return world.accepted(gateway, 'shop.payto', { iban, n }, { holdMs: 50 })
}

test('a value comes from a result only when the gateway saw it in one', async (t) => {
  const running = await withCrm(t)
  const { world, gateway } = running
  const before = await payTo(running, IBAN)
  assert.deepEqual(await factOf(world, before.action_id, 'provenance:/iban'), ['first_seen'])
  assert.equal(before.status, 'pending_approval')
  await world.until('the host', () => world.host.requests.length === 1)
  const told = world.host.request(before.action_id).origins
  assert.deepEqual(told, [{ pointer: '/iban', origins: ['first_seen'] }])
  world.executor.output = { customer: { iban: IBAN } }
  await world.accepted(gateway, 'crm.get', {}, { holdMs: 50 })
  const after = await payTo(running, IBAN, 2)
  assert.deepEqual(await factOf(world, after.action_id, 'provenance:/iban'), [
    'first_seen',
    'tool_result:crm.get',
  ])
  assert.equal(after.status, 'succeeded')
  await world.until('the first to wait alone', async () => (await world.openActions()) === 1)
  world.clock.advance(900_000)
  const known = await payTo(running, IBAN, 3)
  assert.deepEqual(await factOf(world, known.action_id, 'provenance:/iban'), ['agent'])
  assert.equal(known.status, 'succeeded', 'it ran once, so it is not new any more')
})

test('a list has no origin that could be told, so it counts as unknown', async (t) => {
  const running = await withCrm(t)
  const view = await payTo(running, [IBAN])
  assert.equal(view.status, 'pending_approval')
  assert.equal(view.reason, 'A payee from elsewhere', 'what was not known is not told')
  const { decision } = await running.world.record(view.action_id)
  assert.equal(decision.reason, 'A payee from elsewhere (unknown: provenance:/iban)')
  assert.equal(await factOf(running.world, view.action_id, 'provenance:/iban'), null)
})

test('what the operator says of an agent is a fact, of now and not of before', async (t) => {
  const running = await under(
    t,
    `
[[rules]]
id = "clerks"
priority = 1
effect = "allow"
reason = "Clerks may refund"
[rules.match]
tool = ["shop.refund"]
roles = ["clerk"]
scopes = ["refunds"]
skill_level = ["senior"]
auth_method = ["api_key"]
`,
  )
  const { world, gateway } = running
  const refund = (amount: string): Promise<ActionView> =>
    world.accepted(gateway, 'shop.refund', { amount }, { holdMs: 50 })
  const unknown = await refund('1.00')
  assert.equal(unknown.status, 'pending_approval', 'nothing is known of it')
  const clerk = { roles: ['clerk'], scopes: ['refunds', 'orders'], skill_level: 'senior' }
  await world.enlist(agentRecord(clerk))
  await world.idle()
  assert.equal((await refund('2.00')).status, 'succeeded')
  await world.enlist(agentRecord({ ...clerk, roles: [] }))
  await world.idle()
  assert.equal((await refund('3.00')).status, 'pending_approval')
})

test('the local time of a zone that the policy names is a fact', async (t) => {
  const running = await under(
    t,
    `
[[rules]]
id = "night"
priority = 1
effect = "deny"
reason = "Nobody is there"
[rules.match]
tool = ["files.*"]
time = { from = "22:00", to = "06:00", tz = "Asia/Kathmandu" }
`,
  )
  // The clock stands at 19:58 in Kathmandu.
  assert.equal((await read(running, 'a')).status, 'succeeded')
  running.world.clock.advance(4 * 3_600_000)
  const night = await read(running, 'a')
  assert.equal(night.status, 'denied')
  const fact = await factOf(running.world, night.action_id, 'time:Asia/Kathmandu')
  assert.deepEqual((fact as JsonObject)['minute'], 23 * 60 + 58)
})

test('without a policy in force nothing is accepted, and the caller is told why', async (t) => {
  const world = await World.open(t)
  world.policy = undefined
  const gateway = await world.gateway()
  assert.deepEqual(await world.propose(gateway, 'files.read', { path: 'a' }), {
    ok: false,
    reason: 'unavailable',
    detail: 'no policy is in force',
  })
  assert.deepEqual(await world.records('actions').list('acme'), [])
})

test('an approved action is denied when no policy is in force any more', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', REFUND)
  await world.until('the host', () => world.host.requests.length === 1)
  await world.stop(gateway)
  world.policy = undefined
  await world.gateway()
  const answer = await world.run(world.host.send(world.host.approval(world.host.request(id))))
  assert.deepEqual(answer, { status: 'accepted', state: 'denied' })
  await world.reaches(id, 'denied')
  assert.deepEqual(world.executor.invocations, [])
})

test('[INV-39] an approved action is decided again at its grant, on record before it', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', REFUND)
  await world.until('the host', () => world.host.requests.length === 1)
  const approved = (await world.record(id)).decision
  world.clock.advance(600_000)
  await world.run(world.host.send(world.host.approval(world.host.request(id))))
  await world.reaches(id, 'succeeded')
  const { action, claims } = world.executor.last(id)
  assert.ok(action.decision.decided_at >= approved.decided_at + 600_000)
  assert.ok(claims.iat * 1000 - action.decision.decided_at <= 10_000)
  assert.ok(action.decision.decided_at - claims.iat * 1000 <= 2_000)
  assert.deepEqual(
    { ...action.decision, decided_at: 0 },
    { ...approved, decided_at: 0 },
    'nothing else of it changed',
  )
  const evaluated = (await world.events(id)).filter(({ type }) => type === 'evaluated')
  assert.equal(evaluated.length, 2)
  assert.equal(evaluated[1]?.payload['decision_hash'], claims.decision_hash)
  assert.equal(evaluated[1]?.event_id, action.decision_event.event_id)
  const order = world.journal.slice(world.journal.indexOf('stored authorized'))
  assert.ok(order.indexOf('audit evaluated') < order.indexOf('stored dispatched'))
})

test('[INV-39] while the new decision cannot be recorded, what was approved gets no grant', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', REFUND)
  await world.until('the host', () => world.host.requests.length === 1)
  world.audit.set('evaluated', 'fail')
  const approval = world.host.approval(world.host.request(id))
  const sent = world.host.send(approval, { timeoutMs: 100 }).catch(() => undefined)
  await world.reaches(id, 'authorized')
  await world.idle(3_000)
  assert.deepEqual(world.executor.invocations, [])
  world.audit.clear()
  await world.reaches(id, 'succeeded')
  await sent
  assert.ok(gateway.recovered === 0)
})

test('[INV-39] a grant that lapsed is followed by one with a decision of its own', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = 'silent'
  const { action_id: id } = await world.accepted(gateway, 'files.read', { path: 'a' })
  await world.until('a second grant', () => world.executor.grants.length >= 2, 500)
  world.executor.manner = 'run'
  await world.reaches(id, 'succeeded', 500)
  const ages = world.executor.invocations.map(
    ({ action, claims }) => claims.iat * 1000 - action.decision.decided_at,
  )
  assert.ok(
    ages.every((age) => age <= 10_000 && age >= -2_000),
    ages.join(),
  )
})

test('a new epoch of the same policy leaves an approval standing', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', REFUND)
  await world.until('the host', () => world.host.requests.length === 1)
  await world.stop(gateway)
  world.policy = policyOf(POLICY, 2)
  await world.gateway()
  const answer = await world.run(world.host.send(world.host.approval(world.host.request(id))))
  assert.deepEqual(answer, { status: 'accepted', state: 'dispatched' })
  await world.reaches(id, 'succeeded')
  assert.equal(world.executor.last(id).claims.policy_epoch, 2)
})

test('a refusal says what of its own arguments would be allowed, and nothing of the policy', async (t) => {
  const { world, gateway } = await under(
    t,
    `
[[rules]]
id = "secret-threshold-rule"
priority = 1
effect = "allow"
reason = "Tiny refunds"
[rules.match]
tool = ["shop.refund", "shop.payout"]
amount = { lte = "5.00 EUR" }
args."/to" = { in = ["alice", "bob"] }
`,
  )
  const pending = await world.accepted(gateway, 'shop.refund', { amount: '6.00', to: 'alice' })
  assert.equal(pending.hint, 'It would be allowed if /amount were "5.00".')
  const other = await world.accepted(gateway, 'shop.refund', { amount: '4.00', to: 'mallory' })
  assert.equal(other.hint, 'It would be allowed if /to had another value.')
  const allowed = await world.accepted(gateway, 'shop.refund', { amount: '4.00', to: 'bob' })
  assert.equal(allowed.hint, null)
  const named = await world.accepted(gateway, 'shop.payout', { amount: '6.00' })
  assert.equal(named.hint, 'It would be allowed if /amount were "5.00" and /to were given.')
  const unnamed = await world.accepted(gateway, 'shop.refund', { amount: '4.00' })
  assert.equal(unnamed.hint, null)
  const wiped = await world.accepted(gateway, 'shop.wipe', {})
  assert.deepEqual([wiped.status, wiped.hint], ['denied', null])
})
