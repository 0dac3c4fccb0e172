import assert from 'node:assert/strict'
import { copyFile, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type RunningSystem, startSystem } from '../src/system.ts'
import { callJson, folder, type HttpAnswer } from './e2e-support.ts'

interface Listed {
  readonly kid: string
  readonly role: string
  readonly status: string
  readonly until: number | null
}

const WAIT_MS = 20_000

describe('the keys of a running system', () => {
  let system: RunningSystem
  let key: string | null
  before(async () => {
    system = await startSystem()
    key = system.apiKey
  })
  after(() => system.remove())

  const json = async (...args: string[]): Promise<Record<string, unknown>> => {
    const done = await system.command([...args, '--json'])
    assert.equal(done.code, 0, done.err + done.out)
    return JSON.parse(done.out) as Record<string, unknown>
  }
  const grants = async (): Promise<readonly Listed[]> => {
    const { keys } = await json('keys', 'list')
    return (keys as Listed[]).filter(({ role }) => role === 'grant')
  }
  /** A call through every plane. */
  const call = (wait_ms: number): Promise<HttpAnswer> =>
    callJson(`${system.gateway}/v1/actions/propose`, {
      key,
      body: { tool: 'files.list_directory', arguments: { path: '.' }, wait_ms },
    })

  test('rotate brings the key that the gateway offered; the old one is believed beside it for a while', async () => {
    const [first] = await grants()
    assert.equal((await call(WAIT_MS)).body['status'], 'succeeded')
    const rotated = await json('keys', 'rotate')
    const [old, next, ...more] = await grants()
    assert.deepEqual(rotated['keys'], [{ kid: next?.kid, replaces: first?.kid }])
    assert.ok(old?.kid === first?.kid && typeof old?.until === 'number' && next?.until === null)
    assert.deepEqual(more, [])
    assert.equal((await call(WAIT_MS)).body['status'], 'succeeded')
    const files = await readdir(join(system.stateDir, 'gateway', 'grant'))
    assert.ok(files.includes(`${old.kid}.key`) && files.includes(`${next.kid}.key`))
  })

  test('revoke ends a key for good; without any nothing runs until rotate, and nothing is lost', async () => {
    const [old, next] = await grants()
    const words = ['--reason', 'a laptop was stolen']
    assert.equal((await json('keys', 'revoke', old?.kid ?? '', ...words))['grants'], true)
    assert.equal((await call(WAIT_MS)).body['status'], 'succeeded', 'the newer one signs')
    assert.equal((await json('keys', 'revoke', next?.kid ?? '', ...words))['grants'], false)
    const waiting = await call(300)
    assert.notEqual(waiting.body['status'], 'succeeded')
    const taken = await json('keys', 'rotate')
    assert.equal((taken['keys'] as readonly { replaces: unknown }[])[0]?.replaces, null)
    const id = String(waiting.body['action_id'])
    const ended = await callJson(`${system.gateway}/v1/actions/${id}?wait=${WAIT_MS / 1000}s`, {
      key,
    })
    assert.equal(ended.body['status'], 'succeeded', ended.text)
    assert.deepEqual(
      (await grants()).map(({ status }) => status === 'revoked'),
      [true, true, false],
    )
  })

  test('delegate lets another key rotate and revoke grant keys, and nothing else', async () => {
    const { file } = await json('keys', 'delegate', '--days', '30')
    assert.equal(file, join(system.stateDir, 'host', 'rotation.key'))
    const by = ['--key', file]
    const listed = (await grants()).length
    await json('keys', 'rotate', ...by)
    assert.equal((await grants()).length, listed + 1)
    const { keys } = await json('keys', 'list')
    const host = (keys as Listed[]).find(({ role }) => role === 'host')
    const refused = await system.command([
      'keys',
      'revoke',
      host?.kid ?? '',
      '--reason',
      'no',
      ...by,
    ])
    assert.equal(refused.code, 1)
    assert.match(refused.err, /may not make that change/)
    assert.equal((await call(WAIT_MS)).body['status'], 'succeeded')
  })

  test('what revoked keys signed in their time still verifies', async () => {
    const verified = await system.command(['audit', 'verify'])
    assert.equal(verified.code, 0, verified.out)
  })

  test('the list says so when the bus does not answer; a restart goes on with the newest set', async () => {
    const { epoch } = await json('keys', 'list')
    assert.equal(await system.stop(), 0)
    const offline = await json('keys', 'list')
    assert.deepEqual([offline['epoch'], offline['live']], [epoch, false])
    system = await system.restart()
    assert.equal((await json('keys', 'list'))['epoch'], epoch)
    assert.equal((await call(WAIT_MS)).body['status'], 'succeeded')
  })

  test('what an earlier version installed is brought up to date by the next start', async () => {
    const current = (await grants()).find(({ status }) => status === 'active')
    await system.stop()
    const at = (...parts: string[]): string => join(system.stateDir, ...parts)
    await rename(at('gateway', 'grant', `${current?.kid}.key`), at('gateway', 'grant.key'))
    const trust = ['operator/trust', 'gateway/trust', 'host/trust', 'executor/trust', 'log/_trust']
    for (const dir of [...trust, 'gateway/grant']) {
      await rm(at(dir), { recursive: true })
    }
    await copyFile(at('log', 'bus.creds'), at('gateway', 'bus.creds'))
    system = await system.restart()
    assert.ok((await grants()).some(({ kid }) => kid === current?.kid))
    assert.equal((await call(WAIT_MS)).body['status'], 'succeeded')
  })
})

test('with a passphrase every signing key is sealed, those that the gateway makes too', async (t) => {
  const temp = await folder(t)
  const file = join(temp, 'passphrase')
  await writeFile(file, 'a passphrase of many bytes\n', { mode: 0o600 })
  const system = await startSystem({ env: { TRUSTGW_KEYS_PASSPHRASE_FILE: file } })
  t.after(() => system.remove())
  const rotated = await system.command(['keys', 'rotate'])
  assert.equal(rotated.code, 0, rotated.err)
  const dir = join(system.stateDir, 'gateway', 'grant')
  const grants = (await readdir(dir)).map((name) => join(dir, name))
  assert.ok(grants.length >= 2)
  for (const one of [...grants, join(system.stateDir, 'operator', 'operator.key')]) {
    assert.match(await readFile(one, 'utf8'), /BEGIN ENCRYPTED PRIVATE KEY/, one)
  }
  const called = await callJson(`${system.gateway}/v1/actions/propose`, {
    key: system.apiKey,
    body: { tool: 'files.list_directory', arguments: { path: '.' }, wait_ms: WAIT_MS },
  })
  assert.equal(called.body['status'], 'succeeded', called.text)
  const doctor = await system.command(['doctor', '--json'])
  const { checks } = JSON.parse(doctor.out) as { checks: { name: string; grade: string }[] }
  const graded = new Map(checks.map(({ name, grade }) => [name, grade]))
  assert.deepEqual(
    ['Keys', 'Key rotation', 'Keys at rest'].map((name) => graded.get(name)),
    ['ok', 'note', 'ok'],
  )
  const without = await system.command(['keys', 'rotate'], {
    env: { TRUSTGW_KEYS_PASSPHRASE_FILE: '' },
  })
  assert.equal(without.code, 1)
  assert.match(without.err, /file_sealed/)
})
