import type { Channel } from '@trustgw/protocol'
import type { ChatName, PersonRecord } from '../people/person.ts'
import type { SessionKind } from '../session/session-record.ts'

/** Who decides, and where: a session of the portal or a terminal, or a linked account of a chat. */
export interface Decider {
  readonly kind: SessionKind | ChatName
  readonly sid: string
  readonly person: PersonRecord
}

/** Through what a verdict of theirs is given. */
export function channelOf({ kind }: Decider): Channel {
  return kind === 'terminal' ? 'portal' : kind
}
