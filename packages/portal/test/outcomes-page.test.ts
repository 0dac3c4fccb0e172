import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { actionId, grantId, hashText, type UnsettledAction } from '@trustgw/protocol'
import { openBrowser, type TestBrowser } from '@trustgw/testkit'
import { sha256, TENANT } from '@trustgw/testkit/approval-requests'
import { storyInstallation } from '@trustgw/testkit/approval-story'
import type { BrowserContext, Page } from 'playwright-core'
import { type BuiltPage, buildPage, CACHE_DIR } from './double/build-page.ts'
import { PortalDouble } from './double/portal-double.ts'

const now = Date.now()

function unseen(more: Partial<UnsettledAction> = {}): UnsettledAction {
  const args = '{"amount":"250.00","order_id":"ord_1001"}'
  return {
    v: 1,
    action_id: actionId(new Uint8Array(16).fill(7)),
    tenant: TENANT,
    tool_id: 'shop.refund',
    title: 'Refund an order',
    arguments: args,
    input_hash: hashText(sha256, args),
    agent: 'refund-bot',
    initiator: 'refund-bot',
    roles: ['approver'],
    amount: '250.00 EUR',
    jti: grantId(new Uint8Array(16).fill(8)),
    idempotency_key: hashText(sha256, 'key'),
    proposed_at: now - 60_000,
    entered_at: now - 50_000,
    provider_reference: null,
    doubt: 'connection_lost',
    reconciled: 'provider_cannot_tell',
    since: now - 40_000,
    ...more,
  }
}

describe('the page of what ended unseen', () => {
  let browser: TestBrowser
  let built: BuiltPage
  let double: PortalDouble
  let origin: string
  let context: BrowserContext
  let page: Page

  before(async () => {
    built = await buildPage()
    browser = await openBrowser({ cacheDir: CACHE_DIR })
  })
  after(async () => {
    await browser.close()
    await built.remove()
  })
  beforeEach(async () => {
    double = new PortalDouble(built.root)
    double.installation = storyInstallation(now)
    double.unsettled = [unseen()]
    origin = await double.listen()
    context = await browser.browser.newContext({ viewport: { width: 1280, height: 860 } })
    page = await context.newPage()
  })
  afterEach(async () => {
    await context.close()
    await double.close()
  })

  const path = `/api/outcomes/${unseen().action_id}`

  it('says on every page that somebody has to find out, and shows the evidence', async () => {
    await page.goto(`${origin}/activity`)
    await page.getByText('1 call ended unseen').waitFor()
    await page.getByRole('link', { name: 'Look at the evidence' }).click()
    await page
      .getByRole('heading', { name: /“Refund an order” for refund-bot, 250.00 EUR/ })
      .waitFor()
    for (const text of [
      'ord_1001',
      'The connection broke before an answer came.',
      'The provider was asked by the key below and could not tell.',
      unseen().idempotency_key,
      'none',
    ]) {
      await page.getByText(text, { exact: true }).first().waitFor()
    }
  })

  it('is settled by keys alone, after a reason and a confirmation', async () => {
    await page.goto(`${origin}/outcomes`)
    await page.getByRole('button', { name: 'It was not done…' }).press('Enter')
    const confirm = page.getByRole('button', { name: 'Record that it was not done' })
    assert.equal(await confirm.isDisabled(), true)
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'It was done…' }).press('Enter')
    await page.getByRole('textbox', { name: /It was done. How do you know/ }).waitFor()
    await page.keyboard.type('The bank shows it')
    assert.equal(double.posted.size, 0)
    await page.getByRole('button', { name: 'Record that it was done' }).press('Enter')
    await page.getByRole('heading', { name: 'Nothing ended unseen' }).waitFor()
    assert.deepEqual(double.posted.get(path), {
      jti: unseen().jti,
      outcome: 'succeeded',
      reason: 'The bank shows it',
    })
  })

  it('says why it was not taken, and keeps what was written', async () => {
    double.settleRefusal = 'not_unsettled'
    await page.goto(`${origin}/outcomes`)
    await page.getByRole('button', { name: 'It was done…' }).click()
    await page.getByRole('textbox').fill('The bank shows it')
    await page.getByRole('button', { name: 'Record that it was done' }).click()
    await page.getByRole('alert').getByText('Somebody else settled it').waitFor()
    assert.equal(await page.getByRole('textbox').inputValue(), 'The bank shows it')
  })

  it('offers no button to who asked for it, nor to who has no role of it', async () => {
    double.person = { id: 'ada', name: 'Ada Lovelace', roles: ['clerk'] }
    double.unsettled = [
      unseen({ initiator: 'ada', action_id: actionId(new Uint8Array(16).fill(9)) }),
      unseen(),
    ]
    await page.goto(`${origin}/outcomes`)
    await page.getByText('somebody else must find out').waitFor()
    await page.getByText('a role that you do not have').waitFor()
    assert.equal(await page.getByRole('button', { name: /It was/ }).count(), 0)
  })

  it('shows nothing of arguments that it cannot read, and draws no markup', async () => {
    double.unsettled = [unseen({ arguments: '{', title: '<img src=x onerror=alert(1)>' })]
    await page.goto(`${origin}/outcomes`)
    await page.getByText('The arguments cannot be read').waitFor()
    assert.equal(await page.locator('article img').count(), 0)
  })
})
