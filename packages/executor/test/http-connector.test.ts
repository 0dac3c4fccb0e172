import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { type RunningShop, startShop } from '@trustgw/example-shop'
import type { HttpConnector } from '../src/connectors/http-connector.ts'
import type { HttpManifest } from '../src/connectors/manifest.ts'
import { exampleManifest, runOf, SHOP_KEY, startHttp, tempDir } from './support/connectors.ts'

const REFUND = { order_id: 'ord_1001', amount: '12.50', currency: 'EUR', reason: 'broken' }

async function shopManifest(url: string, timeoutMs = 10_000): Promise<HttpManifest> {
  const manifest = await exampleManifest('shop', (text) =>
    text
      .replace('http://127.0.0.1:3070', url)
      .replace('call_timeout_ms = 10_000', `call_timeout_ms = ${timeoutMs}`),
  )
  assert.ok(manifest.kind === 'http')
  return manifest
}

async function withShop(
  use: (connector: HttpConnector, shop: RunningShop) => Promise<void>,
  timeoutMs?: number,
): Promise<void> {
  const dir = await tempDir()
  const shop = await startShop({ stateDir: dir.path, apiKey: SHOP_KEY })
  const connector = startHttp(await shopManifest(shop.url, timeoutMs))
  try {
    await use(connector, shop)
  } finally {
    await connector.stop()
    await shop.stop()
    await dir.remove()
  }
}

async function misbehave(shop: RunningShop, fault: object): Promise<void> {
  const answer = await fetch(`${shop.url}/admin/faults`, {
    method: 'POST',
    headers: { authorization: `Bearer ${SHOP_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(fault),
  })
  assert.equal(answer.status, 200)
}

const refunds = (shop: RunningShop): number => shop.ledger().length

test('a refund reaches the real shop once, with its key, and names its reference', async () => {
  await withShop(async (connector, shop) => {
    const before = refunds(shop)
    const first = await connector.run(runOf('refund', REFUND))
    assert.ok(first.kind === 'succeeded', JSON.stringify(first))
    assert.match(first.provider_reference ?? '', /./)
    const second = await connector.run(runOf('refund', REFUND))
    assert.deepEqual(second, first)
    assert.equal(refunds(shop), before + 1)
  })
})

test('arguments fill the path and the query', async () => {
  await withShop(async (connector) => {
    const order = await connector.run(runOf('get_order', { order_id: 'ord_1001' }))
    assert.ok(order.kind === 'succeeded' && JSON.stringify(order.output).includes('ord_1001'))
    const page = await connector.run(runOf('list_orders', { limit: 1 }))
    assert.ok(page.kind === 'succeeded', JSON.stringify(page))
    const up = await connector.run(runOf('get_order', { order_id: '..' }))
    assert.deepEqual(up, { kind: 'failed', reason: 'arguments_unusable', output: null })
  })
})

test('the shop refusing is a failure with its code, not its prose', async () => {
  await withShop(async (connector) => {
    const outcome = await connector.run(runOf('refund', { ...REFUND, order_id: 'ord_9999' }))
    assert.ok(outcome.kind === 'failed' && outcome.reason === 'upstream_refused')
    assert.deepEqual(Object.keys(outcome.output as object).sort(), ['code', 'status'])
  })
})

test('a connection dropped after the work is settled by asking with the key', async () => {
  await withShop(async (connector, shop) => {
    const before = refunds(shop)
    await misbehave(shop, { mode: 'drop_after_work', times: 1, on: 'refunds' })
    const outcome = await connector.run(runOf('refund', REFUND))
    assert.equal(outcome.kind, 'succeeded')
    assert.equal(refunds(shop), before + 1)
  })
})

test('a connection dropped before the work is a failure, once the shop says that it knows nothing', async () => {
  await withShop(async (connector, shop) => {
    const before = refunds(shop)
    await misbehave(shop, { mode: 'drop_before_work', times: 1, on: 'refunds' })
    const outcome = await connector.run(runOf('refund', REFUND))
    assert.deepEqual(outcome, { kind: 'failed', reason: 'not_executed', output: null })
    assert.equal(refunds(shop), before)
  })
})

test('dropped after the work, and nobody to ask: unknown', async () => {
  await withShop(async (connector, shop) => {
    await misbehave(shop, { mode: 'drop_after_work', on: 'all' })
    const outcome = await connector.run(runOf('refund', REFUND))
    assert.deepEqual(outcome, { kind: 'unknown_outcome', reason: 'connection_lost' })
    await misbehave(shop, { mode: 'none' })
    const later = await connector.reconcile({ ...runOf('refund', REFUND), isQuiet: true })
    assert.equal(later?.kind, 'succeeded')
  })
})

test('a shop too slow for the limit is asked, and its work found', async () => {
  await withShop(async (connector, shop) => {
    await misbehave(shop, { mode: 'slow', delay_ms: 3_000, times: 1, on: 'refunds' })
    const outcome = await connector.run(runOf('refund', REFUND))
    assert.equal(outcome.kind, 'succeeded')
  }, 400)
})

test('a shop that is not there means that nothing was done', async () => {
  const connector = startHttp(await shopManifest('http://127.0.0.1:9'))
  const outcome = await connector.run(runOf('refund', REFUND))
  assert.deepEqual(outcome, { kind: 'failed', reason: 'upstream_unreachable', output: null })
  await connector.stop()
})

async function withServer(
  handler: RequestListener,
  use: (connector: HttpConnector, seen: string[]) => Promise<void>,
  timeoutMs?: number,
): Promise<void> {
  const seen: string[] = []
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`)
    handler(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const connector = startHttp(await shopManifest(`http://127.0.0.1:${port}`, timeoutMs))
  try {
    await use(connector, seen)
  } finally {
    await connector.stop()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

test('a redirect is not followed', async () => {
  await withServer(
    (_request, response) => response.writeHead(307, { location: 'http://169.254.169.254/' }).end(),
    async (connector, seen) => {
      const outcome = await connector.run(runOf('refund', REFUND))
      assert.ok(outcome.kind === 'failed' && outcome.reason === 'upstream_refused')
      assert.deepEqual(seen, ['POST /v1/refunds'])
    },
  )
})

test('a server error and an answer that is no JSON leave it open, and nothing is sent twice [INV-17]', async () => {
  for (const [status, body] of [
    [500, '{}'],
    [200, '{"a":1,"a":2}'],
    [200, 'x'.repeat(5_000_000)],
  ] as const) {
    await withServer(
      (request, response) => {
        if (request.method === 'GET') response.writeHead(503).end()
        else response.writeHead(status).end(body)
      },
      async (connector, seen) => {
        const outcome = await connector.run(runOf('refund', REFUND))
        assert.equal(outcome.kind, 'unknown_outcome')
        assert.equal(seen.filter((line) => line.startsWith('POST')).length, 1)
      },
    )
  }
})

test('no record while the request may still be under way proves nothing', async () => {
  await withServer(
    (request, response) => {
      if (request.method === 'GET') response.writeHead(404).end()
    },
    async (connector) => {
      const outcome = await connector.run(runOf('refund', REFUND))
      assert.deepEqual(outcome, { kind: 'unknown_outcome', reason: 'timeout' })
    },
    300,
  )
})

test('the key goes as a bearer token and the arguments as the bytes that were hashed', async () => {
  let headers: unknown
  let body = ''
  await withServer(
    (request, response) => {
      headers = request.headers
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      request.on('end', () => response.writeHead(200).end('{"id":"r1"}'))
    },
    async (connector) => {
      const run = runOf('refund', REFUND)
      await connector.run(run)
      assert.equal(body, run.arguments_text)
      const sent = headers as Record<string, string>
      assert.equal(sent['authorization'], `Bearer ${SHOP_KEY}`)
      assert.equal(sent['idempotency-key'], run.idempotency_key)
    },
  )
})
