import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Principal, Proposal } from '@trustgw/protocol'
import type { StoredAction } from '../src/action/action-store.ts'
import {
  KnownActions,
  OPEN_MAX,
  OPEN_OF_ONE_MAX,
  TOOL_WAITING_MAX,
} from '../src/action/known-actions.ts'
import { World } from './support/world.ts'

const BUSY = { status: 'refused', reason: 'tool_busy', retryable: true } as const

test('an action whose tool can take no more waits, and runs when it can', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = BUSY
  const { action_id: id } = await world.accepted(gateway, 'files.read', { path: 'a' })
  await world.until('it to wait', () => gateway.counts().waiting === 1)
  const grants = (): number => world.executor.grants.length
  await world.until('a second grant', () => grants() === 2, 200)
  assert.equal(gateway.counts().waiting, 1, 'also over grants')
  world.executor.manner = 'run'
  await world.reaches(id, 'succeeded', 50)
  assert.deepEqual(gateway.counts(), { open: 0, pending: 0, waiting: 0, quarantined: 0 })
  assert.equal(world.executor.effects.get(id), 1)
})

test('once a bounded number waits for a tool, callers of it are told to try later, and of others not', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = { ...BUSY, reason: 'tool_unavailable' }
  for (let n = 0; n < TOOL_WAITING_MAX; n += 1) {
    await world.accepted(gateway, 'files.read', { path: `p${n}` }, { key: `k${n}` })
  }
  await world.until('all to wait', () => gateway.counts().waiting === TOOL_WAITING_MAX)
  const outcome = await world.propose(gateway, 'files.read', { path: 'more' })
  assert.deepEqual(outcome, {
    ok: false,
    reason: 'busy',
    detail: 'the tool does not answer, or has as much to do as it can',
  })
  const again = await world.accepted(gateway, 'files.read', { path: 'p0' }, { key: 'k0' })
  assert.equal(again.joined, true, 'a repeat is the action that waits')
  const other = await world.accepted(gateway, 'shop.refund', { amount: '1.00' })
  assert.equal(other.status, 'pending_approval')
  world.executor.manner = 'run'
  await world.until('room', () => gateway.counts().waiting === 0, 50)
  const later = await world.accepted(gateway, 'files.read', { path: 'more' }, { holdMs: 5_000 })
  assert.equal(later.status, 'succeeded')
})

test('what waits for an executor that is away counts against its own tool, also after a restart', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  await world.executor.stop()
  for (let n = 0; n < TOOL_WAITING_MAX; n += 1)
    await world.accepted(gateway, 'files.read', { path: `p${n}` }, { key: `k${n}` })
  await world.until('all to wait', () => gateway.counts().waiting === TOOL_WAITING_MAX)
  const outcome = await world.propose(gateway, 'files.read', { path: 'more' })
  assert.equal(!outcome.ok && outcome.reason, 'busy')
  world.clock.advance(60_000)
  world.kill(gateway)
  const next = await world.gateway()
  await world.until('all to wait there', () => next.counts().waiting === TOOL_WAITING_MAX, 50)
  const other = await world.accepted(next, 'shop.refund', { amount: '1.00' })
  assert.equal(other.status, 'pending_approval')
})

const principal = (client: string): Principal =>
  ({ tenant: 'acme', issuer: 'api-key', client, subject: client }) as Principal

test('what waits in one gateway is bounded, for all and for one principal', () => {
  const proposal = (client: string, n: number): Proposal =>
    ({
      principal: principal(client),
      action_id: `act_${client}_${n}`,
      tenant: 'acme',
      tool_id: 't',
    }) as never
  const known = new KnownActions()
  const note = (of: Proposal, kind: string, revision = 1): void => {
    known.note({ record: { proposal: of, state: { kind } }, revision } as never)
  }
  for (let n = 0; n < OPEN_OF_ONE_MAX; n += 1) note(proposal('a', n), 'needs_human')
  assert.equal(known.crowded(proposal('a', -1)), 'principal')
  assert.equal(known.crowded(proposal('b', -1)), undefined)
  note(proposal('a', 0), 'executing', 2)
  assert.equal(known.crowded(proposal('a', -1)), undefined, 'what runs is not counted')
  for (let n = 0; known.counts.open < OPEN_MAX; n += 1)
    note(proposal(`c${n % 100}`, n), 'dispatched')
  assert.equal(known.crowded(proposal('b', -1)), 'gateway')
})

test('what another gateway carries on is not kept as one’s own', () => {
  const stored = (revision: number, kind: string): StoredAction =>
    ({
      record: {
        proposal: { principal: principal('a'), action_id: 'act_a', tenant: 'acme', tool_id: 't' },
        state: { kind },
      },
      revision,
    }) as never
  const known = new KnownActions()
  const own = stored(1, 'executing')
  known.noteOwn(own)
  known.note(own)
  assert.equal(known.isOwn(own), true)
  known.note(stored(2, 'succeeded'))
  assert.equal(known.isOwn(own), false)
})
