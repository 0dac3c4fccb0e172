import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ActionId, decisionHash } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import type { RunningGateway } from '../src/start-gateway.ts'
import { contract } from './support/keys.ts'
import { World } from './support/world.ts'

const READ = { path: 'a.txt' }

test('an allowed call runs end to end, every step recorded and stored before the next', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const view = await world.accepted(gateway, 'files.read', READ, { holdMs: 5_000 })
  assert.deepEqual([view.status, view.result, view.joined], ['succeeded', { done: true }, false])
  await world.until('the end to be closed', async () => (await world.openActions()) === 0)
  const order = world.journal.filter((line) => line !== 'audit proposed')
  assert.deepEqual(order.slice(0, 4), [
    'audit evaluated',
    'stored dispatched',
    'audit grant_issued',
    'invoke',
  ])
  assert.deepEqual((await world.types(view.action_id)).toSorted(), [
    'claimed',
    'evaluated',
    'grant_issued',
    'proposed',
    'succeeded',
  ])
  const [evaluated] = (await world.events(view.action_id)).filter(
    ({ type }) => type === 'evaluated',
  )
  const { action, claims } = world.executor.last()
  assert.equal(action.decision_event.event_id, evaluated?.event_id)
  assert.equal(evaluated?.payload['decision_hash'], claims.decision_hash)
  assert.equal(decisionHash(sha256, action.decision), claims.decision_hash)
  assert.equal(action.arguments, '{"path":"a.txt"}')
  assert.equal(claims.exp - claims.iat, 30)
})

for (const manner of ['fail', 'hang'] as const) {
  test(`while the decision cannot be recorded (${manner}), nothing is stored and nothing is sent`, async (t) => {
    const world = await World.open(t)
    const gateway = await world.gateway()
    world.audit.set('evaluated', manner)
    const asked = gateway.api.propose(
      world.caller(gateway),
      { tool: 'files.read', arguments: READ, client_key: 'k' },
      { ms: 0 },
    )
    if (manner === 'fail') {
      assert.deepEqual(await world.run(asked), { ok: false, reason: 'unavailable' })
    }
    await world.idle(2_000)
    assert.deepEqual(world.executor.invocations, [])
    assert.deepEqual(
      world.journal.filter((line) => line.startsWith('stored')),
      [],
    )
    if (manner === 'hang') return
    world.audit.clear()
    const again = await world.accepted(gateway, 'files.read', READ, { key: 'k', holdMs: 5_000 })
    assert.equal(again.status, 'succeeded')
    assert.equal(world.executor.effects.size, 1)
  })
}

test('a grant whose event cannot be recorded is not sent, and is sent once it can', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.audit.set('grant_issued', 'fail')
  const view = await world.accepted(gateway, 'files.read', READ)
  assert.equal(view.status, 'dispatched', 'what is stored is accepted')
  await world.idle(3_000)
  assert.deepEqual(world.executor.invocations, [])
  world.audit.clear()
  await world.reaches(view.action_id, 'succeeded', 20)
  const types = await world.types(view.action_id)
  assert.ok(types.indexOf('grant_issued') > 0)
  assert.ok(world.journal.indexOf('audit grant_issued') < world.journal.indexOf('invoke'))
})

test('a denied call says the reason of policy and reaches no executor', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const view = await world.accepted(gateway, 'shop.wipe', {}, { holdMs: 5_000 })
  assert.deepEqual([view.status, view.reason], ['denied', 'Deletions are not allowed'])
  const proof = await world.accepted(gateway, 'shop.proof', {})
  assert.deepEqual([proof.status, proof.reason], ['denied', 'Needs a proof'])
  await world.idle(500)
  assert.deepEqual(world.executor.invocations, [])
  assert.deepEqual(world.host.requests, [])
})

test('what is no proposal is refused by name, and recorded without its content', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const refusals: [string, object][] = [
    ['unknown_tool', { tool: 'files.reed', args: READ }],
    ['arguments_invalid', { tool: 'files.read', args: { path: 1 } }],
    ['arguments_too_large', { tool: 'shop.wipe', args: { text: 'x'.repeat(131_072) } }],
  ]
  for (const [reason, { tool, args }] of refusals as [string, { tool: string; args: {} }][]) {
    const outcome = await world.propose(gateway, tool, args)
    assert.equal(outcome.ok ? '' : outcome.reason, reason)
  }
  const recorded = (await world.events()).filter(({ type }) => type === 'proposal_refused')
  assert.deepEqual(
    recorded.map(({ payload }) => payload['reason']),
    refusals.map(([reason]) => reason),
  )
  assert.ok(!JSON.stringify(recorded).includes('reed'))
  world.audit.set('proposal_refused', 'fail')
  assert.deepEqual(await world.propose(gateway, 'nothing', {}), {
    ok: false,
    reason: 'unavailable',
  })
})

test('an executor that refuses for good ends the action without saying why', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = { status: 'refused', reason: 'credential_denied', retryable: false }
  const view = await world.accepted(gateway, 'files.read', READ, { holdMs: 5_000 })
  assert.deepEqual([view.status, view.reason], ['refused', 'The executor refused to run it.'])
  assert.equal(world.executor.invocations.length, 1)
})

test('[INV-40] what one executor refuses for good and another one runs ends as the other one says', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = { status: 'refused', reason: 'grant_key_unknown', retryable: false }
  world.executor.deaf = true
  const { action_id: id } = await world.accepted(gateway, 'files.read', READ)
  await world.until('the question', () => world.executor.queries.length > 0)
  assert.equal((await world.record(id)).state.kind, 'dispatched')
  // The first delivery came to another executor, which was slow to answer.
  world.executor.effects.set(id, 1)
  world.executor.deaf = false
  await world.reaches(id, 'executing', 50)
  await world.executor.report(world.executor.last())
  await world.reaches(id, 'succeeded')
  assert.equal(world.executor.invocations.length, 1)
})

test('one that cannot admit yet is asked again with the same grant', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = { status: 'refused', reason: 'store_unreachable', retryable: true }
  const view = await world.accepted(gateway, 'files.read', READ)
  await world.until('three tries', () => world.executor.invocations.length >= 3, 50)
  assert.equal(world.executor.grants.length, 1)
  world.executor.manner = 'run'
  await world.reaches(view.action_id, 'succeeded', 50)
  assert.equal(world.executor.grants.length, 1)
})

test('a grant that no executor got lapses, and a fresh one is issued once an executor says so', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  await world.executor.stop()
  const view = await world.accepted(gateway, 'files.read', READ)
  assert.equal(view.status, 'dispatched')
  const first = (await world.record(view.action_id)).grant
  world.clock.advance(29_000)
  assert.equal((await world.record(view.action_id)).grant, first, 'not before it ended')
  world.clock.advance(60_000)
  await world.idle(2_000)
  assert.equal((await world.record(view.action_id)).grant, first, 'nobody knows who holds it')
  world.executor.start()
  await world.until(
    'another grant',
    async () => (await world.record(view.action_id)).grant !== first,
    200,
  )
  await world.reaches(view.action_id, 'succeeded', 50)
  const record = await world.record(view.action_id)
  const lapsed = (await world.events(view.action_id)).filter(({ type }) => type === 'grant_lapsed')
  assert.equal(lapsed.length, 1)
  assert.equal(world.executor.effects.size, 1)
  assert.equal(
    record.state.kind === 'succeeded' && record.state.jti,
    world.executor.last().claims.jti,
  )
})

test('[INV-40] time alone does not end what was sent: it expires when an executor says that it never ran', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  await world.executor.stop()
  const { action_id: id } = await world.accepted(gateway, 'files.read', READ)
  world.clock.advance(1_000_000)
  await world.idle(2_000)
  const waits = await world.view(gateway, id)
  assert.deepEqual([waits.status, /not said yet/.test(waits.reason ?? '')], ['dispatched', true])
  world.executor.start()
  await world.reaches(id, 'expired', 50)
  await world.idle(2_000)
  assert.deepEqual(world.executor.invocations, [])
})

for (const [how, act] of [
  ['a deadline', (world: World) => Promise.resolve(world.clock.advance(1_000_000))],
  [
    'a cancel',
    async (world: World, gateway: RunningGateway, id: ActionId) => {
      world.clock.advance(40_000)
      await world.run(gateway.api.cancel(world.caller(gateway), id), 20)
    },
  ],
] as const)
  test(`[INV-40] what ran without word of it ends as its executor says, not by ${how}`, async (t) => {
    const world = await World.open(t)
    const gateway = await world.gateway()
    world.executor.manner = 'silent'
    const { action_id: id } = await world.accepted(gateway, 'files.read', READ)
    await world.until('the grant', () => world.executor.invocations.length > 0)
    // Entered; then neither the answer nor the result came through.
    world.executor.effects.set(id, 1)
    await world.executor.stop()
    await act(world, gateway, id)
    world.clock.advance(60_000)
    await world.idle(2_000)
    assert.equal((await world.record(id)).state.kind, 'dispatched')
    world.executor.start()
    await world.reaches(id, 'executing', 50)
    await world.executor.report(world.executor.last())
    await world.reaches(id, 'succeeded')
    assert.equal(world.executor.grants.length, 1)
  })

test('a tool whose end is not seen in time waits for a person, and is not sent again', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = 'claim'
  const view = await world.accepted(gateway, 'files.read', READ)
  await world.reaches(view.action_id, 'executing', 20)
  world.clock.advance(961_000)
  await world.reaches(view.action_id, 'needs_human', 20)
  const seen = await world.view(gateway, view.action_id)
  assert.match(seen.reason ?? '', /Do not repeat/)
  assert.equal(world.executor.invocations.length, 1)
  await world.executor.report(world.executor.last())
  await world.reaches(view.action_id, 'reconciled_succeeded')
})

test('arguments that double as a text inside a text reach the executor whole', async (t) => {
  const world = await World.open(t)
  world.acceptsToolChanges = true
  const gateway = await world.gateway()
  const args = { text: '"'.repeat(65_000) }
  await world.serve([contract('files.read')])
  await world.until('the new contract', () => gateway.api.tools(world.caller(gateway)).length === 1)
  const view = await world.accepted(gateway, 'files.read', args, { holdMs: 8_000 })
  assert.equal(view.status, 'succeeded')
  assert.equal(world.executor.invocations.length, 1)
})
