import type { Channel } from '@trustgw/protocol'
import type { ChatName, PersonRecord } from '../people/person.ts'
import type { SessionKind } from '../session/session-record.ts'

/**
 * Who decides, and where: a session of the portal or a terminal, the page that such a session opened on
 * the origin of approvals, or a linked account of a chat.
 */
export interface Decider {
  readonly kind: SessionKind | 'page' | ChatName
  readonly sid: string
  readonly person: PersonRecord
}

/** Through what a verdict of theirs is given. */
export function channelOf({ kind }: Decider): Channel {
  return kind === 'terminal' || kind === 'page' ? 'portal' : kind
}
