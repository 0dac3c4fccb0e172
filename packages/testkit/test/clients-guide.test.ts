import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ensureInspector } from '../src/clients/inspector.ts'
import { connectHttp, connectStdio } from '../src/clients/sdk-caller.ts'
import { record, type ToolCaller, texts } from '../src/clients/tool-caller.ts'
import { type RunningSystem, startSystem } from '../src/system.ts'
import { CACHE_DIR } from './e2e-support.ts'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../../../../', import.meta.url))
const GUIDE = join(ROOT, 'docs/guides/clients.md')
const CLI = fileURLToPath(new URL('../../../cli/dist/src/main.js', import.meta.url))
const MCP_REMOTE = fileURLToPath(import.meta.resolve('mcp-remote/dist/proxy.js'))
const META = ['list_bundles', 'switch_context', 'call_tool', 'get_action_status']
const COMMAND_TIMEOUT_MS = 40_000

describe('every command of the guide to clients that can be run here, as it stands there', () => {
  let system: RunningSystem
  let folder: string
  let guide: string
  let env: Readonly<Record<string, string>>

  before(async () => {
    const inspector = await ensureInspector(CACHE_DIR)
    system = await startSystem()
    // Below the project, so that the example finds its library as it would after `npm i`.
    folder = await mkdtemp(join(CACHE_DIR, 'guide-'))
    const bin = join(folder, 'bin')
    await mkdir(bin)
    await symlink(process.execPath, join(bin, 'node'))
    await writeFile(join(bin, 'npx'), npxOf(inspector), { mode: 0o700 })
    const key = system.apiKey ?? ''
    guide = (await readFile(GUIDE, 'utf8'))
      .replaceAll('http://127.0.0.1:3060', system.gateway)
      .replaceAll('nats://127.0.0.1:4222', system.nats)
      .replaceAll('tgk_…', key)
      .replaceAll('/path/to/trust-gateway/', ROOT)
    env = {
      ...system.env,
      PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`,
      HOME: folder,
      TRUSTGW_API_KEY: key,
    }
  })
  after(async () => {
    await system.remove()
    await rm(folder, { recursive: true, force: true })
  })

  /** `npx` with the programs that are here already, so that no test fetches one by name. */
  const npxOf = (inspector: string): string => {
    const program = (name: string, script: string): string =>
      `${name}) exec '${process.execPath}' '${script}' "$@";;\n`
    return [
      '#!/bin/sh\n[ "$1" = -y ] && shift\nname=$1\nshift\ncase $name in\n',
      program('trustgw', CLI),
      program('mcp-remote', MCP_REMOTE),
      program('@modelcontextprotocol/inspector', inspector),
      'esac\necho "no such program: $name" >&2\nexit 127\n',
    ].join('')
  }

  const blocks = (section: string, language: string): readonly string[] => {
    const [, text = ''] = guide.split(`\n## ${section}\n`)
    const found = (text.split('\n## ')[0] ?? '').matchAll(/```(\w+)\n([\s\S]*?)```/g)
    return [...found].flatMap(([, is, block = '']) => (is === language ? [block] : []))
  }

  const commands = (section: string): readonly string[] =>
    blocks(section, 'sh').flatMap((block) =>
      block
        .replaceAll(/\\\n\s*/g, '')
        .split('\n')
        .filter((line) => line !== ''),
    )

  const shell = async (
    command: string,
    more: Readonly<Record<string, string>> = {},
  ): Promise<string> => {
    const options = { cwd: folder, env: { ...env, ...more }, timeout: COMMAND_TIMEOUT_MS }
    return (await run('sh', ['-c', command], options)).stdout
  }

  const json = async (command: string): Promise<Readonly<Record<string, unknown>>> =>
    record(JSON.parse(await shell(command)))

  const configured = (section: string): Readonly<Record<string, unknown>> => {
    const value = record(JSON.parse(blocks(section, 'json')[0] ?? ''))
    return record(record(value['mcpServers'] ?? value['servers'])['trust-gateway'])
  }

  const works = async (client: ToolCaller): Promise<void> => {
    try {
      assert.deepEqual(await client.tools(), META)
      const { structured } = await client.call('list_bundles', {})
      assert.deepEqual(texts(structured['bundles'], 'bundle'), ['files', 'memory', 'shop'])
    } finally {
      await client.close()
    }
  }

  const strings = (value: unknown): Record<string, string> =>
    Object.fromEntries(Object.entries(record(value)).map(([name, text]) => [name, String(text)]))

  test('Claude Code: address and header of its command', async () => {
    const [command = ''] = commands('Claude Code')
    const [, url = '', name = '', value = ''] =
      /^claude mcp add --transport http trust-gateway (\S+) --header "(\w+): ([^"]+)"$/.exec(
        command,
      ) ?? []
    await works(await connectHttp(url, { [name]: value }, { era: 'modern' }))
  })

  for (const section of ['Cursor', 'VS Code']) {
    test(`${section}: address and headers of its file`, async () => {
      const { url, headers } = configured(section)
      for (const era of ['modern', 'legacy'] as const) {
        await works(await connectHttp(String(url), strings(headers), { era }))
      }
    })
  }

  for (const section of ['Claude Desktop', 'Any client on stdio: `trustgw mcp`']) {
    test(`${section}: the process of its file, started as the client would`, async () => {
      const { command, args, env: own } = configured(section)
      assert.ok(Array.isArray(args))
      for (const era of ['modern', 'legacy'] as const) {
        const server = {
          command: String(command),
          args: args.map(String),
          // What any program has, and what the file adds: the client knows nothing of our settings.
          env: { PATH: env['PATH'] ?? '', HOME: folder, ...strings(own) },
          cwd: folder,
        }
        await works(await connectStdio(server, { era }))
      }
    })
  }

  test('MCP Inspector', async () => {
    const [list = '', call = ''] = commands('MCP Inspector')
    assert.deepEqual(texts((await json(list))['tools'], 'name'), META)
    const { bundles } = record((await json(call))['structuredContent'])
    assert.equal(texts(bundles, 'bundle').length, 3)
  })

  test('curl: REST, and MCP by hand', async (t) => {
    if (!(await shell('command -v curl').catch(() => ''))) return t.skip('there is no curl here')
    const [list = '', propose = '', mcp = ''] = commands('curl')
    const { tools } = await json(list)
    assert.ok(Array.isArray(tools) && tools.length > 20)
    assert.equal((await json(propose))['status'], 'succeeded')
    const said = await shell(mcp)
    const message = said.startsWith('{') ? said : (/^data: (.*)$/m.exec(said)?.[1] ?? '')
    const { structuredContent } = record(record(JSON.parse(message))['result'])
    assert.equal(texts(record(structuredContent)['bundles'], 'bundle').length, 3)
  })

  test('NATS: the identity, its inbox, and the example', async () => {
    const [add = '', start = ''] = commands('NATS')
    const made = await json(add)
    const prefix = String(made['inbox_prefix'])
    assert.match(prefix, /^_INBOX\.worker-[a-z0-9]+$/)
    const [example = ''] = blocks('NATS', 'js')
    await writeFile(join(folder, 'agent.mjs'), example)
    const out = await shell(start.replace('_INBOX.…', prefix))
    const lines = out.trim().split('\n')
    assert.match(lines[0] ?? '', /^\d\d tools$/)
    assert.deepEqual(lines.slice(1), [
      'true succeeded',
      'true pending_approval',
      'pending_approval',
    ])
    await assert.rejects(
      shell(start.replace('_INBOX.…', '_INBOX.other')),
      /permission/i,
      'no other inbox',
    )
  })

  test('every section of commands is covered here', () => {
    const sections = guide
      .split('\n## ')
      .slice(1)
      .filter((section) => /```(?:sh|json|js)\n/.test(section))
      .map((section) => section.split('\n')[0])
    assert.deepEqual(sections, [
      'What all of them do',
      'Claude Code',
      'Claude Desktop',
      'Cursor',
      'VS Code',
      'Any client on stdio: `trustgw mcp`',
      'MCP Inspector',
      'curl',
      'NATS',
    ])
  })
})
