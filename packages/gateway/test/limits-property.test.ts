import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusFault } from '@trustgw/runtime'
import fc from 'fast-check'
import type { ActionRecord } from '../src/action/action-record.ts'
import type { Decider } from '../src/decide/decider.ts'
import { type End, type Euros, LedgerWorld, type Schedule } from './support/ledger-world.ts'
import { policyOf } from './support/world.ts'

const WINDOW_MS = 600_000
const MAX_COUNT = 3
const MAX_EUROS = 10

/** Two limits over the same calls, by number and by sum. */
function policy(effect: string, onExceed: string): ReturnType<typeof policyOf> {
  return policyOf(`
version = 1
[[rules]]
id = "pay"
priority = 1
effect = ${effect}
reason = "Payments"
[rules.match]
tool = ["shop.pay"]
[[limits]]
id = "count"
match = { tool = ["shop.*"] }
key = ["tenant", "agent"]
window = "10m"
max_count = ${MAX_COUNT}
on_exceed = ${onExceed}
[[limits]]
id = "sum"
match = { tool = ["shop.*"] }
key = ["tenant"]
window = "10m"
max_amount = "${MAX_EUROS}.00 EUR"
on_exceed = ${onExceed}
`)
}

interface Job {
  readonly euros: Euros
  /** How often it is decided anew where its contract changes. */
  readonly decisions: number
  readonly waitMs: number
  readonly end: End
  /** Where the gateway dies, if it does. */
  readonly dies: 'never' | 'before_storing' | 'before_end' | 'before_settling'
  /** Requests that reach the store before the gateway is cut off, for this job. */
  readonly requests: number
}

const job: fc.Arbitrary<Job> = fc.record({
  euros: fc.record({
    first: fc.integer({ min: 0, max: 6 }),
    later: fc.option(fc.integer({ min: 0, max: 9 })),
  }),
  decisions: fc.integer({ min: 1, max: 3 }),
  waitMs: fc.constantFrom(0, 0, 10_000, 61_000, 300_000, 599_999, 600_000),
  end: fc.constantFrom<End>('succeeded', 'failed', 'needs_human', 'denied', 'expired', 'refused'),
  dies: fc.constantFrom('never', 'never', 'before_storing', 'before_end', 'before_settling'),
  requests: fc.constantFrom(1_000, 1_000, 1, 2, 3, 4, 5),
})
const gateways = fc.array(fc.array(job, { minLength: 1, maxLength: 6 }), {
  minLength: 2,
  maxLength: 3,
})

interface Gateway {
  readonly decider: Decider
  readonly line: { left: number }
  /** Whether people approve what waits for them. */
  readonly approves: boolean
}

const isOpen = ({ state }: ActionRecord): boolean => state.kind === 'proposed'

async function work(
  world: LedgerWorld,
  { decider, line, approves }: Gateway,
  jobs: readonly Job[],
): Promise<void> {
  for (const { euros, decisions, waitMs, end, dies, requests } of jobs) {
    world.now += waitMs
    line.left = requests
    try {
      let record = await world.propose(decider, euros, dies === 'before_storing')
      if (record === undefined) continue
      for (let left = decisions; euros.later !== null && isOpen(record) && left > 0; left -= 1)
        record = await world.redecide(decider, record, left === 1)
      if (isOpen(record) && approves) record = await world.release(decider, record)
      if (dies !== 'before_end') await world.end(decider, record, end, dies === 'never')
    } catch (error) {
      assert.ok(error instanceof BusFault)
    }
  }
}

/** The most that ran, or may have, within one window. */
function most(world: LedgerWorld): { readonly count: number; readonly euros: number } {
  const windows = world.granted.map(({ at: end }) =>
    world.granted.filter(({ at, ran }) => ran && at <= end && end - at < WINDOW_MS),
  )
  return {
    count: Math.max(0, ...windows.map((granted) => granted.length)),
    euros: Math.max(
      0,
      ...windows.map((granted) => granted.reduce((sum, { euros }) => sum + euros, 0)),
    ),
  }
}

const FORMS = [
  ['let in at once', '"allow"', '"deny"'],
  ['approved by people', '"require_approval"\ntier = 1', '"deny"'],
  ['let in at once, the rest asked for', '"allow"', '"require_approval"\ntier = 1'],
] as const

for (const [how, effect, onExceed] of FORMS) {
  test(`[INV-37] limits never let more through than their number, under any interleaving of gateways: ${how}`, async () => {
    const inForce = policy(effect, onExceed)
    const asks = onExceed.includes('require_approval')
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), gateways, async (scheduler, scripts) => {
        const schedule: Schedule = (task) => scheduler.schedule(Promise.resolve()).then(task)
        const world = new LedgerWorld(schedule)
        const all = scripts.map((jobs, at) => {
          const line = { left: 0 }
          const decider = world.decider(`g${at}`, inForce, line)
          return work(world, { decider, line, approves: !asks }, jobs)
        })
        await scheduler.waitFor(Promise.all(all))
        const { count, euros } = most(world)
        assert.ok(count <= MAX_COUNT, `${count} ran within one window`)
        assert.ok(euros <= MAX_EUROS, `${euros} EUR ran within one window`)
      }),
      { numRuns: 150 },
    )
  })
}
