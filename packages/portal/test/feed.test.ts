import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { eventOf, REFUND, requestOf } from '@trustgw/testkit/approval-requests'
import fc from 'fast-check'
import {
  addRequests,
  EMPTY_FEED,
  type Feed,
  filterEvents,
  mergeEvents,
  mergeSnapshot,
  missingRequests,
  NO_FILTER,
  pendingRequests,
} from '../src/logic/feed.ts'

const NOW = 1_750_000_000_000
const request = requestOf({ number: 1, tool: REFUND, now: NOW, input: { amount: '1.00' } })
const other = requestOf({ number: 2, tool: REFUND, now: NOW, input: {}, leftS: 10 })
const waiting = eventOf(request, 'pending_approval', 5)
const denied = eventOf(request, 'denied', 6)

describe('the feed', () => {
  it('keeps the highest revision of an action in whatever order events arrive', () => {
    const states = ['proposed', 'pending_approval', 'authorized', 'executing', 'succeeded'] as const
    const events = states.map((state, index) => eventOf(request, state, index + 1))
    fc.assert(
      fc.property(fc.shuffledSubarray([...events, ...events], { minLength: 1 }), (arrived) => {
        const merged = arrived.reduce((feed: Feed, event) => mergeEvents(feed, [event]), EMPTY_FEED)
        const highest = Math.max(...arrived.map(({ revision }) => revision))
        assert.equal(merged.events.size, 1)
        assert.equal(merged.events.get(request.action_id)?.revision, highest)
      }),
    )
  })

  it('gives the same feed back when an event tells nothing new', () => {
    const feed = mergeEvents(EMPTY_FEED, [denied])
    assert.equal(mergeEvents(feed, [waiting, denied]), feed)
  })

  it('does not bring a decided action back by a late snapshot', () => {
    const feed = mergeEvents(addRequests(EMPTY_FEED, [request]), [denied])
    const late = { actions: [waiting], whole: true, approvals: [request] }
    assert.deepEqual(pendingRequests(mergeSnapshot(feed, late, new Set())), [])
  })

  it('drops a request that ended out of sight', () => {
    const feed = addRequests(EMPTY_FEED, [request])
    const snapshot = { actions: [], whole: true, approvals: [other] }
    const merged = mergeSnapshot(feed, snapshot, new Set([request.action_id]))
    assert.deepEqual(pendingRequests(merged), [other])
  })

  it('keeps a request that arrived while the snapshot was fetched', () => {
    const feed = addRequests(EMPTY_FEED, [request])
    const merged = mergeSnapshot(feed, { actions: [], whole: true, approvals: [] }, new Set())
    assert.deepEqual(pendingRequests(merged), [request])
  })

  it('lets go of what a snapshot does not reach back to, and says from where on it knows', () => {
    const numbered = (number: number, revision: number) =>
      eventOf(requestOf({ number, tool: REFUND, now: NOW, input: {} }), 'succeeded', revision)
    const shot = (...actions: ReturnType<typeof numbered>[]) => ({
      actions,
      whole: false,
      approvals: [],
    })
    const first = mergeSnapshot(EMPTY_FEED, shot(numbered(1, 5), numbered(2, 6)), new Set())
    const touching = mergeSnapshot(first, shot(numbered(2, 6), numbered(3, 7)), new Set())
    assert.deepEqual([touching.events.size, touching.from], [3, 5])
    const later = mergeSnapshot(touching, shot(numbered(3, 20), numbered(4, 21)), new Set())
    assert.deepEqual([later.events.size, later.from], [2, 20])
    const overtaken = mergeSnapshot(later, shot(numbered(1, 5), numbered(2, 6)), new Set())
    assert.equal(overtaken, later)
    assert.equal(mergeEvents(later, [numbered(1, 19)]), later)
    const whole = { ...shot(numbered(4, 21), numbered(3, 20), numbered(1, 5)), whole: true }
    const all = mergeSnapshot(later, whole, new Set())
    assert.deepEqual([all.events.size, all.from], [3, 0])
  })

  it('keeps the request of a decided action, so that its card can show the end', () => {
    const feed = mergeEvents(addRequests(EMPTY_FEED, [request]), [denied])
    assert.ok(feed.requests.has(request.action_id))
  })

  it('lists what waits by the nearest deadline', () => {
    const feed = addRequests(EMPTY_FEED, [request, other])
    assert.deepEqual(pendingRequests(feed), [other, request])
  })

  it('names the requests that it has to fetch', () => {
    const feed = mergeEvents(EMPTY_FEED, [waiting])
    assert.deepEqual(missingRequests(feed), [request.action_id])
    assert.deepEqual(missingRequests(addRequests(feed, [request])), [])
  })

  it('filters by state, agent and tool', () => {
    const feed = mergeEvents(EMPTY_FEED, [denied, eventOf(other, 'succeeded', 9)])
    assert.equal(filterEvents(feed, NO_FILTER).length, 2)
    assert.deepEqual(filterEvents(feed, { ...NO_FILTER, state: 'denied' }), [denied])
    assert.deepEqual(filterEvents(feed, { ...NO_FILTER, agent: 'nobody' }), [])
  })
})
