import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, eventually, natsAdapter, text } from './links.ts'

const RESULT = 'execout.v1.acme.act_aaaaaaaaaaaaaaaaaaaaaaaaaa.result'

test('a killed and restarted server loses nothing that was stored, claimed or waiting', async () => {
  const links = await natsAdapter.start()
  assert(links.world)
  const { world } = links
  const records = links.gateway.records({ home: 'data', bucket: 'actions' })
  const nonces = links.executor.claims({ home: 'exd', bucket: 'grant_nonces' })
  const publisher = links.executor.publisher({ stream: 'RESULTS' })
  const consumer = links.gateway.consumer({ home: 'data', stream: 'RESULTS', durable: 'gateway' })
  const seen = new Set<string>()
  const running = consumer.consume(async ({ data }) => {
    seen.add(text(data))
    return 'ack'
  })
  const statuses: string[] = []
  links.gateway.bus.onStatus((status) => statuses.push(status))
  links.executor.bus.respond(
    'exec.v1.*.connector.invoke',
    { queue: 'connector' },
    async (r) => r.data,
  )

  await publisher.publishStored(RESULT, bytes('before'), { msgId: 'before' })
  const made = await records.create('acme.a', bytes('1'))
  assert(made.ok)
  assert.equal(await nonces.claim('acme.n', { attempt: 'attempt-aaaaaaaaaaaa' }), 'claimed')
  await eventually(() => seen.has('before'))

  await world.server.kill()
  await eventually(() => links.gateway.bus.status === 'reconnecting')
  const during = publisher.publishStored(RESULT, bytes('during'), { msgId: 'during' })
  const replaced = records.replace('acme.a', bytes('2'), made.revision)
  await world.server.restart()

  const stored = await during
  assert.equal(stored.stream, 'RESULTS')
  assert.equal((await replaced).ok, true)
  assert.equal(text((await records.get('acme.a'))?.value ?? bytes('')), '2')
  assert.equal(await nonces.claim('acme.n', { attempt: 'attempt-bbbbbbbbbbbb' }), 'taken')
  await eventually(() => seen.has('during'), 15_000)
  await eventually(() => links.executor.bus.status === 'connected')
  const echo = await links.gateway.bus.request('exec.v1.acme.connector.invoke', bytes('x'), {
    timeoutMs: 2_000,
  })
  assert.equal(text(echo), 'x')
  assert.deepEqual(statuses, ['reconnecting', 'connected'])
  await running.stop()
  await links.stop()
})

test('a reader that stops hands back what it had not handled, so that the next one has it at once', async () => {
  const links = await natsAdapter.start()
  const publisher = links.executor.publisher({ stream: 'RESULTS' })
  const consumer = links.gateway.consumer({ home: 'data', stream: 'RESULTS', durable: 'gateway' })
  for (let i = 0; i < 10; i += 1) {
    await publisher.publishStored(RESULT, bytes(`m${i}`), { msgId: `m${i}` })
  }
  const first: string[] = []
  const slow = consumer.consume(async ({ data }) => {
    first.push(text(data))
    await new Promise((resolve) => setTimeout(resolve, 100))
    return 'ack'
  })
  await eventually(() => first.length === 1)
  await slow.stop()
  assert(first.length < 5)
  const second: string[] = []
  const quick = consumer.consume(async ({ data }) => {
    second.push(text(data))
    return 'ack'
  })
  await eventually(() => first.length + second.length === 10)
  assert.deepEqual(
    [...first, ...second].sort(),
    Array.from({ length: 10 }, (_, i) => `m${i}`),
  )
  await quick.stop()
  await links.stop()
})
