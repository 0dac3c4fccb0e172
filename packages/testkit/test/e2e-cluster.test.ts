import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { asObject, parseJson } from '@trustgw/protocol'
import { connectNats, nodeRandom, readCredsFile, silentLogger } from '@trustgw/runtime'
import { Approver } from '../src/chaos/approver.ts'
import { propose, type Seen, startRefundSystem, view } from '../src/chaos/refund-system.ts'
import { crash, pidOf, processes, signal, until } from '../src/process-table.ts'
import { setFault } from '../src/shop-view.ts'
import type { RunningSystem } from '../src/system.ts'
import { callJson } from './e2e-support.ts'
import { assertPaidOnce, endOf, worked } from './refund-checks.ts'

const FOUND_OUT = ['succeeded', 'reconciled_succeeded']
const IN_FLIGHT = 24
const PENDING = 6
const TOOL = 'shop.refund'
const REFUND = { order_id: 'ord_1005', amount: '0.01', currency: 'EUR', reason: 'Late' }

describe('two gateways, two executors and three servers of the bus: any one of each may die', () => {
  let system: RunningSystem
  let approver: Approver
  let count = 0

  before(async () => {
    system = await startRefundSystem({ gateways: 2, executors: 2, nodes: 3 })
    approver = await Approver.enrol(system)
  })
  after(() => system.remove())

  const refund = (isLarge: boolean, turn = 0): Promise<Seen> => {
    count += 1
    return propose(system, { name: `cluster-${count}`, isLarge, waitMs: 0 }, turn)
  }
  const many = async (length: number, isLarge: boolean): Promise<readonly string[]> => {
    const seen = await Promise.all(Array.from({ length }, (_, turn) => refund(isLarge, turn)))
    return seen.map(({ action_id }) => action_id)
  }
  const settle = async (): Promise<void> =>
    until('everything runs again', async () =>
      (await processes(system)).every(({ state }) => state === 'ready'),
    )

  test('the server that leads the stream of actions is killed with calls in flight: every call ends, each is paid once', async (t) => {
    const leader = await leaderOf(system, 'KV_actions')
    const earlier = many(IN_FLIGHT, false)
    const began = performance.now()
    const back = await crash(system, leader)
    const ids = [...(await earlier), ...(await many(IN_FLIGHT, false))]
    await Promise.all(ids.map((id) => endOf(system, id)))
    t.diagnostic(`${leader}: all ended ${Math.round(performance.now() - began)} ms after the kill`)
    await back()
    // It may lead again: it is back before the others have voted, on a busy machine.
    const killed = (await processes(system)).find(({ name }) => name === leader)
    assert.deepEqual([killed?.lastEnd, killed?.restarts], ['SIGKILL', 1])
    await assertPaidOnce(system, ids)
  })

  test('a gateway is killed while its actions wait for people: the other one lets them be approved and run', async (t) => {
    await settle()
    // All at the first gateway, which carries them on.
    const ids: string[] = []
    for (let turn = 0; turn < PENDING; turn += 1) ids.push((await refund(true, 0)).action_id)
    const gateway = await pidOf(system, 'gateway')
    process.kill(gateway, 'SIGKILL')
    const began = performance.now()
    await until('the other gateway has approvals', async () => {
      await approver.approveAll().catch(() => 0)
      const views = await Promise.all(ids.map((id) => view(system, id, 1)))
      return views.every((one) => one?.status === 'succeeded')
    })
    t.diagnostic(`approved and run ${Math.round(performance.now() - began)} ms after the kill`)
    await assertPaidOnce(system, ids)
  })

  test('a gateway is stopped for good with calls under way: the other one tells their ends', async (t) => {
    await settle()
    await setFault(system, { mode: 'slow', delay_ms: 1_000, times: PENDING, on: 'refunds' })
    const seen = await Promise.all(Array.from({ length: PENDING }, () => refund(false, 0)))
    const ids = seen.map(({ action_id }) => action_id)
    // Neither answers nor ends, so nobody starts it again; the other one hears nothing of it.
    const gateway = await pidOf(system, 'gateway')
    process.kill(gateway, 'SIGSTOP')
    const began = performance.now()
    try {
      await until('the other gateway knows every end', async () => {
        const views = await Promise.all(ids.map((id) => view(system, id, 1)))
        return views.every((one) => one?.status === 'succeeded')
      })
      t.diagnostic(`all ended ${Math.round(performance.now() - began)} ms after it fell silent`)
    } finally {
      process.kill(gateway, 'SIGCONT')
    }
    await assertPaidOnce(system, ids)
  })

  test('an executor is killed in a run: what it entered is found out, the other one goes on', async () => {
    await settle()
    await setFault(system, { mode: 'slow', delay_ms: 4_000, times: 2, on: 'refunds' })
    const first = (await refund(false)).action_id
    await worked(system, first)
    // Whichever runs it, is killed; the other one may be idle.
    const back = await signal(system, 'executor', 'SIGKILL')
    const during = await many(PENDING, false)
    await Promise.all(during.map((id) => endOf(system, id)))
    assert.equal(await back(), 'SIGKILL')
    const second = await crash(system, 'executor-2')
    await second()
    await assertPaidOnce(system, [first, ...during], FOUND_OUT)
  })

  test('a tool and an agent that are revoked are refused by both gateways a second later, and what waits is denied', async () => {
    await settle()
    const waiting = (await refund(true)).action_id
    const made = await system.command(['agents', 'add', '--name', 'clerk', '--json'])
    const { api_key: key } = JSON.parse(made.out) as { api_key: string }
    const everywhere = async (by: string | null): Promise<readonly unknown[]> =>
      await Promise.all(
        system.gateways.map(async (at) => {
          const { status, body } = await callJson(`${at}/v1/actions/propose`, {
            key: by,
            body: { tool: TOOL, arguments: REFUND, wait_ms: 0 },
          })
          return status === 401 ? 401 : (body['code'] ?? 'taken')
        }),
      )
    const revoke = async (what: string, name: string): Promise<void> => {
      const order = ['freeze', what, name, '--reason', 'withdrawn', '--for-good']
      const done = await system.command(order)
      assert.equal(done.code, 0, done.err)
      await sleep(1_000)
    }
    await until('both know the agent', async () =>
      (await everywhere(key)).every((one) => one === 'taken'),
    )
    await revoke('--agent', 'clerk')
    assert.deepEqual(await everywhere(key), [401, 401])
    assert.deepEqual(await everywhere(system.apiKey), ['taken', 'taken'], 'others go on')
    await revoke('--tool', TOOL)
    assert.deepEqual(await everywhere(system.apiKey), ['tool_quarantined', 'tool_quarantined'])
    assert.equal((await view(system, waiting, 1))?.status, 'denied')
  })
})

/** The server of the cluster through which everything is written to a stream. */
async function leaderOf(system: RunningSystem, stream: string): Promise<string> {
  const link = await connectNats({
    servers: [system.nats],
    creds: readCredsFile(join(system.stateDir, 'operator', 'provision-data.creds')),
    logger: silentLogger,
    random: nodeRandom,
  })
  try {
    const to = `$JS.API.STREAM.INFO.${stream}`
    const answer = parseJson(await link.bus.request(to, new Uint8Array(), { timeoutMs: 5_000 }))
    assert.ok(answer.ok)
    const leader = asObject(asObject(answer.value)?.['cluster'] ?? null)?.['leader']
    assert.ok(typeof leader === 'string')
    return leader
  } finally {
    await link.bus.drain()
  }
}
