import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  type ActionId,
  actionId,
  grantId,
  hashJson,
  hashText,
  type Json,
  storedKey,
  utf8Encode,
} from '@trustgw/protocol'
import { nodeRandom, sha256 } from '@trustgw/runtime'
import { type ActionRecord, writeActionRecord } from '../src/action/action-record.ts'
import { readResult } from '../src/results/read-result.ts'
import type { RunningGateway } from '../src/start-gateway.ts'
import type { ResultTwist } from './support/executor-double.ts'
import { CONTRACTS, contract, GLOBEX, SHELL } from './support/keys.ts'
import { World } from './support/world.ts'

interface Claimed {
  readonly world: World
  readonly gateway: RunningGateway
  readonly id: ActionId
}

async function claimed(t: TestContext): Promise<Claimed> {
  const world = await World.open(t)
  world.acceptsToolChanges = true
  world.shell.start()
  const gateway = await world.gateway()
  world.executor.manner = 'claim'
  const { action_id: id } = await world.accepted(gateway, 'files.read', { path: 'a' })
  await world.reaches(id, 'executing', 20)
  return { world, gateway, id }
}

const OTHER = hashText(sha256, 'other')
const IGNORED: readonly [string, ResultTwist][] = [
  ['signed by a stranger', { key: 'stranger' }],
  ['signed by the host', { key: 'host' }],
  ["signed by another profile's key", { key: 'shell' }],
  [
    'of another profile on its own subject',
    { key: 'shell', as: SHELL, change: { profile: SHELL } },
  ],
  ['that names another profile than its subject', { change: { profile: SHELL } }],
  ['for another input', { change: { input_hash: OTHER } }],
  [
    'under a grant that was never given out',
    {
      change: { jti: grantId(new Uint8Array(16)), grant_hash: OTHER },
    },
  ],
  ['whose output is not what was hashed', { change: { result_hash: OTHER } }],
  ['of another tenant', { change: { tenant_id: GLOBEX } }],
  ['of an action that does not exist', { change: { action_id: actionId(new Uint8Array(16)) } }],
]

for (const [what, twist] of IGNORED) {
  test(`a result ${what} is ignored`, async (t) => {
    const { world, id } = await claimed(t)
    await world.executor.report(world.executor.last(), twist)
    await world.idle(300)
    assert.equal((await world.record(id)).state.kind, 'executing')
    assert.equal((await world.record(id)).result, null)
    await world.executor.report(world.executor.last())
    await world.reaches(id, 'succeeded')
  })
}

test('a result that names another action than its subject is not its own', async (t) => {
  const { world } = await claimed(t)
  const { keys } = world
  const executorKeyFor = (profile: string, kid: string) =>
    keys.public.keyFor({ role: 'result', component: `exec-${profile}` })(kid)
  const stored = await world.links.reader({ home: 'data', stream: 'RESULTS' }).getBySeq(1)
  assert.equal(stored, undefined)
  await world.executor.report(world.executor.last())
  const message = await world.links.reader({ home: 'data', stream: 'RESULTS' }).getBySeq(1)
  assert.ok(message !== undefined)
  const read = (subject: string, data = message.data) =>
    readResult({ subject, data }, { executorKeyFor, sha256 })
  assert.equal(read(message.subject).ok, true)
  const other = actionId(nodeRandom.bytes(16))
  const { action_id } = world.executor.last().claims
  const reasons = [
    read(message.subject.replace(action_id, other)),
    read(message.subject.replace('acme', 'globex')),
    read(message.subject.replace('connector', 'shell')),
    read(`${message.subject}.x`),
    read(message.subject, utf8Encode('a.b.c')),
  ].map((outcome) => (outcome.ok ? 'ok' : outcome.reason))
  assert.deepEqual(reasons, ['not_its_own', 'not_its_own', 'signature', 'subject', 'signature'])
})

test('a result that comes twice ends the action once', async (t) => {
  const { world, id } = await claimed(t)
  await world.executor.report(world.executor.last())
  await world.executor.report(world.executor.last(), {
    change: { outcome: 'failed', reason: 'late' },
  })
  await world.reaches(id, 'succeeded')
  await world.idle(300)
  assert.equal((await world.record(id)).result?.outcome, 'succeeded')
  assert.equal((await world.types(id)).filter((type) => type === 'succeeded').length, 1)
})

test('a result that comes before the claim proves the claim', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = { status: 'refused', reason: 'executor_busy', retryable: true }
  const { action_id: id } = await world.accepted(gateway, 'files.read', { path: 'a' })
  await world.until('the grant', () => world.executor.invocations.length > 0)
  await world.executor.report(world.executor.last())
  await world.reaches(id, 'succeeded')
  const types = await world.types(id)
  assert.deepEqual(types.slice(-2), ['claimed', 'succeeded'])
})

test('a result under an earlier grant counts after that grant was taken as lapsed', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = { status: 'refused', reason: 'executor_busy', retryable: true }
  const { action_id: id } = await world.accepted(gateway, 'files.read', { path: 'a' })
  await world.until('two grants', () => world.executor.grants.length === 2, 200)
  const [first] = world.executor.invocations
  assert.ok(first !== undefined)
  await world.executor.report(first)
  await world.reaches(id, 'succeeded', 20)
  const { state } = await world.record(id)
  assert.equal(state.kind === 'succeeded' && state.jti, first.claims.jti)
})

for (const [outcome, end] of [
  ['failed', 'failed'],
  ['unknown_outcome', 'needs_human'],
] as const) {
  test(`an outcome ${outcome} leaves the action ${end}, and it is not tried again`, async (t) => {
    const { world, gateway, id } = await claimed(t)
    const change = { outcome, reason: 'card_declined', output: { sorry: 1 } as Json }
    await world.executor.report(world.executor.last(), {
      change: { ...change, result_hash: hashJson(sha256, change.output) },
    })
    await world.reaches(id, end)
    const view = await world.view(gateway, id)
    assert.deepEqual(view.result, { sorry: 1 })
    if (end === 'failed') assert.equal(view.reason, 'card_declined')
    await world.idle(1_000)
    assert.equal(world.executor.invocations.length, 1)
  })
}

test('a result under a grant that another gateway gave out is judged by what is stored', async (t) => {
  const { world, id } = await claimed(t)
  const jti = grantId(nodeRandom.bytes(16))
  const record = await world.record(id)
  const { state } = record
  assert.ok(state.kind === 'executing')
  const moved: ActionRecord = {
    ...record,
    state: { ...state, jti, issued: [...state.issued, jti] },
  }
  const store = world.records('actions')
  const key = `acme.${storedKey(sha256, 'a', id)}`
  const found = await store.get(key)
  assert.ok(found !== undefined)
  assert.ok((await store.replace(key, writeActionRecord(moved), found.revision)).ok)
  await world.executor.report(world.executor.last(), { change: { jti, grant_hash: OTHER } })
  await world.reaches(id, 'succeeded')
  const end = (await world.record(id)).state
  assert.equal(end.kind === 'succeeded' && end.jti, jti)
})

test('a result of the profile that a tool moved away from still counts', async (t) => {
  const { world, gateway, id } = await claimed(t)
  await world.serve(CONTRACTS.filter((one) => one.id !== 'files.read'))
  await world.serve([contract('files.read', { profile: SHELL })], { profile: SHELL })
  await world.until('the move', () =>
    gateway.api.tools(world.caller(gateway)).some((tool) => tool.contract.profile === SHELL),
  )
  await world.executor.report(world.executor.last())
  await world.reaches(id, 'succeeded')
})

test('arguments of 128 KiB of quotes are kept to the letter', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const text = '"\\'.repeat(32_760)
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', { amount: '5.00', text })
  const record = await world.record(id)
  assert.equal(record.proposal.arguments, JSON.stringify({ amount: '5.00', text }))
  assert.ok(record.proposal.arguments.length > 131_000)
})

test('a result too long to be kept ends the action all the same', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const [read] = CONTRACTS
  assert.ok(read !== undefined)
  world.executor.output = 'y'.repeat(560_000)
  const view = await world.accepted(
    gateway,
    'files.read',
    { path: 'x'.repeat(120_000) },
    { holdMs: 4_000 },
  )
  assert.equal(view.status, 'succeeded')
  assert.match(JSON.stringify(view.result), /left out/)
  const { result } = await world.record(view.action_id)
  assert.equal(result?.result_hash, hashJson(sha256, world.executor.output))
  await world.until('the end to be closed', async () => (await world.openActions()) === 0)
})
