import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { startBusWorld } from '@trustgw/testkit/bus-world'
import { findNatsServer } from '../src/nats/binary.ts'
import { NatsError } from '../src/nats/nats-error.ts'
import { provisionStreams } from '../src/nats/provision.ts'
import { type BusPorts, startNatsServer } from '../src/nats/server.ts'

const root = mkdtempSync(path.join(tmpdir(), 'tg-server-'))
after(() => rmSync(root, { recursive: true, force: true }))
let folders = 0
function folder(): string {
  folders += 1
  return path.join(root, String(folders))
}

const { NATS_SERVER: named, PATH: searchPath } = process.env
const binary = findNatsServer({
  ...(named !== undefined && { named }),
  ...(searchPath !== undefined && { searchPath }),
  cacheDir: fileURLToPath(new URL('../../../../.cache/nats', import.meta.url)),
}).path
const plain = (ports: BusPorts): string =>
  `listen: "127.0.0.1:${ports.client}"\nwebsocket { listen: "127.0.0.1:${ports.websocket}", no_tls: true }\n`
const free = { client: -1, websocket: -1 } as const
const coded = (code: string, text: RegExp) => (error: unknown) =>
  error instanceof NatsError && error.code === code && text.test(error.message)

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' })
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

async function gone(port: number): Promise<boolean> {
  const deadline = performance.now() + 8_000
  while (performance.now() < deadline) {
    if (!(await listens(port))) return true
    await sleep(50)
  }
  return false
}

test('a server starts on free ports, keeps its configuration private, stops and starts again on the same ports', async () => {
  const dir = folder()
  const lines: string[] = []
  const server = await startNatsServer({
    binary,
    dir,
    ports: free,
    config: plain,
    onLine: (line) => lines.push(line),
  })
  assert.equal(statSync(path.join(dir, 'nats.conf')).mode & 0o777, 0o600)
  assert.equal(statSync(dir).mode & 0o777, 0o700)
  assert.ok(await listens(server.ports.client))
  await server.restart()
  assert.ok(await listens(server.ports.client))
  assert.ok(server.isRunning())
  await server.kill()
  assert.equal((await server.exited()).signal, 'SIGKILL')
  await server.restart()
  assert.ok(await listens(server.ports.websocket))
  await server.stop()
  assert.equal(await listens(server.ports.client), false)
  assert.equal(server.isRunning(), false)
  assert.ok(lines.some((line) => line.includes('Server is ready')))
  assert.deepEqual(readdirSync(dir), ['nats.conf'])
})

test('a port in use is named, with the remedy', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const address = taken.address()
  assert.ok(address !== null && typeof address === 'object')
  const { port } = address
  for (const ports of [
    { client: port, websocket: -1 },
    { client: -1, websocket: port },
  ]) {
    const start = startNatsServer({
      binary,
      dir: folder(),
      ports,
      config: plain,
      onLine: () => undefined,
    })
    await assert.rejects(
      start,
      coded('port_in_use', new RegExp(`port ${port} is in use: .*another`)),
    )
  }
  taken.close()
})

test('a configuration that the server refuses is reported in its own words', async () => {
  const start = startNatsServer({
    binary,
    dir: folder(),
    ports: free,
    config: () => 'listne: 1\n',
    onLine: () => undefined,
  })
  await assert.rejects(start, coded('server_exited', /unknown field/))
})

test('a server that never gets ready is ended', async () => {
  const dir = folder()
  const sleepy = path.join(root, 'sleepy')
  writeFileSync(sleepy, '#!/bin/sh\nexec /bin/sleep 60\n')
  chmodSync(sleepy, 0o755)
  const start = startNatsServer({
    binary: sleepy,
    dir,
    ports: free,
    config: plain,
    onLine: () => undefined,
    readyTimeoutMs: 200,
  })
  await assert.rejects(start, coded('server_not_ready', /200 ms/))
  assert.deepEqual(readdirSync(dir), ['nats.conf'])
})

for (const [way, where] of [
  ['the kernel', '/usr/local/bin:/usr/bin:/bin'],
  ['the guard process', ''],
] as const) {
  test(`a server dies with a supervisor that was killed without warning, by ${way}`, async () => {
    const script = fileURLToPath(new URL('./nats-orphan.js', import.meta.url))
    const parent = spawn(process.execPath, [script, binary, folder(), where], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const port = await new Promise<number>((resolve) => {
      parent.stdout.once('data', (data: Buffer) => resolve(Number(data.toString())))
    })
    assert.ok(await listens(port))
    parent.kill('SIGKILL')
    assert.ok(await gone(port), 'the server outlived its supervisor')
  })
}

test('a guarded server starts, restarts and stops as any other', async () => {
  const dir = folder()
  const options = {
    binary,
    dir,
    ports: free,
    config: plain,
    onLine: () => undefined,
    searchPath: '',
  }
  const server = await startNatsServer(options)
  await server.restart()
  assert.ok(await listens(server.ports.client))
  await server.kill()
  assert.ok(await gone(server.ports.client))
  await server.restart()
  await server.stop()
  assert.ok(await gone(server.ports.client))
})

test('an old, a missing and a false nats-server are told apart, each with the remedy', () => {
  const dir = folder()
  spawnSync('mkdir', ['-p', dir])
  const old = path.join(dir, 'nats-server')
  writeFileSync(old, '#!/bin/sh\necho "nats-server: v2.10.27"\n')
  chmodSync(old, 0o755)
  const remedy = /NATS_SERVER=.*package manager/
  assert.throws(() => findNatsServer({ named: old }), coded('binary_too_old', /2\.10\.27 at/))
  assert.throws(() => findNatsServer({ named: old }), coded('binary_too_old', remedy))
  assert.throws(() => findNatsServer({ named: '/nowhere' }), coded('binary_missing', remedy))
  assert.throws(() => findNatsServer({ named: '/bin/true' }), coded('binary_missing', remedy))
  const recent = findNatsServer({ searchPath: dir, cacheDir: path.dirname(binary) })
  assert.notEqual(recent.path, old)
})

test('streams are made once, kept on a second run, and one with another setting is refused and left alone', async () => {
  const world = await startBusWorld()
  try {
    const exd = await world.connect(
      world.issue({ kind: 'provision_executor', profile: 'connector' }),
    )
    const connections = { data: world.provisionConn, executors: { connector: exd } }
    const gateway = await world.connect(world.creds.gateway)
    await jetstream(gateway, { domain: 'data', checkAPI: false }).publish('$KV.actions.acme.k', 'v')
    await provisionStreams(connections)
    const manager = await jetstreamManager(exd)
    await manager.streams.update('KV_journal', { discard_new_per_subject: false })
    await assert.rejects(
      provisionStreams(connections),
      coded(
        'stream_mismatch',
        /KV_journal of EXD_connector .*discard_new_per_subject: false, not true/,
      ),
    )
    const { config } = await manager.streams.info('KV_journal')
    assert.notEqual(config.discard_new_per_subject, true)
    await manager.streams.update('KV_journal', { discard_new_per_subject: true })
    await provisionStreams(connections)
    const data = await jetstreamManager(world.provisionConn)
    assert.equal((await data.streams.info('KV_actions')).state.messages, 1)
    await data.consumers.delete('AUDIT', 'log')
    await data.consumers.add('AUDIT', { durable_name: 'log', ack_policy: 'none' })
    await assert.rejects(provisionStreams(connections), coded('stream_mismatch', /ack_policy/))
  } finally {
    await world.stop()
  }
})

test('after a crash of the server everything stored is there and clients come back', async () => {
  const world = await startBusWorld()
  try {
    const data = { domain: 'data', checkAPI: false } as const
    const before = await world.connect(world.creds.gateway)
    await jetstream(before, data).publish('audit.v1.acme.gateway.1.decided', 'kept')
    await world.server.kill()
    await world.server.restart()
    const again = await world.connect(world.creds.gateway)
    const manager = await jetstreamManager(again, data)
    assert.equal((await manager.direct.getMessage('AUDIT', { seq: 1 }))?.string(), 'kept')
  } finally {
    await world.stop()
  }
})
