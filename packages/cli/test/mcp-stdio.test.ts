import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { bridgeMcpStdio } from '../src/mcp-stdio.ts'
import { KEY, startEchoGateway } from './double/start-echo-gateway.ts'

const MAIN = fileURLToPath(new URL('../../bin/trustgw.mjs', import.meta.url))

async function connect(
  t: TestContext,
  mode: 'legacy' | { readonly pin: string },
  args: readonly string[],
): Promise<Client> {
  const client = new Client({ name: 'stdio', version: '1' }, { versionNegotiation: { mode } })
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [MAIN, 'mcp', ...args],
    env: { TRUSTGW_API_KEY: KEY, PATH: process.env['PATH'] ?? '' },
    stderr: 'pipe',
  })
  await client.connect(transport)
  t.after(() => client.close())
  return client
}

for (const mode of ['legacy', { pin: '2026-07-28' }] as const) {
  const era = mode === 'legacy' ? 'older' : 'newer'
  test(`a real client on stdio speaks the ${era} era through trustgw mcp`, async (t) => {
    const { publicUrl } = await startEchoGateway(t)
    const client = await connect(t, mode, ['--url', `${publicUrl}/v1/mcp`])
    const { tools } = await client.listTools()
    assert.equal(tools[0]?.name, 'list_bundles')
    const opened = await client.callTool({ name: 'switch_context', arguments: { bundle: 'echo' } })
    const { context } = opened.structuredContent as { context: string }
    const calls = [1, 2, 3].map((n) =>
      client.callTool({
        name: 'call_tool',
        arguments: { context, tool: 'echo.say', arguments: { text: 'grüß\n🙂', n } },
      }),
    )
    const results = (await Promise.all(calls)).map(({ structuredContent }) => structuredContent)
    assert.deepEqual(
      results,
      [1, 2, 3].map((n) => ({ said: { text: 'grüß\n🙂', n } })),
    )
    await assert.rejects(client.callTool({ name: 'no.such', arguments: {} }), /no such tool/)
  })
}

interface Pipe {
  readonly input: PassThrough
  readonly lines: () => readonly Record<string, unknown>[]
  readonly done: Promise<void>
}

function startBridge(url: string, apiKey: string = KEY): Pipe {
  const [input, output] = [new PassThrough(), new PassThrough()]
  let text = ''
  output.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const done = bridgeMcpStdio({ url, apiKey, input, output, report: () => undefined })
  const lines = (): readonly Record<string, unknown>[] =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  return { input, lines, done }
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 20))
  assert.ok(holds())
}

function codeOf(line: Record<string, unknown> | undefined): unknown {
  return (line?.['error'] as { data?: { code?: unknown } } | undefined)?.data?.code
}

const INITIALIZE =
  '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}\n'

test('every refusal reaches the client under the id that it waits for', async (t) => {
  const { publicUrl } = await startEchoGateway(t)
  const wrong = startBridge(`${publicUrl}/v1/mcp`, 'tgk_acme_wrong')
  wrong.input.end('{"jsonrpc":"2.0","id":"a","method":"tools/list"}\n')
  await wrong.done
  assert.deepEqual([wrong.lines()[0]?.['id'], codeOf(wrong.lines()[0])], ['a', 'not_authenticated'])

  const bad = startBridge(`${publicUrl}/v1/mcp`)
  bad.input.write('not json\n{"a":1,"a":2}\r\n\n')
  bad.input.write(`${'x'.repeat(1_100_000)}\n`)
  bad.input.end('{"jsonrpc":"2.0","id":7,"method":"tools/list"}')
  await bad.done
  assert.deepEqual(
    bad.lines().map((line) => [line['id'], codeOf(line)]),
    [
      [null, 'json_refused'],
      [null, 'json_refused'],
      [null, 'body_too_large'],
      [7, 'no_session'],
    ],
  )
  const nobody = startBridge('http://127.0.0.1:9/v1/mcp')
  nobody.input.end('{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
  await nobody.done
  assert.equal(codeOf(nobody.lines()[0]), 'unreachable')
})

test('a gateway that was started again gets its session back without the client knowing', async (t) => {
  const first = await startEchoGateway(t)
  const bridge = startBridge(`${first.publicUrl}/v1/mcp`)
  bridge.input.write(INITIALIZE)
  bridge.input.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
  await until(() => bridge.lines().length === 1)
  await first.stop()
  await startEchoGateway(t, first.address.port)
  bridge.input.write('{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n')
  await until(() => bridge.lines().length === 2)
  const [, answer] = bridge.lines()
  assert.deepEqual([answer?.['id'], 'result' in (answer ?? {})], [1, true])
  bridge.input.end()
  await bridge.done
})

test('the key goes nowhere else: a redirect is not followed', async (t) => {
  const { createServer } = await import('node:http')
  const seen: (string | undefined)[] = []
  const server = createServer((request, response) => {
    seen.push(request.url)
    response.writeHead(307, { location: '/elsewhere' }).end()
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await until(() => server.listening)
  const { port } = server.address() as { port: number }
  const bridge = startBridge(`http://127.0.0.1:${port}/v1/mcp`)
  bridge.input.end('{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
  await bridge.done
  assert.deepEqual(seen, ['/v1/mcp'])
  assert.equal(codeOf(bridge.lines()[0]), 'unreachable')
})
