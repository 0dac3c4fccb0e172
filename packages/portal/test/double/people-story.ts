import { REFUND } from '@trustgw/testkit/approval-requests'
import type { ListedFreeze } from '../../src/logic/freezes.ts'
import type { ListedPerson } from '../../src/logic/pinning.ts'
import { listedFreeze, listedPerson } from './people-double.ts'

const MINUTE_MS = 60_000
const DAY_MS: number = 24 * 60 * MINUTE_MS

/** A tool that somebody froze, and an agent before that. */
export function storyFreezes(now: number): readonly ListedFreeze[] {
  return [
    listedFreeze(
      { kind: 'agent', name: 'research-bot' },
      { by: 'operator', vouched: 'operator', reason: 'It reads mail', at: now - 95 * MINUTE_MS },
    ),
    listedFreeze(
      { kind: 'tool', name: REFUND.id },
      {
        by: 'grace',
        reason: 'Refunds to orders that were never paid, since noon',
        at: now - 4 * MINUTE_MS,
      },
    ),
  ]
}

export function storyPeople(now: number): readonly ListedPerson[] {
  const ada = { id: 'ada', name: 'Ada Lovelace', roles: ['approver', 'admin'] }
  const grace = { id: 'grace', name: 'Grace Hopper', roles: ['approver'] }
  const pin = { kind: 'pinned', by: 'ada', at: now - 40 * DAY_MS } as const
  return [
    listedPerson(grace, { created_at: now - 3 * MINUTE_MS, pin: null }),
    listedPerson(ada, { created_at: now - 41 * DAY_MS, pin }),
  ]
}
