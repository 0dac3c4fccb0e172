import type { ActionEvent, ApprovalRequest } from '@trustgw/protocol'

/** States in which a person has something to say. */
const WAITS: readonly string[] = ['pending_approval', 'scheduled']
/** Actions kept in memory; the ones that changed longest ago leave first. */
const EVENTS_MAX = 5_000

/**
 * What this browser knows of the tenant's actions. Revisions are positions in one log of all stored
 * changes. As of the last merged snapshot, every action whose newest revision is at least `from` is
 * here, and none other: the window has an end, and no holes.
 */
export interface Feed {
  /** Highest revision seen of each action. */
  readonly events: ReadonlyMap<string, ActionEvent>
  /** Actions that changed last before this revision are not here; 0 where none is left out. */
  readonly from: number
  /** Highest revision in a snapshot. What came live may have gaps above it, until the next one. */
  readonly to: number
  /** Actions kept at most. */
  readonly limit: number
  /** Requests seen, also decided ones, so that a card can show its own end. */
  readonly requests: ReadonlyMap<string, ApprovalRequest>
}

export const EMPTY_FEED: Feed = {
  events: new Map(),
  from: 0,
  to: -1,
  limit: EVENTS_MAX,
  requests: new Map(),
}

/** Keeps the highest revision of each action: nothing missed, nothing doubled, in any order. */
export function mergeEvents(feed: Feed, incoming: readonly ActionEvent[]): Feed {
  const newer = incoming.filter(
    (event) => event.revision > (feed.events.get(event.action_id)?.revision ?? feed.from - 1),
  )
  if (newer.length === 0) return feed
  const events = new Map(feed.events)
  for (const event of newer) {
    const known = events.get(event.action_id)
    if (known === undefined || event.revision > known.revision) events.set(event.action_id, event)
  }
  return withinLimit({ ...feed, events })
}

function withinLimit(feed: Feed): Feed {
  if (feed.events.size <= feed.limit) return feed
  const newestFirst = [...feed.events].sort(([, a], [, b]) => b.revision - a.revision)
  const from = (newestFirst[feed.limit]?.[1].revision ?? 0) + 1
  return { ...feed, events: new Map(newestFirst.slice(0, feed.limit)), from }
}

/** A request is immutable, so the first one seen of an action stays. */
export function addRequests(feed: Feed, incoming: readonly ApprovalRequest[]): Feed {
  const fresh = incoming.filter(({ action_id }) => !feed.requests.has(action_id))
  if (fresh.length === 0) return feed
  const requests = new Map(feed.requests)
  for (const request of fresh) requests.set(request.action_id, request)
  return { ...feed, requests }
}

export interface Snapshot {
  /** The actions that changed last. */
  readonly actions: readonly ActionEvent[]
  /** Whether no action is left out. */
  readonly whole: boolean
  readonly approvals: readonly ApprovalRequest[]
}

/**
 * Joins the window of a snapshot to the feed's own. Where more changed unseen than one snapshot holds,
 * the two do not touch: what changed last before the snapshot begins may be out of date, and leaves.
 */
function joinSnapshot(feed: Feed, { actions, whole }: Snapshot): Feed {
  const revisions = actions.map(({ revision }) => revision)
  const last = Math.max(-1, ...revisions)
  const first = whole ? 0 : Math.min(...revisions)
  const to = Math.max(feed.to, last)
  // One that was overtaken by later ones, and lies wholly before them.
  if (last < feed.from) return feed
  if (first <= feed.to) {
    return mergeEvents({ ...feed, from: Math.min(feed.from, first), to }, actions)
  }
  const kept = [...feed.events].filter(([, { revision }]) => revision >= first)
  return mergeEvents({ ...feed, events: new Map(kept), from: first, to }, actions)
}

/**
 * Merges a snapshot. `knownBefore`: the requests known when the fetch began; of these, one that the
 * snapshot no longer lists and no event tells the end of has ended out of sight and leaves.
 */
export function mergeSnapshot(
  feed: Feed,
  snapshot: Snapshot,
  knownBefore: ReadonlySet<string>,
): Feed {
  const merged = addRequests(joinSnapshot(feed, snapshot), snapshot.approvals)
  const listed = new Set<string>(snapshot.approvals.map(({ action_id }) => action_id))
  const gone = [...knownBefore].filter((id) => !listed.has(id) && isPending(merged, id))
  if (gone.length === 0) return merged
  const requests = new Map(merged.requests)
  for (const id of gone) requests.delete(id)
  return { ...merged, requests }
}

function isPending(feed: Feed, id: string): boolean {
  const state = feed.events.get(id)?.state
  // What runs by itself is listed before news of it came, too.
  if (state === undefined) return feed.requests.get(id)?.decision.tier !== 0
  return state === 'pending_approval'
}

/** Requests that wait for a person, the nearest deadline first. */
export function pendingRequests(feed: Feed): readonly ApprovalRequest[] {
  return [...feed.requests.values()]
    .filter(({ action_id }) => isPending(feed, action_id))
    .sort((a, b) => a.decide_by - b.decide_by || (a.action_id < b.action_id ? -1 : 1))
}

/** What runs by itself soon unless a person stops it, the nearest first. */
export function stoppableRequests(feed: Feed): readonly ApprovalRequest[] {
  const runsAt = ({ action_id, decide_by }: ApprovalRequest): number =>
    feed.events.get(action_id)?.decide_by ?? decide_by
  return [...feed.requests.values()]
    .filter(({ action_id }) => feed.events.get(action_id)?.state === 'scheduled')
    .sort((a, b) => runsAt(a) - runsAt(b) || (a.action_id < b.action_id ? -1 : 1))
}

/** Whether a person has something to say about it, as far as is known. */
export function isWaiting(feed: Feed, id: string): boolean {
  const state = feed.events.get(id)?.state
  return state === undefined || WAITS.includes(state)
}

/** Actions that wait for a person whose request has not been fetched yet. */
export function missingRequests(feed: Feed): readonly string[] {
  return [...feed.events.values()]
    .filter(({ action_id, state }) => WAITS.includes(state) && !feed.requests.has(action_id))
    .map(({ action_id }) => action_id)
}

export interface EventFilter {
  readonly state: string
  readonly agent: string
  readonly tool: string
}

export const NO_FILTER: EventFilter = { state: '', agent: '', tool: '' }

/** Newest first; an empty member of the filter matches all. */
export function filterEvents(feed: Feed, filter: EventFilter): readonly ActionEvent[] {
  return [...feed.events.values()]
    .filter(
      (event) =>
        (filter.state === '' || event.state === filter.state) &&
        (filter.agent === '' || event.agent === filter.agent) &&
        (filter.tool === '' || event.tool_id === filter.tool),
    )
    .sort((a, b) => b.at - a.at || b.revision - a.revision)
}
