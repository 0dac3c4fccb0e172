import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusFault, type RecordStore, sha256 } from '@trustgw/runtime'
import type { ActionRecord } from '../src/action/action-record.ts'
import { ActionStore } from '../src/action/action-store.ts'
import { recoveredFrom } from '../src/action/planned.ts'
import { World } from './support/world.ts'

const READ = { path: 'a' }
const REFUND = { amount: '5.00' }
type Kind = ActionRecord['state']['kind']

/** Kills the gateway when the action has just come into a state, before anything follows from it. */
function killAt(world: World, kind: Kind, kill: () => void): Promise<void> {
  return new Promise((resolve) => {
    world.afterStore = ({ state }) => {
      if (state.kind !== kind) return undefined
      world.afterStore = () => undefined
      kill()
      resolve()
      return new Promise(() => undefined)
    }
  })
}

for (const kind of ['dispatched', 'executing', 'succeeded'] as const) {
  test(`an action whose gateway dies right after storing "${kind}" is carried on by the next one`, async (t) => {
    const world = await World.open(t)
    const first = await world.gateway()
    const dead = killAt(world, kind, () => world.kill(first))
    world.executor.manner = kind === 'executing' ? 'claim' : 'run'
    const call = { tool: 'files.read', arguments: READ, client_key: 'k' }
    void first.api.propose(world.caller(first), call, { ms: 0 })
    await world.run(dead)
    const next = await world.gateway()
    assert.equal(next.recovered, 1)
    const again = await world.accepted(next, 'files.read', READ, { key: 'k' })
    const id = again.action_id
    if (kind === 'executing') await world.executor.report(world.executor.last())
    await world.reaches(id, 'succeeded', 20)
    await world.until('the end to be closed', async () => (await world.openActions()) === 0)
    assert.equal(world.executor.effects.size, 1)
    const types = await world.types(id)
    for (const type of ['evaluated', 'grant_issued', 'succeeded'])
      assert.ok(types.includes(type), `${type} is on record`)
    assert.ok(types.indexOf('grant_issued') < types.indexOf('succeeded'))
    await world.stop(next)
    const third = await world.gateway()
    assert.equal(third.recovered, 0)
  })
}

for (const kind of ['pending_approval', 'authorized', 'dispatched'] as const) {
  test(`an approved action whose gateway dies at "${kind}" runs once, under the record`, async (t) => {
    const world = await World.open(t)
    const first = await world.gateway()
    let id
    if (kind === 'pending_approval') {
      const dead = killAt(world, kind, () => world.kill(first))
      const call = { tool: 'shop.refund', arguments: REFUND, client_key: null }
      void first.api.propose(world.caller(first), call, { ms: 0 })
      await world.run(dead)
    } else {
      id = (await world.accepted(first, 'shop.refund', REFUND)).action_id
      await world.until('the host', () => world.host.requests.length === 1)
      const dead = killAt(world, kind, () => world.kill(first))
      const decision = world.host.approval(world.host.request(id))
      void world.host.send(decision, { timeoutMs: 100 }).catch(() => undefined)
      await world.run(dead)
    }
    const next = await world.gateway()
    id ??= (await world.accepted(next, 'shop.refund', REFUND)).action_id
    const waited = id
    await world.until('the host', () =>
      world.host.requests.some(({ action_id }) => action_id === waited),
    )
    if (kind === 'pending_approval') {
      await world.run(world.host.send(world.host.approval(world.host.request(id))))
    }
    await world.reaches(id, 'succeeded', 20)
    await world.until('the end to be closed', async () => (await world.openActions()) === 0)
    const types = await world.types(id)
    const order = ['approval_requested', 'approved', 'grant_issued', 'claimed', 'succeeded'].map(
      (type) => types.indexOf(type),
    )
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
    )
    // A grant is on record before it is sent; the approval before the grant.
    assert.ok(
      order.slice(kind === 'dispatched' ? 2 : 0).every((at) => at >= 0),
      types.join(),
    )
    assert.equal(world.executor.effects.size, 1)
  })
}

test('a pending action is taken up with its deadline, and the host is asked again', async (t) => {
  const world = await World.open(t)
  const first = await world.gateway()
  const { action_id: id } = await world.accepted(first, 'shop.refund', REFUND)
  await world.until('the host', () => world.host.requests.length === 1)
  await world.stop(first)
  await world.gateway()
  await world.until('the host again', () => world.host.requests.length === 2)
  assert.deepEqual(world.host.requests[0], world.host.requests[1])
  world.clock.advance(901_000)
  await world.reaches(id, 'expired')
})

test('an action whose time ran out while no gateway ran does not run later', async (t) => {
  const world = await World.open(t)
  const first = await world.gateway()
  await world.executor.stop()
  const { action_id: id } = await world.accepted(first, 'files.read', READ)
  await world.stop(first)
  world.clock.advance(400_000)
  world.executor.start()
  await world.gateway()
  await world.reaches(id, 'expired')
  assert.deepEqual(world.executor.invocations, [])
})

test('a grant that is still alive after a restart is sent again, not another one', async (t) => {
  const world = await World.open(t)
  const first = await world.gateway()
  world.executor.manner = { status: 'refused', reason: 'executor_busy', retryable: true }
  const { action_id: id } = await world.accepted(first, 'files.read', READ)
  await world.until('a try', () => world.executor.invocations.length > 0, 20)
  await world.stop(first)
  world.executor.manner = 'run'
  await world.gateway()
  await world.reaches(id, 'succeeded', 20)
  assert.equal(world.executor.grants.length, 1)
})

test('an open entry whose action was never stored is dropped', async (t) => {
  const world = await World.open(t)
  const first = await world.gateway()
  world.onStore = () => new Promise(() => undefined)
  const call = { tool: 'files.read', arguments: READ, client_key: null }
  void first.api.propose(world.caller(first), call, { ms: 0 })
  await world.until('the entry', async () => (await world.openActions()) === 1)
  world.kill(first)
  world.onStore = () => undefined
  const next = await world.gateway()
  assert.equal(next.recovered, 1)
  await world.until('it to go', async () => (await world.openActions()) === 0, 200)
  assert.deepEqual(world.executor.invocations, [])
})

test('an open entry whose action another gateway is about to store stays, so that the action is taken up', async (t) => {
  const world = await World.open(t)
  const first = await world.gateway()
  let store = (): void => undefined
  world.onStore = () =>
    new Promise((resolve) => {
      store = resolve
    })
  const call = { tool: 'files.read', arguments: READ, client_key: 'k' }
  void first.api.propose(world.caller(first), call, { ms: 0 })
  await world.until('the entry', async () => (await world.openActions()) === 1)
  const second = await world.gateway()
  await world.idle(3_000)
  assert.equal(await world.openActions(), 1)
  world.onStore = () => undefined
  const dead = killAt(world, 'dispatched', () => world.kill(first))
  store()
  await world.run(dead)
  const again = await world.accepted(second, 'files.read', READ, { key: 'k' })
  await world.reaches(again.action_id, 'succeeded', 20)
  assert.equal(world.executor.effects.size, 1)
})

test('an action is not stored where its open entry was not', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', REFUND)
  const record = await world.record(id)
  const honest = world.records('actions')
  const written: string[] = []
  const fails = { create: () => Promise.reject(new BusFault('store_unreachable', 'told to')) }
  const store = new ActionStore(
    {
      actions: { ...recordsLike(honest), create: (key) => ok(written.push(key)) },
      open: { ...recordsLike(honest), ...fails },
    },
    sha256,
  )
  await assert.rejects(store.create(record), { code: 'store_unreachable' })
  assert.deepEqual(written, [])
})

test('an action is carried on only from the state whose event was recorded, not from one that another gateway has just stored', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', REFUND)
  const record = await world.record(id)
  const same = recoveredFrom(record)
  assert.equal(same.planned.fits?.(await world.record(id)), true)
  assert.ok(same.isMet())
  const other = recoveredFrom(record)
  const next = { ...record, state: { ...record.state, since: record.state.since + 1 } }
  assert.equal(other.planned.fits?.(next), false)
  assert.equal(other.isMet(), false)
})

function ok(revision: number): Promise<{ ok: true; revision: number }> {
  return Promise.resolve({ ok: true, revision })
}

function recordsLike(store: RecordStore): RecordStore {
  return {
    get: (key) => store.get(key),
    create: (key, value) => store.create(key, value),
    replace: (key, value, revision) => store.replace(key, value, revision),
    remove: (key, revision) => store.remove(key, revision),
    list: (prefix) => store.list(prefix),
    watch: (handler) => store.watch(handler),
  }
}

test('a stored action that cannot be read stops nothing else', async (t) => {
  const world = await World.open(t)
  const first = await world.gateway()
  const { action_id: id } = await world.accepted(first, 'shop.refund', REFUND)
  await world.stop(first)
  const store = world.records('actions')
  const [found] = (await store.list('acme')).filter(({ key }) => key.includes('.a_'))
  assert.ok(found !== undefined)
  await store.replace(found.key, Buffer.from('{"v":2}'), found.revision)
  const next = await world.gateway()
  const fine = await world.accepted(next, 'files.read', READ, { holdMs: 3_000 })
  assert.equal(fine.status, 'succeeded')
  await world.until('the fine one to be closed', async () => (await world.openActions()) === 1)
  await world.idle(100)
  assert.equal(await world.openActions(), 1, 'and the other is not thrown away')
  await assert.rejects(() => next.api.get(world.caller(next), id, { ms: 0 }), {
    code: 'stored_action_unreadable',
  })
})

test('two gateways on one bus carry an action on together and never give it two live grants', async (t) => {
  const world = await World.open(t)
  const one = await world.gateway()
  const two = await world.gateway()
  const { action_id: id } = await world.accepted(one, 'shop.refund', REFUND)
  const joined = await world.accepted(two, 'shop.refund', REFUND)
  assert.deepEqual([joined.action_id, joined.joined], [id, true])
  await world.until('the host', () => world.host.requests.length >= 1)
  const decision = world.host.approval(world.host.request(id))
  const answers = await world.run(Promise.all([1, 2, 3, 4].map(() => world.host.send(decision))))
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set(['accepted']))
  await world.reaches(id, 'succeeded')
  assert.equal(world.executor.effects.size, 1)
  assert.equal(world.executor.grants.length, 1)
  for (const gateway of [one, two]) {
    assert.equal((await world.view(gateway, id)).status, 'succeeded')
  }
  const next = await world.accepted(two, 'shop.refund', REFUND)
  assert.notEqual(next.action_id, id, 'neither joins what has ended')
})

test('two gateways that take up the same actions at once send one grant each action', async (t) => {
  const world = await World.open(t)
  const first = await world.gateway()
  const dead = killAt(world, 'dispatched', () => world.kill(first))
  const call = { tool: 'files.read', arguments: READ, client_key: 'k' }
  void first.api.propose(world.caller(first), call, { ms: 0 })
  await world.run(dead)
  const [one] = await Promise.all([world.gateway(), world.gateway()])
  const view = await world.accepted(one, 'files.read', READ, { key: 'k', holdMs: 4_000 })
  await world.reaches(view.action_id, 'succeeded', 20)
  assert.equal(world.executor.grants.length, 1)
  assert.equal(world.executor.effects.size, 1)
})

test('a proposal that is stored at the same time by two gateways is one action', async (t) => {
  const world = await World.open(t)
  const gateways = await Promise.all([world.gateway(), world.gateway(), world.gateway()])
  const views = await Promise.all(
    gateways.flatMap((gateway) =>
      [1, 2].map(() => world.accepted(gateway, 'files.read', READ, { key: 'k', holdMs: 4_000 })),
    ),
  )
  assert.equal(new Set(views.map(({ action_id }) => action_id)).size, 1)
  assert.equal(world.executor.effects.size, 1)
})

test('what another gateway did is seen at once, and not joined when it has ended', async (t) => {
  const world = await World.open(t)
  const one = await world.gateway()
  const two = await world.gateway()
  const { action_id: id } = await world.accepted(one, 'shop.refund', REFUND)
  await world.run(two.api.cancel(world.caller(two), id))
  assert.equal((await world.view(one, id)).status, 'cancelled')
  const next = await world.accepted(one, 'shop.refund', REFUND)
  assert.notEqual(next.action_id, id)
})

test('an event that loses the race for the store is given to what is there then', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', REFUND)
  let raced = 0
  world.onStore = async ({ state }) => {
    if (state.kind !== 'cancelled' || raced === 2) return
    raced += 1
    const store = world.records('actions')
    const [found] = (await store.list('acme')).filter(({ key }) => key.includes('.a_'))
    assert.ok(found !== undefined)
    assert.ok((await store.replace(found.key, found.value, found.revision)).ok)
  }
  const outcome = await world.run(gateway.api.cancel(world.caller(gateway), id))
  assert.equal(outcome.ok && outcome.value.status, 'cancelled')
  assert.equal(raced, 2)
})

test('an action stays open until its end is on record', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.audit.set('succeeded', 'fail')
  const view = await world.accepted(gateway, 'files.read', READ, { holdMs: 4_000 })
  assert.equal(view.status, 'succeeded')
  await world.idle(300)
  assert.equal(await world.openActions(), 1)
  world.kill(gateway)
  world.audit.clear()
  const next = await world.gateway()
  assert.equal(next.recovered, 1)
  await world.until('the end to be closed', async () => (await world.openActions()) === 0)
  assert.ok((await world.types(view.action_id)).includes('succeeded'))
})
