import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { compilePolicy, joinLayers, parsePolicy } from '@trustgw/core'
import { type ActionId, type ActionView, utf8Encode } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { type Entries, readCounter } from '../src/limits/counter.ts'
import type { RunningGateway } from '../src/start-gateway.ts'
import { POLICY } from './support/keys.ts'
import { LedgerWorld } from './support/ledger-world.ts'
import { agentRecord, apiKey, policyOf, World } from './support/world.ts'

const HOUR_MS = 3_600_000

/** At most two reads an hour for each agent. */
const VELOCITY = `${POLICY}
[[limits]]
id = "velocity"
match = { tool = ["files.*"] }
key = ["tenant", "agent"]
window = "1h"
max_count = 2
on_exceed = "deny"
`

async function limited(
  t: TestContext,
  policy = VELOCITY,
): Promise<{ world: World; gateway: RunningGateway }> {
  const world = await World.open(t)
  world.policy = policyOf(policy)
  return { world, gateway: await world.gateway() }
}

let calls = 0
/** Each call reads another file, so that none joins another. */
function read(world: World, gateway: RunningGateway): Promise<ActionView> {
  calls += 1
  return world.accepted(gateway, 'files.read', { path: `${calls}` }, { holdMs: 50 })
}

/** What the only counter that there is holds. */
async function counter(world: World): Promise<Entries> {
  const stored = await world.records('limits').list('acme')
  assert.equal(stored.length, 1)
  const entries = readCounter(stored[0]?.value ?? new Uint8Array())
  assert.ok(entries !== undefined)
  return entries
}

async function closed(world: World): Promise<void> {
  await world.until('all to be closed', async () => (await world.openActions()) === 0)
}

test('[INV-37] one more call than a limit has places for is denied, and let in once the window went by', async (t) => {
  const { world, gateway } = await limited(t)
  assert.equal((await read(world, gateway)).status, 'succeeded')
  assert.equal((await read(world, gateway)).status, 'succeeded')
  const third = await read(world, gateway)
  assert.deepEqual([third.status, third.reason], ['denied', 'Policy refuses this.'])
  await closed(world)
  world.clock.advance(HOUR_MS)
  assert.equal((await read(world, gateway)).status, 'succeeded')
})

test('a limit that asks people lets the rest through with their approval only', async (t) => {
  const asking = VELOCITY.replace('on_exceed = "deny"', 'on_exceed = "require_approval"\ntier = 1')
  const { world, gateway } = await limited(t, asking)
  await read(world, gateway)
  await read(world, gateway)
  const third = await read(world, gateway)
  assert.equal(third.status, 'pending_approval')
  const record = await world.record(third.action_id)
  assert.equal(record.decision.rule_id, 'velocity')
  await world.until('the host', () => world.host.requests.length === 1)
  await world.run(world.host.send(world.host.approval(world.host.request(third.action_id))))
  await world.reaches(third.action_id, 'succeeded')
  assert.equal((await read(world, gateway)).status, 'pending_approval')
})

test('[INV-38] what never ran is given back: refused, denied by a person, cancelled, expired', async (t) => {
  const { world, gateway } = await limited(t, VELOCITY.replace('files.*', 'shop.*'))
  const refund = async (): Promise<ActionView> => {
    calls += 1
    return world.accepted(gateway, 'shop.refund', { amount: '5.00', n: calls }, { holdMs: 50 })
  }
  const requested = async (id: ActionId): Promise<void> =>
    world.until('the host', () => world.host.requests.some((one) => one.action_id === id))
  const first = await refund()
  const second = await refund()
  assert.deepEqual([first.status, second.status], ['pending_approval', 'pending_approval'])
  assert.equal((await refund()).status, 'denied', 'what waits holds its place')
  await requested(first.action_id)
  await world.run(world.host.send(world.host.denial(world.host.request(first.action_id))))
  await world.run(gateway.api.cancel(world.caller(gateway), second.action_id))
  await world.reaches(second.action_id, 'cancelled')
  await closed(world)
  const third = await refund()
  world.clock.advance(901_000)
  await world.reaches(third.action_id, 'expired')
  world.executor.manner = { status: 'refused', reason: 'tool_unknown', retryable: false }
  const fourth = await refund()
  await requested(fourth.action_id)
  await world.run(world.host.send(world.host.approval(world.host.request(fourth.action_id))))
  await world.reaches(fourth.action_id, 'refused')
  await closed(world)
  assert.deepEqual(await counter(world), [], 'all places are free')
})

test('[INV-38] an unknown outcome is not given back, however a person finds out', async (t) => {
  const { world, gateway } = await limited(t)
  world.executor.manner = 'claim'
  const views = [await read(world, gateway), await read(world, gateway)]
  await world.until('both claims', () => world.executor.invocations.length === 2)
  world.clock.advance(1_000_000)
  for (const { action_id } of views) await world.reaches(action_id, 'needs_human')
  assert.equal((await read(world, gateway)).status, 'denied')
  world.clock.advance(HOUR_MS)
  world.executor.manner = 'run'
  assert.equal((await read(world, gateway)).status, 'succeeded', 'its window went by')
})

const BUSY = { status: 'refused', reason: 'executor_busy', retryable: true } as const

test('[INV-38] a grant that lapsed counts, since it may have run unseen: expired, cancelled, denied anew', async (t) => {
  const { world, gateway } = await limited(t, VELOCITY.replace('max_count = 2', 'max_count = 3'))
  world.executor.manner = BUSY
  const expires = await read(world, gateway)
  const cancels = await read(world, gateway)
  await world.until('both grants', () => world.executor.grants.length >= 2)
  await world.run(gateway.api.cancel(world.caller(gateway), cancels.action_id))
  await world.reaches(cancels.action_id, 'cancelled', 2_000)
  await world.reaches(expires.action_id, 'expired', 2_000)
  const denies = await read(world, gateway)
  assert.equal(denies.status, 'dispatched')
  await world.stop(gateway)
  world.policy = policyOf(VELOCITY.replace('max_count = 2', 'max_count = 1'))
  await world.gateway()
  await world.reaches(denies.action_id, 'denied', 2_000)
  await closed(world)
  const late = world.executor.invocations.map((one) => world.executor.report(one))
  await Promise.all(late)
  assert.deepEqual(
    (await counter(world)).map(({ kind }) => kind),
    ['ran', 'ran', 'ran'],
  )
})

test('[INV-38] what was refused after a grant that lapsed counts', async (t) => {
  const { world, gateway } = await limited(t)
  world.executor.manner = BUSY
  const { action_id: id } = await read(world, gateway)
  await world.until('a second grant', () => world.executor.grants.length === 2, 2_000)
  world.executor.manner = { status: 'refused', reason: 'tool_unknown', retryable: false }
  await world.reaches(id, 'refused')
  await closed(world)
  assert.deepEqual(
    (await counter(world)).map(({ kind }) => kind),
    ['ran'],
  )
})

test('[INV-37] a counter that cannot be read refuses, and is left as it is', async (t) => {
  const { world, gateway } = await limited(t)
  await read(world, gateway)
  await closed(world)
  const limits = world.records('limits')
  const [stored] = await limits.list('acme')
  assert.ok(stored !== undefined)
  const odd = utf8Encode('{"v":2}')
  assert.ok((await limits.replace(stored.key, odd, stored.revision)).ok)
  const refused = await world.propose(gateway, 'files.read', { path: 'again' })
  assert.deepEqual(refused, {
    ok: false,
    reason: 'unavailable',
    detail: 'a counter of a limit cannot be read',
  })
  assert.deepEqual((await limits.get(stored.key))?.value, odd)
  assert.equal(world.executor.invocations.length, 1)
})

test('a repeat joins the action that waits, and is not counted beside it', async (t) => {
  const one = VELOCITY.replace('files.*', 'shop.*').replace('max_count = 2', 'max_count = 1')
  const { world, gateway } = await limited(t, one)
  const args = { amount: '5.00' }
  const first = await world.accepted(gateway, 'shop.refund', args)
  const again = await world.accepted(gateway, 'shop.refund', args)
  assert.deepEqual([again.action_id, again.joined], [first.action_id, true])
  const keyed = await world.accepted(gateway, 'shop.refund', { amount: '6.00' }, { key: 'k' })
  assert.equal(keyed.status, 'denied')
  const repeated = await world.accepted(gateway, 'shop.refund', { amount: '6.00' }, { key: 'k' })
  assert.deepEqual([repeated.action_id, repeated.joined], [keyed.action_id, true])
})

test('a sum counts what waits; another currency or an unknown amount exceeds it', async (t) => {
  const sum = `${POLICY}
[[limits]]
id = "sum"
match = { tool = ["shop.refund"] }
key = ["agent"]
window = "1h"
max_amount = "100.00 EUR"
on_exceed = "deny"
`
  const { world, gateway } = await limited(t, sum)
  const refund = (amount: string): Promise<ActionView> =>
    world.accepted(gateway, 'shop.refund', { amount })
  assert.equal((await refund('60.00')).status, 'pending_approval')
  assert.equal((await refund('40.01')).status, 'denied')
  assert.equal((await refund('40.00')).status, 'pending_approval')
  assert.equal((await refund('0.01')).status, 'denied')
  assert.equal((await refund('many')).status, 'denied')
})

test('what a dead gateway took for an action that never came to be is found and given back', async (t) => {
  const { world, gateway } = await limited(t)
  const other = await world.gateway()
  world.onStore = () => {
    world.onStore = () => undefined
    world.kill(other)
  }
  const call = { tool: 'files.read', arguments: { path: 'x' }, client_key: null }
  void other.api.propose(world.caller(other), call, { ms: 0 })
  await world.idle(200)
  assert.equal((await counter(world)).length, 1, 'the place is left behind')
  assert.equal((await read(world, gateway)).status, 'succeeded')
  assert.equal((await read(world, gateway)).status, 'denied', 'it counts until somebody looks')
  world.clock.advance(61_000)
  assert.equal((await read(world, gateway)).status, 'succeeded')
  assert.equal((await read(world, gateway)).status, 'denied')
})

test('an approved action holds its decision whatever came behind it, and is timed by its grant', async (t) => {
  const asking = VELOCITY.replace('files.*', 'shop.*')
    .replace('max_count = 2', 'max_count = 1')
    .replace('on_exceed = "deny"', 'on_exceed = "require_approval"\ntier = 1')
    .replace('approval_ttl = "15m"', 'approval_ttl = "3h"')
  const { world, gateway } = await limited(t, asking)
  const first = await world.accepted(gateway, 'shop.refund', { amount: '5.00' })
  const second = await world.accepted(gateway, 'shop.refund', { amount: '6.00' })
  await world.until('the host', () => world.host.requests.length === 2)
  assert.equal((await world.record(first.action_id)).decision.rule_id, 'small')
  // Longer than the window: what waits counts all the same.
  world.clock.advance(2 * HOUR_MS)
  const third = await world.accepted(gateway, 'shop.refund', { amount: '7.00' })
  const facts = (await world.record(third.action_id)).decision.facts
  const fact = facts.find(({ name }) => name === 'counter:velocity')
  assert.deepEqual(fact?.value, { count: 2, amount: null })
  const answer = await world.run(
    world.host.send(world.host.approval(world.host.request(first.action_id))),
  )
  assert.deepEqual(answer, { status: 'accepted', state: 'dispatched' })
  await world.reaches(first.action_id, 'succeeded')
  const denied = world.host.denial(world.host.request(second.action_id))
  await world.run(world.host.send(denied))
  await world.run(gateway.api.cancel(world.caller(gateway), third.action_id))
  await closed(world)
  const [ran] = await counter(world)
  assert.equal(ran?.kind, 'ran')
  const { claims } = world.executor.last(first.action_id)
  assert.equal(Math.floor((ran?.at ?? 0) / 1000), claims.iat)
})

test('[INV-38] a decision that cannot be recorded takes nothing', async (t) => {
  const { world, gateway } = await limited(t)
  world.audit.set('evaluated', 'fail')
  const failed = await world.propose(gateway, 'files.read', { path: 'x' })
  assert.deepEqual(failed, { ok: false, reason: 'unavailable' })
  assert.deepEqual(await counter(world), [])
})

test('an action that is sent back takes one place for its new decision, and leaves the old one', async (t) => {
  const policy = VELOCITY.replace('files.*', 'shop.*')
  const { world, gateway } = await limited(t, policy)
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', { amount: '5.00' })
  await world.until('the host', () => world.host.requests.length === 1)
  const before = (await world.record(id)).counted
  await world.stop(gateway)
  world.policy = policyOf(policy.replace('Refunds need a person', 'Refunds need a look'), 2)
  await world.gateway()
  await world.run(world.host.send(world.host.approval(world.host.request(id))))
  await world.until('another request', () =>
    world.host.requests.some(({ decision }) => decision.policy_epoch === 2),
  )
  const after = (await world.record(id)).counted
  assert.ok(before !== null && after !== null && before.attempt !== after.attempt)
  const attempts = async (): Promise<readonly (string | null)[]> =>
    (await counter(world)).map((one) => (one.kind === 'held' ? one.attempt : null))
  await world.until('the old place to be free', async () => (await attempts()).length === 1)
  assert.deepEqual(await attempts(), [after.attempt])
})

test('[INV-37] a decision made anew that is recorded late is not stored: others look after its place', async (t) => {
  const policy = VELOCITY.replace('files.*', 'shop.*')
  const { world, gateway } = await limited(t, policy)
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', { amount: '5.00' })
  await world.until('the host', () => world.host.requests.length === 1)
  await world.stop(gateway)
  world.policy = policyOf(policy.replace('Refunds need a person', 'Refunds need a look'), 2)
  await world.gateway()
  await world.idle()
  world.audit.set('evaluated', 'late')
  const approval = world.host.approval(world.host.request(id))
  const sent = world.host.send(approval, { timeoutMs: 100 }).catch(() => undefined)
  const decisions = async (): Promise<number> =>
    (await world.types(id)).filter((type) => type === 'evaluated').length
  await world.until('late decisions', async () => (await decisions()) > 2)
  assert.equal((await world.record(id)).state.kind, 'proposed')
  world.audit.clear()
  await world.until('another request', () => world.host.requests.length === 2)
  await sent
  const { counted } = await world.record(id)
  await world.until('one place', async () => (await counter(world)).length === 1)
  const [place] = await counter(world)
  assert.equal(place?.kind === 'held' && place.attempt, counted?.attempt)
})

test('an approved action waits while a counter cannot be read, and goes on after', async (t) => {
  const { world, gateway } = await limited(t, VELOCITY.replace('files.*', 'shop.*'))
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', { amount: '5.00' })
  await world.until('the host', () => world.host.requests.length === 1)
  const limits = world.records('limits')
  const [good] = await limits.list('acme')
  assert.ok(good !== undefined)
  const odd = await limits.replace(good.key, utf8Encode('odd'), good.revision)
  assert.ok(odd.ok)
  const approval = world.host.approval(world.host.request(id))
  await world.run(world.host.send(approval, { timeoutMs: 200 }).catch(() => undefined))
  await world.reaches(id, 'authorized')
  await world.idle(2_000)
  assert.deepEqual(world.executor.invocations, [])
  assert.ok((await limits.replace(good.key, good.value, odd.revision)).ok)
  await world.reaches(id, 'succeeded')
  assert.ok(gateway.recovered === 0)
})

test('a limit of the layer workspace counts for each workspace apart', async (t) => {
  const world = await World.open(t)
  const [platform] = policyOf(POLICY).layersFor({ workspace: '', agent: '' }).layers
  const text = VELOCITY.slice(VELOCITY.indexOf('[[limits]]')).replace(
    '["tenant", "agent"]',
    '["tenant"]',
  )
  const parsed = parsePolicy(`version = 1\n${text}`, { file: 'w.toml', layer: 'workspace' })
  assert.ok(parsed.ok && platform !== undefined)
  const workspace = compilePolicy(parsed.value, sha256, { layer: 'workspace' })
  const layers = joinLayers([platform, workspace], sha256)
  world.policy = { epoch: 1, layersFor: () => layers }
  const other = agentRecord({ key_id: 'bbbbbbbbbbbbbbbb', workspace: 'other' })
  await world.enlist(other)
  const gateway = await world.gateway()
  await read(world, gateway)
  await read(world, gateway)
  const third = await read(world, gateway)
  assert.equal(third.status, 'denied')
  assert.equal((await world.record(third.action_id)).decision.rule_id, 'workspace:velocity')
  const caller = world.caller(gateway, apiKey(other))
  const elsewhere = await world.accepted(
    gateway,
    'files.read',
    { path: 'z' },
    { caller, holdMs: 50 },
  )
  assert.equal(elsewhere.status, 'succeeded')
})

const PAYS = `version = 1
[[rules]]
id = "pay"
priority = 1
effect = "allow"
reason = "Payments"
match = { tool = ["shop.pay"] }
`

test('[INV-37] counters that cannot be reached let nothing through, and policies without any need none', async () => {
  const ONE_EURO = { first: 1, later: null }

  const world = new LedgerWorld((task) => task())
  const cutOff = { left: 0 }
  const plain = await world.propose(world.decider('a', policyOf(PAYS), cutOff), ONE_EURO)
  assert.equal(plain?.state.kind, 'dispatched')
  assert.deepEqual([cutOff.left, plain.counted], [0, null], 'nothing was asked of the store')
  const limit = VELOCITY.slice(VELOCITY.indexOf('[[limits]]')).replace('files.*', 'shop.*')
  const counting = policyOf(`${PAYS}${limit}`)
  for (const left of [0, 1]) {
    const decider = world.decider('b', counting, { left })
    await assert.rejects(world.propose(decider, ONE_EURO), { code: 'store_unreachable' })
  }
  assert.equal(world.granted.length, 1)
})
