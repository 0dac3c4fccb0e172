import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { compilePolicy, joinLayers, type LayerName, parsePolicy } from '@trustgw/core'
import type { ActionId, ApprovalDecisionAnswer } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { World } from './support/world.ts'

const asks = (role: string): string => `version = 1
[[rules]]
id = "${role}"
priority = 1
effect = "require_approval"
tier = 2
approvers = { roles = ["${role}"] }
match = { tool = ["shop.refund"] }
`

function layer(name: LayerName, text: string): ReturnType<typeof compilePolicy> {
  const parsed = parsePolicy(text, { file: 'policy.toml', layer: name })
  assert.ok(parsed.ok)
  return compilePolicy(parsed.value, sha256, { layer: name })
}

interface Asked {
  readonly world: World
  readonly id: ActionId
  readonly approve: (person: string, roles: readonly string[]) => Promise<ApprovalDecisionAnswer>
}

/** A refund under a platform that asks finance and a tenant that asks legal. */
async function asked(t: TestContext): Promise<Asked> {
  const world = await World.open(t)
  const layers = [layer('platform', asks('finance')), layer('tenant', asks('legal'))]
  const inForce = joinLayers(layers, sha256)
  world.policy = { epoch: 1, layersFor: () => inForce }
  const gateway = await world.gateway()
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', { amount: '50.00' })
  await world.until('the host to be asked', () =>
    world.host.requests.some(({ action_id }) => action_id === id),
  )
  const request = world.host.request(id)
  assert.deepEqual(request.decision.obligations.approvers, [
    { roles: ['finance'], quorum: 1 },
    { roles: ['legal'], quorum: 1 },
  ])
  return {
    world,
    id,
    approve: (person, roles) =>
      world.run(world.host.send(world.host.approval(request, { person, roles }))),
  }
}

test('what two layers ask of different roles runs when both have approved', async (t) => {
  const { world, id, approve } = await asked(t)
  const first = await approve('ann', ['finance'])
  assert.deepEqual(first, { status: 'accepted', state: 'pending_approval' })
  const same = await approve('cem', ['finance'])
  assert.deepEqual(same, { status: 'refused', code: 'approver_not_needed' })
  const stranger = await approve('dan', ['sales'])
  assert.deepEqual(stranger, { status: 'refused', code: 'role_missing' })
  await world.idle(200)
  assert.deepEqual(world.executor.invocations, [])
  const { state } = await world.record(id)
  assert.ok(state.kind === 'pending_approval')
  assert.deepEqual(
    state.evidence.map(({ approver, roles }) => [approver, roles]),
    [['ann', ['finance']]],
  )
  const second = await approve('ben', ['legal', 'sales'])
  assert.deepEqual(second, { status: 'accepted', state: 'dispatched' })
  await world.reaches(id, 'succeeded')
  assert.deepEqual(
    world.executor.last().action.approvals.map(({ approver }) => approver),
    ['ann', 'ben'],
  )
})

test('one person who has both roles meets both layers', async (t) => {
  const { world, id, approve } = await asked(t)
  const only = await approve('ann', ['legal', 'finance'])
  assert.deepEqual(only, { status: 'accepted', state: 'dispatched' })
  await world.reaches(id, 'succeeded')
  assert.equal(world.executor.last().claims.approvals.length, 1)
})
