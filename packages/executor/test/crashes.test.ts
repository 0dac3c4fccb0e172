import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ActionId, AuditEvent } from '@trustgw/protocol'
import { BusFault, type BusLink, executorCrossings } from '@trustgw/runtime'
import { type Bench, type Handler, typesOf, withBench } from './support/bench.ts'
import { until } from './support/connectors.ts'
import { PROFILE, TENANT } from './support/world.ts'

async function crashDuringCall(bench: Bench): Promise<string> {
  const wal = join(bench.dir, 'executor', 'wal.ndjson')
  const copy = await readFile(wal, 'utf8')
  await bench.running().stop()
  // What a killed process leaves: the entry of the claim and no end.
  await writeFile(wal, copy, { mode: 0o600 })
  return wal
}

test('after a crash in a call the upstream is asked by key, and the tool not entered again', async () => {
  let hang = true
  const handler: Handler = (request, response) => {
    if (request.method === 'GET') response.writeHead(200).end('{"id":"p7"}')
    else if (!hang) response.writeHead(200).end('{}')
  }
  await withBench({ handler }, async (bench) => {
    await bench.invoke(await bench.granted())
    await until(() => bench.paid() === 1)
    await crashDuringCall(bench)
    hang = false
    bench.world.clock.advance(1_000)
    const before = bench.results().length
    await bench.restart(bench.world.broker.link({ crossings: executorCrossings(PROFILE) }))
    await until(() => bench.results().length === before + 1)
    assert.equal(bench.results().at(-1)?.outcome, 'succeeded')
    assert.deepEqual(bench.results().at(-1)?.output, { id: 'p7' })
    assert.equal(bench.paid(), 1)
  })
})

test('after a crash in a call that nobody can tell about the outcome is unknown [INV-17]', async () => {
  const handler: Handler = (request, response) => {
    if (request.method === 'GET') response.writeHead(404).end()
  }
  await withBench({ handler }, async (bench) => {
    const action = await bench.granted()
    await bench.invoke(action)
    await until(() => bench.paid() === 1)
    await crashDuringCall(bench)
    const before = bench.results().length
    await bench.restart(bench.world.broker.link({ crossings: executorCrossings(PROFILE) }))
    await until(() => bench.results().length === before + 1)
    assert.equal(bench.results().at(-1)?.outcome, 'unknown_outcome')
    assert.equal(bench.results().at(-1)?.reason, 'executor_stopped')
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    assert.equal(bench.paid(), 1)
  })
})

test('a result that could not be stored is delivered by the next process', async () => {
  let down = false
  const wrap = (link: BusLink): BusLink => ({
    ...link,
    publisher: (options) => {
      const publisher = link.publisher(options)
      return {
        publishStored: async (target, data, how) => {
          if (down && options.stream === 'RESULTS') throw new BusFault('store_unreachable', 'down')
          return await publisher.publishStored(target, data, how)
        },
      }
    },
  })
  await withBench({ wrap }, async (bench) => {
    down = true
    await bench.invoke(await bench.granted())
    await until(() => bench.paid() === 1)
    const executions = bench.world.gateway.records({ home: 'exd', bucket: 'executions' })
    while ((await executions.list(TENANT)).length === 0)
      await new Promise((go) => setTimeout(go, 10))
    await bench.running().stop()
    assert.equal(bench.results().length, 0)
    down = false
    await bench.restart(bench.world.broker.link({ crossings: executorCrossings(PROFILE) }))
    await until(() => bench.results().length === 1)
    assert.equal(bench.results()[0]?.outcome, 'succeeded')
    assert.equal(bench.paid(), 1)
  })
})

test('an end that is not on record when the process goes is recorded at the next start, as its result says', async () => {
  let down = false
  const wrap = (link: BusLink): BusLink => ({
    ...link,
    publisher: (options) => {
      const publisher = link.publisher(options)
      return {
        publishStored: async (target, data, how) => {
          if (down && target.endsWith('.finished')) throw new BusFault('store_unreachable', 'down')
          return await publisher.publishStored(target, data, how)
        },
      }
    },
  })
  let asked = 0
  const handler: Handler = (request, response) => {
    if (request.method === 'GET') asked += 1
    response.writeHead(200).end('{"id":"p1"}')
  }
  await withBench({ wrap, handler }, async (bench) => {
    down = true
    await bench.invoke(await bench.granted())
    await until(() => bench.results().length === 1)
    await bench.running().stop()
    assert.equal((await typesOf(bench)).includes('finished'), false)
    down = false
    await bench.restart(bench.world.broker.link({ crossings: executorCrossings(PROFILE) }))
    const finished = async (): Promise<readonly AuditEvent[]> =>
      (await bench.events()).filter(({ type }) => type === 'finished')
    await until(async () => (await finished()).length === 1)
    const [event] = await finished()
    assert.equal(event?.payload['outcome'], 'succeeded')
    assert.equal(event.payload['result_hash'], bench.results()[0]?.result_hash)
    const executions = bench.world.gateway.records({ home: 'exd', bucket: 'executions' })
    await until(async () => (await executions.list(TENANT)).length === 0)
    assert.equal(asked, 0)
    assert.equal(bench.paid(), 1)
  })
})

test('what another executor laid down stays until its own end is on record', async () => {
  let down = false
  const wrap = (link: BusLink): BusLink => ({
    ...link,
    publisher: (options) => {
      const publisher = link.publisher(options)
      return {
        publishStored: async (target, data, how) => {
          if (down && target.endsWith('.finished')) throw new BusFault('store_unreachable', 'down')
          return await publisher.publishStored(target, data, how)
        },
      }
    },
  })
  const handler: Handler = (request, response) => {
    if (request.method === 'GET') response.writeHead(404).end()
    else response.writeHead(200).end('{"id":"p1"}')
  }
  await withBench({ wrap, handler }, async (bench) => {
    down = true
    await bench.invoke(await bench.granted())
    await until(() => bench.results().length === 1)
    await bench.running().stop()
    const other = await bench.another()
    await other.stop()
    const executions = bench.world.gateway.records({ home: 'exd', bucket: 'executions' })
    assert.equal((await executions.list(TENANT)).length, 1)
    down = false
    await bench.restart(bench.world.broker.link({ crossings: executorCrossings(PROFILE) }))
    await until(async () => (await typesOf(bench)).includes('finished'))
    const finished = (await bench.events()).find(({ type }) => type === 'finished')
    assert.equal(finished?.payload['outcome'], 'succeeded')
    assert.deepEqual(new Set(bench.results().map(({ outcome }) => outcome)), new Set(['succeeded']))
    await until(async () => (await executions.list(TENANT)).length === 0)
  })
})

/** Its upstream says for good where it has no record. */
const forGood = (manifest: string): string =>
  manifest.replace('not_found = "unknown"', 'not_found = "final"')

/** Asked about, once its end is on record, the executor waits. */
async function waits(bench: Bench, action: ActionId): Promise<void> {
  const isRunning = async (): Promise<boolean> =>
    JSON.stringify(await bench.ask('exec_reconcile', action)).includes('running')
  await until(async () => !(await isRunning()))
  const early = await bench.ask('exec_reconcile', action)
  assert.deepEqual(early, { status: 'later', reason: 'may_still_run' })
}

test('no record right after a crash proves nothing: the call may still be under way', async () => {
  const state = { done: false }
  const handler: Handler = (request, response) => {
    if (request.method !== 'GET') return
    response.writeHead(state.done ? 200 : 404).end('{"id":"p7"}')
  }
  await withBench({ handler, edit: forGood }, async (bench) => {
    const action = await bench.granted()
    const { action_id } = action.decision
    await bench.invoke(action)
    await until(() => bench.paid() === 1)
    await crashDuringCall(bench)
    const before = bench.results().length
    await bench.restart(bench.world.broker.link({ crossings: executorCrossings(PROFILE) }))
    await until(() => bench.results().length === before + 1)
    assert.equal(bench.results().at(-1)?.outcome, 'unknown_outcome')
    await waits(bench, action_id)
    state.done = true
    bench.world.clock.advance(90_000)
    assert.deepEqual(await bench.ask('exec_reconcile', action_id), { status: 'told' })
    await until(() => bench.results().length === before + 2)
    assert.equal(bench.results().at(-1)?.outcome, 'succeeded')
    assert.equal(bench.paid(), 1)
  })
})

test('no record after a call that took too long, or that somebody between gave up, proves nothing yet', async () => {
  for (const status of [0, 504]) {
    const handler: Handler = (request, response) => {
      if (request.method === 'GET') response.writeHead(404).end()
      else if (status !== 0) response.writeHead(status).end()
    }
    const edit = (manifest: string): string =>
      forGood(manifest).replace('call_timeout_ms = 2_000', 'call_timeout_ms = 100')
    await withBench({ handler, edit }, async (bench) => {
      const action = await bench.granted()
      const { action_id } = action.decision
      await bench.invoke(action)
      await until(() => bench.results().length === 1)
      assert.equal(bench.results()[0]?.outcome, 'unknown_outcome', String(status))
      await waits(bench, action_id)
      bench.world.clock.advance(90_000)
      assert.deepEqual(await bench.ask('exec_reconcile', action_id), { status: 'told' })
      await until(() => bench.results().length === 2)
      assert.equal(bench.results()[1]?.reason, 'not_executed')
    })
  }
})
