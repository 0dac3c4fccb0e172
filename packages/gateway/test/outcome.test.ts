import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  type ActionId,
  grantId,
  idempotencyKey,
  type OutcomeDecision,
  parseJson,
  parseTenantId,
  readShape,
  storedKey,
  type UnsettledAction,
  unsettledActionShape,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import type { RunningGateway } from '../src/start-gateway.ts'
import { ACME, must } from './support/keys.ts'
import { World } from './support/world.ts'

interface Unseen {
  readonly world: World
  readonly gateway: RunningGateway
  readonly id: ActionId
}

/** A call that was entered and whose executor says that it did not see the end. */
async function unseen(t: TestContext, prepare: (world: World) => void = () => {}): Promise<Unseen> {
  const world = await World.open(t)
  prepare(world)
  const gateway = await world.gateway()
  world.executor.manner = 'claim'
  const { action_id: id } = await world.accepted(gateway, 'files.read', { path: 'a.txt' })
  await world.reaches(id, 'executing', 20)
  await world.executor.report(world.executor.last(), {
    change: { outcome: 'unknown_outcome', reason: 'connection_lost', started_at: 77 },
  })
  return { world, gateway, id }
}

async function needsHuman(t: TestContext): Promise<Unseen & { action: UnsettledAction }> {
  const all = await unseen(t)
  await all.world.reaches(all.id, 'needs_human', 20)
  const action = await unsettled(all.world, all.id)
  assert.ok(action !== undefined)
  return { ...all, action }
}

async function unsettled(world: World, id: ActionId): Promise<UnsettledAction | undefined> {
  const stored = await world.records('unsettled').get(`acme.${storedKey(sha256, id)}`)
  if (stored === undefined) return undefined
  return must(readShape(unsettledActionShape, must(parseJson(stored.value))))
}

function verdict(action: UnsettledAction, more: Partial<OutcomeDecision> = {}): OutcomeDecision {
  return {
    v: 1,
    action_id: action.action_id,
    tenant: action.tenant,
    jti: action.jti,
    outcome: 'succeeded',
    person: 'ann',
    roles: ['admin'],
    reason: 'The bank shows it',
    decided_at: 9,
    ...more,
  }
}

test('an executor is asked what became of a call that ended unseen; then people are, with the evidence', async (t) => {
  const { world, id, action } = await needsHuman(t)
  assert.deepEqual(world.executor.queries, [{ kind: 'reconcile', id }])
  assert.equal(world.executor.invocations.length, 1)
  const { claims } = world.executor.last()
  assert.deepEqual(
    { ...action, since: 0, proposed_at: 0 },
    {
      v: 1,
      action_id: id,
      tenant: ACME,
      tool_id: 'files.read',
      title: 'files.read',
      arguments: '{"path":"a.txt"}',
      input_hash: claims.input_hash,
      agent: 'bot',
      initiator: 'bot',
      roles: [],
      amount: null,
      jti: claims.jti,
      idempotency_key: idempotencyKey(sha256, ACME, id),
      proposed_at: 0,
      entered_at: 77,
      provider_reference: 'ref-1',
      doubt: 'connection_lost',
      reconciled: 'provider_cannot_tell',
      since: 0,
    },
  )
})

test('an executor that cannot say yet is asked again, and what it then tells ends the action', async (t) => {
  const { world, id } = await unseen(t, (w) => {
    w.executor.reconciles = { status: 'later', reason: 'may_still_run' }
  })
  await world.until('a second question', () => world.executor.queries.length > 1, 100)
  assert.equal((await world.record(id)).state.kind, 'unknown_outcome')
  await world.executor.report(world.executor.last())
  await world.reaches(id, 'reconciled_succeeded')
  assert.deepEqual((await world.record(id)).result?.output, { done: true })
  assert.equal(await unsettled(world, id), undefined)
})

test('when no executor is there for long, people are asked', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = 'claim'
  const { action_id: id } = await world.accepted(gateway, 'files.read', { path: 'a.txt' })
  await world.reaches(id, 'executing', 20)
  await world.executor.stop()
  world.clock.advance(961_000)
  await world.reaches(id, 'unknown_outcome', 20)
  await world.idle(2_000)
  assert.equal((await world.record(id)).state.kind, 'unknown_outcome')
  world.clock.advance(901_000)
  await world.reaches(id, 'needs_human', 1_000)
  assert.equal((await unsettled(world, id))?.reconciled, 'no_executor_answered')
})

test('a gateway that starts later asks an executor for the one that died', async (t) => {
  const { world, gateway, id } = await unseen(t, (w) => {
    w.executor.reconciles = { status: 'later', reason: 'may_still_run' }
  })
  await world.until('a question', () => world.executor.queries.length > 0, 50)
  world.kill(gateway)
  world.executor.reconciles = { status: 'unclear', reason: 'provider_cannot_tell' }
  await world.gateway()
  await world.reaches(id, 'needs_human', 20)
  assert.equal(world.executor.invocations.length, 1)
})

test('a person settles it: recorded as theirs, told to the proposer, and nobody is asked any more', async (t) => {
  for (const outcome of ['succeeded', 'failed'] as const) {
    const { world, gateway, id, action } = await needsHuman(t)
    const answer = await world.run(world.host.settle(verdict(action, { outcome })))
    assert.deepEqual(answer, { status: 'accepted', state: `reconciled_${outcome}` })
    const view = await world.view(gateway, id)
    assert.deepEqual(
      [view.status, view.reason, view.poll_after_s],
      [`reconciled_${outcome}`, 'A person found out whether it was done.', null],
    )
    const event = (await world.events(id)).find(({ type }) => type === 'reconciled')
    assert.deepEqual(event?.actor, { kind: 'human', id: 'ann' })
    const repeated = await world.run(world.host.settle(verdict(action, { outcome })))
    assert.deepEqual(repeated, answer)
    const other = outcome === 'failed' ? 'succeeded' : 'failed'
    const against = await world.run(world.host.settle(verdict(action, { outcome: other })))
    assert.deepEqual(against, { status: 'refused', code: 'not_unsettled' })
    await world.executor.report(world.executor.last())
    await world.until('it to be closed', async () => (await world.openActions()) === 0)
    assert.equal(await unsettled(world, id), undefined)
    assert.equal((await world.record(id)).state.kind, `reconciled_${outcome}`)
  }
})

const REFUSED: readonly [string, string, Partial<OutcomeDecision>][] = [
  ['the initiator', 'initiator_cannot_settle', { person: 'bot' }],
  ['a person of no role of it', 'role_missing', { roles: ['sales'] }],
  ['a person who saw another run', 'not_unsettled', { jti: grantId(new Uint8Array(16)) }],
]

for (const [who, code, change] of REFUSED) {
  test(`${who} does not settle it: ${code}`, async (t) => {
    const { world, id, action } = await needsHuman(t)
    const answer = await world.run(world.host.settle(verdict(action, change)))
    assert.deepEqual(answer, { status: 'refused', code })
    assert.equal((await world.record(id)).state.kind, 'needs_human')
  })
}

test('only the host says what a person found out, by that document, to its own tenant', async (t) => {
  const { world, id, action } = await needsHuman(t)
  const forged = { status: 'refused', code: 'decision_not_genuine' }
  const settle = (options: object): Promise<unknown> =>
    world.run(world.host.settle(verdict(action), options))
  for (const key of ['stranger', 'connector', 'audit', 'operator'] as const) {
    assert.deepEqual(await settle({ key }), forged, key)
  }
  assert.deepEqual(await settle({ typ: 'approval-decision+jwt' }), forged)
  const globex = parseTenantId('globex')
  assert.deepEqual(await settle({ tenant: must(globex) }), forged)
  assert.equal((await world.record(id)).state.kind, 'needs_human')
})

test('an approver role of the action settles it as well', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = 'claim'
  const args = { amount: '250.00' }
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', args)
  await world.until('the host to be asked', () => world.host.requests.length > 0)
  await world.run(world.host.send(world.host.approval(world.host.request(id))))
  await world.reaches(id, 'executing', 20)
  await world.executor.report(world.executor.last(), {
    change: { outcome: 'unknown_outcome', reason: 'timeout' },
  })
  await world.reaches(id, 'needs_human', 20)
  const action = await unsettled(world, id)
  assert.deepEqual([action?.roles, action?.amount], [['finance'], '250.00 EUR'])
  assert.ok(action !== undefined)
  const answer = await world.run(world.host.settle(verdict(action, { roles: ['finance'] })))
  assert.deepEqual(answer, { status: 'accepted', state: 'reconciled_succeeded' })
})

test('a result under an earlier grant ends what was taken as claimed under a later one', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = 'silent'
  const { action_id: id } = await world.accepted(gateway, 'files.read', { path: 'a.txt' })
  await world.until('the first grant', () => world.executor.grants.length === 1)
  const first = world.executor.last()
  await world.until('the second grant', () => world.executor.grants.length === 2, 100)
  world.executor.manner = 'claim'
  await world.reaches(id, 'executing', 20)
  await world.executor.report(first)
  await world.reaches(id, 'succeeded')
})

test('a cancel that claims the action first ends it at once, and its grant runs nothing', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = { status: 'refused', reason: 'executor_busy', retryable: true }
  const { action_id: id } = await world.accepted(gateway, 'files.read', { path: 'a.txt' })
  await world.until('the grant', () => world.executor.invocations.length > 0)
  const before = world.clock.now()
  const view = must(await world.run(gateway.api.cancel(world.caller(gateway), id)))
  assert.equal(view.status, 'cancelled')
  assert.ok(world.clock.now() - before < 5_000, 'long before the grant ends')
  assert.deepEqual(world.executor.queries, [{ kind: 'cancel', id }])
  world.executor.manner = 'run'
  await world.idle(2_000)
  assert.equal(world.executor.effects.size, 0)
})

test('a cancel that comes after the claim changes nothing: the action goes on', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = 'silent'
  const { action_id: id } = await world.accepted(gateway, 'files.read', { path: 'a.txt' })
  await world.until('the grant', () => world.executor.invocations.length > 0)
  // Entered, and the answer was lost.
  world.executor.effects.set(id, 1)
  const view = must(await world.run(gateway.api.cancel(world.caller(gateway), id)))
  assert.equal(view.status, 'executing')
  await world.executor.report(world.executor.last())
  await world.reaches(id, 'succeeded')
  assert.ok((await world.types(id)).includes('cancel_requested'))
})

test('a cancel outlives the gateway that took it', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = { status: 'refused', reason: 'executor_busy', retryable: true }
  world.executor.deaf = true
  const { action_id: id } = await world.accepted(gateway, 'files.read', { path: 'a.txt' })
  await world.until('the grant', () => world.executor.invocations.length > 0)
  const asked = gateway.api.cancel(world.caller(gateway), id)
  asked.catch(() => undefined)
  await world.until('the question', () => world.executor.queries.length > 0)
  world.kill(gateway)
  world.executor.deaf = false
  await world.gateway()
  await world.reaches(id, 'cancelled', 20)
})

test('while no executor answers a cancel it is asked on, also when its grant is over, and nothing is sent', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = { status: 'refused', reason: 'executor_busy', retryable: true }
  world.executor.deaf = true
  const { action_id: id } = await world.accepted(gateway, 'files.read', { path: 'a.txt' })
  await world.until('the grant', () => world.executor.invocations.length > 0)
  await world.run(gateway.api.cancel(world.caller(gateway), id), 20)
  world.clock.advance(60_000)
  await world.idle(2_000)
  assert.equal((await world.record(id)).state.kind, 'dispatched')
  world.executor.deaf = false
  await world.reaches(id, 'cancelled', 100)
  assert.equal(world.executor.grants.length, 1)
})
