import { REFUND } from '@trustgw/testkit/approval-requests'
import type { ListedKey } from '../../src/logic/agents.ts'
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

/** One that works, one that a freeze holds, and one that an admin registered a moment ago. */
export function storyAgents(now: number): readonly ListedKey[] {
  const own = { status: 'active', is_on_bus: false, by: 'operator', profiles: null } as const
  return [
    {
      ...own,
      key_id: 'kq3xw5t2m7dz4bfa',
      agent: 'support-bot',
      title: 'Support assistant',
      on_behalf_of: 'grace',
      created_at: now - 41 * DAY_MS,
    },
    {
      ...own,
      key_id: 'p4sj6qzn2vy7rmce',
      agent: 'research-bot',
      title: 'Research',
      on_behalf_of: null,
      created_at: now - 12 * DAY_MS,
    },
    {
      ...own,
      key_id: 'h2ufo5wq7x3kcbt6',
      agent: 'night-clerk',
      title: 'Night clerk',
      on_behalf_of: 'ada',
      created_at: now - 2 * MINUTE_MS,
      by: 'ada',
      profiles: ['connector'],
      roles: ['clerk'],
      limits: { until: now + 30 * DAY_MS, tools: ['shop.*'], calls_per_minute: 20 },
    },
  ]
}
