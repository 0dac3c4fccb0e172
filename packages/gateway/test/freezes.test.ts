import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { ActionId } from '@trustgw/protocol'
import { silentLogger } from '@trustgw/runtime'
import type { RunningGateway } from '../src/start-gateway.ts'
import { FreezesDouble } from './support/freezes-double.ts'
import { World } from './support/world.ts'

/** An approved action under a freeze, and the lines that the gateway wrote since. */
async function held(
  world: World,
  gateway: RunningGateway,
): Promise<{ readonly id: ActionId; readonly lines: readonly string[] }> {
  const lines: string[] = []
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', { amount: '5.00' })
  await world.until('the host', () => world.host.requests.length === 1)
  world.freezes.set(true)
  const note = (event: string): void => void lines.push(event)
  world.log.info = note
  world.log.warn = note
  const { host } = world
  const answer = await world.run(host.send(host.approval(host.request(id))))
  assert.equal(answer?.status, 'accepted', 'people decide also while something stands still')
  return { id, lines }
}

async function frozenWorld(t: Parameters<typeof World.open>[0]): Promise<World> {
  const world = await World.open(t)
  world.log = { ...silentLogger }
  return world
}

test('a freeze holds what was approved, untried and unsaid, until the thaw', async (t) => {
  const world = await frozenWorld(t)
  const gateway = await world.gateway()
  const { id, lines } = await held(world, gateway)
  const before = await world.types(id)
  world.freezes.set(true)
  for (let second = 0; second < 60; second += 1) {
    world.clock.advance(1_000)
    await pause(1)
  }
  const { state } = await world.record(id)
  assert.equal(state.kind, 'authorized')
  assert.deepEqual(lines, ['action_held', 'action_held'], 'once for each change of the freezes')
  assert.deepEqual(await world.types(id), before)
  assert.equal(world.executor.grants.length, 0)
  world.freezes.set(false)
  await world.reaches(id, 'succeeded')
  assert.equal(world.executor.effects.get(id), 1)
})

test('what is held ends at its own deadline, and no thaw brings it back', async (t) => {
  const world = await frozenWorld(t)
  const gateway = await world.gateway()
  const { id } = await held(world, gateway)
  const { state } = await world.record(id)
  assert.ok(state.kind === 'authorized')
  world.clock.advance(state.run_by - world.clock.now())
  await world.reaches(id, 'expired')
  world.freezes.set(false)
  await world.idle(1_000)
  assert.equal((await world.record(id)).state.kind, 'expired')
  assert.equal(world.executor.effects.size, 0)
})

test('a gateway that starts under a freeze holds what an earlier one had accepted', async (t) => {
  const world = await frozenWorld(t)
  const first = await world.gateway()
  const { id } = await held(world, first)
  world.kill(first)
  await world.gateway()
  await world.idle(3_000)
  assert.equal((await world.record(id)).state.kind, 'authorized')
  world.freezes.set(false)
  await world.reaches(id, 'succeeded')
})

test('[INV-12] of two gateways that held it none sends a grant that the other one has not recorded yet', async (t) => {
  const world = await frozenWorld(t)
  const one = await world.gateway()
  const { id } = await held(world, one)
  const { freezes } = world
  world.freezes = new FreezesDouble()
  world.freezes.set(true)
  const two = await world.gateway()
  await world.idle(1_000)
  world.audit.set('grant_issued', 'hang')
  try {
    freezes.set(false)
    await world.reaches(id, 'dispatched')
    world.freezes.set(false)
    await world.idle(2_000)
    assert.deepEqual(world.executor.invocations, [])
  } finally {
    for (const gateway of [one, two]) world.kill(gateway)
  }
})

test('a cancel of what is held takes effect at once', async (t) => {
  const world = await frozenWorld(t)
  const gateway = await world.gateway()
  const { id } = await held(world, gateway)
  await world.run(gateway.api.cancel(world.caller(gateway), id))
  await world.reaches(id, 'cancelled')
})

test('[INV-12] a revoked agent: what waited is denied at once, what is held ends, its key opens nothing', async (t) => {
  const world = await frozenWorld(t)
  const gateway = await world.gateway()
  const { id: isHeld } = await held(world, gateway)
  const caller = world.caller(gateway)
  world.freezes.set(false)
  await world.reaches(isHeld, 'succeeded')
  const { action_id: waits } = await world.accepted(gateway, 'shop.refund', { amount: '6.00' })
  await world.until('the host', () => world.host.requests.length === 2)
  world.freezes.revoke(caller.principal.subject)
  await world.reaches(waits, 'denied')
  const { state } = await world.record(waits)
  assert.ok(state.kind === 'denied')
  assert.match(state.reason, /agent is not active/)
  assert.equal(gateway.agents.isActive(caller.principal.tenant, caller.key_id), false)
  const { host } = world
  await world.run(host.send(host.approval(host.request(waits))))
  await world.idle(1_000)
  assert.equal((await world.record(waits)).state.kind, 'denied', 'a late approval changes nothing')
  assert.equal(world.executor.effects.size, 1)
})

test('what a freeze holds ends when its agent is revoked meanwhile', async (t) => {
  const world = await frozenWorld(t)
  const gateway = await world.gateway()
  const { id } = await held(world, gateway)
  world.freezes.revoke(world.caller(gateway).principal.client)
  await world.reaches(id, 'denied')
  assert.equal(world.executor.grants.length, 0)
})

test('a tool that is revoked is served no more, and what waited for it is denied', async (t) => {
  const world = await frozenWorld(t)
  const gateway = await world.gateway()
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', { amount: '5.00' })
  await world.until('the host', () => world.host.requests.length === 1)
  const caller = world.caller(gateway)
  world.freezes.revoke('shop.refund')
  await world.reaches(id, 'denied')
  const served = gateway.api.tools(caller).map(({ contract }) => contract.id)
  assert.equal(served.includes('shop.refund'), false)
  const call = { tool: 'shop.refund', arguments: { amount: '5.00' }, client_key: null }
  const refused = await world.run(gateway.api.propose(caller, call, { ms: 0 }))
  assert.ok(!refused.ok && refused.reason === 'tool_quarantined', JSON.stringify(refused))
})
