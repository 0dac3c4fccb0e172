import assert from 'node:assert/strict'
import { test } from 'node:test'
import { actionId } from '@trustgw/protocol'
import { ManualClock, nodeRandom, silentLogger } from '@trustgw/runtime'
import type { StoredAction } from '../src/action/action-store.ts'
import { Caretaker } from '../src/action/caretaker.ts'
import { ACME, NOW } from './support/keys.ts'
import { World } from './support/world.ts'

const READ = { path: 'a' }

/** A clock that can be set, as a machine's can; timers go on as they were. */
class SetClock extends ManualClock {
  offset = 0
  override now(): number {
    return super.now() + this.offset
  }
}

function watched(clock: ManualClock): { care: Caretaker; rung: string[] } {
  const rung: string[] = []
  const ring = (what: string) => (): Promise<void> => {
    rung.push(what)
    return Promise.resolve()
  }
  const care = new Caretaker({
    clock,
    log: silentLogger,
    tick: ring('tick'),
    resume: ring('resume'),
    takeUp: ring('take up'),
  })
  return { care, rung }
}

test('an attempt that failed is made again although the action came to its end meanwhile', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const { action_id: id } = await world.accepted(gateway, 'files.read', READ, { holdMs: 3_000 })
  const record = await world.record(id)
  assert.equal(record.state.kind, 'succeeded')
  const clock = new ManualClock(NOW)
  const { care, rung } = watched(clock)
  care.later(ACME, id)
  care.alarm({ record, revision: 1 })
  clock.advance(5_000)
  assert.deepEqual(rung, ['take up'])
  await care.stop()
})

test('an alarm that rings early because the clock was set back rings again in time', async () => {
  const clock = new SetClock(NOW)
  const { care, rung } = watched(clock)
  const stored = {
    revision: 1,
    record: {
      proposal: { tenant: ACME, action_id: actionId(nodeRandom.bytes(16)) },
      state: { kind: 'executing', result_by: NOW + 10_000 },
    },
  }
  care.alarm(stored as unknown as StoredAction)
  clock.offset = -60_000
  clock.advance(10_001)
  assert.deepEqual(rung, [])
  clock.advance(60_000)
  assert.deepEqual(rung, ['tick'])
  await care.stop()
})
