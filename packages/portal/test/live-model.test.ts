import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { eventOf, REFUND, requestOf } from '@trustgw/testkit/approval-requests'
import fc from 'fast-check'
import { loadForBrowser } from './double/build-page.ts'
import type { LiveEnd, LiveFixtures, LiveStep, PlayLive } from './double/live-step.ts'

const NOW = 1_750_000_000_000
const ACTIONS = 12
const MANY_BOUNDS = [
  { listed: 4, kept: 6 },
  { listed: 6, kept: 4 },
  { listed: 100, kept: 100 },
]

const requests = Array.from({ length: ACTIONS }, (_, number) =>
  requestOf({ number, tool: REFUND, now: NOW, input: { amount: '1.00' } }),
)
const requestAt = (action: number) => requests[action % ACTIONS] as (typeof requests)[number]
const fixtures: LiveFixtures = {
  request: requestAt,
  event: (action, waits, revision) =>
    eventOf(requestAt(action), waits ? 'pending_approval' : 'succeeded', revision, {
      at: NOW + revision,
    }),
}

const which = fc.nat({ max: 5 })
const change: fc.Arbitrary<LiveStep> = fc.record({
  kind: fc.constant('change' as const),
  action: fc.nat({ max: ACTIONS - 1 }),
  waits: fc.boolean(),
})
const step: fc.Arbitrary<LiveStep> = fc.oneof(
  { weight: 5, arbitrary: change },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('deliver' as const), which, again: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('compute' as const), which }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      which,
      lost: fc.nat({ max: 5 }).map((one) => one === 0),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('connect' as const),
      fails: fc.nat({ max: 3 }).map((one) => one === 0),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom<LiveStep>({ kind: 'cut' }, { kind: 'sleep' }) },
  { weight: 1, arbitrary: fc.constant<LiveStep>({ kind: 'look' }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(20, 300, 5_000).map((ms): LiveStep => ({ kind: 'time', ms })),
  },
)

/** Each action of the window once, at its newest, newest first; and a word where some are left out. */
function assertSame(end: LiveEnd, least: number): void {
  const stored = [...end.stored].sort((a, b) => b.revision - a.revision)
  assert.ok(end.live)
  assert.deepEqual(end.shown, stored.slice(0, end.shown.length), 'a window without holes')
  assert.ok(end.shown.length >= Math.min(least, stored.length), 'as long as it can be')
  assert.equal(end.saysCut, end.shown.length < stored.length, 'says what it leaves out')
  assert.deepEqual([...end.shownPending].sort(), [...end.pending].sort(), 'what waits')
  assert.equal(new Set(end.notes).size, end.notes.length, 'one notification for each request')
}

describe('the live feed against whatever the link does', () => {
  let play: PlayLive
  before(async () => {
    const world = await loadForBrowser<{ readonly playLive: PlayLive }>('live-world.ts')
    play = world.playLive
  })

  it('ends after the last reconnection with what the server has, once each and in order', async () => {
    const story = fc.array(step, { maxLength: 60, size: 'max' })
    const bounds = fc.constantFrom(...MANY_BOUNDS)
    await fc.assert(
      fc.asyncProperty(story, bounds, async (steps, limits) => {
        const end = await play(steps, limits, fixtures)
        assertSame(end, Math.min(limits.listed, limits.kept))
      }),
      { seed: 20_250_615, numRuns: 250 },
    )
  })
})
