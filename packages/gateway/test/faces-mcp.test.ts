import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Client,
  type ClientOptions,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client'
import type { JsonObject } from '@trustgw/protocol'
import { contract, KEY_A, KEY_B } from './double/gateway-double.ts'
import { HOST_ORIGIN, startFaces, type TestFaces } from './double/start-faces.ts'

type Era = 'newer' | 'older'
const ERAS: readonly Era[] = ['newer', 'older']

interface Options {
  readonly path?: string
  readonly key?: string
  readonly client?: ClientOptions
}

async function connect(
  t: { after(fn: () => Promise<void>): void },
  faces: TestFaces,
  era: Era,
  options: Options = {},
): Promise<Client> {
  const negotiation =
    era === 'newer' ? ({ mode: { pin: '2026-07-28' } } as const) : ({ mode: 'legacy' } as const)
  const client = new Client(
    { name: 'test-client', version: '1' },
    { versionNegotiation: negotiation, ...options.client },
  )
  const transport = new StreamableHTTPClientTransport(
    new URL(`${faces.url}${options.path ?? '/v1/mcp'}`),
    { requestInit: { headers: { authorization: `Bearer ${options.key ?? KEY_A}` } } },
  )
  await client.connect(transport)
  t.after(() => client.close())
  return client
}

interface Result {
  readonly content: readonly { readonly type: string; readonly text?: string }[]
  readonly structuredContent?: Record<string, unknown>
  readonly isError?: boolean
}

async function call(client: Client, name: string, args: JsonObject = {}): Promise<Result> {
  return (await client.callTool({ name, arguments: { ...args } })) as unknown as Result
}

async function openContext(client: Client, bundle: string): Promise<string> {
  const opened = await call(client, 'switch_context', { bundle })
  return String(opened.structuredContent?.['context'])
}

const META = ['list_bundles', 'switch_context', 'call_tool', 'get_action_status']

for (const era of ERAS) {
  test(`${era} era: from bundles to a context to a call`, async (t) => {
    const faces = await startFaces(t)
    const client = await connect(t, faces, era)
    const { tools } = await client.listTools()
    assert.deepEqual(
      tools.map(({ name }) => name),
      META,
    )
    const bundles = await call(client, 'list_bundles')
    assert.deepEqual(
      ((bundles.structuredContent?.['bundles'] ?? []) as { bundle: string }[]).map(
        ({ bundle }) => bundle,
      ),
      ['files', 'shop'],
    )
    const opened = await call(client, 'switch_context', { bundle: 'files' })
    const listed = opened.structuredContent?.['tools'] as { name: string }[]
    assert.deepEqual(
      listed.map(({ name }) => name),
      ['files.read', 'files.slow'],
    )
    assert.ok(Number(opened.structuredContent?.['expires_at']) > Date.now())
    const context = String(opened.structuredContent?.['context'])
    const done = await call(client, 'call_tool', {
      context,
      tool: 'files.read',
      arguments: { text: 'hi' },
    })
    assert.deepEqual(done.structuredContent, { echo: { text: 'hi' } })
    assert.equal(done.isError ?? false, false)
  })

  test(`${era} era: a bundle's own address is a plain server without discovery`, async (t) => {
    const faces = await startFaces(t)
    const client = await connect(t, faces, era, { path: '/v1/mcp/c/shop' })
    const { tools } = await client.listTools()
    assert.deepEqual(
      tools.map(({ name }) => name),
      ['shop.forbidden', 'shop.pay', 'get_action_status'],
    )
    const denied = await call(client, 'shop.forbidden')
    assert.equal(denied.isError, true)
    assert.match(
      denied.content[0]?.text ?? '',
      /^Denied: Deletions are not allowed\.\nIt would be allowed if \/text had another value\.$/,
    )
    await assert.rejects(call(client, 'files.read'), /no such tool/)
    await assert.rejects(call(client, 'list_bundles'), /no such tool/)
  })

  test(`${era} era: a pending call is held, then told what to do, and ends once approved`, async (t) => {
    const faces = await startFaces(t)
    const client = await connect(t, faces, era, { path: '/v1/mcp/c/shop' })
    const began = Date.now()
    const pending = await call(client, 'shop.pay', { text: 'x' })
    assert.ok(Date.now() - began >= 350, 'it was held')
    const { status, action_id: id, expires_at, poll_after_s } = pending.structuredContent ?? {}
    assert.deepEqual([status, expires_at, poll_after_s], ['pending_approval', 1_750_000_600_000, 5])
    assert.equal(pending.isError ?? false, false)
    assert.match(pending.content[0]?.text ?? '', /Do not repeat.*get_action_status/)
    const again = await call(client, 'shop.pay', { text: 'x' })
    assert.equal(again.structuredContent?.['action_id'], id, 'an identical call joins')
    setTimeout(() => faces.api.finish(String(id), 'succeeded', { paid: 7 }), 50)
    const done = await call(client, 'get_action_status', { action_id: String(id) })
    assert.deepEqual(done.structuredContent, { paid: 7 })
  })

  test(`${era} era: an approval during the hold brings the result in the same call`, async (t) => {
    const faces = await startFaces(t, { holdMs: 5_000 })
    const client = await connect(t, faces, era, { path: '/v1/mcp/c/shop' })
    setTimeout(() => {
      const [id = ''] = faces.api.waiting()
      faces.api.finish(id, 'succeeded', { paid: 1 })
    }, 200)
    assert.deepEqual((await call(client, 'shop.pay')).structuredContent, { paid: 1 })
  })

  test(`${era} era: a client that can show a page gets its address, and accept approves nothing`, async (t) => {
    const faces = await startFaces(t)
    const client = await connect(t, faces, era, {
      path: '/v1/mcp/c/shop',
      client: { capabilities: { elicitation: { url: {} } } },
    })
    const asked: Record<string, unknown>[] = []
    client.setRequestHandler('elicitation/create', (request) => {
      asked.push(request.params)
      return { action: 'accept' }
    })
    const pending = await call(client, 'shop.pay')
    const id = String(pending.structuredContent?.['action_id'])
    assert.equal(pending.structuredContent?.['status'], 'pending_approval')
    assert.deepEqual(
      asked.map(({ url, mode }) => [url, mode]),
      [[`${HOST_ORIGIN}/approvals/${id}`, 'url']],
    )
    assert.equal(faces.api.waiting().length, 1, 'still waits for its person')
    setTimeout(() => faces.api.finish(id, 'succeeded', { paid: 2 }), 100)
    assert.deepEqual((await call(client, 'shop.pay')).structuredContent, { paid: 2 })
    assert.equal(faces.api.actions.size, 1, 'one action, whatever the client repeats')
  })

  test(`${era} era: a person who declines the page leaves the action pending`, async (t) => {
    const faces = await startFaces(t, { holdMs: 5_000 })
    const client = await connect(t, faces, era, {
      path: '/v1/mcp/c/shop',
      client: { capabilities: { elicitation: { url: {} } } },
    })
    client.setRequestHandler('elicitation/create', () => ({ action: 'decline' }))
    const began = Date.now()
    const pending = await call(client, 'shop.pay')
    assert.equal(pending.structuredContent?.['status'], 'pending_approval')
    assert.ok(Date.now() - began < 2_000, 'nobody will look, so nothing is held')
  })

  test(`${era} era: progress comes while a call is held, when it was asked for`, async (t) => {
    const faces = await startFaces(t)
    const client = await connect(t, faces, era, { path: '/v1/mcp/c/shop' })
    const seen: number[] = []
    await client.callTool(
      { name: 'shop.pay', arguments: {} },
      { onprogress: ({ progress }) => seen.push(progress) },
    )
    assert.ok(seen.length >= 2)
    assert.deepEqual(
      seen,
      seen.map((_, i) => i + 1),
    )
  })

  test(`${era} era: a client that gives up detaches, and its action goes on waiting`, async (t) => {
    const faces = await startFaces(t, { holdMs: 10_000 })
    const client = await connect(t, faces, era, { path: '/v1/mcp/c/shop' })
    await assert.rejects(client.callTool({ name: 'shop.pay', arguments: {} }, { timeout: 200 }))
    await until(() => faces.api.detached === 1)
    assert.equal(faces.api.waiting().length, 1)
  })

  test(`${era} era: an action of another principal is unknown to get_action_status`, async (t) => {
    const faces = await startFaces(t)
    const [mine, theirs] = [
      await connect(t, faces, era, { path: '/v1/mcp/c/shop' }),
      await connect(t, faces, era, { path: '/v1/mcp/c/shop', key: KEY_B }),
    ]
    const pending = await call(mine, 'shop.pay')
    const action_id = String(pending.structuredContent?.['action_id'])
    for (const id of [action_id, 'act_x', '']) {
      const answer = await call(theirs, 'get_action_status', { action_id: id })
      assert.deepEqual(
        [answer.isError, answer.structuredContent],
        [true, { code: 'unknown_action' }],
      )
    }
  })

  test(`${era} era: a context handle is its principal's alone`, async (t) => {
    const faces = await startFaces(t)
    const mine = await connect(t, faces, era)
    const theirs = await connect(t, faces, era, { key: KEY_B })
    const context = await openContext(mine, 'files')
    const args = { tool: 'files.read', arguments: {} }
    for (const handle of [context, 'ctx_made_up', '']) {
      const answer = await call(theirs, 'call_tool', { ...args, context: handle })
      assert.deepEqual(
        [answer.isError, answer.structuredContent],
        [true, { code: 'unknown_context' }],
      )
    }
    const elsewhere = await call(mine, 'call_tool', { context, tool: 'shop.pay', arguments: {} })
    assert.deepEqual(elsewhere.structuredContent, { code: 'unknown_tool' })
    assert.equal(faces.api.proposals.length, 0)
  })

  test(`${era} era: hidden characters of an upstream do not reach the model`, async (t) => {
    const faces = await startFaces(t)
    const tag = String.fromCodePoint(0xe0049)
    faces.api.contracts = [
      contract('files.read', {
        title: `Re\u202Ead`,
        description: `Reads.${tag}\u200B Really.`,
        input_schema: {
          type: 'object',
          properties: {
            p: { type: 'string', description: `a\u2066b`, 'x-mcp-header': 'P' },
            q: true,
          },
        },
      }),
    ]
    const client = await connect(t, faces, era, { path: '/v1/mcp/c/files' })
    const [tool] = (await client.listTools()).tools
    assert.equal(tool?.title, 'Re[U+202E]ad')
    assert.equal(tool?.description, 'Reads.[U+E0049][U+200B] Really.')
    assert.deepEqual(tool?.inputSchema.properties, {
      p: { type: 'string', description: 'a[U+2066]b' },
      q: {},
    })
  })

  test(`${era} era: a result of an MCP tool passes block by block, what is odd in it as text`, async (t) => {
    const faces = await startFaces(t)
    const client = await connect(t, faces, era, { path: '/v1/mcp/c/files' })
    faces.api.outputs.set('files.read', {
      content: [
        { type: 'text', text: 'one' },
        { type: 'image', data: 'aGk=', mimeType: 'image/png' },
        { type: 'image', data: 'not base64!', mimeType: 'image/png' },
        { type: 'text', text: 5 },
      ],
      structuredContent: { n: 1 },
    })
    const result = await call(client, 'files.read')
    assert.deepEqual(result.structuredContent, { n: 1 })
    assert.deepEqual(
      result.content.map(({ type }) => type),
      ['text', 'image', 'text', 'text'],
    )
    faces.api.outputs.set('files.read', { rows: [1, 2] })
    const plain = await call(client, 'files.read', { text: 'b' })
    assert.deepEqual(plain.structuredContent, { rows: [1, 2] })
    assert.equal(plain.content[0]?.text, '{"rows":[1,2]}')
    faces.api.outputs.set('files.read', 'x'.repeat(1_100_000))
    const long = await call(client, 'files.read', { text: 'c' })
    assert.match(long.content[0]?.text ?? '', /\[cut: 1034464 more characters\]$/)
  })
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 100 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.ok(holds())
}

test('newer era: the list never changes because of an earlier request', async (t) => {
  const faces = await startFaces(t)
  const client = await connect(t, faces, 'newer')
  await openContext(client, 'shop')
  const { tools } = await client.listTools()
  assert.deepEqual(
    tools.map(({ name }) => name),
    META,
  )
  await assert.rejects(call(client, 'shop.pay'), /no such tool/)
})

test('older era: a switch narrows the list of its own session and announces it', async (t) => {
  const faces = await startFaces(t)
  const client = await connect(t, faces, 'older')
  const other = await connect(t, faces, 'older')
  let announced = 0
  client.setNotificationHandler('notifications/tools/list_changed', () => {
    announced += 1
  })
  await openContext(client, 'shop')
  await until(() => announced === 1)
  assert.deepEqual(
    (await client.listTools()).tools.map(({ name }) => name),
    [...META, 'shop.forbidden', 'shop.pay'],
  )
  assert.deepEqual(
    (await other.listTools()).tools.map(({ name }) => name),
    META,
  )
  assert.equal((await call(client, 'shop.forbidden')).isError, true)
  await openContext(client, 'files')
  const { tools } = await client.listTools()
  assert.deepEqual(
    tools.map(({ name }) => name),
    [...META, 'files.read', 'files.slow'],
  )
})

test('a context handle expires, and a principal has no more than 32', async () => {
  const { ManualClock, SeededRandom } = await import('@trustgw/runtime')
  const { CONTEXT_TTL_MS, McpContexts } = await import('../src/faces/mcp-contexts.ts')
  const { testCaller } = await import('./double/gateway-double.ts')
  const clock = new ManualClock(1_000)
  const contexts = new McpContexts(clock, new SeededRandom('contexts'))
  const { principal } = testCaller('mcp', 'a')
  const first = contexts.open(principal, 'files')
  clock.advance(CONTEXT_TTL_MS - 1)
  assert.equal(contexts.find(principal, first.handle)?.bundle, 'files')
  clock.advance(1)
  assert.equal(contexts.find(principal, first.handle), undefined)
  const many = Array.from({ length: 40 }, () => contexts.open(principal, 'files'))
  const alive = many.filter(({ handle }) => contexts.find(principal, handle) !== undefined)
  assert.equal(alive.length, 32)
})
