import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { openBrowser, type TestBrowser } from '../src/browser.ts'
import { until } from '../src/process-table.ts'
import { freePorts, type RunningSystem, startSystem } from '../src/system.ts'
import { addVirtualAuthenticator } from '../src/virtual-authenticator.ts'
import { CACHE_DIR, callJson } from './e2e-support.ts'
import { assertAccessible } from './page-checks.ts'

/** Where pictures for the guides go, if anywhere. */
const PICTURES = process.env['WALK_PICTURES']

/** An installation whose approvals are signed on an origin and under an RP ID of their own. */
describe('approvals on an origin of their own, in a real browser', () => {
  let system: RunningSystem
  let browser: TestBrowser
  let page: Page
  let portal = ''
  let approvals = ''

  before(async () => {
    const [port = 0] = await freePorts(1)
    portal = `http://portal.trustgw.localhost:${port}`
    approvals = `http://approve.trustgw.localhost:${port}`
    system = await startSystem({
      env: {
        TRUSTGW_HOST_LISTEN: `127.0.0.1:${port}`,
        TRUSTGW_HOST_ORIGIN: portal,
        TRUSTGW_HOST_RP_ID: 'portal.trustgw.localhost',
        TRUSTGW_HOST_APPROVAL_ORIGIN: approvals,
        TRUSTGW_HOST_APPROVAL_RP_ID: 'trustgw.localhost',
      },
    })
    browser = await openBrowser({ cacheDir: CACHE_DIR })
    const context = await browser.browser.newContext({ reducedMotion: 'reduce' })
    page = await context.newPage()
    page.setDefaultTimeout(20_000)
    const device = await addVirtualAuthenticator(page)
    await page.goto(system.enrolmentLink ?? '')
    await page.getByLabel('Your name').fill('Ann Example')
    await page.getByRole('button', { name: /sign-in passkey/ }).click()
    await page.getByRole('button', { name: /approval passkey/ }).click()
    await page.getByText('Compare with the terminal').waitFor()
    await system.line('pinned')
    const domains = new Set((await device.credentials()).map(({ rpId }) => rpId))
    assert.deepEqual(domains, new Set(['portal.trustgw.localhost', 'trustgw.localhost']))
  })
  after(async () => {
    await browser.close()
    await system.remove()
  })

  async function held(amount: string): Promise<string> {
    const { body, text } = await callJson(`${system.gateway}/v1/actions/propose`, {
      key: system.apiKey,
      body: {
        tool: 'shop.refund',
        arguments: { order_id: 'ord_1005', amount, currency: 'EUR', reason: 'Parcel damaged' },
        wait_ms: 0,
      },
    })
    const id = String(body['action_id'])
    await until('it waits', async () => (await stateOf(id)) === 'pending_approval')
    assert.match(id, /^act_/, text)
    return id
  }
  const stateOf = async (id: string): Promise<unknown> =>
    (await callJson(`${system.gateway}/v1/actions/${id}`, { key: system.apiKey })).body['status']

  const button = (name: string): Locator => page.getByRole('button', { name, disabled: false })
  /** The code to compare, as the card shows it. */
  const code = async (): Promise<string | null> =>
    await page
      .getByRole('region', { name: 'Code of this action' })
      .locator('p.font-mono')
      .textContent()

  test('the portal leads there, the card is the same, and the executor takes the signature', async () => {
    const id = await held('250.01')
    await page.goto(`${portal}/approvals/${id}`)
    const shown = await code()
    await button('Go to the approval page').click()
    await page.waitForURL(`${approvals}/approve`)
    await button('Approve with passkey').waitFor()
    assert.equal(await code(), shown)
    assert.equal(await page.getByRole('navigation').count(), 0)
    await page.getByText('The first of its kind').waitFor()
    await assertAccessible(page, 'the page of one approval')
    if (PICTURES !== undefined) {
      await page.screenshot({ path: join(PICTURES, 'walk-9-approval-page-1280.png') })
    }
    assert.equal((await page.context().cookies(approvals)).length, 0)
    await button('Approve with passkey').click()
    await page.getByRole('heading', { name: 'You approved it' }).waitFor()
    await until('the refund is done', async () => (await stateOf(id)) === 'succeeded')
    await page.getByRole('link', { name: 'Back to the portal' }).click()
    await page.waitForURL(`${portal}/`)
  })
})
