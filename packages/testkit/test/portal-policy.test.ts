import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type HostDeps, type RunningHost, runHost } from '@trustgw/host'
import { createEnrolment } from '@trustgw/host/enrolment'
import {
  actionId,
  type Component,
  canonicalize,
  type Hash,
  hashJson,
  type JwsSigner,
  type JwsVerifier,
  POLICY_STATUS_TYP,
  type PolicyBundle,
  type Profile,
  parseComponent,
  parseProfile,
  parseTenantId,
  policyStatusJson,
  type Result,
  readSealedBundle,
  sealBundle,
  sealedBundleJson,
  signJws,
  subject,
  type TenantId,
  TOOL_REGISTRY_TYP,
  toolRegistryJson,
  utf8Encode,
} from '@trustgw/protocol'
import {
  type BusLink,
  connectNats,
  deflateText,
  generateSigningKey,
  keyIdOf,
  nodeRandom,
  peopleAccount,
  portalToken,
  sha256,
  silentLogger,
  startAuditWriter,
  systemClock,
  verifierOf,
} from '@trustgw/runtime'
import type { BrowserContext, Page } from 'playwright-core'
import { openBrowser, type TestBrowser } from '../src/browser.ts'
import { type BusWorld, startBusWorld } from '../src/bus-world.ts'
import { freePorts } from '../src/system.ts'
import { addVirtualAuthenticator } from '../src/virtual-authenticator.ts'
import { CACHE_DIR } from './e2e-support.ts'
import { assertAccessible, assertFits } from './page-checks.ts'

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url))
const NARROW = { width: 390, height: 844 }
const WIDE = { width: 1280, height: 860 }

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new TypeError(result.reason)
  return result.value
}

const TENANT: TenantId = must(parseTenantId('acme'))
const PROFILE: Profile = must(parseProfile('connector'))
const HOST: Component = must(parseComponent('host'))

interface TestKey {
  readonly kid: string
  readonly sign: JwsSigner
  readonly verify: JwsVerifier
}

function keyFor(role: string): TestKey {
  const key = generateSigningKey()
  const verify = verifierOf(key.publicKey)
  if (verify === undefined) throw new TypeError(role)
  return { kid: keyIdOf(role, key.publicKey), sign: key.sign, verify }
}

const only =
  ({ kid, verify }: TestKey) =>
  (wanted: string) =>
    wanted === kid ? verify : undefined

const keys = {
  host: keyFor('host'),
  session: keyFor('session'),
  hostAudit: keyFor('audit'),
  gatewayAudit: keyFor('audit'),
  executor: keyFor('result'),
  operator: keyFor('operator'),
}

/**
 * The real portal, served by the real host over a real bus with the rights of its own account. The
 * gateway and the executor are played: they say that they took up whatever is the newest.
 */
describe('the policy page, served by the real host', () => {
  let bus: BusWorld
  let folder: string
  let host: RunningHost
  let links: { readonly host: BusLink; readonly gateway: BusLink; readonly executor: BusLink }
  let browser: TestBrowser
  let context: BrowserContext
  let page: Page
  let origin: string
  let text: string
  const complaints: string[] = []

  before(async () => {
    text = await readFile(join(ROOT, 'examples/policies/quick-start.toml'), 'utf8')
    const [port = 0] = await freePorts(1)
    origin = `http://localhost:${port}`
    bus = await startBusWorld({ origins: [origin] })
    folder = await mkdtemp(join(tmpdir(), 'trustgw-policy-'))
    const connect = (creds: BusWorld['creds']['host']): Promise<BusLink> =>
      connectNats({ servers: [bus.url], creds, random: nodeRandom, logger: silentLogger })
    links = {
      host: await connect(bus.creds.host),
      gateway: await connect(bus.creds.gateway),
      executor: await connect(bus.executor()),
    }
    await putFirstBundle()
    await putRecordedAction()
    await takeUp()
    host = await runHost(
      {
        tenant: TENANT,
        listen: { hostname: '127.0.0.1', port },
        origin,
        rpId: 'localhost',
        busUrl: bus.wsUrl.replace('127.0.0.1', 'localhost'),
        portalFolder: join(ROOT, 'packages/portal/dist/web'),
        enrolmentsFolder: join(folder, 'enrolments'),
        installationFile: join(folder, 'installation.json'),
        version: '0.1.0',
      },
      await hostDeps(),
    )
    browser = await openBrowser({ cacheDir: CACHE_DIR })
    context = await browser.browser.newContext({ viewport: WIDE, reducedMotion: 'reduce' })
    page = await context.newPage()
    page.setDefaultTimeout(20_000)
    await addVirtualAuthenticator(page)
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
    })
  })
  after(async () => {
    await browser.close()
    await host.stop()
    for (const link of Object.values(links)) await link.bus.drain()
    await bus.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const policies = () => links.gateway.records({ home: 'data', bucket: 'policies' })

  /** As the operator does it, who has the host's way into the bucket. */
  async function putFirstBundle(): Promise<void> {
    const first = { layer: 'platform', scope: null, file: 'policy.toml' } as const
    const bundle: PolicyBundle = {
      v: 1,
      tenant: TENANT,
      epoch: 1,
      issued_at: systemClock.now(),
      policies: [{ ...first, deflated: deflateText(text) }],
    }
    const sealed = sealBundle(sha256, bundle, { ...keys.operator, delegation: null })
    const store = links.host.records({ home: 'data', bucket: 'policies' })
    const value = utf8Encode(canonicalize(sealedBundleJson(sealed)))
    assert.ok((await store.create(`${TENANT}.newest`, value)).ok)
  }

  /** An action of the past, as the gateway stores it, with what nobody else reads left out. */
  async function putRecordedAction(): Promise<void> {
    const id = actionId(nodeRandom.bytes(16))
    const now = systemClock.now()
    const args = { order_id: 'ord_1', amount: '150.00', currency: 'EUR' }
    const input_hash = hashJson(sha256, args)
    const decision = {
      typ: 'trustgw/decision/1',
      action_id: id,
      tenant: TENANT,
      workspace: 'default',
      principal: { tenant: TENANT, issuer: 'api-key', client: 'k1', subject: 'support-agent' },
      on_behalf_of: null,
      tool_id: 'shop.refund',
      contract_hash: hashJson(sha256, 'a contract that nobody serves any more'),
      input_hash,
      effect: 'require_approval',
      tier: 2,
      rule_id: 'refund-large',
      reason: 'Refunds over 100 EUR need a passkey',
      obligations: {
        grant_ttl_ms: 30_000,
        approval_ttl_ms: 900_000,
        approvers: [{ roles: [], quorum: 1 }],
        channels: ['portal'],
      },
      policy_fingerprint: hashJson(sha256, 'policy'),
      policy_epoch: 1,
      facts: [
        { name: 'tool', origin: 'derived', value: 'shop.refund' },
        { name: 'operation', origin: 'derived', value: 'transfer' },
        { name: 'amount', origin: 'derived', value: '150.00 EUR' },
      ],
      unknown: [],
      decided_at: now,
    }
    const proposal = {
      action_id: id,
      tenant: TENANT,
      tool_id: 'shop.refund',
      received_at: now,
      source: 'mcp',
      auth_level: 1,
      arguments: args,
    }
    const value = canonicalize({ v: 1, proposal, tool: { amount: '150.00 EUR' }, decision })
    const store = links.gateway.records({ home: 'data', bucket: 'actions' })
    assert.ok((await store.create(`${TENANT}.${id}`, utf8Encode(value))).ok)
  }

  /** Stands for a gateway and an executor that believe the newest bundle. */
  async function takeUp(): Promise<void> {
    const stored = await policies().get(`${TENANT}.newest`)
    const read = readSealedBundle(stored?.value ?? new Uint8Array(), sha256)
    assert.ok(read.ok)
    const { bundle_hash } = read.value
    const { epoch } = read.value.bundle
    await tellStatus(epoch, bundle_hash)
    const payload = toolRegistryJson({
      v: 1,
      tenant: TENANT,
      profile: PROFILE,
      published_at: systemClock.now(),
      agents: [],
      bundles: [],
      tools: [],
      policy: { epoch, bundle_hash },
    })
    const token = signJws(
      { typ: TOOL_REGISTRY_TYP, kid: keys.executor.kid, payload },
      keys.executor.sign,
    )
    await links.executor
      .publisher({ stream: 'KV_tools' })
      .publishStored(subject('tools_local', { tenant: TENANT }), utf8Encode(token), {
        msgId: `registry-${epoch}`,
      })
  }

  async function tellStatus(epoch: number, bundle_hash: Hash): Promise<void> {
    const store = links.gateway.records({ home: 'data', bucket: 'policy_status' })
    const status = { v: 1, tenant: TENANT, epoch, bundle_hash, refused: null, at: 1 } as const
    const payload = policyStatusJson(status)
    const { kid, sign } = keys.gatewayAudit
    const value = utf8Encode(signJws({ typ: POLICY_STATUS_TYP, kid, payload }, sign))
    const known = await store.get(`${TENANT}.gateway`)
    const written =
      known === undefined
        ? await store.create(`${TENANT}.gateway`, value)
        : await store.replace(`${TENANT}.gateway`, value, known.revision)
    assert.ok(written.ok)
  }

  async function hostDeps(): Promise<HostDeps> {
    const { host: link } = links
    const records = (bucket: string) => link.records({ home: 'data', bucket })
    const people = peopleAccount(TENANT)
    const busKeys = bus.keys()
    return {
      bus: link.bus,
      acl: records('acl'),
      approvals: records('approvals'),
      sessions: records('sessions'),
      channelMessages: records('channel_messages'),
      unsettled: records('unsettled'),
      toolTrust: records('tool_trust'),
      toolOrders: records('tool_orders'),
      freezes: {
        standing: () => [],
        count: () => 0,
        offer: () => Promise.resolve({ ok: false, reason: 'freezes_full' }),
        isRevoked: () => false,
        onChange: () => () => undefined,
      },
      freezeRecords: records('freezes'),
      pins: records('pins'),
      agents: records('agents'),
      agentNotices: records('agent_notices'),
      ui: link.publisher({ stream: 'UI' }),
      policies: records('policies'),
      policyStatus: records('policy_status'),
      tools: records('tools'),
      actions: link.reader({ home: 'data', stream: 'KV_actions' }),
      uiEvents: link.reader({ home: 'data', stream: 'UI' }),
      trust: {
        operatorKeyFor: only(keys.operator),
        gatewayAuditKeyFor: only(keys.gatewayAudit),
        executorKeyFor: (_, kid) => only(keys.executor)(kid),
      },
      clock: systemClock,
      random: nodeRandom,
      log: silentLogger,
      audit: await startAuditWriter({
        tenant: TENANT,
        component: HOST,
        instance: '1',
        kid: keys.hostAudit.kid,
        sign: keys.hostAudit.sign,
        sha256,
        clock: systemClock,
        random: nodeRandom,
        bus: link.bus,
        publisher: link.publisher({ stream: 'AUDIT' }),
        reader: link.reader({ home: 'data', stream: 'AUDIT' }),
        keyFor: only(keys.hostAudit),
      }),
      hostKey: keys.host,
      sessionKey: keys.session,
      keys: {
        view: () => ({ epoch: 1, signed_by: 'operator', keys: [] }),
        onNews: () => () => undefined,
      },
      tickets: {
        issue: (times) =>
          portalToken(busKeys.scope(people), busKeys.account(people).publicKey, times),
      },
      onEnrolled: () => undefined,
    }
  }

  const editor = () => page.getByRole('textbox', { name: /^Policy of the layer/ })
  const judged = () =>
    page
      .getByText(/^(?:Nothing odd|\d+ to look at|\d+ errors?)$/)
      .first()
      .waitFor()

  const assertQuiet = (): void => {
    // A browser says by itself that nobody is signed in yet.
    const odd = complaints.splice(0).filter((said) => !/status of 401/.test(said))
    assert.deepEqual(odd, [])
  }

  test('an admin makes both passkeys and finds the policy in force', async () => {
    const { token } = await createEnrolment({
      folder: join(folder, 'enrolments'),
      tenant: TENANT,
      person: 'ada',
      roles: ['admin', 'approver'],
      now: systemClock.now(),
      random: nodeRandom,
    })
    await page.goto(`${origin}/enrol#${token}`)
    await page.getByLabel('Your name').fill('Ada Lovelace')
    await page.getByRole('button', { name: /sign-in passkey/ }).click()
    await page.getByRole('button', { name: /approval passkey/ }).click()
    await page.getByText('Compare with the terminal').waitFor()
    await page.goto(`${origin}/policy`)
    assert.equal(await editor().inputValue(), text)
    await judged()
    await page.getByText('sealed with the operator’s key').waitFor()
    await assertAccessible(page, 'the policy in force')
    assertQuiet()
  })

  test('each state of the page fits every screen and every reader', async () => {
    await editor().fill(text.replace('priority = 10', 'priorty = 10'))
    await page.getByText('Did you mean').waitFor()
    await assertAccessible(page, 'a draft that does not load')
    await page.getByRole('button', { name: 'Undo all' }).click()
    await page.getByRole('button', { name: 'Add a rule' }).click()
    await assertAccessible(page, 'the form for a rule')
    await page.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('button', { name: 'Layer', exact: true }).click()
    await assertAccessible(page, 'the form for a layer')
    await page.getByRole('button', { name: 'Layer', exact: true }).click()
    await editor().fill(text.replaceAll('"100.00 EUR"', '"250.00 EUR"'))
    await page.getByText('Your draft allows more than the policy in force').waitFor()
    await page.getByText('1 of 1 otherwise').waitFor()
    await assertAccessible(page, 'a draft that allows more')
    await assertFits(page, 'a draft on a desk')
    await page.setViewportSize(NARROW)
    await assertFits(page, 'a draft on a phone')
    await assertAccessible(page, 'a draft on a phone')
    await page.setViewportSize(WIDE)
    await page.emulateMedia({ colorScheme: 'dark' })
    await assertAccessible(page, 'a draft in the dark')
    await page.emulateMedia({ colorScheme: 'light' })
    assertQuiet()
  })

  test('what the passkey sealed is stored, taken up, and told live', async () => {
    await page.getByRole('button', { name: 'Review and apply…', disabled: false }).click()
    await page.getByRole('heading', { name: 'Put epoch 2 in force' }).waitFor()
    await assertAccessible(page, 'the review')
    await page.getByLabel('I understand that this allows more').check()
    await page.getByRole('button', { name: 'Seal with passkey' }).click()
    await page.getByRole('heading', { name: 'Epoch 2 is stored' }).waitFor()
    await page.getByText('decides by epoch 1').first().waitFor()
    await takeUp()
    await page.getByRole('heading', { name: 'Epoch 2 is in force' }).waitFor()
    await page.getByText('sealed with the passkey of ada').waitFor()
    await assertAccessible(page, 'a policy that was applied')
    const newest = await policies().get(`${TENANT}.newest`)
    const archived = await policies().get(`${TENANT}.e2`)
    assert.deepEqual(newest?.value, archived?.value)
    assertQuiet()
  })

  test('an executor that lags is told on every page', async () => {
    const stored = await policies().get(`${TENANT}.newest`)
    const read = readSealedBundle(stored?.value ?? new Uint8Array(), sha256)
    assert.ok(read.ok)
    await tellStatus(1, read.value.bundle_hash)
    await page.goto(`${origin}/activity`)
    await page.getByText('Gateway decides by epoch 1. The newest policy is epoch 2.').waitFor()
    await assertAccessible(page, 'the banner')
    await page.setViewportSize(NARROW)
    await assertFits(page, 'the banner on a phone')
    assertQuiet()
  })
})
