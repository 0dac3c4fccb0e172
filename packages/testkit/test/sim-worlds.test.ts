import assert from 'node:assert/strict'
import { it } from 'node:test'
import { runWorldsEverywhere } from '../src/sim/many-worlds.ts'

// In processes of their own, as `npm run sim` does it: under the test runner a world takes half as long again.
it('every invariant holds in worlds 0 to 199', async () => {
  const tally = await runWorldsEverywhere({ from: 0, worlds: 200 }, () => undefined)
  assert.deepEqual(tally.failures, [])
  assert.equal(tally.worlds, 200)
  // Otherwise nothing was tried.
  for (const count of [tally.effects, tally.deaths, tally.accepted]) assert.ok(count > 200)
})
