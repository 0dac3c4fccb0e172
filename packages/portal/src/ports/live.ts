import type { ActionEvent } from '@trustgw/protocol'
import type { Session } from './shapes.ts'

/** One connection to the live feed. */
export interface LiveConnection {
  /** Resolves when the connection has ended, for whatever reason; never rejects. */
  readonly ended: Promise<void>
  readonly close: () => void
}

/**
 * Opens a connection for a session and calls `onEvent` with each event that could be read, in the
 * order of arrival, at most once per connection. Rejects when it cannot connect. No memory: what
 * was sent while nothing was connected is fetched as a snapshot.
 */
export interface LiveSource {
  readonly open: (
    bus: Session['bus'],
    onEvent: (event: ActionEvent) => void,
  ) => Promise<LiveConnection>
}
