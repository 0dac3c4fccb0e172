import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { call, fault, REQUEST, refund, shopHere, tempFolder } from './shop-process.ts'

test('orders and customers are there, money as exact decimal strings', async (t) => {
  const { url } = await shopHere(t)
  const list = await call(url, '/v1/orders')
  assert.equal(list.status, 200)
  assert.equal(list.body['total'], 5)
  const order = await call(url, '/v1/orders/ord_1001')
  assert.equal(order.body['total'], '480.00')
  assert.equal(order.body['remaining'], '480.00')
  const customer = await call(url, `/v1/customers/${String(order.body['customer_id'])}`)
  assert.match(String(customer.body['email']), /@example\.com$/)
  assert.equal((await call(url, '/v1/orders/ord_9')).body['code'], 'not_found')
  const mine = await call(url, '/v1/orders?customer_id=cus_2001&limit=1')
  assert.equal(mine.body['total'], 1)
  assert.equal((await call(url, '/v1/orders?costumer_id=x')).body['code'], 'query_invalid')
})

test('a refund is made, listed, found by its key and taken off the order', async (t) => {
  const { url } = await shopHere(t)
  const made = await refund(url, 'key-1')
  assert.equal(made.status, 201)
  assert.equal(made.headers.get('idempotency-replayed'), 'false')
  assert.equal(made.body['amount'], '250.00')
  assert.deepEqual((await call(url, '/v1/refunds/by-key/key-1')).body, made.body)
  assert.equal((await call(url, '/v1/refunds/by-key/key-2')).status, 404)
  assert.deepEqual((await call(url, '/v1/refunds')).body['data'], [made.body])
  assert.equal((await call(url, '/v1/orders/ord_1001')).body['remaining'], '230.00')
})

test('the same key and body answer the same, also after a restart; another body is 409', async (t) => {
  const stateDir = await tempFolder(t)
  const first = await shopHere(t, stateDir)
  const made = await refund(first.url, 'key-1')
  const refused = await refund(first.url, 'key-2', { amount: '300.00' })
  assert.equal(refused.body['code'], 'amount_exceeds_remaining')
  assert.equal((await refund(first.url, 'key-1', { amount: '1.00' })).status, 409)
  await first.stop()
  const second = await shopHere(t, stateDir)
  const again = await refund(second.url, 'key-1')
  assert.equal(again.status, 201)
  assert.equal(again.headers.get('idempotency-replayed'), 'true')
  assert.deepEqual(again.body, made.body)
  const conflict = await refund(second.url, 'key-1', { reason: 'other' })
  assert.equal(conflict.body['code'], 'idempotency_key_reused')
  const refusedAgain = await refund(second.url, 'key-2', { amount: '300.00' })
  assert.equal(refusedAgain.headers.get('idempotency-replayed'), 'true')
  assert.deepEqual(refusedAgain.body, refused.body)
  assert.equal((await call(second.url, '/v1/refunds/by-key/key-2')).status, 404)
  assert.equal(second.ledger().length, 3)
})

test('forty calls on one key at once make one refund', async (t) => {
  const { url, ledger } = await shopHere(t)
  const answers = await Promise.all(Array.from({ length: 40 }, async () => refund(url, 'one')))
  assert.deepEqual([...new Set(answers.map((a) => a.status))], [201])
  assert.equal(new Set(answers.map((a) => a.body['id'])).size, 1)
  assert.equal(answers.filter((a) => a.headers.get('idempotency-replayed') === 'false').length, 1)
  assert.equal(ledger().length, 2)
})

test('many keys at once never refund more than the order', async (t) => {
  const { url } = await shopHere(t)
  const answers = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => refund(url, `k${i}`, { amount: '100.00' })),
  )
  assert.equal(answers.filter((a) => a.status === 201).length, 4)
  assert.equal((await call(url, '/v1/orders/ord_1001')).body['remaining'], '80.00')
  assert.equal((await refund(url, 'rest', { amount: '80.00' })).status, 201)
  assert.equal((await refund(url, 'more', { amount: '0.01' })).status, 422)
})

const BAD_BODIES: readonly (readonly [string, Record<string, unknown>, number])[] = [
  ['order_not_found', { order_id: 'ord_9999' }, 422],
  ['currency_mismatch', { currency: 'USD' }, 422],
  ['currency_unknown', { currency: 'eur' }, 422],
  ['amount_malformed', { amount: '250' }, 422],
  ['amount_malformed', { amount: '250.0' }, 422],
  ['amount_malformed', { amount: '-1.00' }, 422],
  ['amount_malformed', { amount: '1e2' }, 422],
  ['amount_out_of_range', { amount: '0.00' }, 422],
  ['amount_out_of_range', { amount: '99999999999999.00' }, 422],
  ['amount_exceeds_remaining', { amount: '480.01' }, 422],
  ['member_malformed', { amount: 250 }, 400],
  ['member_malformed', { reason: '' }, 400],
  ['member_malformed', { reason: 'x'.repeat(501) }, 400],
  ['member_missing', { reason: undefined }, 400],
  ['member_unknown', { note: 'x' }, 400],
  ['json_not_flat', { reason: { deep: [] } }, 400],
]

for (const [code, change, status] of BAD_BODIES) {
  test(`refuses with ${code}: ${JSON.stringify(change).slice(0, 40)}`, async (t) => {
    const { url } = await shopHere(t)
    const answer = await refund(url, 'key', change)
    assert.equal(answer.status, status)
    assert.equal(answer.body['code'], code)
    assert.equal(answer.headers.get('content-type'), 'application/problem+json')
    assert.equal((await call(url, '/v1/refunds')).body['total'], 0)
  })
}

test('refuses bodies that are not one plain JSON object, without a stack trace', async (t) => {
  const { url } = await shopHere(t)
  const post = async (body: string | Uint8Array<ArrayBuffer>, headers = {}) =>
    call(url, '/v1/refunds', {
      method: 'POST',
      body,
      headers: { 'idempotency-key': 'k', ...headers },
    })
  const cases = [
    [await post('{'), 'json_malformed'],
    [await post('null'), 'json_not_flat'],
    [await post('['.repeat(8_000)), 'json_malformed'],
    [await post(new Uint8Array([0x22, 0xff, 0x22])), 'json_malformed'],
    [await post(`{"reason":"a",${JSON.stringify(REQUEST).slice(1)}`), 'json_duplicate'],
    [await post(`{"re\\u0061son":"a",${JSON.stringify(REQUEST).slice(1)}`), 'json_duplicate'],
    [await post('{}', { 'content-type': 'text/plain' }), 'content_type_unsupported'],
    [
      await post('{}', { 'content-type': 'application/json; charset=latin1' }),
      'content_type_unsupported',
    ],
    [await post('{}', { 'content-encoding': 'gzip' }), 'content_type_unsupported'],
    [await post('{}', { 'idempotency-key': '' }), 'idempotency_key_invalid'],
    [await post('{}', { 'idempotency-key': 'x'.repeat(201) }), 'idempotency_key_invalid'],
  ] as const
  for (const [answer, code] of cases) {
    assert.equal(answer.body['code'], code)
    assert.doesNotMatch(JSON.stringify(answer.body), /\bat .*:\d+:\d+|\.js/)
  }
  const quoted = await refund(url, 'quoted', { reason: 'said "reason": "x\\", twice' })
  assert.equal(quoted.status, 201)
})

for (const declared of [true, false]) {
  test(`refuses a 10 MB body, length ${declared ? 'declared' : 'not declared'}`, async (t) => {
    const { url } = await shopHere(t)
    const status = await new Promise<number>((resolve, reject) => {
      const request = httpRequest(`${url}/v1/refunds`, {
        method: 'POST',
        headers: {
          authorization: 'Bearer shop-test-key-0123456789abcdef',
          'content-type': 'application/json',
          'idempotency-key': 'k',
          ...(declared ? { 'content-length': 10_000_000 } : {}),
        },
      })
      request.on('response', (response) => {
        resolve(response.statusCode ?? 0)
        response.resume()
        request.destroy()
      })
      request.on('error', reject)
      for (let sent = 0; sent < 10; sent += 1) request.write('x'.repeat(1_000_000))
    })
    assert.equal(status, 413)
    assert.equal((await call(url, '/health')).body['status'], 'ok')
  })
}

test('without the key everything but health is 401, known path or not', async (t) => {
  const { url } = await shopHere(t)
  for (const authorization of ['', 'Bearer wrong-key-0123456789', 'Basic c2hvcDo=']) {
    for (const path of ['/v1/orders', '/v1/nothing', '/admin/faults']) {
      const answer = await call(url, path, { headers: { authorization } })
      assert.equal(answer.status, 401)
      assert.equal(answer.body['code'], 'unauthorized')
    }
  }
  assert.equal((await fetch(`${url}/health`)).status, 200)
})

test('unknown paths, methods and bytes that are not HTTP get stable codes', async (t) => {
  const { url } = await shopHere(t)
  assert.equal((await call(url, '/v1/orders/../../etc')).body['code'], 'not_found')
  const wrong = await call(url, '/v1/refunds', { method: 'DELETE' })
  assert.equal(wrong.status, 405)
  assert.equal(wrong.headers.get('allow'), 'GET, POST')
  const raw = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () =>
      socket.end('NONSENSE\r\n\r\n'),
    )
    let text = ''
    socket.on('data', (chunk) => (text += chunk.toString()))
    socket.on('close', () => resolve(text))
    socket.on('error', reject)
  })
  assert.match(raw, /^HTTP\/1\.1 400 [^]*"code":"request_malformed"/)
})

test('told to fail, it fails as often as told and does no work', async (t) => {
  const { url } = await shopHere(t)
  assert.equal((await fault(url, { mode: 'fail', times: 2 })).status, 200)
  assert.equal((await refund(url, 'k')).body['code'], 'fault_injected')
  assert.equal((await call(url, '/v1/refunds')).status, 503)
  assert.equal((await call(url, '/v1/refunds')).body['total'], 0)
})

test('told to be slow, it does the work at once and answers late', async (t) => {
  const { url, ledger } = await shopHere(t)
  await fault(url, { mode: 'slow', delay_ms: 400, on: 'refunds' })
  const started = performance.now()
  const answer = refund(url, 'k')
  while (ledger().length < 2) await call(url, '/v1/orders')
  assert.ok(performance.now() - started < 400)
  assert.equal((await answer).status, 201)
  assert.ok(performance.now() - started >= 390)
})

for (const [mode, done] of [
  ['drop_after_work', 1],
  ['drop_before_work', 0],
] as const) {
  test(`told to ${mode}, no answer comes and the refund ${done ? 'is' : 'is not'} made`, async (t) => {
    const { url } = await shopHere(t)
    await fault(url, { mode, times: 1 })
    await assert.rejects(refund(url, 'k'), TypeError)
    assert.equal((await call(url, '/v1/refunds/by-key/k')).status, done ? 200 : 404)
    const again = await refund(url, 'k')
    assert.equal(again.status, 201)
    assert.equal(again.headers.get('idempotency-replayed'), String(done === 1))
    assert.equal((await call(url, '/v1/refunds')).body['total'], 1)
  })
}

test('mode none ends a fault, and a fault that makes no sense is refused', async (t) => {
  const { url } = await shopHere(t)
  await fault(url, { mode: 'fail' })
  assert.equal((await refund(url, 'k')).status, 503)
  await fault(url, { mode: 'none' })
  assert.equal((await refund(url, 'k')).status, 201)
  for (const bad of [
    {},
    { mode: 'explode' },
    { mode: 'slow', delay_ms: -1 },
    { mode: 'fail', times: 0 },
    { mode: 'fail', time: 1 },
  ]) {
    assert.equal((await fault(url, bad)).body['code'], 'fault_invalid')
  }
})
