import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { idempotencyKey, parseActionId, parseTenantId } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { ensureInspector, Inspector } from '../src/clients/inspector.ts'
import { connectHttp, connectStdio, type PageToOpen } from '../src/clients/sdk-caller.ts'
import { type Era, type ToolAnswer, type ToolCaller, texts } from '../src/clients/tool-caller.ts'
import { PortalDriver } from '../src/portal-driver.ts'
import { paidRefunds } from '../src/shop-view.ts'
import { type RunningSystem, startSystem } from '../src/system.ts'
import { CACHE_DIR, callJson } from './e2e-support.ts'

const CLI = fileURLToPath(new URL('../../../cli/dist/src/main.js', import.meta.url))
const MCP_REMOTE = fileURLToPath(import.meta.resolve('mcp-remote/dist/proxy.js'))
const ERAS: readonly Era[] = ['modern', 'legacy']
const META = ['list_bundles', 'switch_context', 'call_tool', 'get_action_status']
const HOLD_MS = 600
/** The SDK's own limit for one request; no client may come near it. */
const CLIENT_LIMIT_MS = 60_000

describe('real MCP clients through the real system', () => {
  let system: RunningSystem
  let portal: PortalDriver
  let home: string
  let inspector: string
  let key: string
  let cents = 0

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'trustgw-e2e-'))
    inspector = await ensureInspector(CACHE_DIR)
    system = await startSystem({ env: { TRUSTGW_GATEWAY_HOLD: `${HOLD_MS}ms` } })
    key = system.apiKey ?? ''
    portal = await PortalDriver.open({ cacheDir: CACHE_DIR })
    await portal.enrol(system.enrolmentLink ?? '', 'Robin')
    await system.line('pinned')
  })
  after(async () => {
    await portal.close()
    await system.remove()
    await rm(home, { recursive: true, force: true })
  })

  const environment = (): Record<string, string> => ({
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: home,
    MCP_REMOTE_CONFIG_DIR: join(home, 'mcp-remote'),
  })

  /** The clients, each as its user would start it. */
  const CLIENTS: Readonly<Record<string, (era: Era) => Promise<ToolCaller>>> = {
    inspector: async (era) =>
      new Inspector({ script: inspector, url: system.mcp, apiKey: key, era, home }),
    'mcp-remote': (era) =>
      connectStdio(
        {
          command: process.execPath,
          args: [
            ...[MCP_REMOTE, system.mcp, '--allow-http'],
            ...['--header', `Authorization: Bearer ${key}`],
          ],
          env: environment(),
        },
        { era },
      ),
    'trustgw mcp': (era) =>
      connectStdio(
        {
          command: process.execPath,
          args: [CLI, 'mcp'],
          env: { ...system.env, TRUSTGW_API_KEY: key },
          cwd: home,
        },
        { era },
      ),
    'the official client over HTTP': (era) =>
      connectHttp(system.mcp, { authorization: `Bearer ${key}` }, { era }),
  }

  const open = async (client: ToolCaller, bundle: string): Promise<string> => {
    const opened = await client.call('switch_context', { bundle })
    const context = opened.structured['context']
    assert.ok(typeof context === 'string', opened.text)
    return context
  }

  /** A refund that needs a passkey; each has an amount of its own. */
  const askRefund = async (client: ToolCaller, context: string): Promise<ToolAnswer> => {
    cents += 1
    const amount = `101.${String(cents).padStart(2, '0')}`
    const args = { order_id: 'ord_1005', amount, currency: 'EUR', reason: 'Desk has a scratch' }
    return client.call('call_tool', { context, tool: 'shop.refund', arguments: args })
  }

  const pending = (answer: ToolAnswer): string => {
    assert.equal(answer.isError, false, answer.text)
    assert.equal(answer.structured['status'], 'pending_approval', answer.text)
    const id = answer.structured['action_id']
    assert.ok(typeof id === 'string' && id.startsWith('act_'))
    assert.ok(answer.text.includes(id) && answer.text.includes('get_action_status'))
    return id
  }

  const approve = async (id: string): Promise<void> => {
    await portal.visit(id)
    await portal.approve()
  }

  const paidFor = async (id: string): Promise<number> => {
    const tenant = parseTenantId('main')
    const action = parseActionId(id)
    assert.ok(tenant.ok && action.ok)
    const wanted = idempotencyKey(sha256, tenant.value, action.value)
    return (await paidRefunds(system)).filter((one) => one.idempotency_key === wanted).length
  }

  for (const [name, connect] of Object.entries(CLIENTS)) {
    for (const era of ERAS) {
      test(`${name}, ${era} era: bundles, a read at once, a refund held, approved, paid once`, async () => {
        const client = await connect(era)
        try {
          assert.deepEqual(await client.tools(), META)
          const { structured } = await client.call('list_bundles', {})
          assert.deepEqual(texts(structured['bundles'], 'bundle'), ['files', 'memory', 'shop'])

          const files = await open(client, 'files')
          const path = join(system.stateDir, 'files', 'welcome.txt')
          const read = await client.call('call_tool', {
            context: files,
            tool: 'files.read_text_file',
            arguments: { path },
          })
          assert.equal(read.isError, false, read.text)
          assert.match(read.text, /welcome/i)

          const shop = await open(client, 'shop')
          const began = performance.now()
          const id = pending(await askRefund(client, shop))
          const held = performance.now() - began
          assert.ok(held >= HOLD_MS && held < CLIENT_LIMIT_MS, `held for ${held} ms`)
          assert.equal(pending(await client.call('get_action_status', { action_id: id })), id)

          await approve(id)
          const done = await client.call('get_action_status', { action_id: id })
          assert.equal(done.isError, false, done.text)
          assert.match(done.text, /"status":"succeeded"/)
          assert.equal(await paidFor(id), 1)
        } finally {
          await client.close()
        }
      })
    }
  }

  test('a tool list never changes in the modern era, and follows the switch in a session', async () => {
    const connect = CLIENTS['the official client over HTTP']
    assert.ok(connect !== undefined)
    for (const era of ERAS) {
      const client = await connect(era)
      await open(client, 'shop')
      const listed = await client.tools()
      const added = listed.filter((name) => !META.includes(name))
      assert.equal(added.includes('shop.refund'), era === 'legacy')
      assert.equal(
        added.every((name) => name.startsWith('shop.')),
        true,
      )
      await client.close()
    }
  })

  for (const era of ERAS) {
    test(`a client that shows pages, ${era} era: accept opens the page and approves nothing`, async () => {
      const pages: PageToOpen[] = []
      const onPage = (page: PageToOpen): 'accept' => {
        pages.push(page)
        return 'accept'
      }
      const headers = { authorization: `Bearer ${key}` }
      const client = await connectHttp(system.mcp, headers, { era, onPage })
      const id = pending(await askRefund(client, await open(client, 'shop')))
      assert.deepEqual(
        pages.map(({ mode, url }) => [mode, url]),
        [['url', `${system.portal}/approvals/${id}`]],
      )
      const { body } = await callJson(`${system.gateway}/v1/actions/${id}`, { key })
      assert.equal(body['status'], 'pending_approval')
      assert.equal(await paidFor(id), 0)
      await client.close()
    })
  }
})
