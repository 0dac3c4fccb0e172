import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  canonicalize,
  contractJson,
  type JsonObject,
  storedKey,
  type ToolContract,
  utf8Encode,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { type AttackWorld, openAttackWorld } from '../src/attack-world.ts'
import { AgentOnBus } from '../src/attacks-agent.ts'
import { type Deciding, hostApproval, signApproval } from '../src/attacks-gateway.ts'
import { reasonOf } from '../src/attacks-grant.ts'
import { namedKey } from '../src/key-sets.ts'
import { until } from '../src/process-table.ts'
import { paidRefunds } from '../src/shop-view.ts'
import { SoftwareAuthenticator } from '../src/software-authenticator.ts'
import type { RunningSystem } from '../src/system.ts'
import { TakenOver } from '../src/taken-over.ts'
import {
  findingsOf,
  opened,
  ORDER,
  partiesSystem,
  pendingId,
  propose,
  recorded,
  refundOf,
  toolsOf,
} from './parties-support.ts'

const NOTE: JsonObject = {
  entities: [{ name: 'a', entityType: 'note', observations: [] }],
}

/** The gateway's own keys and place on the bus in other hands, the genuine one beside it. */
describe('a gateway that is taken over', () => {
  let system: RunningSystem
  let world: AttackWorld
  let tool: (id: string) => ToolContract
  let read: string
  before(async () => {
    system = await partiesSystem()
    const refundAction = await pendingId(system, refundOf('250.00'))
    const done = await propose(system, 'shop.get_order', { order_id: ORDER }, 10_000)
    assert.equal(done.body['status'], 'succeeded', done.text)
    read = String(done.body['action_id'])
    // What passes unchanged, so that each refusal below has one cause.
    world = await openAttackWorld(system, { refundAction, readAction: read }, () => [])
    tool = await toolsOf(system)
  })
  after(async () => {
    await world?.gateway.close()
    await system?.remove()
  })

  /** Decides like the refund of the control; nothing but the change is false. */
  const decide = (contract: ToolContract, args: JsonObject, change: Partial<Deciding> = {}) =>
    world.gateway.decide(world.refundDecision, args, { tool: contract, ...change })
  const paidAmounts = async () => (await paidRefunds(system)).map((one) => one.amount_minor)

  test('alone it reaches what policy allows under facts of its choice, and nothing else', async () => {
    const notes = tool('memory.create_entities')
    const chosen = await decide(notes, NOTE, { facts: { source: 'cron' } })
    assert.equal(chosen.decision.effect, 'allow')
    assert.equal(reasonOf(await world.gateway.send(world.gateway.granted(chosen, notes))), 'admitted')
    const honest = await decide(notes, NOTE)
    const denied = world.gateway.granted(honest, notes)
    assert.equal(reasonOf(await world.gateway.send(denied)), 'decision_forbids')
    const removal = tool('memory.delete_entities')
    for (const source of ['cron', 'mcp', 'peer', null] as const) {
      const args = { entityNames: ['a'] }
      const claim = { effect: 'allow', tier: 0 } as const
      const claimed = await decide(removal, args, { facts: { source }, claim })
      const answer = await world.gateway.send(world.gateway.granted(claimed, removal))
      assert.equal(reasonOf(answer), 'decision_differs', String(source))
    }
  })
})
