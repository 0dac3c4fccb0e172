import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusFault } from '@trustgw/runtime'
import { POLICY } from './support/keys.ts'
import { agentRecord, apiKey, policyOf, World } from './support/world.ts'

const OTHER = agentRecord({ key_id: 'bbbbbbbbbbbbbbbb', agent: 'other' })

/** One counter for the whole tenant. */
const SHARED = `${POLICY}
[[limits]]
id = "shared"
match = { tool = ["files.*"] }
key = ["tenant"]
window = "1h"
max_count = 2
on_exceed = "deny"
`

test('an agent uses up a counter that it shares, and another agent is refused', async (t) => {
  const world = await World.open(t)
  await world.enlist(OTHER)
  world.policy = policyOf(SHARED)
  const gateway = await world.gateway()
  const read = async (path: string, key?: string): Promise<string> => {
    const caller = world.caller(gateway, key ?? apiKey(agentRecord()))
    const view = await world.accepted(gateway, 'files.read', { path }, { holdMs: 50, caller })
    return view.status
  }
  assert.equal(await read('1'), 'succeeded')
  assert.equal(await read('2'), 'succeeded')
  assert.equal(await read('3', apiKey(OTHER)), 'denied')
})

test('once the store of actions is full a new call is refused, and nothing of it runs', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const path = { path: 'x' }
  world.onStore = () => {
    throw new BusFault('store_refused', 'maximum bytes exceeded')
  }
  const outcome = await world.propose(gateway, 'files.read', path)
  assert.deepEqual([outcome.ok, !outcome.ok && outcome.reason], [false, 'unavailable'])
  assert.deepEqual(world.executor.invocations, [])
  world.onStore = () => undefined
  const later = await world.accepted(gateway, 'files.read', path, { holdMs: 50 })
  assert.equal(later.status, 'succeeded')
})
