import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { openBrowser, type TestBrowser } from '../src/browser.ts'
import { connectHttp } from '../src/clients/sdk-caller.ts'
import { crash, until } from '../src/process-table.ts'
import { setFault } from '../src/shop-view.ts'
import { type RunningSystem, startSystem } from '../src/system.ts'
import { addVirtualAuthenticator, type VirtualAuthenticator } from '../src/virtual-authenticator.ts'
import { CACHE_DIR, callJson } from './e2e-support.ts'
import { askDevice, HostCalls, openLookAlike } from './look-alike.ts'
import { assertAccessible, assertFits, tabTo } from './page-checks.ts'

const WIDE = { width: 1280, height: 860 }
const NARROW = { width: 390, height: 844 }
/** How long after it came a card's button does nothing. */
const ARMED_MS = 1_000
/** A folder for pictures of this run; none are taken without it. */
const PICTURES = process.env['WALK_PICTURES']
/**
 * What a browser says by itself of an answer that is right: signed out; a link that is refused; the
 * news of an action that is here before the host has its request; the bus that is away.
 */
const SIGNED_OUT = /^Failed .* status of 401 .*\/api\/(?:session|approvals(?:\/urgent)?)$/
const LINK_REFUSED = /^Failed .* status of 4\d\d .*\/api\/enrolment\/begin$/
const EARLY = /^Failed .* status of 404 .*\/api\/approvals\/act_[a-z0-9]+$/
const BUS_AWAY =
  /^WebSocket connection to .* failed|ERR_CONNECTION_REFUSED|^Failed .* status of 503 /

const REFUND = {
  order_id: 'ord_1001',
  amount: '250.00',
  currency: 'EUR',
  reason: 'Desk lamp arrived broken',
} as const

describe('the real portal, served by the real host', () => {
  let system: RunningSystem
  let browser: TestBrowser
  let context: BrowserContext
  let page: Page
  let authenticator: VirtualAuthenticator
  const complaints: string[] = []
  let cents = 0

  before(async () => {
    system = await startSystem()
    browser = await openBrowser({ cacheDir: CACHE_DIR })
    context = await browser.browser.newContext({ viewport: WIDE, reducedMotion: 'reduce' })
    page = await context.newPage()
    page.setDefaultTimeout(20_000)
    authenticator = await addVirtualAuthenticator(page)
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type()))
        complaints.push(`${message.text()} ${message.location().url}`)
    })
    if (PICTURES !== undefined) await mkdir(PICTURES, { recursive: true })
  })
  after(async () => {
    await browser.close()
    await system.remove()
  })

  const picture = async (name: string): Promise<void> => {
    if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, `walk-${name}.png`) })
  }

  const heading = (name: string | RegExp): Promise<void> =>
    page.getByRole('heading', { name }).first().waitFor()

  /** Errors and warnings of the page since the last time, its content policy's too: only these. */
  const assertQuiet = (...allowed: readonly RegExp[]): void => {
    const odd = complaints.splice(0).filter((said) => !allowed.some((one) => one.test(said)))
    assert.deepEqual(odd, [])
  }

  /** Two places say it, of which one is in sight. */
  const live = (): Promise<void> =>
    page.getByText('Connection: Live').filter({ visible: true }).waitFor()

  const proposeRefund = async (amount?: string): Promise<string> => {
    cents += 1
    const wanted = amount ?? `101.${String(cents).padStart(2, '0')}`
    const args = { order_id: 'ord_1005', amount: wanted, currency: 'EUR', reason: 'Parcel damaged' }
    const { body, text } = await callJson(`${system.gateway}/v1/actions/propose`, {
      key: system.apiKey,
      body: { tool: 'shop.refund', arguments: args, wait_ms: 0 },
    })
    assert.equal(body['status'], 'pending_approval', text)
    return String(body['action_id'])
  }

  const stateOf = async (id: string): Promise<unknown> =>
    (await callJson(`${system.gateway}/v1/actions/${id}`, { key: system.apiKey })).body['status']

  /** With the keys alone: to the button, past the moment in which it does nothing, and down. */
  const press = async (name: string | RegExp): Promise<void> => {
    const button = page.getByRole('button', { name, disabled: false })
    await tabTo(page, button)
    await page.keyboard.press('Enter')
  }

  test('the front pages: signed out, a link without its secret, a link that was made up', async () => {
    await page.goto(system.portal)
    await page.getByRole('button', { name: 'Sign in with passkey' }).waitFor()
    await assertAccessible(page, 'sign in')
    await page.goto(`${system.portal}/enrol`)
    await page.getByText('This enrolment link is not complete').waitFor()
    await assertAccessible(page, 'enrolment without its secret')
    // Another fragment alone is no new page for a browser.
    await page.goto('about:blank')
    await page.goto(`${system.portal}/enrol#made-up`)
    await page.getByLabel('Your name').fill('Mallory')
    await page.getByRole('button', { name: /sign-in passkey/ }).click()
    await page.getByText('That did not work').waitFor()
    await assertAccessible(page, 'enrolment refused')
    assertQuiet(SIGNED_OUT, LINK_REFUSED)
    assert.equal((await authenticator.credentials()).length, 0)
  })

  test('enrolment by the one-time link, with keys alone; the fingerprints are the same', async () => {
    await page.goto('about:blank')
    await page.goto(system.enrolmentLink ?? '')
    await page.getByLabel('Your name').waitFor()
    await assertAccessible(page, 'enrolment, first step')
    await tabTo(page, page.getByLabel('Your name'))
    await page.keyboard.type('Alex Morgan')
    await page.keyboard.press('Enter')
    await heading('Your approval passkey')
    await assertAccessible(page, 'enrolment, second step')
    await press(/approval passkey/)
    await heading('Compare with the terminal')
    await assertAccessible(page, 'enrolment, done')
    await picture('1-enrol-1280')
    const shown = await page.locator('p.font-mono span').allTextContents()
    const { pinned } = await system.line('pinned')
    assert.ok(typeof pinned === 'object' && pinned !== null && 'fingerprint' in pinned)
    assert.equal(shown.join(' '), pinned.fingerprint)
    assert.equal((await authenticator.credentials()).length, 2)
    await tabTo(page, page.getByRole('link', { name: /the approvals/ }))
    await page.keyboard.press('Enter')
    await page.getByText('Nothing waits for you').waitFor()
    await live()
    await assertAccessible(page, 'nothing waits')
    assertQuiet(SIGNED_OUT)
  })

  test('the used link is refused', async () => {
    const second = await context.newPage()
    await addVirtualAuthenticator(second)
    await second.goto(system.enrolmentLink ?? '')
    await second.getByLabel('Your name').fill('Mallory')
    await second.getByRole('button', { name: /sign-in passkey/ }).click()
    await second.getByText('That did not work').waitFor()
    await second.close()
  })

  test('a card comes live; it is approved with keys alone, runs, and is in the activity', async () => {
    await page.evaluate(`globalThis.notReloaded = true`)
    await setFault(system, { mode: 'slow', delay_ms: 4_000, times: 1, on: 'refunds' })
    const headers = { authorization: `Bearer ${system.apiKey ?? ''}` }
    const agent = await connectHttp(`${system.mcp}/c/shop`, headers, { era: 'modern' })
    await agent.call('shop.get_order', { order_id: 'ord_1001' })
    const held = agent.call('shop.refund', REFUND)
    await page.waitForURL('**/approvals/act_*')
    await page.getByRole('button', { name: 'Approve with passkey' }).waitFor()
    await assertAccessible(page, 'card')
    await page.waitForTimeout(ARMED_MS)
    await picture('2-card-1280')
    await press('Approve with passkey')
    await heading(/What happens now|What happened/)
    await page.locator('li[aria-current=step]', { hasText: 'Running' }).waitFor()
    await picture('3-approve-1280')
    await assertAccessible(page, 'running')
    const answer = await held
    assert.equal(answer.isError, false, answer.text)
    assert.match(answer.text, /"status":"succeeded"/, 'the held call brings the result')
    await agent.close()
    await page.getByText('Done', { exact: true }).first().waitFor()
    await assertAccessible(page, 'done')
    await picture('4-done-1280')
    assert.equal(await page.evaluate(`globalThis.notReloaded`), true, 'nothing was loaded again')
  })

  test('a smaller refund asks for a click, twice', async () => {
    const id = await proposeRefund('20.00')
    await page.goto(`${system.portal}/approvals/${id}`)
    await page.getByRole('button', { name: 'Approve…' }).waitFor()
    await page.waitForTimeout(ARMED_MS)
    await press('Approve…')
    await page.getByRole('button', { name: 'Yes, run it' }).waitFor()
    await assertAccessible(page, 'click to confirm')
    await press('Yes, run it')
    await until('the refund is done', async () => (await stateOf(id)) === 'succeeded')
  })

  test('a passkey that does not verify its person approves nothing', async () => {
    const id = await proposeRefund()
    await page.goto(`${system.portal}/approvals/${id}`)
    await page.getByRole('button', { name: 'Approve with passkey' }).waitFor()
    await page.waitForTimeout(ARMED_MS)
    await authenticator.setUserVerified(false)
    await press('Approve with passkey')
    await page.getByRole('alert').waitFor()
    await assertAccessible(page, 'passkey refused')
    assert.equal(await stateOf(id), 'pending_approval')
    await authenticator.setUserVerified(true)
  })

  test('phished: a look-alike on another port, another name, a frame, and a signature that comes twice', async () => {
    const [id, other] = [await proposeRefund(), await proposeRefund()]
    await page.goto(`${system.portal}/approvals/${id}`)
    await page.getByRole('button', { name: 'Approve with passkey' }).waitFor()
    const host = new HostCalls(page, system.portal)
    const approve = (nonce: string, assertion: unknown, of = id) =>
      host.post(`/api/approvals/${of}/approve`, { nonce, assertion })
    const framing = `<iframe src="${system.portal}/approvals/${id}"></iframe>`
    const [evil, frame] = [await openLookAlike(), await openLookAlike(framing)]
    try {
      const first = await host.begin(id)
      const wanted = await host.challenge(id, first)
      await page.goto(`http://localhost:${evil.port}/`)
      const phished = await askDevice(page, wanted, first.credential_ids)
      assert.equal(typeof phished, 'object', 'the device signs: a port is no part of the RP ID')
      assert.equal((await approve(first.nonce, phished)).code, 'assertion_refused')
      await page.goto(`http://127.0.0.1:${evil.port}/`)
      assert.equal(await askDevice(page, wanted, first.credential_ids), 'SecurityError')
      await page.goto(`http://localhost:${frame.port}/`)
      const framed = page.frames().find((one) => one !== page.mainFrame())
      assert.equal(await framed?.getByRole('button').count(), 0, 'nothing to press in a frame')
      await page.goto(`${system.portal}/installation`)
      const second = await host.begin(id)
      const signed = await askDevice(page, await host.challenge(id, second), second.credential_ids)
      const elsewhere = await host.begin(other)
      assert.equal((await approve(elsewhere.nonce, signed, other)).code, 'assertion_refused')
      assert.equal((await approve(second.nonce, signed, other)).code, 'ceremony_unknown')
      const third = await host.begin(id)
      const denial = await host.challenge(id, third, 'deny')
      const denied = await askDevice(page, denial, third.credential_ids)
      assert.equal((await approve(third.nonce, denied)).code, 'assertion_refused')
      const last = await host.begin(id)
      const genuine = await askDevice(page, await host.challenge(id, last), last.credential_ids)
      assert.equal(await stateOf(id), 'pending_approval', 'nothing of that counted')
      assert.equal((await approve(last.nonce, genuine)).status, 200)
      assert.equal((await approve(last.nonce, genuine)).code, 'ceremony_unknown')
      await until('the refund is done', async () => (await stateOf(id)) === 'succeeded')
      assert.equal(await stateOf(other), 'pending_approval')
      assertQuiet(/frame-ancestors 'none'/, EARLY)
    } finally {
      await Promise.all([evil.close(), frame.close()])
    }
  })

  test('it can be put on a home screen, and says why it cannot notify', async () => {
    // A page of its own: a second session of the debugger takes the passkeys of its page along.
    const second = await context.newPage()
    await second.goto(`${system.portal}/account`)
    // A private context has no notifications; what they say, the tests of the page show.
    await second.getByText('This browser was told not to show notifications').waitFor()
    const session = await context.newCDPSession(second)
    const { errors, data, url } = await session.send('Page.getAppManifest')
    assert.deepEqual([errors, url], [[], `${system.portal}/manifest.webmanifest`])
    const { icons } = JSON.parse(data ?? '') as { icons: { src: string }[] }
    for (const { src } of icons) {
      assert.equal((await second.request.get(`${system.portal}${src}`)).status(), 200, src)
    }
    const { installabilityErrors } = await session.send('Page.getInstallabilityErrors')
    assert.deepEqual(installabilityErrors, [])
    await second.close()
  })

  test('it is denied with a reason and keys alone, and the agent reads the reason', async () => {
    const id = await proposeRefund('180.00')
    await page.goto(`${system.portal}/approvals/${id}`)
    await page.getByRole('button', { name: 'Deny…' }).waitFor()
    await page.waitForTimeout(ARMED_MS)
    await page.keyboard.press('d')
    await page.getByRole('textbox', { name: 'Reason' }).waitFor()
    await assertAccessible(page, 'deny form')
    await page.keyboard.type('Not in the return period')
    await picture('5-deny-1280')
    await press('Deny it')
    await heading(/This has ended/)
    await assertAccessible(page, 'denied')
    const { body } = await callJson(`${system.gateway}/v1/actions/${id}`, { key: system.apiKey })
    assert.equal(body['status'], 'denied')
    assert.match(String(body['reason']), /Not in the return period/)
  })

  test('a key that is rotated by command is listed at once, the former one beside it', async () => {
    await page.goto(`${system.portal}/installation`)
    const keys = page.getByRole('region', { name: 'Signing keys' })
    await keys.getByText('signs grants').first().waitFor()
    const listed = await keys.getByText('signs grants').count()
    const rotated = await system.command(['keys', 'rotate'])
    assert.equal(rotated.code, 0, rotated.err + rotated.out)
    await keys.getByText('signs grants').nth(listed).waitFor()
    assert.equal(await keys.getByText(/^until /).count(), 1)
  })

  test('activity, installation, keys and a page that is not there, light and dark', async () => {
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await page.goto(`${system.portal}/activity`)
      await page.getByText('shop.refund').filter({ visible: true }).first().waitFor()
      await assertAccessible(page, `activity, ${colorScheme}`)
      if (colorScheme === 'light') await picture('6-activity-1280')
      await page.goto(`${system.portal}/installation`)
      await heading('Protection in force')
      await assertAccessible(page, `installation, ${colorScheme}`)
      if (colorScheme === 'light') await picture('7-installation-1280')
      await page.keyboard.press('?')
      await heading('Keys')
      await assertAccessible(page, `keys, ${colorScheme}`)
      await page.keyboard.press('Escape')
      await page.goto(`${system.portal}/approvals/act_aaaaaaaaaaaaaaaaaaaaaaaaaa`)
      await page.getByText('No such approval').waitFor()
      await assertAccessible(page, `an approval that is not there, ${colorScheme}`)
      const id = await proposeRefund()
      await page.goto(`${system.portal}/approvals/${id}`)
      await page.getByRole('button', { name: 'Approve with passkey' }).waitFor()
      await assertAccessible(page, `list and card, ${colorScheme}`)
    }
  })

  test('on a narrow screen everything fits, and a card is approved there', async () => {
    await page.setViewportSize(NARROW)
    const id = await proposeRefund('120.00')
    await page.goto(system.portal)
    await page
      .getByText(/waiting for a decision/)
      .filter({ visible: true })
      .waitFor()
    for (const path of ['/', '/activity', '/installation', `/approvals/${id}`]) {
      await page.goto(`${system.portal}${path}`)
      await page.getByRole('heading', { level: 1 }).first().waitFor()
      await live()
      await assertFits(page, path)
      await assertAccessible(page, `${path} at 390`)
    }
    await page.waitForTimeout(ARMED_MS)
    await picture('8-card-390')
    await page.getByRole('button', { name: 'Approve with passkey' }).click()
    await heading(/What happens now|What happened/)
    await until('the refund is done', async () => (await stateOf(id)) === 'succeeded')
    await assertFits(page, 'done')
    await page.setViewportSize(WIDE)
    assertQuiet(EARLY)
  })

  test('nats-server killed: the page says so, comes back, and shows what it missed', async () => {
    const known = await proposeRefund()
    await page.goto(`${system.portal}/approvals/${known}`)
    await live()
    const back = await crash(system, 'nats-server')
    await page.getByText('Connection lost').first().waitFor()
    await assertAccessible(page, 'reconnecting')
    await back()
    const id = await untilProposed()
    await live()
    await page.locator(`#item-${id}`).waitFor()
    const fresh = await proposeRefund()
    await page.locator(`#item-${fresh}`).waitFor()
    assertQuiet(EARLY, BUS_AWAY)
  })

  /** The gateway takes a moment too, until the bus is back. */
  async function untilProposed(): Promise<string> {
    let id = ''
    await until('a refund is accepted', async () => {
      id = await proposeRefund().catch(() => '')
      return id !== ''
    })
    return id
  }

  test('signed out, nothing is shown or answered; the sign-in passkey signs in again', async () => {
    await press('Sign out')
    await page.getByRole('button', { name: 'Sign in with passkey' }).waitFor()
    await assertAccessible(page, 'signed out')
    assert.equal((await context.cookies()).length, 0, 'no cookie is left')
    assert.equal(await page.evaluate(`fetch('/api/approvals').then((r) => r.status)`), 401)
    await page.reload()
    await press('Sign in with passkey')
    await page
      .getByText(/waiting for a decision/)
      .filter({ visible: true })
      .waitFor()
    await live()
    const id = await proposeRefund()
    await page.locator(`#item-${id}`).waitFor()
    assertQuiet(SIGNED_OUT, EARLY)
  })
})
