import assert from 'node:assert/strict'
import { copyFile, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { logFiles, type VerifyReport, verifyLog } from '@trustgw/log'
import { generateSigningKey, type KeyValidity, keyIdOf, PublicKeys } from '@trustgw/runtime'
import { ACME, readLines, startWorld, tellStory, until, type World, writeLines } from './world.ts'

const EVENTS = 9

/** A sound log of two stories under a checkpoint each. */
async function sound(): Promise<World> {
  const world = await startWorld()
  for (const round of [1, 2]) {
    const log = await world.log({ intervalMs: 60_000 })
    await tellStory(world)
    await until(async () => (await readLines(world.dir)).length === round * EVENTS)
    await log.stop()
  }
  return world
}

function verify(world: World, known?: string): Promise<VerifyReport> {
  return verifyLog({
    dir: world.dir,
    log: ACME,
    keys: world.ring.keys,
    ...(known === undefined ? {} : { known }),
  })
}

/** `code@line`, without notices. */
function codes(report: VerifyReport): string[] {
  return report.findings
    .filter(({ severity }) => severity !== 'notice')
    .map(({ code, line }) => `${code}@${line ?? '-'}`)
}

type Tamper = (lines: string[]) => string[]

const TAMPERS: readonly (readonly [string, Tamper, readonly string[]])[] = [
  [
    'one byte of an event changed',
    (lines) => lines.with(4, (lines[4] ?? '').replace('"approver":"ann"', '"approver":"bob"')),
    ['signature_wrong@5', 'previous_hash_wrong@6'],
  ],
  [
    'one byte of a signature changed',
    (lines) =>
      lines.with(
        4,
        (lines[4] ?? '').replace(/"sig":"(.)/, (_, c) => `"sig":"${c === 'A' ? 'B' : 'A'}`),
      ),
    ['signature_wrong@5', 'previous_hash_wrong@6'],
  ],
  [
    'the sequence of the stream changed',
    (lines) => lines.with(17, (lines[17] ?? '').replace('"stream_seq":18', '"stream_seq":19')),
    ['root_wrong@18'],
  ],
  [
    'a recorded problem added',
    (lines) =>
      lines.with(
        0,
        (lines[0] ?? '').replace(',"stream_seq"', ',"problems":["key_unknown"],"stream_seq"'),
      ),
    ['problem_recorded@1', 'root_wrong@9'],
  ],
  [
    'an event removed from the middle',
    (lines) => lines.toSpliced(4, 1),
    ['event_missing@5', 'entries_cut@17'],
  ],
  ['the last event removed', (lines) => lines.slice(0, -1), ['entries_cut@17']],
  ['a whole story removed', (lines) => lines.slice(0, EVENTS), ['entries_cut@9']],
  [
    'two events swapped',
    (lines) => lines.with(1, lines[2] ?? '').with(2, lines[1] ?? ''),
    ['event_missing@2', 'stream_order@3', 'event_out_of_order@3'],
  ],
  [
    'events of two writers swapped',
    (lines) => lines.with(3, lines[4] ?? '').with(4, lines[3] ?? ''),
    ['stream_order@5', 'root_wrong@9'],
  ],
  [
    'a line duplicated',
    (lines) => lines.toSpliced(4, 0, lines[4] ?? ''),
    ['stream_order@6', 'root_wrong@9'],
  ],
  ['a line replaced by another form', (lines) => lines.with(3, '{"raw":true}'), ['entry_format@4']],
  ['white space added', (lines) => lines.with(3, ` ${lines[3] ?? ''}`), ['entry_not_canonical@4']],
  ['an over-long line', (lines) => lines.with(3, 'x'.repeat(70_000)), ['line_too_long@4']],
  ['an emptied file', () => [], ['entries_cut@0']],
]

describe('verify', () => {
  let world: World
  before(async () => {
    world = await sound()
  })
  after(() => world.stop())

  test('finds a sound log sound', async () => {
    const report = await verify(world)
    assert.deepEqual(report.findings, [])
    assert.deepEqual(
      [report.ok, report.entries, report.uncovered, report.checkpoints],
      [true, 18, 0, 3],
    )
    assert.equal(report.checkpoint?.size, 18)
  })

  for (const [name, tamper, expected] of TAMPERS) {
    test(`finds ${name}`, async () => {
      const lines = await readLines(world.dir)
      try {
        await writeLines(world.dir, tamper(lines))
        const report = await verify(world)
        assert.equal(report.ok, false)
        const found = codes(report)
        for (const code of expected) assert.ok(found.includes(code), `${code} in ${found.join()}`)
      } finally {
        await writeLines(world.dir, lines)
      }
    })
  }

  test('finds every single changed byte of the entries, checkpoint and history [INV-31]', async () => {
    const files = logFiles(world.dir, ACME)
    for (const file of [files.entries, files.checkpoint, files.history]) {
      const bytes = await readFile(file)
      const step = Math.max(1, Math.floor(bytes.length / 150))
      for (let at = 0; at < bytes.length; at += step) {
        const changed = Buffer.from(bytes)
        changed[at] = (changed[at] ?? 0) ^ 1
        await writeFile(file, changed)
        const report = await verify(world)
        assert.equal(report.ok, false, `${file} byte ${at}`)
      }
      await writeFile(file, bytes)
    }
    assert.equal((await verify(world)).ok, true)
  })

  test('finds a file cut at any byte', async () => {
    const file = logFiles(world.dir, ACME).entries
    const bytes = await readFile(file)
    for (const size of [1, 700, Math.floor(bytes.length / 2), bytes.length - 1]) {
      await truncate(file, size)
      const report = await verify(world)
      assert.ok(codes(report).some((code) => code.startsWith('entries_cut')))
      await writeFile(file, bytes)
    }
  })

  for (const [name, code] of [
    ['entries', 'entries_missing'],
    ['checkpoint', 'checkpoint_missing'],
    ['history', 'history_missing'],
  ] as const) {
    test(`a missing file of ${name} is a failure`, async () => {
      const file = logFiles(world.dir, ACME)[name]
      await copyFile(file, join(world.dir, 'kept'))
      await rm(file)
      const report = await verify(world)
      await copyFile(join(world.dir, 'kept'), file)
      assert.equal(report.ok, false)
      assert.ok(codes(report).some((found) => found.startsWith(code)))
    })
  }

  test('a log that is not there at all is a failure', async () => {
    const report = await verifyLog({
      dir: join(world.dir, 'nowhere'),
      log: ACME,
      keys: world.ring.keys,
    })
    assert.deepEqual(codes(report), [
      'checkpoint_missing@-',
      'history_missing@-',
      'entries_missing@-',
    ])
  })

  test('a checkpoint by another key does not count', async () => {
    const other = generateSigningKey()
    const keys = new PublicKeys([
      ...world.ring.keys.keys.filter(({ role }) => role === 'audit'),
      {
        kid: keyIdOf('log', other.publicKey),
        role: 'log',
        publicKey: other.publicKey,
        component: 'log',
      },
    ])
    const report = await verifyLog({ dir: world.dir, log: ACME, keys })
    assert.equal(report.ok, false)
    assert.equal(report.checkpoint, null)
    assert.equal(report.uncovered, 18)
    assert.equal(report.findings[0]?.detail, 'note_signature_missing')
  })

  test('an event under the key of another component does not count', async () => {
    const keys = new PublicKeys(
      world.ring.keys.keys.map((key) =>
        key.component === 'host' ? { ...key, component: 'gateway' } : key,
      ),
    )
    const report = await verifyLog({ dir: world.dir, log: ACME, keys })
    assert.ok(codes(report).includes('key_unknown@4'))
    assert.ok(codes(report).includes('approval_without_person@5'))
  })

  test('a key that is retired or revoked later still verifies what it signed before', async () => {
    const times = (await readLines(world.dir)).map(
      (line) => (JSON.parse(line) as { event: { time: number } }).event.time,
    )
    const first = Math.min(...times)
    const last = Math.max(...times)
    const found = async (change: Partial<KeyValidity>): Promise<readonly string[]> => {
      const validity = { notBefore: 0, notAfter: null, revokedSince: null, ...change }
      const keys = world.ring.keys.keys.map((key) =>
        key.component === 'gateway' ? { ...key, validity } : key,
      )
      const report = await verifyLog({ dir: world.dir, log: ACME, keys: new PublicKeys(keys) })
      return codes(report).filter((code) => code.startsWith('key_unknown'))
    }
    assert.deepEqual(await found({ revokedSince: last + 1 }), [])
    assert.deepEqual(await found({ notAfter: last }), [])
    assert.ok((await found({ revokedSince: first })).includes('key_unknown@1'))
    assert.ok((await found({ notAfter: first - 60_000 })).includes('key_unknown@1'))
    assert.ok((await found({ notBefore: last + 60_000 })).includes('key_unknown@1'))
  })

  test('a log rolled back with all its files is found by a checkpoint kept elsewhere', async () => {
    const files = logFiles(world.dir, ACME)
    const lines = await readLines(world.dir)
    const known = await readFile(files.checkpoint, 'utf8')
    const history = await readFile(files.history, 'utf8')
    const older = history.split('\n').slice(0, 2)
    const note = (JSON.parse(older[1] ?? '') as { note: string }).note
    await writeLines(world.dir, lines.slice(0, EVENTS))
    await writeFile(files.history, `${older.join('\n')}\n`)
    await writeFile(files.checkpoint, note)
    assert.equal((await verify(world)).ok, true)
    assert.deepEqual(codes(await verify(world, known)), ['entries_cut@9'])
    await writeLines(world.dir, lines)
    await writeFile(files.history, history)
    await writeFile(files.checkpoint, known)
    assert.deepEqual(codes(await verify(world, known)), [])
    assert.deepEqual(codes(await verify(world, `${known}x`)), ['known_checkpoint_invalid@-'])
  })
})

test('an empty log says so and is no failure', async () => {
  const world = await startWorld()
  try {
    const log = await world.log()
    await log.stop()
    const report = await verify(world)
    assert.equal(report.ok, true)
    assert.deepEqual(
      report.findings.map(({ code }) => code),
      ['log_empty'],
    )
  } finally {
    await world.stop()
  }
})

test('what no checkpoint covers yet is counted, and an unfinished line is no fault', async () => {
  const world = await startWorld()
  try {
    const file = logFiles(world.dir, ACME).entries
    const first = await world.log()
    await tellStory(world)
    await until(async () => (await readLines(world.dir)).length === EVENTS)
    await first.stop()
    const log = await world.log({ intervalMs: 60_000 })
    await tellStory(world)
    await until(async () => (await readLines(world.dir)).length === 2 * EVENTS)
    assert.equal((await verify(world)).uncovered, EVENTS)
    await truncate(file, (await readFile(file)).length - 1)
    const report = await verify(world)
    assert.equal(report.ok, true)
    assert.deepEqual(
      report.findings.map(({ code, line }) => [code, line]),
      [['line_unfinished', 2 * EVENTS]],
    )
    await log.stop()
  } finally {
    await world.stop()
  }
})
