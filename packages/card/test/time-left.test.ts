import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { ago, timeLeft } from '../src/time-left.ts'

describe('time left', () => {
  const span = { startMs: 0, endMs: 600_000 }

  it('counts down in clock form and in words', () => {
    const left = timeLeft(span, 355_000)
    assert.equal(left.clock, '4:05')
    assert.equal(left.spoken, '4 minutes 5 seconds left')
    assert.equal(timeLeft({ startMs: 0, endMs: 3_729_000 }, 0).clock, '1:02:09')
  })

  it('rounds up, so that it never says zero before the deadline', () => {
    assert.equal(timeLeft(span, 599_999).seconds, 1)
    assert.equal(timeLeft(span, 600_000).urgency, 'over')
  })

  it('grows urgent in words as the deadline nears', () => {
    const urgencies = [0, 540_000, 585_000, 600_000].map((now) => timeLeft(span, now).urgency)
    assert.deepEqual(urgencies, ['calm', 'soon', 'last', 'over'])
  })

  it('keeps its fraction between 0 and 1 whatever the clocks say', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), fc.integer(), (startMs, endMs, now) => {
        const { fraction, seconds } = timeLeft({ startMs, endMs }, now)
        assert.ok(fraction >= 0 && fraction <= 1 && seconds >= 0)
      }),
    )
  })

  it('tells how long ago something was', () => {
    const words = [-5_000, 0, 12_000, 240_000, 7_300_000, 200_000_000].map((age) => ago(0, age))
    assert.deepEqual(words, ['now', 'now', '12 s ago', '4 min ago', '2 h ago', '2 d ago'])
  })
})
