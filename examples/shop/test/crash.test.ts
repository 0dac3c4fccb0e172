import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startShop } from '../src/index.ts'
import {
  type Answer,
  API_KEY,
  call,
  fault,
  keyFile,
  refund,
  runMain,
  shopHere,
  spawnShop,
  tempFolder,
} from './shop-process.ts'

const WORKERS = 8
const KILLS = 4
const ONE_EURO = { order_id: 'ord_1005', amount: '1.00' }

test('killed again and again during refunds it loses nothing acknowledged, doubles nothing', async (t) => {
  const folder = await tempFolder(t)
  const args = ['--state', join(folder, 'state'), '--key-file', await keyFile(folder)]
  const acknowledged = new Map<string, Answer>()
  const attempted = new Set<string>()
  for (let round = 0; round < KILLS; round += 1) {
    const { child, url, exit } = await spawnShop(t, args)
    const before = acknowledged.size
    const workers = Array.from({ length: WORKERS }, async (_, worker) => {
      for (let i = 0; ; i += 1) {
        const key = `round-${round}-${worker}-${i}`
        attempted.add(key)
        acknowledged.set(key, await refund(url, key, ONE_EURO))
      }
    })
    const over = Promise.allSettled(workers)
    while (acknowledged.size < before + 30) await sleep(2)
    child.kill('SIGKILL')
    assert.equal((await exit)[1], 'SIGKILL')
    await over
  }
  const { url, child, exit } = await spawnShop(t, args)
  for (const [key, answer] of acknowledged) {
    assert.equal(answer.status, 201)
    assert.deepEqual((await call(url, `/v1/refunds/by-key/${key}`)).body, answer.body)
  }
  for (const key of attempted) assert.equal((await refund(url, key, ONE_EURO)).status, 201)
  const { body } = await call(url, '/v1/refunds?limit=1')
  assert.equal(body['total'], attempted.size)
  const order = await call(url, '/v1/orders/ord_1005')
  assert.equal(order.body['refunded'], `${attempted.size}.00`)
  child.kill('SIGTERM')
  assert.equal((await exit)[0], 0)
})

test('cut anywhere in its last line, the ledger opens with everything before it', async (t) => {
  const stateDir = await tempFolder(t)
  const path = join(stateDir, 'ledger.ndjson')
  const shop = await startShop({ stateDir, apiKey: API_KEY })
  await refund(shop.url, 'kept', ONE_EURO)
  const kept = (await readFile(path)).length
  await refund(shop.url, 'torn', ONE_EURO)
  await shop.stop()
  const whole = await readFile(path)
  for (let length = kept; length < whole.length; length += 1) {
    await writeFile(path, whole.subarray(0, length))
    const again = await startShop({ stateDir, apiKey: API_KEY })
    const entries = again.ledger()
    await again.stop()
    assert.equal(entries.length, 2)
    assert.equal((await stat(path)).size, kept)
  }
  const after = await shopHere(t, stateDir)
  assert.equal((await refund(after.url, 'torn', ONE_EURO)).status, 201)
})

test('a ledger with a changed, missing or foreign line is refused, not repaired', async (t) => {
  const stateDir = await tempFolder(t)
  const path = join(stateDir, 'ledger.ndjson')
  const shop = await startShop({ stateDir, apiKey: API_KEY })
  await refund(shop.url, 'a', ONE_EURO)
  await refund(shop.url, 'b', ONE_EURO)
  await shop.stop()
  const content = await readFile(path, 'utf8')
  const lines = content.split('\n')
  const broken = [
    content.replace('"amount_minor":100', '"amount_minor":-100'),
    content.replace('demo-1', 'demo-2'),
    [lines[0], lines[2], ''].join('\n'),
    `${content}{}\n`,
    `${content}\n`,
  ]
  for (const bytes of broken) {
    await writeFile(path, bytes)
    await assert.rejects(startShop({ stateDir, apiKey: API_KEY }), { code: 'ledger_corrupt' })
    assert.equal(await readFile(path, 'utf8'), bytes)
  }
  await writeFile(path, content)
  await appendFile(path, '{"seq":4')
  assert.equal((await shopHere(t, stateDir)).ledger().length, 3)
})

test('two shops on one state folder: the second is refused; a dead one is no obstacle', async (t) => {
  const folder = await tempFolder(t)
  const args = ['--state', join(folder, 'state'), '--key-file', await keyFile(folder)]
  const { child, exit } = await spawnShop(t, args)
  const options = { stateDir: join(folder, 'state'), apiKey: API_KEY }
  await assert.rejects(startShop(options), { code: 'state_in_use' })
  child.kill('SIGKILL')
  await exit
  const shop = await startShop(options)
  await assert.rejects(startShop(options), { code: 'state_in_use' })
  await shop.stop()
})

test('SIGINT and a lost supervisor let a slow refund end, then exit 0', async (t) => {
  for (const end of ['SIGINT', 'disconnect'] as const) {
    const folder = await tempFolder(t)
    const args = ['--state', folder, '--key-file', await keyFile(folder)]
    const { child, url, exit } = await spawnShop(t, args)
    await fault(url, { mode: 'slow', delay_ms: 60_000, on: 'refunds' })
    const answer = refund(url, 'k', ONE_EURO)
    while ((await call(url, '/v1/refunds')).body['total'] === 0) await sleep(2)
    if (end === 'disconnect') child.disconnect()
    else child.kill(end)
    assert.equal((await answer).status, 201)
    assert.deepEqual(await exit, [0, null])
  }
})

test('bad settings end with one clear line and never show the key', async (t) => {
  const folder = await tempFolder(t)
  const good = await keyFile(folder)
  const taken = await shopHere(t)
  const cases = [
    [['--state', folder], {}, 2, 'usage'],
    [['--key-file', good], {}, 2, 'usage'],
    [['--state', folder, '--key-file', good, '--prot', '1'], {}, 2, 'usage'],
    [['--state', folder, '--key-file', good, '--port', '70000'], {}, 2, 'usage'],
    [['--state', folder, '--key-file', good], { SHOP_API_KEY: API_KEY }, 2, 'usage'],
    [['--state', folder], { SHOP_API_KEY: 'secret-short' }, 1, 'bad_key'],
    [['--state', folder, '--key-file', join(folder, 'none')], {}, 1, 'ENOENT'],
    [
      ['--state', folder, '--key-file', good, '--port', new URL(taken.url).port],
      {},
      1,
      'EADDRINUSE',
    ],
  ] as const
  for (const [args, env, status, code] of cases) {
    const child = runMain(args, { env })
    let errors = ''
    child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    const [exitCode] = (await once(child, 'close')) as [number]
    assert.equal(exitCode, status, errors)
    assert.match(errors, new RegExp(`^{"code":"${code}"`))
    assert.doesNotMatch(errors, /secret-short|shop-test-key|\n\s+at /)
  }
  spawnSync('chmod', ['644', good])
  const child = runMain(['--state', folder, '--key-file', good])
  assert.deepEqual(await once(child, 'exit'), [1, null])
})

test('the key may come by environment, and the ledger does not hold it', async (t) => {
  const stateDir = await tempFolder(t)
  const child = runMain(['--state', stateDir], { env: { SHOP_API_KEY: API_KEY } })
  t.after(() => child.kill('SIGKILL'))
  const [line] = (await once(child.stdout ?? child, 'data')) as [Buffer]
  const { url } = JSON.parse(line.toString()) as { url: string }
  assert.equal((await refund(url, 'k', ONE_EURO)).status, 201)
  assert.doesNotMatch(await readFile(join(stateDir, 'ledger.ndjson'), 'utf8'), /shop-test-key/)
  assert.equal((await stat(join(stateDir, 'ledger.ndjson'))).mode & 0o777, 0o600)
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [0, null])
})
