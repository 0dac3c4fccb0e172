import assert from 'node:assert/strict'
import { test } from 'node:test'
import { actionViewShape, type Json, type JsonObject, readShape } from '@trustgw/protocol'
import { AjvSchemaCompiler } from '@trustgw/runtime'
import { HINT, KEY_B } from './double/gateway-double.ts'
import { jsonOf, startFaces, type TestFaces } from './double/start-faces.ts'

const PROPOSE = '/v1/actions/propose'

function propose(
  faces: TestFaces,
  body: JsonObject,
  headers: Record<string, string> = {},
): Promise<Response> {
  return faces.request(PROPOSE, { method: 'POST', body: JSON.stringify(body), headers })
}

test('an allowed call answers 200 with its result', async (t) => {
  const faces = await startFaces(t)
  const response = await propose(faces, { tool: 'files.read', arguments: { text: 'hi' } })
  const view = await jsonOf(response)
  assert.equal(response.status, 200)
  assert.ok(readShape(actionViewShape, view as unknown as Json).ok)
  assert.deepEqual([view['status'], view['result']], ['succeeded', { echo: { text: 'hi' } }])
})

test('a denied call answers 200 with the safe reason', async (t) => {
  const faces = await startFaces(t)
  const response = await propose(faces, { tool: 'shop.forbidden', arguments: {} })
  assert.equal(response.status, 200)
  const view = await jsonOf(response)
  assert.deepEqual(
    [view['status'], view['reason'], view['hint']],
    ['denied', 'Deletions are not allowed.', HINT],
  )
})

test('a pending call answers 202, is waited for, and ends with its result', async (t) => {
  const faces = await startFaces(t)
  const first = await propose(faces, { tool: 'shop.pay', arguments: { a: 1 }, wait_ms: 0 })
  const view = await jsonOf(first)
  const id = String(view['action_id'])
  assert.deepEqual([first.status, first.headers.get('location')], [202, `/v1/actions/${id}`])
  assert.equal(first.headers.get('retry-after'), '5')
  setTimeout(() => faces.api.finish(id, 'succeeded', { paid: true }), 100)
  const waited = await faces.request(`/v1/actions/${id}?wait=5s`)
  assert.equal(waited.status, 200)
  assert.deepEqual((await jsonOf(waited))['result'], { paid: true })
})

test('an identical proposal joins the one that waits', async (t) => {
  const faces = await startFaces(t)
  const body = { tool: 'shop.pay', arguments: { a: 1 }, wait_ms: 0 }
  const [first, second] = [await propose(faces, body), await propose(faces, body)]
  const views = [await jsonOf(first), await jsonOf(second)]
  assert.equal(views[0]?.['action_id'], views[1]?.['action_id'])
  assert.deepEqual([views[0]?.['joined'], views[1]?.['joined']], [false, true])
})

test('an action of another principal is an unknown one, to read and to cancel', async (t) => {
  const faces = await startFaces(t)
  const view = await jsonOf(await propose(faces, { tool: 'shop.pay', arguments: {}, wait_ms: 0 }))
  const id = String(view['action_id'])
  const answers = new Set<string>()
  for (const path of [id, 'act_00000000000000000000000000', 'act_nonsense']) {
    const read = await faces.request(`/v1/actions/${path}`, { key: KEY_B })
    answers.add(`${read.status} ${await read.text()}`)
    const cancelled = await faces.request(`/v1/actions/${path}/cancel`, {
      key: KEY_B,
      method: 'POST',
    })
    answers.add(`${cancelled.status} ${await cancelled.text()}`)
  }
  assert.equal(answers.size, 1)
  assert.match([...answers][0] ?? '', /^404 .*unknown_action/)
  const own = await faces.request(`/v1/actions/${id}/cancel`, { method: 'POST' })
  assert.deepEqual([own.status, (await jsonOf(own))['status']], [200, 'cancelled'])
})

test('the client key comes from header or body, and both must be the same', async (t) => {
  const faces = await startFaces(t)
  const body = { tool: 'files.read', arguments: {} }
  await propose(faces, body, { 'idempotency-key': 'k-1' })
  await propose(faces, { ...body, idempotency_key: 'k-2' })
  await propose(faces, { ...body, idempotency_key: 'k-3' }, { 'idempotency-key': 'k-3' })
  await propose(faces, body)
  assert.deepEqual(
    faces.api.proposals.map(({ call }) => call.client_key),
    ['k-1', 'k-2', 'k-3', null],
  )
  const differ = await propose(faces, { ...body, idempotency_key: 'a' }, { 'idempotency-key': 'b' })
  assert.deepEqual([differ.status, (await jsonOf(differ))['code']], [400, 'key_mismatch'])
  const long = await propose(faces, body, { 'idempotency-key': 'k'.repeat(201) })
  assert.equal(long.status, 400)
  assert.equal(faces.api.proposals.length, 4)
})

test('what the body says of identity, or anything unknown in it, is refused', async (t) => {
  const faces = await startFaces(t)
  const body = { tool: 'files.read', arguments: {} }
  const bad: JsonObject[] = [
    { ...body, tenant: 'other' },
    { ...body, principal: { subject: 'root' } },
    { ...body, wait_ms: 55_001 },
    { ...body, wait_ms: '1' },
    { ...body, arguments: [] },
    { tool: '', arguments: {} },
    { arguments: {} },
  ]
  for (const each of bad) {
    const response = await propose(faces, each)
    assert.deepEqual([response.status, (await jsonOf(response))['code']], [400, 'body_invalid'])
  }
  assert.equal(faces.api.proposals.length, 0)
})

test('refusals of the control plane keep their codes', async (t) => {
  const faces = await startFaces(t)
  const unknown = await propose(faces, { tool: 'no.such', arguments: {} })
  assert.deepEqual([unknown.status, (await jsonOf(unknown))['code']], [404, 'unknown_tool'])
  faces.api.fail = 'unavailable'
  const down = await propose(faces, { tool: 'files.read', arguments: {} })
  assert.deepEqual([down.status, down.headers.get('retry-after')], [503, '5'])
  faces.api.fail = 'busy'
  const busy = await propose(faces, { tool: 'files.read', arguments: {} })
  assert.deepEqual([busy.status, busy.headers.get('retry-after')], [503, '10'])
  assert.equal((await jsonOf(busy))['code'], 'busy')
})

test('a query that means nothing is refused', async (t) => {
  const faces = await startFaces(t)
  const id = 'act_00000000000000000000000000'
  for (const query of [
    'wait=56s',
    'wait=-1s',
    'wait=5',
    'wait=5s&wait=6s',
    'key=x',
    'wait=5s&x=1',
  ]) {
    const response = await faces.request(`/v1/actions/${id}?${query}`)
    assert.deepEqual(
      [response.status, (await jsonOf(response))['code']],
      [400, 'query_invalid'],
      query,
    )
  }
})

test('tools are listed with their whole contracts', async (t) => {
  const faces = await startFaces(t)
  const list = await jsonOf(await faces.request('/v1/tools/list'))
  const tools = list['tools'] as { id: string; operation: string }[]
  assert.deepEqual(
    tools.map(({ id }) => id),
    ['files.read', 'files.slow', 'shop.pay', 'shop.forbidden'],
  )
  assert.equal((list['bundles'] as unknown[]).length, 2)
})

test('the service routes answer without a key and say nothing of tenants', async (t) => {
  const faces = await startFaces(t)
  const open = (path: string): Promise<Response> => faces.request(path, { key: null })
  assert.deepEqual(await jsonOf(await open('/health')), { status: 'ok' })
  assert.equal((await open('/ready')).status, 200)
  faces.api.ready = false
  assert.deepEqual(await jsonOf(await open('/ready')), { ready: false, reasons: ['executor'] })
  assert.equal((await open('/ready')).status, 503)
  const jwks = await jsonOf(await open('/.well-known/jwks.json'))
  const [key] = jwks['keys'] as Record<string, unknown>[]
  assert.deepEqual(
    [key?.['kty'], key?.['crv'], key?.['kid'], key?.['d']],
    ['OKP', 'Ed25519', 'grant-1', undefined],
  )
  const metadata = await jsonOf(await open('/.well-known/oauth-protected-resource'))
  assert.equal(metadata['resource'], `${faces.faces.publicUrl}/v1/mcp`)
  const inBundle = await jsonOf(await open('/.well-known/oauth-protected-resource/v1/mcp/c/shop'))
  assert.equal(inBundle['resource'], `${faces.faces.publicUrl}/v1/mcp/c/shop`)
})

test('metrics count outcomes and are for this machine only', async (t) => {
  const faces = await startFaces(t)
  await faces.request('/v1/tools/list')
  await faces.request('/v1/tools/list', { key: null })
  const text = await (await faces.request('/metrics', { key: null })).text()
  assert.match(text, /trustgw_requests_total\{face="rest",outcome="ok"\} 1\n/)
  assert.match(text, /trustgw_requests_total\{face="rest",outcome="not_authenticated"\} 1\n/)
  assert.match(text, /trustgw_mcp_sessions 0\n/)
  const proxied = await faces.request('/metrics', { headers: { 'x-forwarded-for': '203.0.113.9' } })
  assert.equal(proxied.status, 404)
})

test('the OpenAPI document describes what is really answered', async (t) => {
  const faces = await startFaces(t)
  const document = (await jsonOf(await faces.request('/v1/openapi.json'))) as unknown as OpenApi
  assert.equal(document.openapi, '3.1.0')
  const calls: [string, string, string, RequestInit][] = [
    [PROPOSE, 'post', PROPOSE, post({ tool: 'files.read', arguments: {} })],
    [PROPOSE, 'post', PROPOSE, post({ tool: 'shop.forbidden', arguments: {} })],
    [PROPOSE, 'post', PROPOSE, post({ tool: 'shop.pay', arguments: {}, wait_ms: 0 })],
    [PROPOSE, 'post', PROPOSE, post({ tool: 'none', arguments: {} })],
    [PROPOSE, 'post', PROPOSE, post({ tool: 1 })],
    [PROPOSE, 'post', PROPOSE, { method: 'POST', body: '{' }],
    ['/v1/actions/{action_id}', 'get', '/v1/actions/act_x', {}],
    ['/v1/actions/{action_id}', 'get', '/v1/actions/act_x?wait=1', {}],
    ['/v1/tools/list', 'get', '/v1/tools/list', {}],
    ['/health', 'get', '/health', {}],
    ['/ready', 'get', '/ready', {}],
  ]
  for (const [template, method, path, init] of calls) {
    await conforms(document, await faces.request(path, init), `${method} ${template}`)
  }
  const unauthenticated = await faces.request('/v1/tools/list', { key: null })
  await conforms(document, unauthenticated, 'get /v1/tools/list')
})

test('the document names every path of the REST face and no approval', async (t) => {
  const faces = await startFaces(t)
  const document = (await jsonOf(await faces.request('/v1/openapi.json'))) as unknown as OpenApi
  for (const template of Object.keys(document.paths)) {
    assert.doesNotMatch(template, /approv|decision|deny/)
    const path = template.replace('{action_id}', 'act_x')
    assert.notEqual((await jsonOf(await faces.request(path)))['code'], 'not_found', template)
  }
})

interface OpenApi {
  readonly openapi: string
  readonly paths: Record<string, Record<string, { responses: Record<string, ContentOf> }>>
  readonly components: { readonly schemas: JsonObject }
}
interface ContentOf {
  readonly content: Record<string, { schema: { $ref: string } }>
}

function post(body: JsonObject): RequestInit {
  return { method: 'POST', body: JSON.stringify(body) }
}

async function conforms(document: OpenApi, response: Response, call: string): Promise<void> {
  const [method = '', template = ''] = call.split(' ')
  const described = document.paths[template]?.[method]?.responses[String(response.status)]
  assert.ok(described, `${call} answers ${response.status}, which is not described`)
  const type = response.headers.get('content-type') ?? ''
  const name = described.content[type]?.schema.$ref.split('/').at(-1)
  assert.ok(name !== undefined, `${call}: ${type} is not described`)
  const compiled = new AjvSchemaCompiler().compile(schemaOf(document, name))
  assert.ok(compiled.ok, `${name}: ${JSON.stringify(compiled)}`)
  const body = (await response.json()) as Json
  const checked = compiled.value.check(body)
  assert.deepEqual(
    checked,
    undefined,
    `${call}: ${JSON.stringify(checked)} in ${JSON.stringify(body)}`,
  )
}

/** The named schema standing alone, with the others as its definitions. */
function schemaOf(document: OpenApi, name: string): JsonObject {
  const text = JSON.stringify({ $ref: `#/$defs/${name}`, $defs: document.components.schemas })
  return JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/')) as JsonObject
}
