import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { reconnectDelayMs } from '../src/logic/back-off.ts'

describe('reconnect back-off', () => {
  it('doubles from 1 s to 32 s and stays there', () => {
    const delays = [0, 1, 2, 3, 4, 5, 6, 50].map((attempt) => reconnectDelayMs(attempt, 0))
    assert.deepEqual(
      delays,
      [1, 2, 4, 8, 16, 32, 32, 32].map((seconds) => seconds * 1_000),
    )
  })

  it('is shortened by chance by at most a quarter', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, chance) => {
        const longest = reconnectDelayMs(attempt, 0)
        const delay = reconnectDelayMs(attempt, chance)
        assert.ok(delay <= longest && delay >= longest * 0.75)
      }),
    )
  })
})
