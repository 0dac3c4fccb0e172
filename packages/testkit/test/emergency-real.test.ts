import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  canonicalize,
  type FreezeNotice,
  type FreezeStatement,
  freezeKey,
  freezeNoticeJson,
  hashText,
  type PasskeyAssertion,
  parseJson,
  readShape,
  statementHash,
  type ToolContract,
  toolContractShape,
  utf8Encode,
} from '@trustgw/protocol'
import {
  type BusLink,
  connectNats,
  nodeRandom,
  readCredsFile,
  sha256,
  silentLogger,
} from '@trustgw/runtime'
import type { BrowserContext, Page } from 'playwright-core'
import { type Approver, signApproval, TakenOverGateway } from '../src/attacks-gateway.ts'
import { openBrowser, type TestBrowser } from '../src/browser.ts'
import { until } from '../src/process-table.ts'
import { SoftwareAuthenticator } from '../src/software-authenticator.ts'
import { type RunningSystem, startSystem } from '../src/system.ts'
import { addVirtualAuthenticator } from '../src/virtual-authenticator.ts'
import { CACHE_DIR, callJson, type HttpAnswer } from './e2e-support.ts'
import { assertAccessible, assertFits, tabTo } from './page-checks.ts'

const READ = { tool: 'shop.get_order', arguments: { order_id: 'ord_1001' } } as const
const REFUND = {
  order_id: 'ord_1003',
  amount: '120.00',
  currency: 'EUR',
  reason: 'Zipper broken',
} as const
const REASON = 'odd refunds'
const NARROW = { width: 360, height: 720 }
const WIDE = { width: 1280, height: 860 }

interface Entry {
  readonly event?: { readonly type: string; readonly actor: { readonly id: string } }
}

/** The whole system: what people do in the portal is what gateway and executor then do. */
describe('freezes and pins by people’s passkeys, in the real system', () => {
  let system: RunningSystem
  let browser: TestBrowser
  let admin: Person
  let bob: Person
  let gateway: TakenOverGateway
  let host: BusLink
  let tool: ToolContract
  let template: string

  interface Person {
    readonly context: BrowserContext
    readonly page: Page
    readonly fingerprint: string
  }

  async function enrol(link: string, name: string): Promise<Person> {
    const context = await browser.browser.newContext({ viewport: WIDE })
    const page = await context.newPage()
    page.setDefaultTimeout(20_000)
    await addVirtualAuthenticator(page)
    await page.goto(link)
    await page.getByLabel('Your name').fill(name)
    await page.getByRole('button', { name: /sign-in passkey/ }).click()
    await page.getByRole('button', { name: /approval passkey/ }).click()
    await page.getByText('Compare with the terminal').waitFor()
    const groups = await page.locator('p.font-mono span').allTextContents()
    return { context, page, fingerprint: groups.join(' ') }
  }

  before(async () => {
    system = await startSystem()
    browser = await openBrowser({ cacheDir: CACHE_DIR })
    admin = await enrol(system.enrolmentLink ?? '', 'Alex Morgan')
    await system.line('pinned')
    const made = await json('people', 'enrol', 'bob', '--role', 'approver,finance')
    bob = await enrol(String(made['link']), 'Bob Example')
    gateway = await TakenOverGateway.open(system)
    host = await connectNats({
      servers: [system.nats],
      creds: readCredsFile(join(system.stateDir, 'host', 'bus.creds')),
      logger: silentLogger,
      random: nodeRandom,
    })
    const read = await propose(READ, 20_000)
    assert.equal(read.body['status'], 'succeeded', read.text)
    template = String(read.body['action_id'])
    tool = await contractOf(READ.tool)
  })
  after(async () => {
    await host.bus.drain()
    await gateway.close()
    await browser.close()
    await system.remove()
  })

  async function json(...args: string[]): Promise<Record<string, unknown>> {
    const done = await system.command([...args, '--json'])
    assert.equal(done.code, 0, done.err + done.out)
    return JSON.parse(done.out) as Record<string, unknown>
  }
  const propose = (call: object, wait_ms: number): Promise<HttpAnswer> =>
    callJson(`${system.gateway}/v1/actions/propose`, {
      key: system.apiKey,
      body: { ...call, wait_ms },
    })
  const told = async (): Promise<unknown> => {
    const { body } = await propose(READ, 20_000)
    return body['code'] ?? body['status']
  }
  async function contractOf(id: string): Promise<ToolContract> {
    const { text } = await callJson(`${system.gateway}/v1/tools/list`, { key: system.apiKey })
    const parsed = parseJson(text, { maxBytes: 4_194_304, maxDepth: 80 })
    assert.ok(parsed.ok)
    const { tools } = parsed.value as unknown as { tools: { id: string }[] }
    const read = readShape(toolContractShape, tools.find((one) => one.id === id) as never)
    assert.ok(read.ok, read.ok ? '' : read.detail)
    return read.value
  }
  /** What the executor says to a gateway that grants whatever people froze. */
  async function executorSays(): Promise<string> {
    const like = await gateway.decisionOf(template)
    const decided = await gateway.decide(like, READ.arguments, { tool })
    const claims = gateway.claims(decided, tool, [])
    const answer = await gateway.send({ ...decided, approvals: [], claims })
    return answer.status === 'refused' ? answer.reason : answer.status
  }
  const banner = (page: Page) => page.getByRole('region', { name: 'What is frozen' })

  async function freeze(page: Page, reason: string): Promise<void> {
    await page.getByRole('button', { name: 'Freeze…' }).first().click()
    await page.getByLabel('Why?').fill(reason)
    await page.getByRole('button', { name: 'Freeze with passkey' }).click()
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
  }
  async function thaw(page: Page, reason: string): Promise<void> {
    await page.goto(`${system.portal}/emergency`)
    const article = page.getByRole('article').filter({ hasText: reason })
    await article.getByRole('button', { name: /^Thaw/ }).click()
    await article.getByLabel(/What was found/).fill('looked at')
    await article.getByRole('button', { name: 'Thaw with passkey' }).click()
    await article.waitFor({ state: 'hidden' })
  }

  test('a freeze in the portal stops gateway and executor, and stands on every other page at once', async () => {
    await admin.page.goto(`${system.portal}/activity`)
    await admin.page.getByText('Live').last().waitFor()
    await bob.page.goto(`${system.portal}/installation`)
    await freeze(bob.page, REASON)
    await banner(admin.page).getByText(`“${REASON}”`).waitFor()
    assert.match(await banner(admin.page).innerText(), /Frozen: everything\.\s+bob/)
    await until('the gateway to refuse', async () => (await told()) === 'frozen')
    assert.equal(await executorSays(), 'frozen', 'also where the gateway grants it')
  })

  test('who is no admin cannot thaw, by the page or past it', async () => {
    await bob.page.goto(`${system.portal}/emergency`)
    await bob.page.getByText('An admin can thaw it.').waitFor()
    assert.equal(await bob.page.getByRole('button', { name: /^Thaw/ }).count(), 0)
    const past = await bob.page.evaluate<readonly unknown[]>(`(async () => {
      const { freezes } = await (await fetch('/api/freezes')).json()
      const wish = { order: 'thaw', freeze: 'sha256:' + '0'.repeat(64), reason: 'x' }
      const answer = await fetch('/api/freezes/challenge', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(wish),
      })
      return [freezes.length, answer.status, (await answer.json()).code]
    })()`)
    assert.deepEqual(past, [1, 403, 'role_missing'])
    assert.equal(await executorSays(), 'frozen')
  })

  test('an admin thaws in the portal, and calls go on', async () => {
    await thaw(admin.page, REASON)
    await banner(admin.page).waitFor({ state: 'hidden' })
    await until('calls to go on', async () => (await told()) === 'succeeded')
    await until('the executor too', async () => (await executorSays()) === 'claimed')
  })

  test('the executor takes a freeze by the passkey of whom it pinned, over exactly that freeze, alone', async () => {
    const [ann, eve] = [await pinned('ann'), await pinned('eve')]
    const good = freezeBy('ann')
    const foreign = { ...freezeBy('ann'), nonce: nonce() }
    await put(foreign, eve.authenticator.assert(statementHash(sha256, foreign)))
    const reused = freezeBy('ann')
    const like = await gateway.decisionOf(template)
    const decided = await gateway.decide(like, READ.arguments, { tool })
    const approval = signApproval(ann, { ...decided, contract: tool, verdict: 'approve' })
    assert.ok(approval.kind === 'passkey')
    await put(reused, approval.assertion)
    await until('both to be told', async () => {
      const event = await gateway.lastOfExecutor('freeze_refused')
      return event?.payload['reason'] === 'freeze_passkey'
    })
    assert.equal(await executorSays(), 'claimed', 'neither freezes')
    await put(good, ann.authenticator.assert(statementHash(sha256, good)))
    await until('the executor to stand still', async () => (await executorSays()) === 'frozen')
    const hash = statementHash(sha256, good)
    assert.deepEqual((await json('thaw', hash))['thawed'], [hash])
    await until('the executor to go on', async () => (await executorSays()) === 'claimed')
  })

  test('an approver counts once an admin has pinned their passkey in the portal', async () => {
    assert.equal(await refundBy(bob.page), 'refused', 'nobody pinned bob yet')
    await admin.page.goto(`${system.portal}/people`)
    const card = admin.page.getByRole('article', { name: 'Bob Example' })
    await card.waitFor()
    const shown = await card.locator('p.font-mono span:not(.sr-only)').allTextContents()
    assert.equal(shown.join(' '), bob.fingerprint, 'what bob saw when he enrolled')
    await card.getByRole('button', { name: /^Pin/ }).click()
    await card.getByRole('checkbox').check()
    await card.getByRole('button', { name: 'Pin with passkey' }).click()
    await card.getByText('Pinned by admin').waitFor()
    await until('the executor to have it', async () =>
      (await pins()).some(({ fingerprint }) => fingerprint === bob.fingerprint),
    )
    assert.equal(await refundBy(bob.page), 'succeeded')
  })

  test('pins revoke --everywhere ends that at once, and no pin brings it back', async () => {
    const pin = (await pins()).find(({ fingerprint }) => fingerprint === bob.fingerprint)
    const id = pin?.credential_id ?? ''
    const done = await json('pins', 'revoke', id, '--everywhere', '--reason', 'device lost')
    assert.equal(done['revoked'], id)
    assert.equal(
      (await pins()).some(({ credential_id }) => credential_id === id),
      false,
    )
    assert.equal(await refundBy(bob.page), 'refused')
    await admin.page.goto(`${system.portal}/people`)
    const card = admin.page.getByRole('article', { name: 'Bob Example' })
    await card.getByText(/^Revoked/).waitFor()
    assert.equal(await card.getByRole('button', { name: /^Pin/ }).count(), 0)
    assert.equal((await system.command(['pins', 'revoke', id])).code, 1, 'it is gone already')
    const wrong = await system.command(['pins', 'revoke', 'x y', '--everywhere', '--reason', 'z'])
    assert.equal(wrong.code, 2)
    assert.equal((await system.command(['pins', 'revoke', id, '--everywhere'])).code, 2)
  })

  test('the pages work by keyboard, for a screen reader, in the dark, and on a phone', async () => {
    const { page } = admin
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await page.setViewportSize(WIDE)
      await page.goto(`${system.portal}/emergency`)
      await page.getByText('Nothing is frozen').waitFor()
      await assertAccessible(page, `nothing frozen, ${colorScheme}`)
      await tabTo(page, page.getByRole('button', { name: 'Freeze…' }).first())
      await page.keyboard.press('Enter')
      await tabTo(page, page.getByLabel('Why?'))
      await page.keyboard.type(`${REASON} ${colorScheme}`)
      await assertAccessible(page, `the dialog, ${colorScheme}`)
      await page.setViewportSize(NARROW)
      await assertFits(page, 'the dialog')
      await tabTo(page, page.getByRole('button', { name: 'Freeze with passkey' }))
      await page.keyboard.press('Enter')
      await page.getByRole('dialog').waitFor({ state: 'hidden' })
      await page.getByRole('button', { name: /^Thaw/ }).press('Enter')
      await assertAccessible(page, `thawing, ${colorScheme}`)
      await assertFits(page, 'thawing')
      await page.goto(`${system.portal}/people`)
      await page.getByRole('article').first().waitFor()
      await banner(page).waitFor()
      await assertAccessible(page, `people, ${colorScheme}`)
      await assertFits(page, 'people')
      await thaw(page, `${REASON} ${colorScheme}`)
    }
  })

  test('an admin registers an agent; paused it is held, resumed it works, revoked it is nobody, within a second', async () => {
    const { page } = admin
    await page.goto(`${system.portal}/agents`)
    await page.getByRole('button', { name: 'Register an agent…' }).click()
    await assertAccessible(page, 'agents')
    await page.getByLabel('Name', { exact: true }).fill('clerk')
    await page.getByLabel('On whose behalf it acts').selectOption('bob')
    await page.getByText('Limits of this key').click()
    await page.getByLabel('Only these tools').fill('shop.*')
    await page.getByRole('button', { name: 'Register with passkey' }).click()
    const key = (await page.locator('p.data', { hasText: /^tgk_/ }).textContent()) ?? ''
    await page.getByRole('button', { name: 'I have stored it' }).click()
    const asClerk = async (call: object = READ): Promise<unknown> => {
      const body = { ...call, wait_ms: 20_000 }
      const answer = await callJson(`${system.gateway}/v1/actions/propose`, { key, body })
      return answer.status === 401 ? 401 : (answer.body['code'] ?? answer.body['status'])
    }
    await until('the executor takes the agent up', async () => (await asClerk()) === 'succeeded')
    const files = { tool: 'files.list_directory', arguments: { path: '.' } }
    assert.equal(await asClerk(files), 'unknown_tool', 'its limits name other tools')
    const clerk = page.getByRole('article', { name: 'clerk' })
    await clerk.getByText('Active').waitFor()
    const order = async (ask: RegExp, why: RegExp, confirm: string): Promise<void> => {
      await clerk.getByRole('button', { name: ask }).click()
      await clerk.getByLabel(why).fill('looked at')
      await clerk.getByRole('button', { name: confirm }).click()
    }
    await order(/^Pause/, /Why/, 'Pause with passkey')
    await clerk.getByText('Paused', { exact: true }).waitFor()
    await until('it is held', async () => (await asClerk()) === 'frozen')
    await order(/^Resume/, /What was found/, 'Resume with passkey')
    await until('it works again', async () => (await asClerk()) === 'succeeded')
    await clerk.getByText('Active').waitFor()
    await assertAccessible(page, 'agents')
    await page.setViewportSize(NARROW)
    await assertFits(page, 'agents')
    await page.setViewportSize(WIDE)
    await order(/^Revoke for good/, /Why/, 'Revoke with passkey')
    await clerk.getByText('Revoked', { exact: true }).waitFor()
    await sleep(1_000)
    assert.equal(await asClerk(), 401, 'it is nobody')
    const { freezes } = (await json('freeze', 'list')) as {
      freezes: { final: boolean; freeze: string }[]
    }
    const revoked = freezes.find(({ final }) => final)?.freeze ?? ''
    assert.equal((await system.command(['thaw', revoked])).code, 1, 'nobody brings it back')
    assert.equal(await told(), 'succeeded', 'others go on')
    await bob.page.goto(`${system.portal}/agents`)
    await bob.page.getByRole('article', { name: 'clerk' }).waitFor()
    assert.equal(await bob.page.getByRole('button', { name: /Register|Revoke/ }).count(), 0)
  })

  test('everything that people did is on record, by whom', async () => {
    const tail = await system.command(['audit', 'tail', '--last', '2000', '--no-follow', '--json'])
    const lines = tail.out.split('\n').filter((line) => line.startsWith('{'))
    const events = lines.flatMap((line) => {
      const { entry } = JSON.parse(line) as { entry: Entry | null }
      return entry?.event === undefined ? [] : [entry.event]
    })
    const by = (type: string): readonly string[] =>
      events.filter((event) => event.type === type).map(({ actor }) => actor.id)
    assert.deepEqual(new Set(by('freeze_given')), new Set(['bob', 'admin']))
    assert.deepEqual(new Set(by('thaw_given')), new Set(['admin']))
    assert.deepEqual(by('pin_given'), ['admin'])
  })

  async function pins(): Promise<readonly { fingerprint: string; credential_id: string }[]> {
    const listed = (await json('pins', 'list'))['pins']
    return listed as { fingerprint: string; credential_id: string }[]
  }

  /** A refund that bob alone approves; how it ended. */
  async function refundBy(page: Page): Promise<unknown> {
    const { body } = await propose({ tool: 'shop.refund', arguments: REFUND }, 0)
    const id = String(body['action_id'])
    assert.equal(body['status'], 'pending_approval', JSON.stringify(body))
    await page.goto(`${system.portal}/approvals/${id}`)
    await page.getByRole('button', { name: 'Approve with passkey', disabled: false }).click()
    await page
      .getByRole('heading', { name: /What happens now|What happened|This has ended/ })
      .waitFor()
    let status: unknown
    await until('it to end', async () => {
      const url = `${system.gateway}/v1/actions/${id}?wait=5s`
      status = (await callJson(url, { key: system.apiKey })).body['status']
      return status === 'refused' || status === 'succeeded' || status === 'failed'
    })
    return status
  }

  /** Somebody pinned by the operator, whose passkey is in this process. */
  async function pinned(person: string): Promise<Approver> {
    const origin = system.portal
    const rpId = new URL(origin).hostname
    const authenticator = new SoftwareAuthenticator({ algorithm: 'ES256', rpId, origin })
    const { credentialId: credential_id, publicKey: public_key } = authenticator
    const place = { rp_id: rpId, origins: [origin] }
    const pin = { tenant: 'main', person, roles: ['approver'], credential_id, public_key, ...place }
    const file = join(system.stateDir, `${person}.pin.json`)
    await writeFile(file, JSON.stringify(pin), { mode: 0o600 })
    await json('pins', 'add', file)
    assert.ok((await readFile(file)).length > 0)
    return { person, authenticator }
  }

  const nonce = (): string => Buffer.from(nodeRandom.bytes(16)).toString('base64url')
  const freezeBy = (by: string): FreezeStatement => ({
    typ: 'trustgw/freeze/1',
    tenant: gateway.tenant,
    scope: { kind: 'tenant' },
    reason_hash: hashText(sha256, REASON),
    counter: 1,
    by,
    at: Date.now(),
    nonce: nonce(),
  })
  /** Puts a notice on the bus that no plane has sealed. */
  async function put(statement: FreezeStatement, assertion: PasskeyAssertion): Promise<void> {
    const notice: FreezeNotice = { v: 1, statement, reason: REASON, seal: null, assertion }
    const bytes = utf8Encode(canonicalize(freezeNoticeJson(notice)))
    const key = freezeKey(gateway.tenant, statementHash(sha256, statement))
    assert.ok((await host.records({ home: 'data', bucket: 'freezes' }).create(key, bytes)).ok)
  }
})
