import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { preconditionHash } from '@trustgw/protocol'
import { BusFault, type BusLink, sha256 } from '@trustgw/runtime'
import { ENTER_WITHIN_MS } from '../src/admit/claim-action.ts'
import { pinFirst, revokePin } from '../src/pins/pin-file.ts'
import { type Bench, type Handler, typesOf, withBench } from './support/bench.ts'
import { until } from './support/connectors.ts'

/** Longer than a held claim waits to be tried again here. */
const A_WHILE_MS = 300

/** A record that takes no `started` while it is down, or only once it may. */
interface Record {
  down: boolean
  mayStart: Promise<void>
}

function recordOf(): Record {
  return { down: false, mayStart: Promise.resolve() }
}

function on(record: Record): (link: BusLink) => BusLink {
  return (link) => ({
    ...link,
    publisher: (options) => {
      const publisher = link.publisher(options)
      return {
        publishStored: async (target, data, how) => {
          const isStarted = target.endsWith('.started')
          if (record.down && isStarted) throw new BusFault('store_unreachable', 'down')
          if (isStarted) await record.mayStart
          return await publisher.publishStored(target, data, how)
        },
      }
    },
  })
}

const HELD = { status: 'refused', reason: 'audit_unreachable', retryable: true }

async function aWhile(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, A_WHILE_MS))
}

const LOOKING = (manifest: string): string => `${manifest}
[tools.pay.precondition]
tool = "look"
arguments = { order_id = { pointer = "/order_id" } }
select = ["/left"]
title = "What is left"
[tools.look]
title = "Look"
description = "Looks."
operation = "read"
method = "GET"
path = "/look/{order_id}"
[tools.look.input_schema]
type = "object"
required = ["order_id"]
`

test('what was refused as changed does not run when it is as it was again', async () => {
  const record = recordOf()
  const state = { left: '90' }
  const handler: Handler = (request, response) => {
    const isLook = request.url?.startsWith('/look') === true
    response.writeHead(200).end(JSON.stringify(isLook ? state : { id: 'p1' }))
  }
  await withBench({ wrap: on(record), edit: LOOKING, handler, served: 2 }, async (bench) => {
    const bound = {
      tool: 'till.look',
      arguments: { order_id: 'o1' },
      values: { '/left': state.left },
    }
    Object.assign(bench.world, { precondition: preconditionHash(sha256, bound) })
    const action = await bench.granted()
    record.down = true
    assert.deepEqual(await bench.invoke(action), HELD)
    state.left = '80'
    const changed = { status: 'refused', reason: 'precondition_changed', retryable: false }
    assert.deepEqual(await bench.invoke(action), changed)
    record.down = false
    state.left = '90'
    await aWhile()
    assert.equal(bench.paid(), 0)
  })
})

async function withPin(bench: Bench): Promise<() => Promise<unknown>> {
  const file = join(bench.dir, 'executor', 'pins.json')
  const pin = bench.world.pin()
  assert.ok((await pinFirst(file, pin)).ok)
  return () => revokePin(file, pin.credential_id)
}

test('a claim that is tried again is checked again: a pin that was revoked meanwhile counts', async () => {
  const record = recordOf()
  await withBench({ wrap: on(record) }, async (bench) => {
    const revoke = await withPin(bench)
    const action = await bench.granted({ tier: 2 })
    record.down = true
    assert.deepEqual(await bench.invoke(action), HELD)
    await revoke()
    const later = { status: 'refused', reason: 'credential_not_pinned', retryable: true }
    assert.deepEqual(await bench.invoke(action), later, 'what is claimed is not refused for good')
    record.down = false
    await aWhile()
    assert.equal(bench.paid(), 0)
  })
})

test('what runs is not refused for good when its grant comes again and does not hold any more', async () => {
  const answers: (() => void)[] = []
  const handler: Handler = (_request, response) => {
    answers.push(() => response.writeHead(200).end('{}'))
  }
  await withBench({ handler }, async (bench) => {
    const revoke = await withPin(bench)
    const action = await bench.granted({ tier: 2 })
    const { action_id } = action.decision
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' })
    await until(() => bench.paid() === 1)
    await revoke()
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' }, 'where it runs')
    for (const answer of answers) answer()
    await until(() => bench.results().length === 1)
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' }, 'where it ran')
    await bench.running().stop()
    await bench.another()
    assert.deepEqual(await bench.invoke(action), { status: 'claimed' }, 'elsewhere')
    const never = await bench.granted({ tier: 2 })
    const refused = { status: 'refused', reason: 'credential_not_pinned', retryable: false }
    assert.deepEqual(await bench.invoke(never), refused)
    assert.deepEqual(await bench.ask('exec_cancel', action_id), { status: 'claimed' })
    assert.equal(bench.paid(), 1)
  })
})

test('a process that slept between its claim and the call enters nothing when it wakes up', async () => {
  const record = recordOf()
  let wake = (): void => undefined
  record.mayStart = new Promise((resolve) => {
    wake = resolve
  })
  await withBench({ wrap: on(record) }, async (bench) => {
    const action = await bench.granted()
    const answer = bench.invoke(action)
    await aWhile()
    bench.world.clock.advance(ENTER_WITHIN_MS + 1)
    wake()
    const late = { status: 'refused', reason: 'grant_expired', retryable: true }
    assert.deepEqual(await answer, late)
    await aWhile()
    assert.equal(bench.paid(), 0)
    const { action_id } = action.decision
    const again = await bench.granted({ decision: { action_id } })
    assert.deepEqual(await bench.invoke(again), { status: 'claimed' }, 'the next grant goes on')
    await until(() => bench.results().length === 1)
    assert.equal(bench.paid(), 1)
    await bench.running().stop()
    assert.deepEqual((await typesOf(bench)).at(-1), 'finished')
  })
})
