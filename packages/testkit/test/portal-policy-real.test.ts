import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { openBrowser, type TestBrowser } from '../src/browser.ts'
import { type RunningSystem, startSystem } from '../src/system.ts'
import { addVirtualAuthenticator } from '../src/virtual-authenticator.ts'
import { CACHE_DIR, callJson } from './e2e-support.ts'

const REFUND = {
  order_id: 'ord_1001',
  currency: 'EUR',
  reason: 'Desk lamp arrived broken',
} as const

/** The whole system: what the page says of a draft is what gateway and executor then do. */
describe('a policy from the portal, in the real system', () => {
  let system: RunningSystem
  let browser: TestBrowser
  let context: BrowserContext
  let page: Page

  before(async () => {
    system = await startSystem()
    browser = await openBrowser({ cacheDir: CACHE_DIR })
    context = await browser.browser.newContext({ viewport: { width: 1280, height: 860 } })
    page = await context.newPage()
    page.setDefaultTimeout(20_000)
    await addVirtualAuthenticator(page)
    await page.goto(system.enrolmentLink ?? '')
    await page.getByLabel('Your name').fill('Alex Morgan')
    await page.getByRole('button', { name: /sign-in passkey/ }).click()
    await page.getByRole('button', { name: /approval passkey/ }).click()
    await page.getByText('Compare with the terminal').waitFor()
    await system.line('pinned')
  })
  after(async () => {
    await browser.close()
    await system.remove()
  })

  const propose = async (
    amount: string,
    wait_ms: number,
  ): Promise<Readonly<Record<string, unknown>>> => {
    const { body } = await callJson(`${system.gateway}/v1/actions/propose`, {
      key: system.apiKey,
      body: { tool: 'shop.refund', arguments: { ...REFUND, amount }, wait_ms },
    })
    return body
  }
  const editor = () => page.getByRole('textbox', { name: /^Policy of the layer/ })
  const chip = () => page.getByText(/^(?:Nothing odd|\d+ to look at)$/).first()

  test('nothing is wrong at first: gateway and executor decide by what the operator sealed', async () => {
    await page.goto(`${system.portal}/policy`)
    await page.getByText('sealed with the operator’s key').waitFor()
    await page.getByText('Executor connector').first().waitFor()
    assert.equal(await page.getByRole('link', { name: 'Look at the policy' }).count(), 0)
    await chip().waitFor()
  })

  test('a proposal that was recorded would be decided otherwise by the draft', async () => {
    const body = await propose('12.00', 0)
    assert.equal(body['status'], 'pending_approval')
    await page.reload()
    await chip().waitFor()
    const text = await editor().inputValue()
    const rule = [
      '[[rules]]',
      'id = "small-refunds"',
      'priority = 5',
      'effect = "allow"',
      'reason = "Up to 20 EUR is not worth a person\'s time"',
      '[rules.match]',
      'tool = ["shop.refund"]',
      'amount = { lte = "20.00 EUR" }',
      '',
    ]
    await editor().fill(`${text}\n${rule.join('\n')}`)
    await page.getByText('1 of 2 otherwise').waitFor()
    await page.getByText('What needs a click then runs at once').first().waitFor()
  })

  test('sealed with the passkey, gateway and executor take it up and act by it', async () => {
    await page.getByRole('button', { name: 'Review and apply…', disabled: false }).click()
    await page.getByLabel('I understand that this allows more').check()
    await page.getByRole('button', { name: 'Seal with passkey' }).click()
    await page
      .getByRole('heading', { name: /^Epoch \d+ is in force$/ })
      .waitFor({ timeout: 30_000 })
    const small = await propose('15.00', 10_000)
    assert.equal(small['status'], 'succeeded', JSON.stringify(small))
    const large = await propose('150.00', 0)
    assert.equal(large['status'], 'pending_approval', JSON.stringify(large))
    await page.goto(`${system.portal}/activity`)
    await page.getByRole('heading', { name: 'Activity' }).waitFor()
    assert.equal(await page.getByRole('link', { name: 'Look at the policy' }).count(), 0)
  })
})
