import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type ApprovalRequest, approvalRequestJson, approvalRequestShape } from '@trustgw/protocol'
import { HOSTILE_TEXTS, openBrowser, type TestBrowser } from '@trustgw/testkit'
import { REFUND, type RequestFixture, requestOf } from '@trustgw/testkit/approval-requests'
import { pendingEvent, storyInstallation } from '@trustgw/testkit/approval-story'
import type { BrowserContext, Page } from 'playwright-core'
import { type BuiltPage, buildPage, CACHE_DIR } from './double/build-page.ts'
import { PortalDouble } from './double/portal-double.ts'
import { portalRendering } from './double/portal-rendering.ts'

const now = Date.now()
const LONG_CHARS = 10_000
const HEIGHT = 800
/** What has no ink of its own, reorders, or is a control: never in the text of a page as it is. */
const HIDDEN =
  /[\u{2800}\u{3164}\u{ffa0}\u{202a}-\u{202e}\u{2066}-\u{2069}\u{200b}-\u{200f}\u{ad}\u{feff}\u{e0000}-\u{e007f}]|(?![\n\t])\p{Cc}/u

/** A request in which the text stands in every field that lets it in. */
function requestWith(text: string, number: number): ApprovalRequest {
  const isLong = text.length > LONG_CHARS
  const start: RequestFixture = { number, tool: REFUND, now, input: { value: text, other: 1 } }
  const attempts: readonly ((from: RequestFixture) => RequestFixture)[] = [
    (from) => (isLong ? from : { ...from, input: { ...from.input, [text]: text } }),
    (from) => ({ ...from, tool: { ...from.tool, title: text } }),
    (from) => ({ ...from, tool: { ...from.tool, description: text } }),
    (from) => ({ ...from, reason: text }),
    (from) => ({ ...from, agent: text }),
    (from) => ({ ...from, ruleId: text }),
    (from) => (isLong ? from : bound(from, text)),
  ]
  const fixture = attempts.reduce((from, attempt) => {
    const next = attempt(from)
    return approvalRequestShape.read(approvalRequestJson(requestOf(next))).ok ? next : from
  }, start)
  return requestOf(fixture)
}

function bound(from: RequestFixture, text: string): RequestFixture {
  const precondition = { tool: 'shop.get_order', arguments: {}, select: ['/note'], title: 'Read' }
  return {
    ...from,
    tool: { ...from.tool, precondition },
    precondition: { tool: precondition.tool, arguments: {}, values: { '/note': text } },
  }
}

describe('hostile texts on the card', () => {
  let browser: TestBrowser
  let built: BuiltPage
  let double: PortalDouble
  let origin: string
  /** By width, for all texts. */
  const screens = new Map<number, BrowserContext>()
  const requests = HOSTILE_TEXTS.map(({ text }, at) => requestWith(text, 700 + at))

  before(async () => {
    built = await buildPage()
    browser = await openBrowser({ cacheDir: CACHE_DIR })
    double = new PortalDouble(built.root)
    double.approvals = requests
    double.actions = requests.map((request, at) => pendingEvent(request, 10 + at))
    double.installation = storyInstallation(now)
    origin = await double.listen()
  })
  after(async () => {
    await double.close()
    await browser.close()
    await built.remove()
  })

  async function onCard(request: ApprovalRequest, width: number): Promise<Page> {
    const screen =
      screens.get(width) ??
      (await browser.browser.newContext({ viewport: { width, height: HEIGHT } }))
    screens.set(width, screen)
    const page = await screen.newPage()
    await page.goto(`${origin}/approvals/${request.action_id}`)
    await page.locator('#look-title').waitFor()
    return page
  }

  for (const [at, { name, text }] of HOSTILE_TEXTS.entries()) {
    it(`shows ${name} as what it is, in every field, and stays in one piece`, async () => {
      const request = requests[at]
      assert.ok(request !== undefined)
      const page = await onCard(request, 1280)
      try {
        await checkCard(page, text)
        // What a card looks like is a matter of its styles: no script asks how wide the screen is.
        await page.setViewportSize({ width: 390, height: HEIGHT })
        await checkCard(page, text)
      } finally {
        await page.close()
      }
    })
  }

  async function checkCard(page: Page, text: string): Promise<void> {
    const card = page.getByRole('article')
    const value = card
      .locator('dt', { hasText: /^\/value$/ })
      .locator('xpath=following-sibling::dd')
    const { shown, said } = portalRendering(text)
    const seen = await value.locator('p').first().innerText()
    assert.equal(squeezed(seen), squeezed(shown))
    const remarks = squeezed(await value.innerText())
    for (const remark of said) assert.ok(remarks.includes(squeezed(remark)), remark)
    assert.doesNotMatch(await page.locator('body').innerText(), HIDDEN)
    assert.doesNotMatch(await card.ariaSnapshot(), HIDDEN)
    assert.equal(
      await card.locator('img, script, b, em, iframe, object, a[href^="http"]').count(),
      0,
    )
    assert.match(await page.title(), /Approvals · Trust Gateway$/)
    const wide = 'document.documentElement.scrollWidth > document.documentElement.clientWidth'
    assert.equal(await page.evaluate(wide), false, 'nothing is wider than the screen')
    const bar = await page.getByRole('region', { name: 'Your decision' }).boundingBox()
    const screen = page.viewportSize()
    assert.ok(bar !== null && screen !== null)
    assert.ok(bar.y >= 0 && bar.y + bar.height <= screen.height, 'the verdict stays on the screen')
    assert.ok(bar.x >= 0 && bar.x + bar.width <= screen.width)
  }

  it('keeps a name of 100 KB folded, countable and inside the card', async () => {
    const request = requestOf({
      number: 799,
      tool: REFUND,
      now,
      input: { ['k'.repeat(102_400)]: 1 },
    })
    double.approvals = [request]
    const page = await onCard(request, 390)
    await page.getByText('of the name hidden').waitFor()
    const wide = 'document.documentElement.scrollWidth > document.documentElement.clientWidth'
    assert.equal(await page.evaluate(wide), false)
    await page.getByRole('button', { name: 'Show everything' }).click()
    assert.equal(await page.getByText('of the name hidden').count(), 0)
    assert.equal(await page.evaluate(wide), false)
    await page.close()
    double.approvals = requests
  })

  it('reach every field in some text, and are refused where a name is asked', () => {
    const [first] = requests
    assert.ok(first !== undefined)
    const { contract, decision, precondition } = first
    const [{ text } = { text: '' }] = HOSTILE_TEXTS
    assert.deepEqual([contract.title, contract.description, decision.reason], [text, text, text])
    assert.deepEqual(precondition?.values, { '/note': text })
    assert.equal(decision.principal.subject, 'support-agent')
    assert.ok(requests.some((request) => request.decision.principal.subject !== 'support-agent'))
  })
})

function squeezed(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(' ⟧', '⟧').trim()
}
