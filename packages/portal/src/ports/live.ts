import type { ActionEvent, UiChange } from '@trustgw/protocol'
import type { Session } from './shapes.ts'

/** One connection to the live feed. */
export interface LiveConnection {
  /** Resolves when the connection has ended, for whatever reason; never rejects. */
  readonly ended: Promise<void>
  readonly close: () => void
}

/** What comes over it, each at most once per connection. */
export interface LiveNews {
  readonly onEvent: (event: ActionEvent) => void
  /** A list at the host is another one now. */
  readonly onChange: (what: UiChange['what']) => void
}

/**
 * Opens a connection for a session and tells what could be read, in the order of arrival. Rejects when
 * it cannot connect. No memory: what was sent while nothing was connected is fetched as a snapshot.
 */
export interface LiveSource {
  readonly open: (bus: Session['bus'], news: LiveNews) => Promise<LiveConnection>
}
