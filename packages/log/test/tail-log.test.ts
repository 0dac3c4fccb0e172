import assert from 'node:assert/strict'
import { appendFile, truncate } from 'node:fs/promises'
import { test } from 'node:test'
import { logFiles, type TailLine, type TailOutcome, tailLog } from '@trustgw/log'
import { ACME, readLines, startWorld, tellStory, until, type World } from './world.ts'

const EVENTS = 9

function tail(
  world: World,
  options: { last?: number; follow?: boolean; signal?: AbortSignal },
): { readonly seen: TailLine[]; readonly done: Promise<TailOutcome> } {
  const seen: TailLine[] = []
  const done = tailLog({
    dir: world.dir,
    log: ACME,
    follow: options.follow ?? false,
    signal: options.signal ?? new AbortController().signal,
    onLine: (line) => seen.push(line),
    ...(options.last === undefined ? {} : { last: options.last }),
  })
  return { seen, done }
}

const seqs = (lines: readonly TailLine[]): (number | undefined)[] =>
  lines.map(({ entry }) => entry?.stream_seq)

test('the tail begins with the last entries asked for, or all', async () => {
  const world = await startWorld()
  try {
    const log = await world.log()
    await tellStory(world)
    await until(async () => (await readLines(world.dir)).length === EVENTS)
    await log.stop()
    for (const [last, expected] of [
      [0, []],
      [2, [8, 9]],
      [9, [1, 2, 3, 4, 5, 6, 7, 8, 9]],
      [100, [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ] as const) {
      const { seen, done } = tail(world, { last })
      assert.deepEqual(await done, { ok: true })
      assert.deepEqual(seqs(seen), expected)
    }
    const all = tail(world, {})
    await all.done
    assert.equal(all.seen.length, EVENTS)
  } finally {
    await world.stop()
  }
})

test('the tail goes on with what comes, once whole, until it is told to stop', async () => {
  const world = await startWorld()
  try {
    const log = await world.log()
    const abort = new AbortController()
    const { seen, done } = tail(world, { last: 5, follow: true, signal: abort.signal })
    await tellStory(world)
    await until(() => seen.length === EVENTS)
    await log.stop()
    const file = logFiles(world.dir, ACME).entries
    await appendFile(file, '{"half')
    await new Promise((resolve) => setTimeout(resolve, 30))
    assert.equal(seen.length, EVENTS)
    await appendFile(file, '":1}\n')
    await until(() => seen.length === EVENTS + 1)
    assert.equal(seen.at(-1)?.entry, undefined)
    abort.abort()
    assert.deepEqual(await done, { ok: true })
  } finally {
    await world.stop()
  }
})

test('a missing log and one that is cut are told', async () => {
  const world = await startWorld()
  try {
    assert.deepEqual(await tail(world, {}).done, { ok: false, reason: 'entries_missing' })
    const log = await world.log()
    await tellStory(world)
    await until(async () => (await readLines(world.dir)).length === EVENTS)
    await log.stop()
    const { seen, done } = tail(world, { follow: true })
    await until(() => seen.length === EVENTS)
    await truncate(logFiles(world.dir, ACME).entries, 10)
    assert.deepEqual(await done, { ok: false, reason: 'entries_cut' })
  } finally {
    await world.stop()
  }
})
