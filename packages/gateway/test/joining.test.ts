import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ActionId, ActionView } from '@trustgw/protocol'
import { BusFault } from '@trustgw/runtime'
import { OPEN_PENDING_MAX } from '../src/action/known-actions.ts'
import { agentRecord, apiKey, World } from './support/world.ts'

const READ = { path: 'a' }
const REFUND = { amount: '5.00' }

function reasonOf(outcome: { ok: true } | { ok: false; reason: string }): string {
  return outcome.ok ? 'ok' : outcome.reason
}

test('an identical proposal joins the one that waits, whatever the order of its members', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const first = await world.accepted(gateway, 'shop.refund', { amount: '5.00', note: 'x' })
  const second = await world.accepted(gateway, 'shop.refund', { note: 'x', amount: '5.00' })
  assert.deepEqual([second.action_id, second.joined], [first.action_id, true])
  const other = await world.accepted(gateway, 'shop.refund', { amount: '6.00', note: 'x' })
  assert.notEqual(other.action_id, first.action_id)
  assert.equal((await world.types(first.action_id)).filter((type) => type === 'proposed').length, 1)
})

test('proposals that are identical and come at once become one action', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const views = await Promise.all(
    Array.from({ length: 12 }, () => world.accepted(gateway, 'shop.refund', REFUND)),
  )
  assert.equal(new Set(views.map(({ action_id }) => action_id)).size, 1)
  assert.equal(views.filter(({ joined }) => !joined).length, 1)
})

test('an identical proposal of another agent is an action of its own', async (t) => {
  const world = await World.open(t)
  const twin = agentRecord({ key_id: 'bbbbbbbbbbbbbbbb', agent: 'twin' })
  await world.enlist(twin)
  const gateway = await world.gateway()
  const first = await world.accepted(gateway, 'shop.refund', REFUND)
  const caller = world.caller(gateway, apiKey(twin))
  const second = await world.accepted(gateway, 'shop.refund', REFUND, { caller })
  assert.deepEqual([second.joined, second.action_id === first.action_id], [false, false])
})

test('once the earlier one has ended, an identical proposal is a new action', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const first = await world.accepted(gateway, 'shop.refund', REFUND)
  await world.run(gateway.api.cancel(world.caller(gateway), first.action_id))
  const second = await world.accepted(gateway, 'shop.refund', REFUND)
  assert.notEqual(second.action_id, first.action_id)
  assert.deepEqual([second.joined, second.status], [false, 'pending_approval'])
})

test('what policy allows is never joined without a key', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const first = await world.accepted(gateway, 'files.read', READ, { holdMs: 3_000 })
  const second = await world.accepted(gateway, 'files.read', READ, { holdMs: 3_000 })
  assert.notEqual(second.action_id, first.action_id)
})

test('a client key finds its action again, also when it has ended', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const first = await world.accepted(gateway, 'files.read', READ, { key: 'k', holdMs: 3_000 })
  const again = await world.accepted(gateway, 'files.read', READ, { key: 'k' })
  assert.deepEqual({ ...again, joined: false }, first)
  assert.equal(again.joined, true)
  assert.equal(world.executor.effects.size, 1)
})

test('a client key with other arguments or another tool is a conflict', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  await world.accepted(gateway, 'files.read', READ, { key: 'k', holdMs: 3_000 })
  const args = await world.propose(gateway, 'files.read', { path: 'b' }, { key: 'k' })
  const tool = await world.propose(gateway, 'shop.refund', READ, { key: 'k' })
  assert.deepEqual([reasonOf(args), reasonOf(tool)], ['key_conflict', 'key_conflict'])
  const twin = agentRecord({ key_id: 'bbbbbbbbbbbbbbbb', agent: 'twin' })
  await world.enlist(twin)
  await world.until('the twin', () => gateway.api.authenticate(apiKey(twin), 'rest') !== undefined)
  const caller = world.caller(gateway, apiKey(twin))
  const own = await world.propose(gateway, 'files.read', { path: 'b' }, { key: 'k', caller })
  assert.equal(reasonOf(own), 'ok', "another agent's keys are its own")
})

test('one client key used many times at once makes one action', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const views = await Promise.all(
    Array.from({ length: 12 }, () =>
      world.accepted(gateway, 'files.read', READ, { key: 'k', holdMs: 3_000 }),
    ),
  )
  assert.equal(new Set(views.map(({ action_id }) => action_id)).size, 1)
  assert.deepEqual(new Set(views.map(({ status }) => status)), new Set(['succeeded']))
  assert.equal(world.executor.effects.size, 1)
})

test('an action that was pointed at and never stored is taken over under its own id', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.audit.set('evaluated', 'hang')
  const lost = gateway.api.propose(
    world.caller(gateway),
    { tool: 'files.read', arguments: READ, client_key: 'k' },
    { ms: 0 },
  )
  await world.idle(50)
  world.kill(gateway)
  world.audit.clear()
  const [pointer] = (await world.records('actions').list('acme')).map(
    ({ value }) => JSON.parse(Buffer.from(value).toString()) as { action_id: string },
  )
  const later = await world.gateway()
  const view = await world.accepted(later, 'files.read', READ, { key: 'k', holdMs: 3_000 })
  assert.equal(view.status, 'succeeded')
  assert.equal(view.action_id, pointer?.action_id)
  void lost
})

test('a call that could not be stored is withdrawn if it was stored after all', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  let id: ActionId | undefined
  world.afterStore = ({ proposal }) => {
    if (id !== undefined) return
    id = proposal.action_id
    throw new BusFault('store_ambiguous', 'no answer')
  }
  const outcome = await world.propose(gateway, 'files.read', READ)
  assert.equal(reasonOf(outcome), 'unavailable')
  assert.ok(id !== undefined)
  await world.reaches(id, 'cancelled', 20)
  assert.deepEqual(world.executor.invocations, [])
})

test('only its own agent gets or cancels an action; anybody else sees none', async (t) => {
  const world = await World.open(t)
  const twin = agentRecord({ key_id: 'bbbbbbbbbbbbbbbb' })
  await world.enlist(twin)
  const gateway = await world.gateway()
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', REFUND)
  const stranger = world.caller(gateway, apiKey(twin))
  const unknown = { ok: false, reason: 'unknown_action' }
  assert.deepEqual(await gateway.api.get(stranger, id, { ms: 0 }), unknown)
  assert.deepEqual(await gateway.api.cancel(stranger, id), unknown)
  const nowhere = id.replace(/.{4}$/, 'aaaa') as ActionId
  assert.deepEqual(await gateway.api.get(stranger, nowhere, { ms: 0 }), unknown)
  assert.equal((await world.record(id)).state.kind, 'pending_approval')
})

test('a caller that no authenticator made is a defect, not a caller', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const forged = { ...world.caller(gateway) }
  await assert.rejects(
    () => gateway.api.get(forged, 'act_aaaaaaaaaaaaaaaaaaaaaaaaaa' as ActionId, { ms: 0 }),
    TypeError,
  )
  assert.throws(() => gateway.api.tools(forged), TypeError)
})

test(`an agent has at most ${OPEN_PENDING_MAX} actions waiting for people`, async (t) => {
  const world = await World.open(t)
  const twin = agentRecord({ key_id: 'bbbbbbbbbbbbbbbb' })
  await world.enlist(twin)
  const gateway = await world.gateway()
  const ask = (
    n: number,
  ): Promise<{ ok: true; value: ActionView } | { ok: false; reason: string }> =>
    world.propose(gateway, 'shop.refund', { amount: '5.00', n })
  // More than fit, at once.
  const outcomes = await Promise.all(Array.from({ length: OPEN_PENDING_MAX + 6 }, (_, n) => ask(n)))
  const made = outcomes.flatMap((outcome) => (outcome.ok ? [outcome.value] : []))
  assert.equal(made.length, OPEN_PENDING_MAX)
  assert.deepEqual(new Set(outcomes.map(reasonOf)), new Set(['ok', 'too_many_pending']))
  const pointers = (await world.records('actions').list('acme')).filter(({ key }) =>
    key.includes('.j_'),
  )
  assert.equal(pointers.length, OPEN_PENDING_MAX, 'what is refused leaves nothing behind')
  const n = outcomes.findIndex(({ ok }) => ok)
  const joined = await ask(n)
  assert.equal(joined.ok && joined.value.joined, true, 'joining needs no place')
  assert.equal(reasonOf(await world.propose(gateway, 'files.read', READ)), 'ok')
  const caller = world.caller(gateway, apiKey(twin))
  assert.equal(reasonOf(await world.propose(gateway, 'shop.refund', REFUND, { caller })), 'ok')
  const [one] = made
  assert.ok(one !== undefined)
  await world.run(gateway.api.cancel(world.caller(gateway), one.action_id))
  assert.equal(reasonOf(await ask(1_000)), 'ok', 'a place is free again')
  assert.equal(reasonOf(await ask(1_001)), 'too_many_pending')
  const refused = (await world.events()).filter(({ type }) => type === 'proposal_refused')
  assert.equal(refused.at(-1)?.payload['reason'], 'too_many_pending')
  await world.stop(gateway)
  const later = await world.gateway()
  const after = await world.propose(later, 'shop.refund', { amount: '5.00', n: 2_000 })
  assert.equal(reasonOf(after), 'too_many_pending', 'also after a restart')
})

test('a refused proposal keeps no place', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.audit.set('evaluated', 'fail')
  for (let n = 0; n < OPEN_PENDING_MAX + 1; n += 1) {
    const outcome = await gateway.api.propose(
      world.caller(gateway),
      { tool: 'shop.refund', arguments: { amount: '5.00', n }, client_key: null },
      { ms: 0 },
    )
    assert.equal(reasonOf(outcome), 'unavailable')
  }
  world.audit.clear()
  assert.equal(reasonOf(await world.propose(gateway, 'shop.refund', REFUND)), 'ok')
})

test('a caller that waits is told while it waits, and let go when it leaves', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const told: string[] = []
  const leaving = new AbortController()
  const held = gateway.api.propose(
    world.caller(gateway),
    { tool: 'shop.refund', arguments: REFUND, client_key: null },
    { ms: 60_000, signal: leaving.signal, onWaiting: ({ status }) => told.push(status) },
  )
  await world.until('two notes', () => told.length >= 2, 100)
  leaving.abort()
  const outcome = await held
  assert.equal(outcome.ok && outcome.value.status, 'pending_approval')
  assert.deepEqual(new Set(told), new Set(['pending_approval']))
})
