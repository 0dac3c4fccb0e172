import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  type ActionId,
  type ActionView,
  hashJson,
  type JsonObject,
  type PreconditionRule,
  preconditionHash,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import type { ActionRecord } from '../src/action/action-record.ts'
import { SUCCESSORS_MAX } from '../src/action/succession.ts'
import type { RunningGateway } from '../src/start-gateway.ts'
import { ACME, contract, POLICY, SHELL } from './support/keys.ts'
import { policyOf, World } from './support/world.ts'

const RULE: PreconditionRule = {
  tool: 'shop.balance',
  arguments: { order: { pointer: '/order' }, deep: false },
  select: ['/left', '/state'],
  title: 'What is left of the order',
}
const BALANCE = contract('shop.balance', {
  input_schema: {
    type: 'object',
    properties: { order: { type: 'string' }, deep: { type: 'boolean' } },
    required: ['order'],
    additionalProperties: false,
  },
})
const PAY = contract('shop.pay', { operation: 'transfer', precondition: RULE })
const AUTO = contract('shop.auto', { operation: 'transfer', precondition: RULE })

const rule = (tool: string, effect: string): string => `
[[rules]]
id = "${tool}"
priority = 5
${effect}
[rules.match]
tool = ["shop.${tool}"]
`
const ASK =
  'effect = "require_approval"\ntier = 1\napprovers = { quorum = 1, channels = ["portal"] }'
const RULES = `${POLICY}${rule('pay', ASK)}${rule('auto', 'effect = "allow"')}`

const ARGS = { order: 'o-1' }
const READ = { left: '250.00', state: 'paid', note: 'not bound' }
const bound = (left: string): JsonObject => ({
  tool: 'shop.balance',
  arguments: { deep: false, order: 'o-1' },
  values: { '/left': left, '/state': 'paid' },
})

async function opened(t: TestContext, policy = RULES): Promise<World> {
  const world = await World.open(t)
  world.policy = policyOf(policy)
  await world.serve([BALANCE, PAY, AUTO])
  world.executor.outputs.set('shop.balance', READ)
  return world
}

async function asked(world: World, gateway: RunningGateway, key = 'k'): Promise<ActionId> {
  const { action_id } = await world.accepted(gateway, 'shop.pay', ARGS, { key })
  await requested(world, action_id)
  return action_id
}

async function requested(world: World, id: ActionId): Promise<void> {
  await world.until(`people to be asked about ${id}`, () =>
    world.host.requests.some(({ action_id }) => action_id === id),
  )
}

async function approve(world: World, id: ActionId): Promise<void> {
  const answer = await world.run(world.host.send(world.host.approval(world.host.request(id))))
  assert.equal(answer.status, 'accepted')
}

const CHANGED = { status: 'refused', reason: 'precondition_changed', retryable: false } as const

/** The action that was asked in place of a stale one, once people are asked about it. */
async function successor(world: World, gateway: RunningGateway, id: ActionId): Promise<ActionId> {
  await world.reaches(id, 'refused')
  const { superseded_by } = await world.run(world.view(gateway, id))
  assert.ok(superseded_by !== null)
  await requested(world, superseded_by)
  return superseded_by
}

test('what a tool depends on is read by an action of its own, shown to people and bound by the grant', async (t) => {
  const world = await opened(t)
  const gateway = await world.gateway()
  const id = await asked(world, gateway)
  const request = world.host.request(id)
  assert.deepEqual(request.precondition, bound('250.00'))
  assert.equal(request.precondition_hash, hashJson(sha256, bound('250.00')))
  assert.equal((await world.run(world.view(gateway, id))).status, 'pending_approval')

  const read = world.executor.last()
  assert.equal(read.claims.tool_name, 'shop.balance')
  assert.equal(read.action.arguments, '{"deep":false,"order":"o-1"}')
  assert.equal(read.action.decision.effect, 'allow')
  assert.equal(read.claims.precondition_hash, preconditionHash(sha256, null))
  const child = read.claims.action_id
  assert.notEqual(child, id)
  const payload = async (of: ActionId, type: string): Promise<unknown> =>
    (await world.events(of)).find((event) => event.type === type)?.payload
  assert.deepEqual(await payload(id, 'preparing'), { tool: 'shop.balance', child })
  const precondition_hash = request.precondition_hash
  assert.deepEqual(await payload(id, 'prepared'), { child, precondition_hash })
  assert.equal(JSON.stringify(await payload(child, 'proposed')).includes(id), true)

  await approve(world, id)
  await world.reaches(id, 'succeeded')
  assert.equal(world.executor.last(id).claims.precondition_hash, precondition_hash)
  assert.deepEqual([...world.executor.effects.values()], [1, 1])
})

test('what policy allows at once is bound as well', async (t) => {
  const world = await opened(t)
  const gateway = await world.gateway()
  const view = await world.accepted(gateway, 'shop.auto', ARGS, { holdMs: 5_000 })
  assert.equal(view.status, 'succeeded')
  const { claims } = world.executor.last(view.action_id)
  assert.equal(claims.clearance, 'auto_approved')
  assert.equal(claims.precondition_hash, hashJson(sha256, bound('250.00')))
})

test('while it is read an identical proposal joins, and people are asked once', async (t) => {
  const world = await opened(t)
  world.executor.manners.set('shop.balance', 'claim')
  const gateway = await world.gateway()
  const first = await world.accepted(gateway, 'shop.pay', ARGS)
  assert.equal(first.status, 'preparing')
  const again = await world.accepted(gateway, 'shop.pay', ARGS)
  assert.deepEqual([again.action_id, again.joined], [first.action_id, true])
  await world.until('the read', () => world.executor.invocations.length === 1)
  await world.executor.report(world.executor.last())
  await requested(world, first.action_id)
  assert.equal(world.host.requests.length, 1)
})

/** Denied without anybody having been asked, and without the tool having been entered. */
async function denied(world: World, reason: string, stepMs = 5): Promise<ActionView> {
  const gateway = await world.gateway()
  const { action_id: id } = await world.accepted(gateway, 'shop.pay', ARGS)
  await world.reaches(id, 'denied', stepMs)
  const { state } = await world.record(id)
  assert.equal(state.kind === 'denied' && state.reason, reason)
  assert.equal(world.host.requests.length, 0)
  assert.equal(
    world.executor.invocations.some(({ claims }) => claims.action_id === id),
    false,
  )
  return await world.run(world.view(gateway, id))
}

for (const [name, effect] of [
  ['forbids', 'effect = "deny"'],
  ['asks people for', ASK],
]) {
  test(`where policy ${name} the read the action is denied, and nothing is read`, async (t) => {
    const world = await opened(t, `${RULES}${rule('balance', effect ?? '')}`)
    const view = await denied(world, 'precondition_not_allowed')
    assert.equal(view.reason, 'Policy does not let what it depends on be read.')
    assert.equal(world.executor.invocations.length, 0)
  })
}

test('a read that fails denies the action', async (t) => {
  const world = await opened(t)
  world.executor.manners.set('shop.balance', {
    status: 'refused',
    reason: 'credential_not_allowed',
    retryable: false,
  })
  const view = await denied(world, 'precondition_failed')
  assert.equal(view.reason, 'What it depends on could not be read.')
})

test('a read that does not give what is bound denies the action', async (t) => {
  const world = await opened(t)
  world.executor.outputs.set('shop.balance', { left: '250.00' })
  await denied(world, 'precondition_failed')
})

test('a read that gives more than can be shown denies the action', async (t) => {
  const world = await opened(t)
  world.executor.outputs.set('shop.balance', { ...READ, left: 'x'.repeat(17_000) })
  await denied(world, 'precondition_failed')
})

test('a read that does not end in time denies the action', async (t) => {
  const world = await opened(t)
  world.executor.manners.set('shop.balance', 'silent')
  await denied(world, 'precondition_timeout', 200)
})

for (const [name, twist] of Object.entries({
  'is not declared to read': contract('shop.balance', { operation: 'update' }),
  'has a precondition itself': contract('shop.balance', {
    precondition: { ...RULE, tool: 'shop.auto' },
  }),
  'is of another connector': contract('shop.balance', { bundle: 'bank' }),
  'does not take such arguments': contract('shop.balance', {
    input_schema: { type: 'object', properties: { order: { type: 'number' } } },
  }),
})) {
  test(`nothing is read by a tool that ${name}, whatever an executor publishes`, async (t) => {
    const world = await World.open(t)
    world.policy = policyOf(`${RULES}${rule('balance', 'effect = "allow"')}`)
    await world.serve([twist, PAY, AUTO])
    await denied(world, 'precondition_failed')
    assert.equal(world.executor.invocations.length, 0)
  })
}

test('nothing is read by a tool of another profile', async (t) => {
  const world = await World.open(t)
  world.policy = policyOf(RULES)
  await world.serve([PAY])
  await world.serve([{ ...BALANCE, profile: SHELL }], { profile: SHELL })
  await denied(world, 'precondition_failed')
})

test('a cancel while it is read ends the action, and nobody is asked', async (t) => {
  const world = await opened(t)
  world.executor.manners.set('shop.balance', 'claim')
  const gateway = await world.gateway()
  const { action_id: id } = await world.accepted(gateway, 'shop.pay', ARGS)
  await world.until('the read', () => world.executor.invocations.length === 1)
  await world.run(gateway.api.cancel(world.caller(gateway), id))
  await world.executor.report(world.executor.last())
  await world.reaches(id, 'cancelled')
  assert.equal(world.host.requests.length, 0)
})

test('a tool that changed while it was read denies the action', async (t) => {
  const world = await opened(t)
  world.acceptsToolChanges = true
  world.executor.manners.set('shop.balance', 'claim')
  const gateway = await world.gateway()
  const { action_id: id } = await world.accepted(gateway, 'shop.pay', ARGS)
  await world.until('the read', () => world.executor.invocations.length === 1)
  world.clock.advance(1)
  await world.serve([BALANCE, { ...PAY, description: 'Another tool' }, AUTO])
  await world.idle()
  world.kill(gateway)
  await world.gateway()
  await world.reaches(id, 'denied')
  assert.equal(world.host.requests.length, 0)
})

test('an approval over another value is refused', async (t) => {
  const world = await opened(t)
  const gateway = await world.gateway()
  const id = await asked(world, gateway)
  const forged = { ...world.host.request(id), precondition: null }
  const answer = await world.run(world.host.send(world.host.approval(forged)))
  assert.deepEqual(answer, { status: 'refused', code: 'statement_mismatch' })
})

test('what changed before it ran is asked anew, under a new id, and runs once', async (t) => {
  const world = await opened(t)
  const gateway = await world.gateway()
  const id = await asked(world, gateway)
  world.executor.manners.set('shop.pay', CHANGED)
  world.executor.outputs.set('shop.balance', { ...READ, left: '100.00' })
  const old = world.host.approval(world.host.request(id))
  await approve(world, id)
  const next = await successor(world, gateway, id)
  const view = await world.run(world.view(gateway, id))
  assert.match(view.reason ?? '', /asked anew/)
  assert.deepEqual((await world.record(id)).state.kind, 'refused')
  assert.equal((await world.run(world.view(gateway, next))).supersedes, id)
  assert.deepEqual(world.host.request(next).precondition, bound('100.00'))
  const answer = await world.run(world.host.send({ ...old, action_id: next }))
  assert.equal(answer.status, 'refused', 'the earlier approval is none of the new action')
  world.executor.manners.delete('shop.pay')
  await approve(world, next)
  await world.reaches(next, 'succeeded')
  const entered = [id, next].map((one) => world.executor.effects.get(one) ?? 0)
  assert.deepEqual(entered, [0, 1])
  const proposed = (await world.events(next)).find(({ type }) => type === 'proposed')
  assert.equal(proposed?.payload['supersedes'], id)
})

test('a repeat of the call finds the newest action, with a key and without', async (t) => {
  for (const key of ['k', undefined]) {
    const world = await opened(t)
    const gateway = await world.gateway()
    const more = key === undefined ? {} : { key }
    const { action_id: id } = await world.accepted(gateway, 'shop.pay', ARGS, more)
    await requested(world, id)
    world.executor.manners.set('shop.pay', CHANGED)
    await approve(world, id)
    const next = await successor(world, gateway, id)
    const again = await world.accepted(gateway, 'shop.pay', ARGS, more)
    assert.deepEqual([again.action_id, again.joined], [next, true])
  }
})

test('what changes every time is refused for good in the end', async (t) => {
  const world = await opened(t)
  const gateway = await world.gateway()
  world.executor.manners.set('shop.pay', CHANGED)
  let id = await asked(world, gateway)
  for (let turn = 0; turn < SUCCESSORS_MAX; turn += 1) {
    await approve(world, id)
    id = await successor(world, gateway, id)
  }
  await approve(world, id)
  await world.reaches(id, 'refused')
  const view = await world.run(world.view(gateway, id))
  assert.equal(view.superseded_by, null)
  assert.match(view.reason ?? '', /kept changing/)
  await world.until('the end to be closed', async () => (await world.openActions()) === 0)
})

type At = (record: ActionRecord) => boolean

/** Kills the gateway when such a record was just stored, before anything follows from it. */
function killAt(world: World, at: At, kill: () => void): Promise<void> {
  return new Promise((resolve) => {
    world.afterStore = (record) => {
      if (!at(record)) return undefined
      world.afterStore = () => undefined
      kill()
      resolve()
      return new Promise(() => undefined)
    }
  })
}

const isRead: At = ({ reads_for }) => reads_for !== null
const BEFORE_APPROVAL: { readonly [name: string]: At } = {
  'preparing is stored': ({ state }) => state.kind === 'preparing',
  'its read is dispatched': (record) => isRead(record) && record.state.kind === 'dispatched',
  'its read succeeded': (record) => isRead(record) && record.state.kind === 'succeeded',
  'people are to be asked': ({ state }) => state.kind === 'pending_approval',
}

for (const [name, at] of Object.entries(BEFORE_APPROVAL)) {
  test(`a gateway that dies when ${name} leaves one action, read and asked once more`, async (t) => {
    const world = await opened(t)
    const first = await world.gateway()
    const dead = killAt(world, at, () => world.kill(first))
    const call = { tool: 'shop.pay', arguments: ARGS, client_key: 'k' }
    void first.api.propose(world.caller(first), call, { ms: 0 }).catch(() => undefined)
    await world.run(dead)
    const next = await world.gateway()
    const { action_id: id } = await world.accepted(next, 'shop.pay', ARGS, { key: 'k' })
    await requested(world, id)
    await approve(world, id)
    await world.reaches(id, 'succeeded', 20)
    assert.deepEqual([...world.executor.effects.values()], [1, 1], 'one read and one run')
  })
}

const AFTER_CHANGE: { readonly [name: string]: At } = {
  'the refusal is stored': ({ state }) => state.kind === 'refused',
  'the successor is made': ({ generation }) => generation === 1,
  'the successor is being prepared': ({ generation, state }) =>
    generation === 1 && state.kind === 'preparing',
}

for (const [name, at] of Object.entries(AFTER_CHANGE)) {
  test(`a gateway that dies when ${name} leaves exactly one successor`, async (t) => {
    const world = await opened(t)
    const first = await world.gateway()
    const id = await asked(world, first)
    world.executor.manners.set('shop.pay', CHANGED)
    const dead = killAt(world, at, () => world.kill(first))
    const decision = world.host.approval(world.host.request(id))
    void world.host.send(decision, { timeoutMs: 100 }).catch(() => undefined)
    await world.run(dead)
    world.executor.manners.delete('shop.pay')
    const second = await world.gateway()
    const next = await successor(world, second, id)
    await approve(world, next)
    await world.reaches(next, 'succeeded', 20)
    await world.until('the end to be closed', async () => (await world.openActions()) === 0)
    const stored = await world.records('actions').list(ACME)
    const pays = stored.filter(({ key }) => key.includes('.a_')).length
    assert.equal(pays, 4, 'two actions and a read of each')
    const runs = world.executor.invocations.filter(({ claims }) => claims.tool_name === 'shop.pay')
    assert.equal(runs.filter(({ claims }) => claims.action_id === next).length >= 1, true)
    assert.equal(world.executor.effects.get(id), undefined)
  })
}
