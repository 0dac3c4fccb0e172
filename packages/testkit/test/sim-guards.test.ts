import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Invariant } from '../src/sim/findings.ts'
import type { Sabotage } from '../src/sim/sabotage.ts'
import { runWorld } from '../src/sim/world.ts'
import {
  actionsThatAreNotStored,
  auditWithout,
  claimsThatAlwaysSucceed,
  connectorThatLies,
  connectorThatReadsOnce,
  executorsThatCheckNothing,
  executorsThatDoMore,
  executorsWithAnotherSecret,
  gatewaysThatAllowAll,
  gatewaysThatDropPeople,
  gatewaysThatHearNoFreeze,
  gatewaysThatTakeItThatNothingRan,
  noOpenEntries,
} from './sim-broken-parts.ts'

/**
 * Worlds that a removed guard has to show in at least one of. Any change of the real code draws other
 * worlds: a row of `from` that no longer fits costs time, and seldom more.
 */
const WORLDS_MAX = 300
/**
 * With a guard removed some actions never end, and a world would wait 45 minutes for them. Approvals,
 * undo windows and grants live for less than two minutes together, so that effects come within this.
 */
const SHORT_REST = { restMs: 5 * 60_000 }
const REST: Invariant = 'everything accepted comes to rest'

interface Removed {
  readonly guard: string
  readonly sabotage: Sabotage
  readonly seen: Invariant
  /** A world that showed it, to begin with. */
  readonly from?: number
}

const REMOVED: readonly Removed[] = [
  {
    guard: 'claims are insert-only',
    sabotage: claimsThatAlwaysSucceed,
    seen: 'one effect at most',
    from: 35,
  },
  {
    guard: 'executors check grants',
    sabotage: executorsThatDoMore,
    seen: 'no effect without its grant',
    from: 6,
  },
  {
    guard: 'executors decide again',
    sabotage: { ...gatewaysThatAllowAll, ...executorsThatCheckNothing },
    seen: 'no effect outside policy',
    from: 3,
  },
  {
    guard: 'executors look at freezes',
    sabotage: { ...gatewaysThatHearNoFreeze, ...executorsThatCheckNothing },
    seen: 'nothing frozen starts',
    from: 39,
  },
  {
    guard: 'executors read a precondition again',
    sabotage: connectorThatReadsOnce,
    seen: 'nothing runs on what changed',
    from: 13,
  },
  {
    guard: 'executors check approvals',
    sabotage: { ...gatewaysThatDropPeople, ...executorsThatCheckNothing },
    seen: 'no effect without its people',
    from: 6,
  },
  {
    guard: 'executors claim',
    sabotage: executorsThatCheckNothing,
    seen: 'one effect at most',
    from: 6,
  },
  {
    guard: 'an action is stored before its grant is sent',
    sabotage: actionsThatAreNotStored,
    seen: 'everything accepted comes to rest',
    from: 6,
  },
  {
    guard: 'open actions are known after a restart',
    sabotage: noOpenEntries,
    seen: 'everything accepted comes to rest',
    from: 15,
  },
  {
    guard: 'what is told of an end is what happened',
    sabotage: connectorThatLies,
    seen: 'what is stored is what happened',
    from: 1,
  },
  {
    guard: 'what was sent ends by an executor’s word, not by time or a wish',
    sabotage: gatewaysThatTakeItThatNothingRan,
    seen: 'what is stored is what happened',
    from: 3,
  },
  {
    guard: 'a grant is recorded before it is sent',
    sabotage: auditWithout('gateway', 'grant_issued'),
    seen: 'everything is on record',
  },
  {
    guard: 'a start is recorded before the tool is entered',
    sabotage: auditWithout('executor', 'started'),
    seen: 'everything is on record',
  },
  {
    guard: 'secrets are taken out of answers',
    sabotage: executorsWithAnotherSecret,
    seen: 'no secret leaves',
  },
]

describe('a world with a guard removed', () => {
  for (const { guard, sabotage, seen, from = 0 } of REMOVED) {
    it(`without "${guard}" breaks "${seen}"`, async () => {
      const found = new Set<string>()
      const rest = seen === REST ? {} : SHORT_REST
      for (let index = 0; index < WORLDS_MAX && !found.has(seen); index += 1) {
        const { findings } = await runWorld(`guard ${from + index}`, { sabotage, ...rest })
        for (const { invariant } of findings) found.add(invariant)
      }
      assert.ok(found.has(seen), `only: ${[...found].join(', ')}`)
    })
  }

  it('with gateways that drop approvals nothing happens without people, for executors look at them', async () => {
    for (let index = 0; index < 6; index += 1) {
      const { findings } = await runWorld(`guard ${index}`, {
        sabotage: gatewaysThatDropPeople,
        ...SHORT_REST,
      })
      const wrong = findings.filter(({ invariant }) => invariant.startsWith('no '))
      assert.deepEqual(wrong, [])
    }
  })

  it('with gateways that allow everything nothing happens outside policy, for executors decide again', async () => {
    for (let index = 0; index < 6; index += 1) {
      const { findings } = await runWorld(`guard ${index}`, {
        sabotage: gatewaysThatAllowAll,
        ...SHORT_REST,
      })
      const wrong = findings.filter(({ invariant }) => invariant.startsWith('no '))
      assert.deepEqual(wrong, [])
    }
  })

  it('with gateways that hear of no freeze nothing frozen starts, for executors look at them', async () => {
    for (let index = 0; index < 12; index += 1) {
      const { findings } = await runWorld(`guard ${index}`, {
        sabotage: gatewaysThatHearNoFreeze,
        ...SHORT_REST,
      })
      const wrong = findings.filter(({ invariant }) => invariant.startsWith('nothing'))
      assert.deepEqual(wrong, [])
    }
  })
})
