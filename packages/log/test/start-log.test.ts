import assert from 'node:assert/strict'
import { appendFile, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { type LogFault, logFiles, UNATTRIBUTED, verifyLog } from '@trustgw/log'
import { parseJson } from '@trustgw/protocol'
import { type BusLink, ManualClock, MemoryBroker, silentLogger } from '@trustgw/runtime'
import {
  ACME,
  ADAPTERS,
  memoryLinks,
  OTHER,
  readLines,
  startWorld,
  tellStory,
  until,
  type World,
} from './world.ts'

const EVENTS = 9

async function entries(world: World, count: number): Promise<void> {
  await until(async () => (await readLines(world.dir)).length >= count)
}

async function isSound(world: World, count: number): Promise<void> {
  const report = await verifyLog({ dir: world.dir, log: ACME, keys: world.ring.keys })
  assert.deepEqual(report.findings, [])
  assert.equal(report.ok, true)
  assert.equal(report.entries, count)
  assert.equal(report.uncovered, 0)
}

for (const adapter of ADAPTERS) {
  describe(`the log over ${adapter.name}`, () => {
    test('records every event of every writer in stream order, signed', async () => {
      const world = await startWorld(await adapter.start())
      try {
        const log = await world.log()
        await tellStory(world)
        const other = await world.writer('gateway', OTHER)
        await other.append('policy_loaded', { actor: { kind: 'system', id: 'gateway' } })
        await entries(world, EVENTS)
        await until(async () => (await readLines(world.dir, OTHER)).length === 1)
        await until(() => log.status().stream_seq === EVENTS + 1)
        await log.stop()
        await isSound(world, EVENTS)
        const report = await verifyLog({ dir: world.dir, log: ACME, keys: world.ring.keys })
        assert.deepEqual(
          report.writers.map(({ writer, events }) => [writer, events]),
          [
            ['gateway/main', 6],
            ['host/main', 1],
            ['exec-connector/main', 2],
          ],
        )
      } finally {
        await world.stop()
      }
    })

    test('goes on after a restart without gaps and without doubles', async () => {
      const world = await startWorld(await adapter.start())
      try {
        for (let round = 1; round <= 3; round += 1) {
          const link = await world.links.link('log')
          const log = await world.log({ link })
          await tellStory(world)
          await entries(world, round * EVENTS)
          await log.stop()
          await link.bus.drain()
        }
        await isSound(world, 3 * EVENTS)
      } finally {
        await world.stop()
      }
    })

    test('records once what was on disk and not acknowledged, and in order', async () => {
      const world = await startWorld(await adapter.start())
      try {
        await tellStory(world)
        const link = await world.links.link('log')
        const log = await world.log({ link: neverAcknowledging(link) })
        await entries(world, EVENTS)
        await log.stop()
        await link.bus.drain()
        const again = await world.log()
        await tellStory(world)
        await entries(world, 2 * EVENTS)
        await again.stop()
        await isSound(world, 2 * EVENTS)
      } finally {
        await world.stop()
      }
    })
  })
}

/** A link whose process dies between the sync and each acknowledgement. */
function neverAcknowledging(link: BusLink): BusLink {
  return {
    ...link,
    consumer: (options) => ({
      consume: (handler) =>
        link.consumer(options).consume(async (delivery) => {
          await handler(delivery)
          return 'retry'
        }),
    }),
  }
}

test('what comes out of order from the consumer is put in the order of the stream', async () => {
  const world = await startWorld()
  try {
    await tellStory(world)
    const link = await world.links.link('log')
    const shuffled: BusLink = {
      ...link,
      reader: (options) => {
        const reader = link.reader(options)
        let reads = 0
        return {
          ...reader,
          getLast: (filter) => reader.getLast(filter),
          // The first look of the catch-up finds nothing, as when the server is busy.
          getBySeq: (seq) => (reads++ < 64 ? Promise.resolve(undefined) : reader.getBySeq(seq)),
        }
      },
      consumer: () => ({
        consume: (handler) => {
          const reader = link.reader({ home: 'data', stream: 'AUDIT' })
          const run = async (): Promise<void> => {
            for (const seq of [7, 9, 3, 1, 2, 8, 4]) {
              const message = await reader.getBySeq(seq)
              assert.ok(message)
              await handler({ ...message, redelivered: true })
            }
          }
          const running = run()
          return { stop: () => running }
        },
      }),
    }
    const log = await world.log({ link: shuffled })
    await log.stop()
    await isSound(world, EVENTS)
  } finally {
    await world.stop()
  }
})

test('what is delivered together is recorded together, and nothing is fetched a second time', async () => {
  const world = await startWorld()
  try {
    const link = await world.links.link('log')
    const read: number[] = []
    const counted: BusLink = {
      ...link,
      reader: (options) => {
        const reader = link.reader(options)
        return {
          getLast: (filter) => reader.getLast(filter),
          getBySeq: (seq) => {
            read.push(seq)
            return reader.getBySeq(seq)
          },
        }
      },
    }
    const clock = new ManualClock(1)
    const log = await world.log({ link: counted, clock, gatherMs: 50 })
    await until(() => read.length > 0)
    await new Promise((resolve) => setTimeout(resolve, 20))
    read.length = 0
    await tellStory(world)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(log.status().stream_seq, 0, 'it waits for more')
    clock.advance(50)
    await until(() => log.status().stream_seq === EVENTS)
    assert.deepEqual(read, [])
    await log.stop()
    await isSound(world, EVENTS)
  } finally {
    await world.stop()
  }
})

test('a torn last line is cut off and its event recorded from the stream', async () => {
  const world = await startWorld()
  try {
    const clock = new ManualClock(1)
    const log = await world.log({ clock, intervalMs: 1_000_000 })
    await tellStory(world)
    await entries(world, EVENTS)
    // Only the checkpoint of nothing is signed: the copy is what a crash leaves.
    const file = logFiles(world.dir, ACME).entries
    const left = await readFile(file)
    await log.stop()
    await rm(logFiles(world.dir, ACME).dir, { recursive: true })
    const fresh = await world.log({ clock: new ManualClock(1), intervalMs: 1_000_000 })
    await until(async () => (await readLines(world.dir)).length >= EVENTS)
    const files = logFiles(world.dir, ACME)
    const history = (await readFile(files.history, 'utf8')).split('\n')[0]
    await fresh.stop()
    await writeFile(files.entries, left.subarray(0, left.length - 40))
    await writeFile(files.history, `${history}\n`)
    const note = parseJson(history ?? '')
    assert.ok(note.ok && typeof note.value === 'object' && note.value !== null)
    await writeFile(files.checkpoint, String((note.value as { note?: unknown }).note))
    const again = await world.log()
    await until(async () => (await readFile(files.entries)).equals(left))
    await again.stop()
    await isSound(world, EVENTS)
  } finally {
    await world.stop()
  }
})

/** A log of one story, stopped. */
async function recorded(): Promise<World> {
  const world = await startWorld()
  const log = await world.log()
  await tellStory(world)
  await entries(world, EVENTS)
  await log.stop()
  return world
}

const isInconsistent = (error: Error): boolean =>
  'code' in error && (error as LogFault).code === 'log_inconsistent'

for (const [name, harm] of [
  ['a changed byte', (world: World) => flip(logFiles(world.dir, ACME).entries, 200)],
  ['a cut entry', (world: World) => cut(logFiles(world.dir, ACME).entries)],
  ['a missing file of entries', (world: World) => rm(logFiles(world.dir, ACME).entries)],
  ['a missing checkpoint', (world: World) => rm(logFiles(world.dir, ACME).checkpoint)],
  ['a missing history', (world: World) => rm(logFiles(world.dir, ACME).history)],
  ['a checkpoint of another key', (world: World) => flip(logFiles(world.dir, ACME).history, -10)],
  ['a line that is none', (world: World) => appendFile(logFiles(world.dir, ACME).entries, '{}\n')],
] as const) {
  test(`it refuses to go on after ${name}`, async () => {
    const world = await recorded()
    try {
      await harm(world)
      await assert.rejects(world.log(), isInconsistent)
    } finally {
      await world.stop()
    }
  })
}

async function flip(file: string, at: number): Promise<void> {
  const bytes = await readFile(file)
  const index = at < 0 ? bytes.length + at : at
  bytes[index] = (bytes[index] ?? 0) ^ 1
  await writeFile(file, bytes)
}

async function cut(file: string): Promise<void> {
  await truncate(file, (await readFile(file)).length - 20)
}

test('it refuses another stream, whose first events would pass for recorded ones', async () => {
  const world = await recorded()
  try {
    const broker = new MemoryBroker({ logger: silentLogger })
    await assert.rejects(world.log({ link: broker.link() }), isInconsistent)
  } finally {
    await world.stop()
  }
})

test('a message that is no event is recorded with its problem, and verify reports it', async () => {
  const world = await startWorld(memoryLinks())
  try {
    const log = await world.log()
    const link = await world.links.link('gateway')
    const publisher = link.publisher({ stream: 'AUDIT' })
    let sent = 0
    const send = (subject: string, text: string): Promise<unknown> => {
      sent += 1
      return publisher.publishStored(subject, Buffer.from(text), { msgId: `sent-${sent}` })
    }
    await send('audit.v1.acme.edge.main.proposed', 'not json')
    await send('audit.v1.acme.edge.main.proposed', 'x'.repeat(20_000))
    await send('audit.v1.nobody.gateway.main.proposed', '{}')
    await send('audit.v1.odd', '{}')
    await tellStory(world)
    const line = (await linesOf(world, EVENTS + 2)).at(-1) ?? ''
    const event = line.slice('{"event":'.length, line.lastIndexOf(',"stream_seq"'))
    await send('audit.v1.acme.host.main.succeeded', event)
    await send('audit.v1.acme.gateway.main.succeeded', `${event} `)
    await send('audit.v1.acme.gateway.main.succeeded', event.replace('"sig":"', '"sig":"A'))
    await linesOf(world, EVENTS + 5)
    await log.stop()
    const report = await verifyLog({ dir: world.dir, log: ACME, keys: world.ring.keys })
    assert.deepEqual(
      report.findings.map(({ code, line: at, detail }) => [code, at, detail]),
      [
        ['message_rejected', 1, 'event_format'],
        ['message_rejected', 2, 'event_too_large'],
        ['message_rejected', EVENTS + 3, 'subject_disagrees'],
        ['message_rejected', EVENTS + 4, 'event_not_canonical'],
        ['message_rejected', EVENTS + 5, 'event_format'],
      ],
    )
    const rest = await verifyLog({ dir: world.dir, log: UNATTRIBUTED, keys: world.ring.keys })
    assert.deepEqual(
      rest.findings.map(({ detail }) => detail),
      ['tenant_unknown', 'subject_format'],
    )
    const again = await world.log()
    await again.stop()
  } finally {
    await world.stop()
  }
})

async function linesOf(world: World, count: number): Promise<string[]> {
  await entries(world, count)
  return readLines(world.dir)
}

test('an event of an unknown key and one stored twice are recorded and told apart', async () => {
  const world = await startWorld()
  try {
    const log = await world.log()
    await tellStory(world)
    const last = (await linesOf(world, EVENTS)).at(-1) ?? ''
    const event = last.slice('{"event":'.length, last.lastIndexOf(',"stream_seq"'))
    const link = await world.links.link('gateway')
    const publisher = link.publisher({ stream: 'AUDIT' })
    const subject = 'audit.v1.acme.gateway.main.succeeded'
    await publisher.publishStored(subject, Buffer.from(event), { msgId: 'again' })
    const forged = event.replace(world.ring.kid('gateway'), 'audit-0000000000000000')
    await publisher.publishStored(subject, Buffer.from(forged), { msgId: 'forged' })
    await linesOf(world, EVENTS + 2)
    await log.stop()
    const report = await verifyLog({ dir: world.dir, log: ACME, keys: world.ring.keys })
    assert.deepEqual(
      report.findings.map(({ severity, code, line }) => [severity, code, line]),
      [
        ['notice', 'event_stored_twice', EVENTS + 1],
        ['failure', 'key_unknown', EVENTS + 2],
        ['failure', 'event_out_of_order', EVENTS + 2],
      ],
    )
  } finally {
    await world.stop()
  }
})

test('checkpoints are signed at most once an interval, and at the end', async () => {
  const world = await startWorld()
  try {
    const clock = new ManualClock(1_000_000)
    const log = await world.log({ clock, intervalMs: 1_000 })
    const underCheckpoint = (): number => log.status().logs[0]?.under_checkpoint ?? -1
    await tellStory(world)
    await until(() => log.status().stream_seq === EVENTS)
    clock.advance(999)
    assert.equal(underCheckpoint(), 0)
    clock.advance(1)
    await until(() => underCheckpoint() === EVENTS)
    await tellStory(world)
    await until(() => log.status().stream_seq === 2 * EVENTS)
    clock.advance(999)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(underCheckpoint(), EVENTS)
    clock.advance(1)
    await until(() => underCheckpoint() === 2 * EVENTS)
    await tellStory(world)
    await until(() => log.status().stream_seq === 3 * EVENTS)
    await log.stop()
    await isSound(world, 3 * EVENTS)
    const history = (await readFile(logFiles(world.dir, ACME).history, 'utf8')).trimEnd()
    assert.equal(history.split('\n').length, 4)
  } finally {
    await world.stop()
  }
})
