import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { logFiles, startLog, verifyLog } from '@trustgw/log'
import type { StoredMessage } from '@trustgw/runtime'
import { silentLogger, systemClock } from '@trustgw/runtime'
import {
  ACME,
  memoryLinks,
  OTHER,
  readLines,
  startWorld,
  tellStory,
  until,
  type World,
} from './world.ts'

/** An honest log of one story, and everything that the stream holds of it. */
async function honest(
  t: TestContext,
): Promise<{ readonly world: World; readonly stream: readonly StoredMessage[] }> {
  const world = await startWorld()
  t.after(() => world.stop())
  await tellStory(world)
  const link = await world.links.link('gateway')
  const reader = link.reader({ home: 'data', stream: 'AUDIT' })
  const stream: StoredMessage[] = []
  for (;;) {
    const message = await reader.getBySeq(stream.length + 1)
    if (message === undefined) break
    stream.push(message)
  }
  const log = await world.log()
  await until(async () => (await readLines(world.dir)).length === stream.length)
  await log.stop()
  return { world, stream }
}

/** What the owner of the log's key writes and signs when it is told of these events alone. */
async function retold(
  t: TestContext,
  { ring }: World,
  told: readonly StoredMessage[],
): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'tg-retold-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  const links = memoryLinks()
  const publisher = (await links.link('gateway')).publisher({ stream: 'AUDIT' })
  for (const [index, { subject, data }] of told.entries()) {
    await publisher.publishStored(subject, data, { msgId: `told-${index}` })
  }
  const log = await startLog({
    link: await links.link('log'),
    tenants: [ACME, OTHER],
    keys: ring.keys,
    logKey: ring.logKey,
    dir,
    clock: systemClock,
    logger: silentLogger,
    checkpointIntervalMs: 20,
    gatherMs: 0,
  })
  await until(async () => (await readLines(dir)).length === told.length)
  await log.stop()
  return dir
}

const codesIn = async (
  dir: string,
  { ring }: World,
  known?: string,
): Promise<readonly string[]> => {
  const options = known === undefined ? {} : { known }
  const report = await verifyLog({ dir, log: ACME, keys: ring.keys, ...options })
  return report.findings.filter(({ severity }) => severity !== 'notice').map(({ code }) => code)
}

test('a log that is taken over signs a record without its end; a checkpoint kept elsewhere shows it', async (t) => {
  const { world, stream } = await honest(t)
  const known = await readFile(logFiles(world.dir, ACME).checkpoint, 'utf8')
  assert.deepEqual(await codesIn(world.dir, world, known), [])
  const cut = await retold(t, world, stream.slice(0, -1))
  assert.deepEqual(await codesIn(cut, world), [])
  assert.deepEqual(await codesIn(cut, world, known), ['entries_cut'])
})

test('a log that is taken over leaves out no event that its writer went on after', async (t) => {
  const { world, stream } = await honest(t)
  const inner = stream.findIndex(({ subject }) => subject.endsWith('grant_issued'))
  assert.ok(inner > 0)
  const without = await retold(t, world, stream.toSpliced(inner, 1))
  assert.ok((await codesIn(without, world)).includes('event_missing'))
})
