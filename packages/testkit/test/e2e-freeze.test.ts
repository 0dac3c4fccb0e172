import assert from 'node:assert/strict'
import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type RunningSystem, startSystem } from '../src/system.ts'
import { callJson, type HttpAnswer } from './e2e-support.ts'

/** A call that an executor holds back ends by no word of it: the next one is tried soon. */
const LOOK_MS = 1_000
const TRIES = 100
const PAUSE_MS = 25

describe('freeze and thaw on a running system', () => {
  let system: RunningSystem
  before(async () => {
    system = await startSystem()
  })
  after(() => system.remove())

  const json = async (...args: string[]): Promise<Record<string, unknown>> => {
    const done = await system.command([...args, '--json'])
    assert.equal(done.code, 0, done.err + done.out)
    return JSON.parse(done.out) as Record<string, unknown>
  }
  /** A call through every plane. */
  const call = (wait_ms: number): Promise<HttpAnswer> =>
    callJson(`${system.gateway}/v1/actions/propose`, {
      key: system.apiKey,
      body: { tool: 'files.list_directory', arguments: { path: '.' }, wait_ms },
    })
  const outcome = async (wait_ms: number): Promise<unknown> => {
    const { body } = await call(wait_ms)
    return body['code'] ?? body['status']
  }
  const until = async (wanted: string): Promise<void> => {
    for (let turn = 0; turn < TRIES; turn += 1) {
      if ((await outcome(LOOK_MS)) === wanted) return
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
    assert.fail(`never ${wanted}`)
  }
  const standing = async (): Promise<readonly unknown[]> => {
    const { freezes } = await json('freeze', 'list')
    return (freezes as { thaw: unknown }[]).filter(({ thaw }) => thaw === null)
  }

  test('freeze stops every new call with a reason that gives nothing away; thaw ends it', async () => {
    await until('succeeded')
    const { freeze } = await json('freeze', '--reason', 'odd refunds, seen by Ann')
    await until('frozen')
    const refused = await call(0)
    assert.equal(refused.status, 503)
    assert.ok(!refused.text.includes('Ann'), 'why is for people')
    assert.equal((await standing()).length, 1)
    const doctor = await system.command(['doctor'])
    assert.match(doctor.out, /frozen: everything/)
    assert.deepEqual((await json('thaw', String(freeze)))['thawed'], [freeze])
    await until('succeeded')
    assert.deepEqual(await standing(), [])
  })

  test('a freeze of another tool or agent stops nothing else', async () => {
    await json('freeze', '--tool', 'shop.refund', '--reason', 'refunds only')
    await json('freeze', '--agent', 'somebody-else', '--reason', 'that one only')
    await json('freeze', '--tool', 'files.list_directory', '--reason', 'and this')
    await until('frozen')
    const [, , third] = (await standing()) as { freeze: string }[]
    await json('thaw', third?.freeze ?? '')
    await until('succeeded')
    assert.ok(Array.isArray((await json('thaw', '--all'))['thawed']))
    assert.deepEqual(await standing(), [])
  })

  test('a file in its folder stops an executor that nobody else can reach', async () => {
    const inbox = join(system.stateDir, 'executor', 'freezes', 'in')
    const file = join(inbox, 'stop.json')
    const { freeze } = await json('freeze', '--reason', 'cut off', '--file', file)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    const kept = join(system.stateDir, 'executor', 'freezes')
    const { tenant } = JSON.parse(await readFile(file, 'utf8')).statement as { tenant: string }
    const isKept = async (): Promise<boolean> =>
      (await readFile(join(kept, `${tenant}.ndjson`), 'utf8').catch(() => '')).includes('cut off')
    for (let turn = 0; turn < TRIES && !(await isKept()); turn += 1) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
    await rm(file)
    assert.notEqual(
      await outcome(1_000),
      'succeeded',
      'the gateway grants, the executor does not run',
    )
    await json('thaw', String(freeze), '--reason', 'back', '--file', join(inbox, 'go.json'))
    await until('succeeded')
  })

  test('wrong words are said', async () => {
    const twice = ['--tool', 'a', '--agent', 'b', '--reason', 'x']
    assert.equal((await system.command(['freeze', ...twice])).code, 2)
    assert.equal((await system.command(['freeze'])).code, 2)
    assert.equal((await system.command(['thaw'])).code, 2)
    assert.equal((await system.command(['thaw', `sha256:${'0'.repeat(64)}`])).code, 1)
  })
})
