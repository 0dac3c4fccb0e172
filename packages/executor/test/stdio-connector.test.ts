import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Json } from '@trustgw/protocol'
import type { StdioManifest } from '../src/connectors/manifest.ts'
import {
  exampleManifest,
  isAlive,
  ROOT,
  runOf,
  SHOP_KEY,
  startStdio,
  tempDir,
  until,
} from './support/connectors.ts'

const ODD = join(ROOT, 'packages/executor/test/support/odd-mcp-server.mjs')

function odd(change: Partial<StdioManifest> = {}): StdioManifest {
  return {
    version: 1,
    kind: 'stdio',
    id: 'odd',
    title: 'Odd',
    description: '',
    credential: 'none',
    command: [process.execPath, ODD],
    args: [],
    era: 'legacy',
    limits: { call_timeout_ms: 700 },
    tools: Object.fromEntries(
      [
        'echo',
        'wipe',
        'hang',
        'orphan',
        'garbage',
        'twice',
        'die',
        'flood',
        'rename',
        'bad_schema',
      ].map((name) => [name, { operation: 'read' as const }]),
    ),
    ...change,
  }
}

async function withOdd(
  use: (started: Awaited<ReturnType<typeof startStdio>>, dir: string) => Promise<void>,
  change: Partial<StdioManifest> = {},
): Promise<void> {
  const dir = await tempDir()
  const started = await startStdio(odd(change), dir.path)
  try {
    await use(started, dir.path)
  } finally {
    await started.connector.stop()
    await dir.remove()
  }
}

const textOf = (output: Json): string => JSON.stringify(output)

test('the official filesystem server reads a file through the connector', async () => {
  const dir = await tempDir()
  const manifest = await exampleManifest('files')
  assert.equal(manifest.kind, 'stdio')
  const { connector, pids } = await startStdio(manifest, dir.path)
  try {
    const served = new Map(
      connector.contracts().map((contract) => [contract.id, contract.operation]),
    )
    assert.deepEqual(
      [...served.keys()].sort(),
      Object.keys(manifest.tools)
        .map((name) => `files.${name}`)
        .sort(),
    )
    for (const [name, { operation }] of Object.entries(manifest.tools)) {
      assert.equal(served.get(`files.${name}`), operation, `${name} is as declared`)
    }
    const path = join(dir.path, 'files', 'note.txt')
    await writeFile(path, 'hello from a real file')
    const read = await connector.run(runOf('read_text_file', { path }))
    assert.equal(read.kind, 'succeeded')
    assert.match(textOf(read.kind === 'succeeded' ? read.output : null), /hello from a real file/)
    const outside = await connector.run(runOf('read_text_file', { path: '/etc/passwd' }))
    assert.equal(outside.kind, 'failed')
  } finally {
    await connector.stop()
    await dir.remove()
  }
  assert.deepEqual(pids().map(isAlive), [false])
})

test('the official memory server keeps what it is told', async () => {
  const dir = await tempDir()
  const manifest = await exampleManifest('memory')
  assert.equal(manifest.kind, 'stdio')
  const { connector } = await startStdio(manifest, dir.path)
  try {
    assert.equal(connector.contracts().length, Object.keys(manifest.tools).length)
    const entities = [{ name: 'Ana', entityType: 'person', observations: ['approves refunds'] }]
    assert.equal((await connector.run(runOf('create_entities', { entities }))).kind, 'succeeded')
    const graph = await connector.run(runOf('read_graph', {}))
    assert.match(textOf(graph.kind === 'succeeded' ? graph.output : null), /approves refunds/)
  } finally {
    await connector.stop()
    await dir.remove()
  }
})

test('annotations raise a declared operation and never lower it [INV-05]', async () => {
  await withOdd(
    async ({ connector }) => {
      const operationOf = (id: string): unknown =>
        connector.contracts().find((contract) => contract.id === id)?.operation
      assert.equal(operationOf('odd.wipe'), 'delete')
      assert.equal(operationOf('odd.echo'), 'transfer')
    },
    { tools: { wipe: { operation: 'read' }, echo: {} } },
  )
})

test('what the manifest does not name is served only when it says so, as a transfer', async () => {
  const tools = { hang: { operation: 'read' as const } }
  await withOdd(
    async ({ connector }) => {
      assert.deepEqual(
        connector.contracts().map(({ id }) => id),
        ['odd.hang'],
      )
    },
    { tools },
  )
  await withOdd(
    async ({ connector }) => {
      const echo = connector.contracts().find(({ id }) => id === 'odd.echo')
      assert.equal(echo?.operation, 'transfer')
    },
    { tools, serve_undeclared: true },
  )
})

test('a schema with a pattern outside RE2 keeps the tool out', async () => {
  await withOdd(async ({ connector }) => {
    assert.ok(connector.contracts().some(({ id }) => id === 'odd.echo'))
    assert.ok(!connector.contracts().some(({ id }) => id === 'odd.bad_schema'))
  })
})

test('the upstream gets the environment of the manifest and nothing else [INV-33]', async () => {
  process.env['TRUSTGW_TEST_LEAK'] = 'must not be seen'
  await withOdd(
    async ({ connector }) => {
      const echoed = await connector.run(runOf('echo', {}))
      assert.ok(echoed.kind === 'succeeded')
      const { content } = echoed.output as { content: readonly [{ text: string }] }
      const { env } = JSON.parse(content[0].text) as { env: Record<string, string> }
      assert.deepEqual(Object.keys(env).sort(), ['KEY', 'LANG'])
    },
    { env: { LANG: 'C' }, credential: 'shop', credential_env: 'KEY' },
  )
})

test('a call over its time ends as unknown, and its whole process group with it', async () => {
  await withOdd(async ({ connector, pids }, dir) => {
    const file = join(dir, 'pid')
    const outcome = await connector.run(runOf('orphan', { file }))
    assert.deepEqual(outcome, { kind: 'unknown_outcome', reason: 'timeout' })
    const grandchild = Number(await readFile(file, 'utf8'))
    assert.ok(grandchild > 0)
    await until(() => !isAlive(grandchild) && !isAlive(pids()[0] ?? 0))
    await until(() => pids().length === 2)
  })
})

test('an upstream that dies in a call leaves an unknown outcome, and is started again', async () => {
  await withOdd(async ({ connector, pids }) => {
    const outcome = await connector.run(runOf('die', {}))
    assert.deepEqual(outcome, { kind: 'unknown_outcome', reason: 'connection_lost' })
    assert.equal((await connector.run(runOf('echo', {}))).kind, 'failed')
    let again = 'failed'
    await until(() => pids().length === 2)
    for (let tries = 0; tries < 100 && again !== 'succeeded'; tries++) {
      again = (await connector.run(runOf('echo', {}))).kind
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    assert.equal(again, 'succeeded')
  })
})

test('malformed, ambiguous and endless answers do not hurt the executor', async () => {
  await withOdd(
    async ({ connector }) => {
      for (const tool of ['garbage', 'twice']) {
        const outcome = await connector.run(runOf(tool, {}))
        assert.deepEqual(outcome, { kind: 'unknown_outcome', reason: 'malformed_answer' }, tool)
      }
      const flood = await connector.run(runOf('flood', {}))
      assert.equal(flood.kind, 'unknown_outcome')
    },
    { limits: { call_timeout_ms: 5_000 } },
  )
})

test('a description that changes later is another contract', async () => {
  await withOdd(async ({ connector }) => {
    let changes = 0
    connector.onChanged(() => {
      changes += 1
    })
    const before = connector.contracts().find(({ id }) => id === 'odd.echo')
    await connector.run(runOf('rename', {}))
    await until(() => changes === 1)
    const echo = connector.contracts().find(({ id }) => id === 'odd.echo')
    assert.notDeepEqual(echo, before)
  })
})

test('an upstream dies with the executor, however that ends', async () => {
  const dir = await tempDir()
  const index = new URL('../src/connectors/child-group.js', import.meta.url).href
  const script = `
    import { ChildGroup } from ${JSON.stringify(index)}
    const quiet = { debug() {}, info() {}, warn() {}, error() {}, with() { return quiet } }
    const group = new ChildGroup(
      { mode: 'command', file: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'], env: {}, cwd: '/', secrets: [] },
      { onLine() {}, onExit() {} }, quiet)
    process.stdout.write(String(group.pid) + '\\n')
    setInterval(() => {}, 1000)`
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const pid = await new Promise<number>((resolve) =>
    parent.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk.toString()))),
  )
  assert.ok(isAlive(pid))
  await new Promise((resolve) => setTimeout(resolve, 300))
  parent.kill('SIGKILL')
  await until(() => !isAlive(pid))
  await dir.remove()
})

test('standard error is logged without the credential [INV-33]', async () => {
  const { StdioMcpClient } = await import('../src/connectors/stdio-mcp-client.ts')
  const lines: string[] = []
  const logger = {
    debug: () => undefined,
    info: (_event: string, fields?: { readonly text?: unknown }) =>
      void lines.push(String(fields?.text)),
    warn: () => undefined,
    error: () => undefined,
    with: () => logger,
  }
  const client = new StdioMcpClient(
    {
      mode: 'command',
      file: process.execPath,
      args: [ODD],
      env: { KEY: SHOP_KEY },
      cwd: '/',
      secrets: [SHOP_KEY],
    },
    { onExit: () => undefined, onToolsChanged: () => undefined },
    logger,
  )
  await client.start()
  await client.call({ tool: 'secret', arguments: {}, timeout_ms: 2_000 })
  await until(() => lines.length > 0)
  await client.stop()
  assert.deepEqual(lines, ['my key is [redacted]'])
})
