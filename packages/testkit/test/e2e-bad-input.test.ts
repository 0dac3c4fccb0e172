import assert from 'node:assert/strict'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { AgentOnBus } from '../src/attacks-agent.ts'
import { processes } from '../src/process-table.ts'
import { paidRefunds } from '../src/shop-view.ts'
import { type RunningSystem, startSystem } from '../src/system.ts'
import { callJson, type Ended, folder, trustgw } from './e2e-support.ts'

const BIG_BYTES = 10 * 1024 * 1024
const DEEP = 5_000

describe('a running system answers bad input with a stable code and goes on', () => {
  let system: RunningSystem
  let key: string
  let started: readonly (number | null)[]

  const pids = async (): Promise<readonly (number | null)[]> =>
    (await processes(system)).map(({ pid }) => pid)
  const url = (path: string): string => `${system.gateway}${path}`
  const propose = async (
    body: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<string> => {
    const answer = await callJson(url('/v1/actions/propose'), { key, body, headers })
    assert.ok(!/\bat .*\.[jt]s:\d+/.test(answer.text), 'no stack trace')
    return `${answer.status} ${String(answer.body['code'])}`
  }
  const order = { tool: 'shop.get_order', arguments: { order_id: 'ord_1001' } }

  before(async () => {
    system = await startSystem()
    key = system.apiKey ?? ''
    started = await pids()
  })
  after(() => system.remove())

  test('malformed JSON', async () => {
    assert.equal(await propose('{"tool":'), '400 json_refused')
  })
  test('a name twice', async () => {
    const twice = '{"tool":"shop.get_order","tool":"shop.refund","arguments":{}}'
    assert.equal(await propose(twice), '400 json_refused')
  })
  test('a depth bomb', async () => {
    const bomb = `{"tool":"shop.get_order","arguments":{"a":${'['.repeat(DEEP)}${']'.repeat(DEEP)}}}`
    assert.equal(await propose(bomb), '400 json_refused')
  })
  test('a number that is not exact', async () => {
    const body = '{"tool":"shop.get_order","arguments":{"n":9007199254740993}}'
    assert.equal(await propose(body), '400 json_refused')
  })
  test('a body of 10 MB', async () => {
    const body = JSON.stringify({ ...order, arguments: { order_id: 'x'.repeat(BIG_BYTES) } })
    const code = await propose(body).catch(() => 'cut')
    assert.ok(['413 body_too_large', 'cut'].includes(code), code)
  })
  test('an unknown tool', async () => {
    assert.equal(await propose({ tool: 'shop.nothing', arguments: {} }), '404 unknown_tool')
  })
  test('arguments that do not fit the schema', async () => {
    const wrong = { tool: 'shop.get_order', arguments: { order_id: 7 } }
    assert.equal(await propose(wrong), '422 arguments_invalid')
    const more = { tool: 'shop.get_order', arguments: { order_id: 'ord_1001', all: true } }
    assert.equal(await propose(more), '422 arguments_invalid')
  })
  test('a member that the call does not take', async () => {
    assert.equal(await propose({ ...order, approve: true }), '400 body_invalid')
  })
  test('the wrong content type', async () => {
    assert.equal(await propose(order, { 'content-type': 'text/plain' }), '415 content_type_refused')
  })
  test('the Origin of another page', async () => {
    assert.equal(await propose(order, { origin: 'https://evil.example' }), '403 origin_refused')
  })

  test('a missing key, one that nobody has, and one of another tenant', async () => {
    const [, , id = '', secret = ''] = key.split('_')
    const keys = [null, 'x', `${key}x`, `tgk_other_${id}_${secret}`]
    for (const wrong of keys) {
      const answer = await callJson(url('/v1/tools/list'), { key: wrong })
      assert.deepEqual([answer.status, answer.body['code']], [401, 'not_authenticated'])
    }
  })
  test('a revoked key', async () => {
    const added = await system.command(['agents', 'add', '--name', 'leaver', '--json'])
    const { api_key, key_id } = JSON.parse(added.out)
    const list = async (): Promise<number> =>
      (await callJson(url('/v1/tools/list'), { key: api_key })).status
    await eventually(list, 200)
    assert.equal((await system.command(['agents', 'revoke', key_id])).code, 0)
    await eventually(list, 401)
  })

  test('a Host header that names somebody else, at the gateway and at the portal', async () => {
    assert.equal(await statusWithHost(url('/v1/tools/list'), 'evil.example', key), 421)
    assert.equal(await statusWithHost(`${system.portal}/api/session`, 'evil.example'), 421)
  })
  test('the portal takes no post without its own Origin', async () => {
    const path = `${system.portal}/api/login/begin`
    const bare = await callJson(path, { body: {} })
    assert.deepEqual([bare.status, bare.body['code']], [403, 'origin_refused'])
    const foreign = await callJson(path, { body: {}, headers: { origin: 'https://evil.example' } })
    assert.equal(foreign.status, 403)
  })

  test('unknown subjects on the bus: refused by the server, whoever asks', async () => {
    const agent = await AgentOnBus.open(system, 'curious')
    try {
      await agent.known('main')
      for (const subject of [
        'trust.v1.main.action.approve',
        'nothing.here',
        '$JS.API.INFO',
        '$SYS.REQ.USER.INFO',
      ]) {
        const answer = await agent.ask(subject, {})
        assert.ok(
          answer === 'bus_permission' || answer === 'bus_no_responders',
          `${subject}: ${JSON.stringify(answer)}`,
        )
      }
    } finally {
      await agent.close()
    }
  })

  test('after all that every process is the same one, nothing was paid, and calls go through', async () => {
    assert.deepEqual(await pids(), started)
    assert.deepEqual(await paidRefunds(system), [])
    const answer = await callJson(url('/v1/actions/propose'), { key, body: order })
    assert.deepEqual([answer.status, answer.body['status']], [200, 'succeeded'])
  })
})

describe('a start that cannot succeed says why in one line and ends', () => {
  /** Ports that nothing uses, so that only the fault under test is in the way. */
  const freeEnv = async (): Promise<Record<string, string>> => {
    const [nats, websocket, gateway, host, shop] = await freePorts(5)
    return {
      TRUSTGW_MODE: 'development',
      TRUSTGW_NATS_PORT: String(nats),
      TRUSTGW_NATS_WEBSOCKET_PORT: String(websocket),
      TRUSTGW_GATEWAY_LISTEN: `127.0.0.1:${gateway}`,
      TRUSTGW_HOST_LISTEN: `127.0.0.1:${host}`,
      TRUSTGW_HOST_ORIGIN: `http://localhost:${host}`,
      TRUSTGW_EXAMPLE_SHOP_PORT: String(shop),
    }
  }
  const clear = (ended: Ended): void => {
    assert.ok(ended.code === 1 || ended.code === 2, `exit ${ended.code}\n${ended.err}`)
    assert.doesNotMatch(ended.err, /^\s+at .*:\d+:\d+\)?$/m, 'no stack trace')
    assert.doesNotMatch(ended.err, /PRIVATE KEY|SEED/)
  }
  /** Installs, changes one file, starts. */
  const startAfter = async (
    t: { after(fn: () => Promise<void>): void },
    file: string,
    change: readonly [string, string],
  ): Promise<Ended> => {
    const cwd = await folder(t)
    const env = await freeEnv()
    assert.equal((await trustgw(cwd, ['init'], env)).code, 0)
    const path = join(cwd, '.trustgw', file)
    const text = await readFile(path, 'utf8')
    assert.ok(text.includes(change[0]))
    await writeFile(path, text.replace(change[0], change[1]))
    return trustgw(cwd, ['up'], env)
  }

  test('a typo in policy.toml: file, line, key and the nearest name', async (t) => {
    const ended = await startAfter(t, 'policy.toml', ['priority = 10', 'priorty = 10'])
    clear(ended)
    assert.match(ended.err, /policy\.toml:\d+:\d+: "priorty".*priority/)
  })
  test('a typo in a manifest: file, line, key and the nearest name', async (t) => {
    const ended = await startAfter(t, 'connectors/shop.toml', ['base_url', 'base_ulr'])
    clear(ended)
    assert.match(ended.err, /shop\.toml:\d+: .*base_ulr.*"base_url"/)
  })
  test('a setting and a variable with a typo', async (t) => {
    const cwd = await folder(t)
    await writeFile(join(cwd, 'trustgw.toml'), 'mode = "development"\n[gateway]\nlisen = "x"\n')
    const file = await trustgw(cwd, ['doctor'])
    clear(file)
    assert.match(file.err, /gateway\.lisen.*gateway\.listen/)
    const variable = await trustgw(await folder(t), ['up'], { TRUSTGW_NATS_PROT: '4222' })
    clear(variable)
    assert.match(variable.err, /TRUSTGW_NATS_PROT.*TRUSTGW_NATS_PORT/)
  })

  test('a port in use: which, for what, and how to choose another', async (t) => {
    const env = await freeEnv()
    const port = Number(env['TRUSTGW_NATS_PORT'])
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    t.after(() => new Promise<void>((resolve) => server.close(() => resolve())))
    const ended = await trustgw(await folder(t), ['up'], env)
    clear(ended)
    assert.match(ended.err, new RegExp(`port ${port}, for the bus, is in use.*TRUSTGW_NATS_PORT=`))
  })
  test('an old nats-server: its version, the version wanted, and the ways to get it', async (t) => {
    const cwd = await folder(t)
    const fake = join(cwd, 'nats-server')
    await writeFile(fake, '#!/bin/sh\necho "nats-server: v2.9.25"\n')
    await chmod(fake, 0o755)
    const ended = await trustgw(cwd, ['up'], { ...(await freeEnv()), NATS_SERVER: fake })
    clear(ended)
    assert.match(ended.err, /2\.9\.25.*older than 2\.11.*NATS_SERVER/)
  })
  test('a state folder that cannot be written', async (t) => {
    const cwd = await folder(t)
    const file = join(cwd, 'occupied')
    await writeFile(file, '')
    const env = { ...(await freeEnv()), TRUSTGW_STATE_DIR: join(file, 'state') }
    const ended = await trustgw(cwd, ['up'], env)
    clear(ended)
    assert.match(ended.err, /occupied.*TRUSTGW_STATE_DIR/)
  })

  test('production without keys, and no mode at all, which is production', async (t) => {
    for (const mode of [{ TRUSTGW_MODE: 'production' }, {}]) {
      const { TRUSTGW_MODE: _mode, ...ports } = await freeEnv()
      const ended = await trustgw(await folder(t), ['up'], { ...ports, ...mode })
      clear(ended)
      assert.match(ended.err, /production does not make keys.*trustgw init/)
    }
  })
  test('production with keys that development made', async (t) => {
    const cwd = await folder(t)
    const env = await freeEnv()
    assert.equal((await trustgw(cwd, ['init'], env)).code, 0)
    const ended = await trustgw(cwd, ['up'], { ...env, TRUSTGW_MODE: 'production' })
    clear(ended)
    assert.match(ended.err, /made by development mode/)
  })
  test('production with a convenience of development, by name', async (t) => {
    const ended = await trustgw(await folder(t), ['up'], {
      TRUSTGW_MODE: 'production',
      TRUSTGW_POLICY_ALLOW_BY_DEFAULT: 'true',
    })
    clear(ended)
    assert.match(ended.err, /TRUSTGW_POLICY_ALLOW_BY_DEFAULT.*development only/)
  })
})

/** A GET with a Host header of choice, which fetch does not allow. */
function statusWithHost(url: string, host: string, key?: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { host, ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) }
    const sent = request(url, { headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    sent.once('error', reject)
    sent.end()
  })
}

async function eventually(read: () => Promise<number>, wanted: number): Promise<void> {
  for (const deadline = Date.now() + 5_000; (await read()) !== wanted; ) {
    assert.ok(Date.now() < deadline, `it never was ${wanted}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  await Promise.all(
    servers.map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))),
  )
  const ports = servers.map((server) => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  })
  await Promise.all(
    servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
  )
  return ports
}
