import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { readManifest } from '../src/connectors/load-manifests.ts'
import { type Handler, withBench } from './support/bench.ts'
import { until } from './support/connectors.ts'

const repeatable = (manifest: string): string =>
  manifest.replace('method = "POST"', 'method = "POST"\nidempotent = true')

/** Loses the first so many calls; knows nothing when it is asked. */
function losing(times: number, keys: string[], then = 200): Handler {
  return (request, response) => {
    if (request.method === 'GET') {
      response.writeHead(404).end()
      return
    }
    keys.push(String(request.headers['idempotency-key']))
    if (keys.length <= times) request.socket.destroy()
    else response.writeHead(then).end('{"id":"p1"}')
  }
}

test('a call that ended unseen is made again under its key, where the contract says so', async () => {
  const keys: string[] = []
  await withBench({ handler: losing(1, keys), edit: repeatable }, async (bench) => {
    assert.equal(bench.world.contract.idempotent, true)
    await bench.invoke(await bench.granted())
    await until(() => bench.results().length === 1)
    assert.deepEqual(bench.results()[0]?.output, { id: 'p1' })
    assert.equal(keys.length, 2)
    assert.equal(new Set(keys).size, 1)
    const wal = await readFile(join(bench.dir, 'executor', 'wal.ndjson'), 'utf8')
    assert.match(wal, /"kind":"again","times":1/)
    await bench.running().stop()
    const ended = (await bench.events()).find(({ type }) => type === 'finished')
    assert.equal(ended?.payload['entered'], 2)
    assert.equal((await bench.events()).filter(({ type }) => type === 'started').length, 1)
  })
})

test('it is made again at most twice', async () => {
  const keys: string[] = []
  await withBench({ handler: losing(99, keys), edit: repeatable }, async (bench) => {
    await bench.invoke(await bench.granted())
    await until(() => bench.results().length === 1, 20_000)
    assert.equal(bench.results()[0]?.outcome, 'unknown_outcome')
    assert.equal(keys.length, 3)
  })
})

test('without the contract saying so it is never made again [INV-17]', async () => {
  const keys: string[] = []
  await withBench({ handler: losing(1, keys) }, async (bench) => {
    await bench.invoke(await bench.granted())
    await until(() => bench.results().length === 1)
    assert.equal(bench.results()[0]?.outcome, 'unknown_outcome')
    assert.equal(keys.length, 1)
  })
})

test('a refusal of the later call does not show that the first one did nothing', async () => {
  const keys: string[] = []
  await withBench({ handler: losing(1, keys, 409), edit: repeatable }, async (bench) => {
    await bench.invoke(await bench.granted())
    await until(() => bench.results().length === 1)
    assert.equal(bench.results()[0]?.outcome, 'unknown_outcome')
    assert.equal(keys.length, 3)
  })
})

test('only what hands on the key, or reads, may be called idempotent', () => {
  const http = (lines: string): string => `
version = 1
kind = "http"
id = "till"
title = "Till"
description = "A till"
credential = "none"
base_url = "http://127.0.0.1:1"
[tools.pay]
title = "Pay"
description = "Pays."
path = "/pay"
${lines}
[tools.pay.input_schema]
type = "object"
`
  const stdio = (lines: string): string => `
version = 1
kind = "stdio"
id = "files"
title = "Files"
description = "Files"
credential = "none"
package = "some-server"
args = []
era = "legacy"
[tools.read]
${lines}
`
  const problem = (text: string): string => {
    const read = readManifest('x.toml', text)
    return read.ok ? 'ok' : read.problem.key
  }
  const key = 'idempotency_header = "Idempotency-Key"'
  assert.equal(problem(http(`method = "POST"\nidempotent = true\n${key}`)), 'ok')
  assert.equal(problem(http('method = "GET"\nidempotent = true\noperation = "read"')), 'ok')
  assert.equal(problem(http('method = "POST"\nidempotent = true')), 'tools.pay.idempotent')
  assert.equal(problem(http('method = "GET"\nidempotent = true')), 'tools.pay.idempotent')
  assert.equal(problem(http(`method = "POST"\nidempotent = false\n${key}`)), 'tools.pay.idempotent')
  assert.equal(problem(stdio('idempotent = true\noperation = "read"')), 'ok')
  assert.equal(problem(stdio('idempotent = true\noperation = "update"')), 'tools.read.idempotent')
})
