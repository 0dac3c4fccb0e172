import type { ActionEvent, ApprovalRequest } from '@trustgw/protocol'

/** What may happen between a portal and its server; numbers choose among what is there, modulo. */
export type LiveStep =
  /** The server stores a change of an action and tells every connection. */
  | { readonly kind: 'change'; readonly action: number; readonly waits: boolean }
  /** A message arrives, not always the oldest; `again`: it will come once more. */
  | { readonly kind: 'deliver'; readonly which: number; readonly again: boolean }
  /** The server computes an answer; it travels from now on. */
  | { readonly kind: 'compute'; readonly which: number }
  /** An answer arrives, or is lost. */
  | { readonly kind: 'answer'; readonly which: number; readonly lost: boolean }
  /** An attempt to connect succeeds or fails. */
  | { readonly kind: 'connect'; readonly fails: boolean }
  /** The connection ends, and what was on its way is lost. */
  | { readonly kind: 'cut' }
  /** The machine sleeps: the socket is dead and does not say so, and no timer runs. */
  | { readonly kind: 'sleep' }
  | { readonly kind: 'look' }
  | { readonly kind: 'time'; readonly ms: number }

export interface LiveBounds {
  /** Actions in one snapshot of the server. */
  readonly listed: number
  /** Actions that the portal keeps. */
  readonly kept: number
}

/** Both sides after the last reconnection. */
export interface LiveEnd {
  /** Newest event of each action at the server. */
  readonly stored: readonly ActionEvent[]
  /** As the page lists them. */
  readonly shown: readonly ActionEvent[]
  readonly saysCut: boolean
  readonly pending: readonly string[]
  readonly shownPending: readonly string[]
  /** Tags of the notifications shown, in order. */
  readonly notes: readonly string[]
  readonly live: boolean
}

/** Fixtures made by the test: the request of an action, and its event at a revision. */
export interface LiveFixtures {
  readonly request: (action: number) => ApprovalRequest
  readonly event: (action: number, waits: boolean, revision: number) => ActionEvent
}

export type PlayLive = (
  steps: readonly LiveStep[],
  bounds: LiveBounds,
  fixtures: LiveFixtures,
) => Promise<LiveEnd>
