import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openBrowser, type TestBrowser } from '@trustgw/testkit'
import { eventOf, REFUND, requestOf } from '@trustgw/testkit/approval-requests'
import { pendingEvent, storyInstallation } from '@trustgw/testkit/approval-story'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { type BuiltPage, buildPage, CACHE_DIR } from './double/build-page.ts'
import { PortalDouble } from './double/portal-double.ts'

const AXE = fileURLToPath(import.meta.resolve('axe-core/axe.min.js'))
const WINDOW_MS = 600_000
const DESK = { viewport: { width: 1280, height: 860 } }
const PHONE = { viewport: { width: 390, height: 844 } }

async function assertAccessible(page: Page): Promise<void> {
  await page.evaluate(await readFile(AXE, 'utf8'))
  const { violations } = await page.evaluate<{ violations: readonly { id: string }[] }>(
    `axe.run(document, { resultTypes: ['violations'] })`,
  )
  assert.deepEqual(
    violations.map((one) => JSON.stringify(one).slice(0, 600)),
    [],
  )
}

describe('what runs by itself unless somebody stops it', () => {
  let browser: TestBrowser
  let built: BuiltPage
  before(async () => {
    built = await buildPage()
    browser = await openBrowser({ cacheDir: CACHE_DIR })
  })
  after(async () => {
    await browser.close()
    await built.remove()
  })

  const now = Date.now()
  const common = { tool: REFUND, now, ageS: 5, undoMs: WINDOW_MS }
  const input = { order: 'ord_1', amount: '20.00', currency: 'EUR' }
  const allowed = requestOf({ ...common, number: 1, input, tier: 0, approvers: [] })
  const approved = requestOf({ ...common, number: 2, input: { ...input, order: 'ord_2' } })
  const runsAt = now + WINDOW_MS
  const scheduled = eventOf(allowed, 'scheduled', 20, { decide_by: runsAt, at: now })

  async function open(
    look: BrowserContextOptions,
    check: (page: Page, double: PortalDouble) => Promise<void>,
  ): Promise<void> {
    const double = new PortalDouble(built.root)
    double.approvals = [allowed, approved]
    double.actions = [scheduled, pendingEvent(approved, 21)]
    double.installation = storyInstallation(now)
    const origin = await double.listen()
    const context = await browser.browser.newContext(look)
    const page = await context.newPage()
    try {
      await page.goto(`${origin}/`)
      await page.getByRole('heading', { name: 'Runs by itself soon' }).waitFor()
      await check(page, double)
    } finally {
      await context.close()
      await double.close()
    }
  }

  const item = (page: Page, { action_id }: { readonly action_id: string }) =>
    page.locator(`#item-${action_id}`)

  it('stands apart from what waits, counts down to the run, and offers to stop it, not to approve it', async () => {
    await open(DESK, async (page) => {
      await page.getByRole('heading', { name: '1 waiting for a decision' }).waitFor()
      await item(page, allowed).click()
      const bar = page.getByRole('region', { name: 'Stop it' })
      await bar.getByText(/Runs by itself in/).waitFor()
      assert.match(await bar.getByRole('timer').innerText(), /^(9|10):\d\d/)
      assert.equal(await page.getByRole('button', { name: /Approve/ }).count(), 0)
    })
  })

  it('is stopped with a reason, by keyboard alone, and its end is shown', async () => {
    await open(DESK, async (page, double) => {
      await item(page, allowed).focus()
      await page.keyboard.press('Enter')
      const bar = page.getByRole('region', { name: 'Stop it' })
      await bar.getByRole('button', { name: 'Stop it…' }).focus()
      await page.keyboard.press('Enter')
      await bar.getByText('Why do you stop it?').waitFor()
      await page.keyboard.type('not this customer')
      await bar.getByRole('button', { name: 'Stop it', exact: true }).press('Enter')
      await bar.getByText('Stopped. Waiting for the gateway…').waitFor()
      const path = `/api/approvals/${allowed.action_id}/deny`
      assert.deepEqual(double.posted.get(path), { reason: 'not this customer' })
      double.publish(eventOf(allowed, 'cancelled', 30))
      await page.getByText('This has ended').waitFor()
      assert.equal(await page.getByRole('heading', { name: 'Runs by itself soon' }).count(), 0)
    })
  })

  it('offers to stop what was approved, from the moment in which its window begins', async () => {
    await open(DESK, async (page, double) => {
      await item(page, approved).click()
      await page.getByText('It waits 10 min before it runs, in which it can be stopped.').waitFor()
      await page.getByRole('region', { name: 'Your decision' }).waitFor()
      double.publish(eventOf(approved, 'scheduled', 31, { decide_by: runsAt, at: now }))
      await page
        .getByRole('region', { name: 'Stop it' })
        .getByRole('button', { name: 'Stop it…' })
        .waitFor()
      await page.getByRole('heading', { name: 'Nothing waits' }).waitFor()
    })
  })

  it('keeps of a thousand what is in sight, and the focus where it is however far one scrolls', async () => {
    await open({ ...DESK, reducedMotion: 'reduce' }, async (page, double) => {
      const half = 500
      const many = Array.from({ length: 2 * half }, (_, at) => {
        const last = at < half ? { tier: 0 as const, approvers: [] } : {}
        return requestOf({ ...common, number: 100 + at, input, leftS: 900 + at, ...last })
      })
      double.approvals = many
      double.actions = many.map((request, at) =>
        at < half
          ? eventOf(request, 'scheduled', 100 + at, { decide_by: runsAt + at, at: now })
          : pendingEvent(request, 100 + at),
      )
      const [shown, first, second] = [half, half + 5, half + 6].map((at) => many[at]) as [
        typeof allowed,
        typeof allowed,
        typeof allowed,
      ]
      await page.goto(`${new URL(page.url()).origin}/approvals/${shown.action_id}`)
      await page.getByText(`${half} waiting for a decision`).waitFor()
      await item(page, first).focus()
      const box = `document.querySelector('section[aria-labelledby="list-title"]')`
      await page.evaluate(`${box}.scrollTop = 1_000_000`)
      await item(page, many[half - 1] as typeof allowed).waitFor()
      assert.ok((await page.locator('li[aria-posinset]').count()) < 100)
      const focused = (): Promise<string> => page.evaluate('document.activeElement.id')
      assert.equal(await focused(), `item-${first.action_id}`)
      await assertAccessible(page)
      await page.keyboard.press('Tab')
      assert.equal(await focused(), `item-${second.action_id}`)
      await page.locator('li[aria-posinset="12"]').first().waitFor()
    })
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`is accessible and fits on a phone in ${colorScheme} colours`, async () => {
      await open({ ...PHONE, colorScheme, reducedMotion: 'reduce' }, async (page) => {
        await item(page, allowed).click()
        await page.getByRole('button', { name: 'Stop it…' }).click()
        await page.getByText('Why do you stop it?').waitFor()
        await page.getByText('Why it may run').waitFor()
        await assertAccessible(page)
        const wide = 'document.documentElement.scrollWidth > document.documentElement.clientWidth'
        assert.equal(await page.evaluate(wide), false)
      })
    })
  }
})
