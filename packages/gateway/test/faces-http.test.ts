import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { KEY_A, KEY_B } from './double/gateway-double.ts'
import { jsonOf, startFaces, type TestFaces } from './double/start-faces.ts'

const PROPOSE = '/v1/actions/propose'
const READ = JSON.stringify({ tool: 'files.read', arguments: { text: 'x' } })

/** A request whose headers `fetch` would not let us set. */
function raw(
  faces: TestFaces,
  headers: Record<string, string>,
  body: string | Buffer = READ,
): Promise<{ status: number; code: string; headers: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const { port } = faces.faces.address
    const all = { authorization: `Bearer ${KEY_A}`, 'content-type': 'application/json', ...headers }
    const request = httpRequest(
      { host: '127.0.0.1', port, path: PROPOSE, method: 'POST', headers: all },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          const { code } = JSON.parse(Buffer.concat(chunks).toString()) as { code: string }
          resolve({ status: response.statusCode ?? 0, code, headers: response.headers })
        })
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

async function refusal(
  faces: TestFaces,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<{ status: number; code: unknown; detail: unknown; type: string | null }> {
  const init = { method: 'POST', body, headers }
  const response = await faces.request(PROPOSE, init)
  const { code, detail } = await jsonOf(response)
  return { status: response.status, code, detail, type: response.headers.get('content-type') }
}

test('a Host that is not ours is refused before anything else', async (t) => {
  const faces = await startFaces(t)
  for (const host of ['evil.example', '127.0.0.1.evil.example', 'localhost@evil', '[::1']) {
    const answer = await raw(faces, { host, authorization: 'none' })
    assert.deepEqual([answer.status, answer.code], [421, 'host_refused'], host)
  }
  assert.equal((await raw(faces, { host: 'LOCALHOST:1234' })).status, 200)
})

test('an allowed host with a port is answered on that port only', async (t) => {
  const faces = await startFaces(t, { allowedHosts: ['gw.example:8443', 'plain.example'] })
  assert.equal((await raw(faces, { host: 'gw.example:8443' })).status, 200)
  assert.equal((await raw(faces, { host: 'gw.example' })).status, 421)
  assert.equal((await raw(faces, { host: 'plain.example:99' })).status, 200)
})

test('an Origin must be allowed when there is one, and null never is', async (t) => {
  const faces = await startFaces(t)
  for (const origin of ['http://evil.example', 'null', 'http://localhost:5173.evil', '']) {
    const answer = await raw(faces, { origin })
    assert.deepEqual([answer.status, answer.code], [403, 'origin_refused'], origin)
  }
  assert.equal((await raw(faces, { origin: 'http://localhost:5173' })).status, 200)
})

test('a body that is not declared as JSON is refused', async (t) => {
  const faces = await startFaces(t)
  const types = ['text/plain', 'text/plain; a=application/json', 'application/json; charset=latin1']
  for (const type of [...types, 'application/jsonx', 'multipart/form-data']) {
    const answer = await raw(faces, { 'content-type': type })
    assert.deepEqual([answer.status, answer.code], [415, 'content_type_refused'], type)
  }
  assert.equal(
    (await raw(faces, { 'content-type': 'application/json; charset=UTF-8' })).status,
    200,
  )
  const packed = await raw(faces, { 'content-encoding': 'gzip' })
  assert.equal(packed.code, 'content_type_refused')
})

test('malformed JSON is refused with a stable code and the byte offset', async (t) => {
  const faces = await startFaces(t)
  const cases: [string | Uint8Array, string][] = [
    ['{"tool": }', 'json_syntax at byte 9'],
    ['{"é":1,"tool": }', 'json_syntax at byte 16'],
    ['{"tool":"a","tool":"b"}', 'json_duplicate_name at byte 12'],
    [new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), 'json_invalid_utf8 at byte 2'],
    ['[1]', 'json_not_object'],
    ['', 'json_syntax at byte 0'],
  ]
  for (const [body, detail] of cases) {
    const answer = await refusal(faces, body)
    assert.equal(answer.status, 400)
    assert.equal(answer.type, 'application/problem+json')
    assert.deepEqual([answer.code, answer.detail], ['json_refused', detail])
  }
})

test('a depth bomb is a clear refusal and the process lives on', async (t) => {
  const faces = await startFaces(t)
  const bomb = `{"tool":"files.read","arguments":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
  const answer = await refusal(faces, bomb)
  assert.equal(answer.code, 'json_refused')
  assert.match(String(answer.detail), /^json_too_deep|^json_depth/)
  assert.equal((await faces.request('/health', { key: null })).status, 200)
})

test('a body of 10 MB is answered 413 and the process lives on', async (t) => {
  const faces = await startFaces(t)
  const answer = await raw(faces, {}, Buffer.alloc(10_000_000, 0x20))
  assert.deepEqual([answer.status, answer.code], [413, 'body_too_large'])
  assert.equal(answer.headers['connection'], 'close')
  assert.equal((await faces.request('/health', { key: null })).status, 200)
})

test('a body that breaks off is never taken for a whole one', async (t) => {
  const faces = await startFaces(t)
  await new Promise<void>((resolve) => {
    const socket = connect(faces.faces.address.port, '127.0.0.1', () => {
      socket.write(
        `POST ${PROPOSE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${KEY_A}\r\n` +
          `Content-Type: application/json\r\nContent-Length: ${READ.length + 100}\r\n\r\n${READ}`,
        () => setTimeout(() => socket.destroy(), 50),
      )
    })
    socket.on('close', () => setTimeout(resolve, 100))
  })
  assert.equal(faces.api.proposals.length, 0)
})

test('a missing, a foreign and a revoked key get one and the same 401', async (t) => {
  const faces = await startFaces(t)
  faces.api.revoked.add(KEY_B)
  const seen = new Set<string>()
  const headers: Record<string, string>[] = [
    {},
    { authorization: 'Bearer tgk_acme_cccccccccccccccc_nothing' },
    { authorization: `Bearer ${KEY_B}` },
    { authorization: `Basic ${KEY_A}` },
  ]
  for (const each of headers) {
    const response = await faces.request(PROPOSE, {
      key: null,
      method: 'POST',
      body: READ,
      headers: each,
    })
    assert.equal(response.status, 401)
    seen.add(`${response.headers.get('www-authenticate')} ${await response.text()}`)
  }
  const inQuery = await faces.request(`${PROPOSE}?api_key=${KEY_A}`, {
    key: null,
    method: 'POST',
    body: READ,
  })
  seen.add(`${inQuery.headers.get('www-authenticate')} ${await inQuery.text()}`)
  assert.equal(seen.size, 1)
  const [only = ''] = seen
  assert.ok(
    only.includes(
      `resource_metadata="${faces.faces.publicUrl}/.well-known/oauth-protected-resource"`,
    ),
  )
})

test('there is no route that approves anything', async (t) => {
  const faces = await startFaces(t)
  const paths = [
    '/v1/approvals',
    '/v1/approvals/x/approve',
    '/v1/actions/act_x/approve',
    '/approvals/x',
  ]
  for (const path of [...paths, '/v1/actions/act_x/deny', '/v1/actions/act_x/decision']) {
    for (const method of ['GET', 'POST', 'PUT']) {
      const response = await faces.request(path, { method })
      assert.equal(response.status, 404, `${method} ${path}`)
      assert.equal((await jsonOf(response))['code'], 'not_found')
    }
  }
})

test('another method of a known path is 405 and names what is allowed', async (t) => {
  const faces = await startFaces(t)
  const response = await faces.request(PROPOSE, { method: 'DELETE' })
  assert.deepEqual([response.status, response.headers.get('allow')], [405, 'POST'])
  const second = await faces.request('/v1/../v1/tools/list')
  assert.equal(second.status, 200, 'fetch itself normalises')
  assert.match(await rawLine(faces, 'GET http://evil.example/health HTTP/1.1'), /^HTTP\/1\.1 404/)
  const dotted = await rawLine(faces, 'GET /v1/x/../tools/list HTTP/1.1')
  assert.match(dotted, /^HTTP\/1\.1 404/)
})

function rawLine(faces: TestFaces, line: string): Promise<string> {
  return new Promise((resolve) => {
    let seen = ''
    const socket = connect(faces.faces.address.port, '127.0.0.1', () => {
      socket.write(`${line}\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    })
    socket.on('data', (chunk) => {
      seen += chunk.toString()
    })
    socket.on('close', () => resolve(seen))
  })
}

test('a defect is a 500 without a word of the inside', async (t) => {
  const faces = await startFaces(t)
  faces.api.fail = 'throw'
  const response = await faces.request(PROPOSE, { method: 'POST', body: READ })
  const text = await response.text()
  assert.equal(response.status, 500)
  assert.equal((JSON.parse(text) as { code: string }).code, 'internal')
  assert.doesNotMatch(text, /secret|gateway\.ts|stack|Error/)
})

test('every answer carries the security headers and no server name', async (t) => {
  const faces = await startFaces(t)
  for (const path of ['/health', '/nothing', '/v1/tools/list']) {
    const { headers } = await faces.request(path)
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
    assert.equal(headers.get('x-frame-options'), 'DENY')
    assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'/)
    assert.equal(headers.get('server'), null)
    assert.equal(headers.get('access-control-allow-origin'), null)
  }
})

test('a key that asks too fast or too much at once is told when to come back', async (t) => {
  const fast = await startFaces(t, { limits: { keyBurst: 3, keyPerS: 0.001 } })
  const statuses: number[] = []
  for (let i = 0; i < 5; i++) statuses.push((await fast.request('/v1/tools/list')).status)
  assert.deepEqual(statuses, [200, 200, 200, 429, 429])
  const limited = await fast.request('/v1/tools/list')
  assert.equal(limited.headers.get('retry-after'), '1')
  assert.equal((await fast.request('/v1/tools/list', { key: KEY_B })).status, 200, 'another key')

  const wide = await startFaces(t, { limits: { keyConcurrent: 1 } })
  const held = wide.request(PROPOSE, {
    method: 'POST',
    body: JSON.stringify({ tool: 'shop.pay', arguments: {}, wait_ms: 500 }),
  })
  await new Promise((resolve) => setTimeout(resolve, 100))
  const second = await wide.request('/v1/tools/list')
  assert.deepEqual([second.status, (await jsonOf(second))['code']], [429, 'too_many_waiting'])
  assert.equal((await held).status, 202)
  assert.equal((await wide.request('/v1/tools/list')).status, 200, 'the place is free again')

  const whole = await startFaces(t, { limits: { globalBurst: 1, globalPerS: 0.001 } })
  await whole.request('/v1/tools/list')
  assert.equal((await whole.request('/v1/tools/list', { key: KEY_B })).status, 503)
})

test('a stopping gateway lets what waits answer with the state as it is', async (t) => {
  const faces = await startFaces(t)
  const held = faces.request(PROPOSE, {
    method: 'POST',
    body: JSON.stringify({ tool: 'shop.pay', arguments: {}, wait_ms: 30_000 }),
  })
  await new Promise((resolve) => setTimeout(resolve, 100))
  const began = Date.now()
  await faces.faces.stop()
  assert.ok(Date.now() - began < 3_000)
  const answer = await held
  assert.equal(answer.status, 202)
  assert.equal((await jsonOf(answer))['status'], 'pending_approval')
})

test('a caller that hangs up detaches: its action goes on waiting', async (t) => {
  const faces = await startFaces(t)
  const leave = new AbortController()
  const held = faces.request(PROPOSE, {
    method: 'POST',
    body: JSON.stringify({ tool: 'shop.pay', arguments: {}, wait_ms: 30_000 }),
    signal: leave.signal,
  })
  await new Promise((resolve) => setTimeout(resolve, 100))
  leave.abort()
  await assert.rejects(held)
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(faces.api.detached, 1)
  assert.equal(faces.api.waiting().length, 1)
})

test('headers that never end are cut off', { timeout: 30_000 }, async (t) => {
  const faces = await startFaces(t)
  const ended = await new Promise<boolean>((resolve) => {
    const socket = connect(faces.faces.address.port, '127.0.0.1', () => {
      socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n')
      const drip = setInterval(() => socket.write('X-A: b\r\n'), 500)
      socket.on('close', () => {
        clearInterval(drip)
        resolve(true)
      })
      socket.on('error', () => undefined)
    })
  })
  assert.ok(ended)
})
