import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seedOf } from '../src/sim/many-worlds.ts'
import { runWorld } from '../src/sim/world.ts'

describe('a simulated world', () => {
  it('happens the same way again from its seed, event by event', async () => {
    for (const number of [3, 5, 8, 13, 21]) {
      const seed = seedOf(number)
      const first = await runWorld(seed, { trace: true })
      const second = await runWorld(seed, { trace: true })
      assert.deepEqual(second.lines, first.lines)
      assert.equal(second.digest, first.digest)
      const quiet = await runWorld(seed)
      assert.equal(quiet.digest, first.digest)
      assert.ok(first.events > 100, 'something happened')
    }
  })

  it('happens another way from another seed', async () => {
    const seen = new Set<string>()
    for (const number of [1, 2, 3, 4]) seen.add((await runWorld(seedOf(number))).digest)
    assert.equal(seen.size, 4)
  })
})
