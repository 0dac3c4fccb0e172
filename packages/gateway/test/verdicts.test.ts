import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { compilePolicy, joinLayers, parsePolicy } from '@trustgw/core'
import type { ActionId, ApprovalDecisionAnswer } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import type { RunningGateway } from '../src/start-gateway.ts'
import { World } from './support/world.ts'

const REFUND = { amount: '50.00' }
const asking = (approvers: string, more = ''): string => `version = 1
[[rules]]
id = "r"
priority = 1
effect = "require_approval"
tier = 2
approvers = ${approvers}
${more}
match = { tool = ["shop.refund"] }
`
const allowing = `version = 1
[[rules]]
id = "r"
priority = 1
effect = "allow"
undo = "10m"
match = { tool = ["shop.refund"] }
`

interface Asked {
  readonly world: World
  readonly gateway: RunningGateway
  readonly id: ActionId
  readonly approve: (person: string, roles: readonly string[]) => Promise<ApprovalDecisionAnswer>
  readonly deny: (person: string, reason?: string) => Promise<ApprovalDecisionAnswer>
}

/** A refund under a policy, once the host has been told of it. */
async function asked(t: TestContext, text: string): Promise<Asked> {
  const world = await World.open(t)
  const parsed = parsePolicy(text, { file: 'policy.toml', layer: 'platform' })
  assert.ok(parsed.ok)
  const inForce = joinLayers([compilePolicy(parsed.value, sha256)], sha256)
  world.policy = { epoch: 1, layersFor: () => inForce }
  const gateway = await world.gateway()
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', REFUND)
  await world.until('the host to be told', () =>
    world.host.requests.some(({ action_id }) => action_id === id),
  )
  const { host } = world
  const request = host.request(id)
  return {
    world,
    gateway,
    id,
    approve: (person, roles) => world.run(host.send(host.approval(request, { person, roles }))),
    deny: (person, reason) => world.run(host.send(host.denial(request, person, reason))),
  }
}

const MINUTE_MS = 60_000

test('people who are asked in order count only when their turn has come', async (t) => {
  const { world, id, approve } = await asked(t, asking('{ in_order = ["finance", "head"] }'))
  const early = await approve('hal', ['head'])
  assert.deepEqual(early, { status: 'refused', code: 'approver_not_yet' })
  const first = await approve('ann', ['finance'])
  assert.deepEqual(first, { status: 'accepted', state: 'pending_approval' })
  const twice = await approve('ann', ['finance', 'head'])
  assert.deepEqual(twice, { status: 'refused', code: 'approved_already' })
  const second = await approve('hal', ['head'])
  assert.deepEqual(second, { status: 'accepted', state: 'dispatched' })
  await world.reaches(id, 'succeeded')
})

test('whom an escalation names counts once its time is over, and not before', async (t) => {
  const escalating = '{ roles = ["finance"], escalate = { after = "5m", roles = ["head"] } }'
  const { world, id, approve } = await asked(t, asking(escalating))
  const early = await approve('hal', ['head'])
  assert.deepEqual(early, { status: 'refused', code: 'role_missing' })
  world.clock.advance(5 * MINUTE_MS)
  const later = await approve('hal', ['head'])
  assert.deepEqual(later, { status: 'accepted', state: 'dispatched' })
  await world.reaches(id, 'succeeded')
})

test('what a rule lets pass with an undo window waits it out, in sight of people, and then runs', async (t) => {
  const { world, id } = await asked(t, allowing)
  const request = world.host.request(id)
  const { state } = await world.record(id)
  assert.ok(state.kind === 'scheduled')
  assert.equal(request.decide_by, state.not_before)
  assert.equal(request.decision.effect, 'allow')
  assert.deepEqual(world.executor.invocations, [])
  world.clock.advance(9 * MINUTE_MS)
  await world.idle(200)
  assert.deepEqual(world.executor.invocations, [])
  world.clock.advance(MINUTE_MS)
  await world.reaches(id, 'succeeded')
  assert.equal(world.executor.invocations.length, 1)
})

test('an approver who stops it inside the window keeps it from running, and that is on record', async (t) => {
  const { world, id, deny } = await asked(t, allowing)
  const stopped = await deny('ann', 'not this one')
  assert.deepEqual(stopped, { status: 'accepted', state: 'cancelled' })
  const again = await deny('ann', 'not this one')
  assert.deepEqual(again, { status: 'accepted', state: 'cancelled' })
  world.clock.advance(20 * MINUTE_MS)
  await world.idle(200)
  assert.deepEqual(world.executor.invocations, [])
  const { state } = await world.record(id)
  assert.deepEqual(state, {
    kind: 'cancelled',
    since: state.since,
    by: 'ann',
    stopped_for: 'not this one',
  })
})

test('what was approved waits out the window too, and a no that comes later is refused', async (t) => {
  const { world, id, approve, deny } = await asked(
    t,
    asking('{ roles = ["finance"] }', 'undo = "2m"'),
  )
  const approved = await approve('ann', ['finance'])
  assert.deepEqual(approved, { status: 'accepted', state: 'scheduled' })
  world.clock.advance(2 * MINUTE_MS)
  await world.reaches(id, 'succeeded')
  assert.deepEqual(await deny('ben'), { status: 'refused', code: 'not_pending' })
})

test('a gateway that starts inside the window takes it up where it was', async (t) => {
  const { world, id, gateway } = await asked(t, allowing)
  world.clock.advance(4 * MINUTE_MS)
  const before = world.host.requests.length
  world.kill(gateway)
  await world.gateway()
  await world.until('the host to be told once more', () => world.host.requests.length > before)
  assert.deepEqual(world.executor.invocations, [])
  world.clock.advance(6 * MINUTE_MS)
  await world.reaches(id, 'succeeded')
})
