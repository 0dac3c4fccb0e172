import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type RunningSystem, startSystem } from '../src/system.ts'
import { callJson } from './e2e-support.ts'

interface Listed {
  readonly kid: string
  readonly role: string
  readonly status: string
}

describe('keys of a running system', () => {
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
  const grants = async (): Promise<readonly Listed[]> => {
    const { keys } = await json('keys', 'list')
    return (keys as Listed[]).filter(({ role }) => role === 'grant')
  }
  /** Reads a file through the whole of it. */
  const runs = async (): Promise<unknown> =>
    (
      await callJson(`${system.gateway}/v1/actions/propose`, {
        key: system.apiKey,
        body: { tool: 'files.list_directory', arguments: { path: '.' }, wait_ms: 5_000 },
      })
    ).text

  test('every key is listed, under the operator', async () => {
    const listed = await json('keys', 'list')
    assert.equal(listed['epoch'], 1)
    console.error(await runs())
    console.error(await system.command(['keys', 'list']))
    console.error(await json('keys', 'rotate'))
    console.error(await grants())
    console.error(await readdir(join(system.stateDir, 'gateway/grant')))
    console.error(await json('keys', 'delegate'))
    const [kid] = await grants()
    console.error(await json('keys', 'revoke', kid?.kid ?? '', '--reason', 'test'))
    console.error(await runs())
    console.error(await grants())
    console.error((await system.command(['audit', 'verify'])).out)
  })
})
