import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Approver } from '../src/chaos/approver.ts'
import { propose, type Seen, startRefundSystem, view } from '../src/chaos/refund-system.ts'
import { tailEvents } from '../src/demo/audit-check.ts'
import { pidOf, signal, until } from '../src/process-table.ts'
import { paidRefunds, setFault } from '../src/shop-view.ts'
import type { RunningSystem } from '../src/system.ts'
import { assertPaidOnce, endOf, worked } from './refund-checks.ts'

const CLEAN = 'exit 0'
const FORCED = 'exit 1'
const FOUND_OUT = ['succeeded', 'reconciled_succeeded']
const MANY = 12
/** More than a service takes at most, and the pauses of its supervisor. */
const GIVEN_UP_MS = 40_000

describe('a service that is told to stop ends cleanly, and what it had in hand is neither lost nor done twice', () => {
  let system: RunningSystem
  let approver: Approver
  let count = 0

  before(async () => {
    system = await startRefundSystem()
    approver = await Approver.enrol(system)
  })
  after(() => system.remove())

  const small = (waitMs: number): Promise<Seen> => {
    count += 1
    return propose(system, { name: `stop-${count}`, isLarge: false, waitMs })
  }
  const large = (): Promise<Seen> => {
    count += 1
    return propose(system, { name: `stop-${count}`, isLarge: true, waitMs: 0 })
  }
  /** The shop does its work at once and answers later. */
  const slowly = async (delay_ms: number): Promise<string> => {
    await setFault(system, { mode: 'slow', delay_ms, times: 1, on: 'refunds' })
    const { action_id } = await small(0)
    await worked(system, action_id)
    return action_id
  }
  const recorded = async (type: string, writer: string): Promise<number> =>
    (await tailEvents(system)).filter((one) => one.type === type && one.writer.startsWith(writer))
      .length

  test('an executor with a call under way lets it end, and tells its result before it goes', async () => {
    const id = await slowly(1_500)
    const ended = await signal(system, 'executor', 'SIGTERM')
    // Told by the run itself, not found out afterwards.
    assert.equal((await endOf(system, id)).status, 'succeeded')
    assert.equal(await ended(), CLEAN)
    await assertPaidOnce(system, [id])
  })

  test('an executor does not wait for ever for a tool: its end is found out afterwards', async () => {
    const id = await slowly(20_000)
    const ended = await signal(system, 'executor', 'SIGTERM')
    assert.equal(await ended(), CLEAN)
    await assertPaidOnce(system, [id], FOUND_OUT)
  })

  test('an executor that is told twice ends at once, and the next one finds out what it left', async () => {
    const id = await slowly(4_000)
    const ended = await signal(system, 'executor', 'SIGTERM')
    // Another signal: two of a kind may arrive as one.
    process.kill(await pidOf(system, 'executor'), 'SIGINT')
    assert.equal(await ended(), FORCED)
    await assertPaidOnce(system, [id], FOUND_OUT)
  })

  test('a gateway answers who waits, records its stop, and takes up what was open at its next start', async () => {
    const stops = await recorded('service_stopped', 'gateway/')
    await setFault(system, { mode: 'slow', delay_ms: 2_500, times: 1, on: 'refunds' })
    const paid = (await paidRefunds(system)).length
    const waiting = small(15_000)
    await until('the shop has paid', async () => (await paidRefunds(system)).length > paid)
    const ended = await signal(system, 'gateway', 'SIGTERM')
    // An answer with what is known, instead of a connection that breaks.
    const { action_id } = await waiting
    assert.equal(await ended(), CLEAN)
    await assertPaidOnce(system, [action_id])
    await until(
      'its stop is on record',
      async () => (await recorded('service_stopped', 'gateway/')) > stops,
    )
  })

  test('a host loses no request and no approval that it accepted', async () => {
    const ids: string[] = []
    for (let turn = 0; turn < MANY; turn += 1) ids.push((await large()).action_id)
    const stops = await recorded('service_stopped', 'host/')
    const approving = approver.approveAll().catch(() => 0)
    const ended = await signal(system, 'host', 'SIGTERM')
    await approving
    assert.equal(await ended(), CLEAN)
    await until('all are approved', async () => {
      await approver.approveAll()
      const views = await Promise.all(ids.map((id) => view(system, id)))
      return views.every((one) => one !== undefined && one.status !== 'pending_approval')
    })
    await assertPaidOnce(system, ids)
    await until(
      'its stop is on record',
      async () => (await recorded('service_stopped', 'host/')) > stops,
    )
  })

  test('a log that is stopped under load holds every event afterwards', async () => {
    const running = Array.from({ length: MANY }, () => small(0))
    const ended = await signal(system, 'log', 'SIGTERM')
    const seen = await Promise.all(running)
    assert.equal(await ended(), CLEAN)
    await assertPaidOnce(
      system,
      seen.map(({ action_id }) => action_id),
    )
  })

  test('services whose bus does not answer end all the same, and are whole again with the bus', async () => {
    const bus = await pidOf(system, 'nats-server')
    process.kill(bus, 'SIGSTOP')
    try {
      const told = await Promise.all(
        ['executor', 'host'].map(async (name) => {
          const pid = await pidOf(system, name)
          await signal(system, name, 'SIGTERM')
          return pid
        }),
      )
      await until('both end', () => !told.some(isAlive), GIVEN_UP_MS)
    } finally {
      process.kill(bus, 'SIGCONT')
    }
    const { action_id } = await large()
    await until('it is approved', async () => (await approver.approveAll().catch(() => 0)) > 0)
    await assertPaidOnce(system, [action_id])
  })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
