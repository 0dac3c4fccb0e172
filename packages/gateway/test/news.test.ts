import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { ManualClock } from '@trustgw/runtime'
import type { ActionRecord } from '../src/action/action-record.ts'
import type { StoredAction } from '../src/action/action-store.ts'
import { News } from '../src/action/news.ts'
import { NOW } from './support/keys.ts'
import { World } from './support/world.ts'

/** One stored action in a few revisions, and portals that take their time. */
async function telling(world: World): Promise<{
  readonly news: News
  readonly clock: ManualClock
  readonly told: number[]
  readonly at: (revision: number) => StoredAction
  readonly answer: () => Promise<void>
}> {
  const gateway = await world.gateway()
  const { action_id } = await world.accepted(
    gateway,
    'files.read',
    { path: 'a' },
    { holdMs: 4_000 },
  )
  const record: ActionRecord = await world.record(action_id)
  const clock = new ManualClock(NOW)
  const told: number[] = []
  const open: (() => void)[] = []
  const news = new News(({ revision }) => {
    told.push(revision)
    return new Promise((resolve) => open.push(resolve))
  }, clock)
  const answer = async (): Promise<void> => {
    open.shift()?.()
    await pause(1)
  }
  return { news, clock, told, at: (revision) => ({ record, revision }), answer }
}

test('while news is on its way, only the latest of what follows is told, and the last one always', async (t) => {
  const { news, clock, told, at, answer } = await telling(await World.open(t))
  const id = at(1).record.proposal.action_id
  const first = news.tell(at(1))
  clock.advance(100)
  await pause(1)
  assert.deepEqual(told, [1])
  const rest = [2, 4, 3].map((revision) => news.tell(at(revision)))
  let over = false
  const end = news.told(id).then(() => {
    over = true
  })
  await answer()
  assert.deepEqual([told, over], [[1, 4], false], 'the end is not told yet')
  await answer()
  await Promise.all([first, ...rest, end])
  assert.deepEqual(told, [1, 4])
  await news.told(id)
})

test('changes within a moment are told as one', async (t) => {
  const { news, clock, told, at, answer } = await telling(await World.open(t))
  const all = [1, 2].map((revision) => news.tell(at(revision)))
  await pause(1)
  assert.deepEqual(told, [])
  clock.advance(100)
  await pause(1)
  await answer()
  await Promise.all(all)
  assert.deepEqual(told, [2])
})

test('an action is closed only when its end was told', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const view = await world.accepted(gateway, 'shop.wipe', {})
  assert.equal(view.status, 'denied')
  assert.equal(await world.openActions(), 1)
  await world.until('the end to be closed', async () => (await world.openActions()) === 0)
  const ui = world.links.reader({ home: 'data', stream: 'UI' })
  assert.match(String(Buffer.from((await ui.getLast('ui.v1.acme.events'))?.data ?? [])), /denied/)
})
