import type { Agents } from './agents.ts'
import type { Party } from './body.ts'
import type { Operator } from './freezing.ts'
import type { People } from './people.ts'
import type { Process, Room } from './processes.ts'
import type { Shop } from './shop.ts'

/** Everything of one world. */
export interface World {
  readonly room: Room
  readonly shop: Shop
  readonly agents: Agents
  readonly people: People
  readonly operator: Operator
  readonly processes: readonly Process<Party>[]
  /** When each epoch of policy was published, by epoch from 1 on. */
  readonly published: number[]
  /** Whether all clocks stay as near to each other as spec/protocol.md §4 asks. */
  readonly clocksAgree: boolean
}
