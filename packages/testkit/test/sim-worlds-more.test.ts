import assert from 'node:assert/strict'
import { it } from 'node:test'
import { runWorlds } from '../src/sim/many-worlds.ts'

it('every invariant holds in worlds 100 to 199', async () => {
  const tally = await runWorlds({ from: 100, worlds: 100 })
  assert.deepEqual(tally.failures, [])
  assert.equal(tally.worlds, 100)
  // Otherwise nothing was tried.
  for (const count of [tally.effects, tally.deaths, tally.accepted]) assert.ok(count > 100)
})
