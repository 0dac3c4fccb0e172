import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, SeededRandom } from '@trustgw/runtime'
import { McpSessions, SESSION_IDLE_MS, SESSIONS_PER_PRINCIPAL } from '../src/faces/mcp-sessions.ts'
import { contract, KEY_A, KEY_B, testCaller } from './double/gateway-double.ts'
import { startFaces, type TestFaces } from './double/start-faces.ts'

const NEWER = '2026-07-28'
const ACCEPT = { accept: 'application/json, text/event-stream' }

interface Answer {
  readonly status: number
  readonly rpc: number | undefined
  readonly code: unknown
  readonly session: string | null
  readonly result: Record<string, unknown> | undefined
  readonly text: string
}

interface Post {
  readonly path?: string
  readonly key?: string
  readonly headers?: Record<string, string>
}

async function post(faces: TestFaces, body: unknown, options: Post = {}): Promise<Answer> {
  const response = await faces.request(options.path ?? '/v1/mcp', {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { ...ACCEPT, ...options.headers },
    key: options.key ?? KEY_A,
  })
  const text = await response.text()
  const data = text.startsWith('event:') ? (/^data: (.*)$/m.exec(text)?.[1] ?? '{}') : text
  const json = (data === '' ? {} : JSON.parse(data)) as {
    error?: { code: number; data?: { code: unknown } }
    code?: unknown
    result?: Record<string, unknown>
  }
  return {
    status: response.status,
    rpc: json.error?.code,
    code: json.error?.data?.code ?? json.code,
    session: response.headers.get('mcp-session-id'),
    result: json.result,
    text,
  }
}

/** A request of the newer era, with its envelope and its headers. */
function newer(method: string, params: Record<string, unknown> = {}): [unknown, Post] {
  const envelope = {
    'io.modelcontextprotocol/protocolVersion': NEWER,
    'io.modelcontextprotocol/clientCapabilities': {},
    'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
  }
  const headers: Record<string, string> = { 'mcp-protocol-version': NEWER, 'mcp-method': method }
  if (typeof params['name'] === 'string') headers['mcp-name'] = params['name']
  return [{ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: envelope } }, { headers }]
}

function older(method: string, params: Record<string, unknown> = {}): unknown {
  return { jsonrpc: '2.0', id: 1, method, params }
}

const INITIALIZE = older('initialize', {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'raw', version: '1' },
})

async function openSession(faces: TestFaces, options: Post = {}): Promise<string> {
  const { session, status, text } = await post(faces, INITIALIZE, options)
  assert.equal(status, 200, text)
  assert.ok(session !== null)
  const headers = { 'mcp-session-id': session }
  const note = { jsonrpc: '2.0', method: 'notifications/initialized' }
  assert.equal((await post(faces, note, { ...options, headers })).status, 202)
  return session
}

test('what is no message is refused with a stable code, and the process lives on', async (t) => {
  const faces = await startFaces(t)
  const cases: [string, number, number | undefined, string][] = [
    ['{"jsonrpc":', 400, -32_700, 'json_refused'],
    ['{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"ping"}', 400, -32_700, 'json_refused'],
    [`${'['.repeat(100_000)}${']'.repeat(100_000)}`, 400, -32_700, 'json_refused'],
    ['[{"jsonrpc":"2.0","id":1,"method":"ping"}]', 400, -32_600, 'json_refused'],
    [' '.repeat(2_000_000), 413, undefined, 'body_too_large'],
  ]
  for (const [body, status, rpc, code] of cases) {
    const answer = await post(faces, body)
    assert.deepEqual(
      [answer.status, answer.rpc, answer.code],
      [status, rpc, code],
      body.slice(0, 40),
    )
  }
  const plain = await post(faces, '{}', { headers: { 'content-type': 'text/plain' } })
  assert.deepEqual([plain.status, plain.code], [415, 'content_type_refused'])
  const keyless = await faces.request('/v1/mcp', { method: 'POST', body: '{}', key: null })
  assert.equal(keyless.status, 401)
  assert.equal((await faces.request('/health', { key: null })).status, 200)
})

test('a session that nobody opened, and one of another principal, are the same unknown one', async (t) => {
  const faces = await startFaces(t)
  const session = await openSession(faces)
  const list = older('tools/list')
  const mine = await post(faces, list, { headers: { 'mcp-session-id': session } })
  assert.equal(mine.status, 200)
  const answers = new Set<string>()
  for (const [id, options] of [
    [session, { key: KEY_B }],
    [session, { path: '/v1/mcp/c/shop' }],
    ['made-up', {}],
    ['', {}],
  ] as [string, Post][]) {
    const answer = await post(faces, list, { ...options, headers: { 'mcp-session-id': id } })
    answers.add(`${answer.status} ${answer.text}`)
  }
  assert.equal(answers.size, 1, [...answers].join('\n'))
  assert.match([...answers][0] ?? '', /^404 .*session_unknown/)
  const stolen = await faces.request('/v1/mcp', {
    method: 'DELETE',
    key: KEY_B,
    headers: { 'mcp-session-id': session },
  })
  assert.equal(stolen.status, 404)
  assert.equal((await post(faces, list, { headers: { 'mcp-session-id': session } })).status, 200)
})

test('a revoked key ends its session at the next request', async (t) => {
  const faces = await startFaces(t)
  const session = await openSession(faces)
  faces.api.revoked.add(KEY_A)
  const answer = await post(faces, older('tools/list'), { headers: { 'mcp-session-id': session } })
  assert.deepEqual([answer.status, answer.code], [401, 'not_authenticated'])
})

test('a session that its client ends is over', async (t) => {
  const faces = await startFaces(t)
  const session = await openSession(faces)
  const headers = { 'mcp-session-id': session }
  assert.equal((await faces.request('/v1/mcp', { method: 'DELETE', headers })).status, 200)
  assert.equal((await post(faces, older('tools/list'), { headers })).status, 404)
  assert.match(faces.metrics.text(), /trustgw_mcp_sessions 0\n/)
})

test('session ids are long and never repeat', async (t) => {
  const faces = await startFaces(t)
  const ids = await Promise.all([1, 2, 3].map(() => openSession(faces)))
  assert.equal(new Set(ids).size, 3)
  for (const id of ids) assert.match(id, /^[A-Za-z0-9_-]{43}$/)
})

test('a principal with too many sessions loses its own idlest one, and idle ones end', () => {
  const clock = new ManualClock(0)
  const sessions = new McpSessions<{ close(): Promise<void> }>(clock, new SeededRandom('s'))
  const [a, b] = [testCaller('mcp', 'a').principal, testCaller('mcp', 'b').principal]
  const session = { close: async () => undefined }
  sessions.add('b-1', session, { principal: b, place: '' })
  for (let i = 0; i <= SESSIONS_PER_PRINCIPAL; i++) {
    clock.advance(1)
    sessions.add(`a-${i}`, session, { principal: a, place: '' })
  }
  assert.equal(sessions.find('a-0', a, ''), undefined)
  assert.ok(sessions.find('a-1', a, ''))
  assert.ok(sessions.find('b-1', b, ''))
  clock.advance(SESSION_IDLE_MS + 1)
  assert.equal(sessions.find('b-1', b, ''), undefined)
  assert.ok(sessions.hasRoom(a))
  assert.equal(sessions.size, 0)
})

test('without a session the older era must initialize, and GET and DELETE are refused', async (t) => {
  const faces = await startFaces(t)
  const call = await post(faces, older('tools/list'))
  assert.deepEqual([call.status, call.code], [400, 'no_session'])
  for (const method of ['GET', 'DELETE']) {
    const response = await faces.request('/v1/mcp', { method })
    assert.deepEqual([response.status, response.headers.get('allow')], [405, 'POST'])
  }
  assert.equal((await faces.request('/v1/mcp', { method: 'PUT' })).status, 405)
})

test('the newer era needs no session and checks headers against the body', async (t) => {
  const faces = await startFaces(t)
  assert.equal((await post(faces, ...newer('tools/list'))).status, 200)
  const [body, options] = newer('tools/call', { name: 'list_bundles', arguments: {} })
  assert.equal((await post(faces, body, options)).status, 200)
  for (const [name, value] of [
    ['mcp-method', 'tools/list'],
    ['mcp-name', 'switch_context'],
  ] as const) {
    const headers = { ...options.headers, [name]: value }
    const answer = await post(faces, body, { headers })
    assert.deepEqual([answer.status, answer.rpc], [400, -32_020], name)
  }
  const { 'mcp-method': _, ...without } = options.headers ?? {}
  assert.equal((await post(faces, body, { headers: without })).rpc, -32_020)
  const text = JSON.stringify(body).replaceAll(NEWER, '2031-01-01')
  const version = await post(faces, text, {
    headers: { ...options.headers, 'mcp-protocol-version': '2031-01-01' },
  })
  assert.deepEqual([version.status, version.rpc], [400, -32_022])
})

test('an unknown method is refused in both eras', async (t) => {
  const faces = await startFaces(t)
  assert.equal((await post(faces, ...newer('prompts/list'))).rpc, -32_601)
  assert.equal((await post(faces, ...newer('no/such'))).rpc, -32_601)
  const session = await openSession(faces)
  const answer = await post(faces, older('no/such'), { headers: { 'mcp-session-id': session } })
  assert.equal(answer.rpc, -32_601)
})

test('a bundle that is not there has no server', async (t) => {
  const faces = await startFaces(t)
  const [body, options] = newer('tools/list')
  const answer = await post(faces, body, { ...options, path: '/v1/mcp/c/none' })
  assert.deepEqual([answer.status, answer.code], [404, 'unknown_bundle'])
})

test('a made-up requestState starts nothing and shows nothing of other calls', async (t) => {
  const faces = await startFaces(t)
  const path = '/v1/mcp/c/shop'
  const pay = (more: Record<string, unknown>): [unknown, Post] => {
    const [body, options] = newer('tools/call', { name: 'shop.pay', arguments: { a: 1 }, ...more })
    return [body, { ...options, path }]
  }
  const pending = await post(faces, ...pay({}))
  const id =
    (pending.result?.['structuredContent'] as { action_id: string } | undefined)?.action_id ?? ''
  for (const requestState of ['', 'x', id, `${id}.sha256:${'0'.repeat(64)}`]) {
    const answer = await post(faces, ...pay({ requestState }))
    assert.deepEqual(
      [answer.result?.['isError'], answer.result?.['structuredContent']],
      [true, { code: 'request_state' }],
      requestState,
    )
  }
  assert.equal(faces.api.actions.size, 1)
})

test('arguments are those of the strictly parsed message, __proto__ and all', async (t) => {
  const faces = await startFaces(t)
  const [body, options] = newer('tools/call', { name: 'files.read', arguments: { at: 'HERE' } })
  const text = JSON.stringify(body).replace('"at":"HERE"', '"__proto__":{"x":1},"n":0.1')
  await post(faces, text, { ...options, path: '/v1/mcp/c/files' })
  const [proposal] = faces.api.proposals
  assert.deepEqual(Object.keys(proposal?.call.arguments ?? {}), ['__proto__', 'n'])
  const repeated = JSON.stringify(body).replace('"at":"HERE"', '"a":1,"a":2')
  const answer = await post(faces, repeated, { ...options, path: '/v1/mcp/c/files' })
  assert.equal(answer.code, 'json_refused')
  assert.equal(faces.api.proposals.length, 1)
})

test('ids that MCP does not allow are listed under names that stay apart', async (t) => {
  const faces = await startFaces(t)
  const ids = ['odd.a/b', 'odd.a-2fb', 'odd.a:b', 'x--odd', 'get_action_status']
  faces.api.contracts = ids.map((id) => contract(id, { bundle: 'odd' }))
  const [body, options] = newer('tools/list')
  const listed = await post(faces, body, { ...options, path: '/v1/mcp/c/odd' })
  const names = ((listed.result?.['tools'] ?? []) as { name: string }[]).map(({ name }) => name)
  assert.equal(new Set(names).size, 6)
  for (const name of names) assert.match(name, /^[A-Za-z0-9_.-]{1,128}$/)
  const governed = names.filter((name) => name !== 'get_action_status')
  for (const name of governed) {
    const [call, more] = newer('tools/call', { name, arguments: {} })
    await post(faces, call, { ...more, path: '/v1/mcp/c/odd' })
  }
  assert.deepEqual(faces.api.proposals.map(({ call }) => call.tool).toSorted(), ids.toSorted())
})

test('who is to try later is told so in the result of the call', async (t) => {
  const faces = await startFaces(t)
  faces.api.fail = 'busy'
  const [body, options] = newer('tools/call', { name: 'files.read', arguments: {} })
  const { result } = await post(faces, body, { ...options, path: '/v1/mcp/c/files' })
  assert.equal(result?.['isError'], true)
  assert.deepEqual(result?.['structuredContent'], { code: 'busy', retry_after_s: 10 })
})

test('a defect is an error without a word of the inside', async (t) => {
  const faces = await startFaces(t)
  faces.api.fail = 'throw'
  const [body, options] = newer('tools/call', { name: 'files.read', arguments: {} })
  const answer = await post(faces, body, { ...options, path: '/v1/mcp/c/files' })
  assert.equal(answer.rpc, -32_603)
  assert.doesNotMatch(answer.text, /secret|gateway\.ts/)
  const session = await openSession(faces, { path: '/v1/mcp/c/files' })
  const call = older('tools/call', { name: 'files.read', arguments: {} })
  const headers = { 'mcp-session-id': session }
  const inSession = await post(faces, call, { path: '/v1/mcp/c/files', headers })
  assert.doesNotMatch(inSession.text, /secret|gateway\.ts/)
})
