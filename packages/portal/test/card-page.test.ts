import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { ApprovalRequest } from '@trustgw/protocol'
import { openBrowser, type TestBrowser } from '@trustgw/testkit'
import {
  pendingEvent,
  storyEarlier,
  storyInstallation,
  storyRequests,
} from '@trustgw/testkit/approval-story'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { type BuiltPage, buildPage, CACHE_DIR } from './double/build-page.ts'
import { PortalDouble } from './double/portal-double.ts'

const AXE = fileURLToPath(import.meta.resolve('axe-core/axe.min.js'))
const now = Date.now()
const story = storyRequests(now)
const [refund, odd, file] = [story['refund'], story['odd'], story['file']]
assert.ok(refund !== undefined && odd !== undefined && file !== undefined)

describe('the card', () => {
  let browser: TestBrowser
  let built: BuiltPage
  let double: PortalDouble
  let origin: string

  before(async () => {
    built = await buildPage()
    browser = await openBrowser({ cacheDir: CACHE_DIR })
    double = new PortalDouble(built.root)
    double.approvals = [refund, odd, file]
    double.actions = double.approvals.map((request, at) => pendingEvent(request, 10 + at))
    double.installation = storyInstallation(now)
    origin = await double.listen()
  })
  after(async () => {
    await double.close()
    await browser.close()
    await built.remove()
  })

  async function onCard(
    { action_id }: ApprovalRequest,
    look: BrowserContextOptions,
    check: (page: Page) => Promise<void>,
  ): Promise<void> {
    const context = await browser.browser.newContext(look)
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    try {
      await page.goto(`${origin}/approvals/${action_id}`)
      await page.locator('#look-title').waitFor()
      await check(page)
      assert.deepEqual(complaints, [])
    } finally {
      await context.close()
    }
  }

  const DESK = { viewport: { width: 1280, height: 860 } }
  const PHONE = { viewport: { width: 390, height: 844 } }

  it('says in a sentence who wants what, in words too, and under which condition', async () => {
    double.earlier = storyEarlier(now)
    await onCard(refund, DESK, async (page) => {
      assert.equal(
        await page.locator('#card-title').innerText(),
        'support-agent, for grace, wants to move 250.00 EUR (two hundred and fifty euros) with “Refund an order”',
      )
      await page
        .getByText('Only if, when it runs, status paid, total 250.00 EUR still holds')
        .waitFor()
      await page.getByText('Gateway says: stood in what shop.get_order gave').waitFor()
      await page.getByText('shop.find_orders → shop.get_order').waitFor()
    })
  })

  it('puts what is unlike earlier approvals first, the look-alike payee above all', async () => {
    double.earlier = storyEarlier(now)
    await onCard(odd, PHONE, async (page) => {
      const list = page.getByRole('region', { name: 'Look at this first' })
      const [first = ''] = await list.getByRole('listitem').allInnerTexts()
      assert.match(first, /Looks like “Acme Supplies Ltd”/)
      await list.getByText('10 times the largest of the last 4 approved').waitFor()
      await list.getByText('Compared with the last 4 calls').waitFor()
      await list.getByText('differs from acme-supplies.example').waitFor()
      await list.getByText('Show them').click()
      await list.getByText(/1840\.00 EUR, approved by ben, succeeded/).waitFor()
    })
  })

  it('compares with nothing that does not match its hashes, and says so', async () => {
    double.earlier = storyEarlier(now).map((request) => ({
      ...request,
      arguments: request.arguments.replace('"currency"', '"currencx"'),
    }))
    await onCard(odd, DESK, async (page) => {
      const list = page.getByRole('region', { name: 'Look at this first' })
      await list.getByText('4 that the server told of did not match their hashes').waitFor()
      assert.equal(await page.getByText('Looks like').count(), 0)
    })
  })

  it('says when nobody approved a call of this tool before', async () => {
    double.earlier = []
    await onCard(file, DESK, async (page) => {
      await page.getByText('Nobody here has approved a call of this tool yet').waitFor()
      await page.getByRole('heading', { name: 'The first of its kind' }).waitFor()
    })
  })

  for (const look of [DESK, PHONE]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      it(`is accessible and fits at ${look.viewport.width} pixels in ${colorScheme} colours`, async () => {
        double.earlier = storyEarlier(now)
        await onCard(odd, { ...look, colorScheme, reducedMotion: 'reduce' }, async (page) => {
          await page.getByText('Compared with the last 4 calls').waitFor()
          // Through the debugger: the page's own policy lets no foreign script in.
          await page.evaluate(await readFile(AXE, 'utf8'))
          const { violations } = await page.evaluate<{ violations: readonly { id: string }[] }>(
            `axe.run(document, { resultTypes: ['violations'] })`,
          )
          assert.deepEqual(
            violations.map((one) => JSON.stringify(one).slice(0, 600)),
            [],
          )
          const wide = 'document.documentElement.scrollWidth > document.documentElement.clientWidth'
          assert.equal(await page.evaluate(wide), false)
        })
      })
    }
  }

  it('is decided at a glance: sentence, amount and warnings stand on the first screen of a desk', async () => {
    double.earlier = storyEarlier(now)
    await onCard(refund, DESK, async (page) => {
      const look = await page.getByText(/times the largest/).boundingBox()
      const bar = await page.getByRole('region', { name: 'Your decision' }).boundingBox()
      assert.ok(look !== null && bar !== null && look.y + look.height < bar.y)
    })
  })
})
