import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { approvalStatement, base64urlDecode, statementHash, utf8Decode } from '@trustgw/protocol'
import { addVirtualAuthenticator, openBrowser, type TestBrowser } from '@trustgw/testkit'
import { eventOf, REFUND, requestOf, sha256 } from '@trustgw/testkit/approval-requests'
import {
  pendingEvent,
  storyInstallation,
  storyRequests,
  tampered,
} from '@trustgw/testkit/approval-story'
import type { BrowserContext, Page } from 'playwright-core'
import { type BuiltPage, buildPage, CACHE_DIR } from './double/build-page.ts'
import { PortalDouble } from './double/portal-double.ts'

const now = Date.now()
const story = storyRequests(now)
const refund = story['refund'] as NonNullable<(typeof story)[string]>
const odd = story['odd'] as typeof refund
const file = story['file'] as typeof refund

/** Keeps what is asked of the browser's notifications, and says what is in sight. */
const NOTES = `
  localStorage.setItem('trustgw.notify', 'on')
  globalThis.notes = []
  // A private context denies them, whatever it is told; what is asked of the browser is the same.
  globalThis.Notification = class extends Notification {
    static permission = 'granted'
    constructor(title, options) {
      super(title, options)
      notes.push({ title, ...options })
    }
    close() {
      notes.push({ closed: this.tag })
      super.close()
    }
  }
  Object.defineProperty(document, 'visibilityState', {
    get: () => globalThis.isAway === true ? 'hidden' : 'visible',
  })`

/** Brings a tab into sight, or out of it. */
const look = (tab: Page, away: boolean): Promise<void> =>
  tab.evaluate(
    `globalThis.isAway = ${String(away)}; document.dispatchEvent(new Event('visibilitychange'))`,
  )

describe('the page', () => {
  let browser: TestBrowser
  let built: BuiltPage
  let double: PortalDouble
  let origin: string
  let context: BrowserContext
  let page: Page
  let complaints: string[]

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
    double.approvals = [refund, odd, file]
    double.actions = double.approvals.map((request, index) => pendingEvent(request, 10 + index))
    double.installation = storyInstallation(now)
    origin = await double.listen()
    context = await browser.browser.newContext({ viewport: { width: 1280, height: 860 } })
    page = await context.newPage()
    complaints = []
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    await addVirtualAuthenticator(page)
  })
  afterEach(async () => {
    await context.close()
    await double.close()
  })

  const enrol = async (): Promise<void> => {
    await page.goto(`${origin}/enrol#one-time-token`)
    await page.getByLabel('Your name').fill('Ada Lovelace')
    await page.getByRole('button', { name: /sign-in passkey/ }).click()
    await page.getByRole('button', { name: /approval passkey/ }).click()
    await page.getByText('3f9c').waitFor()
  }

  it('enrols two passkeys, shows the fingerprint, and never puts the token in a request line', async () => {
    const addresses: string[] = []
    page.on('request', (request) => addresses.push(request.url()))
    await enrol()
    const begun = double.posted.get('/api/enrolment/begin')
    assert.deepEqual(begun, { token: 'one-time-token', name: 'Ada Lovelace' })
    assert.ok(addresses.every((address) => !new URL(address).pathname.includes('one-time-token')))
    assert.deepEqual(complaints, [])
  })

  it('signs exactly the statement of what it shows', async () => {
    await enrol()
    await page.goto(`${origin}/approvals/${refund.action_id}`)
    await page.getByRole('button', { name: 'Approve with passkey', disabled: false }).click()
    await page.getByText('Waiting for the gateway').waitFor()
    const posted = double.posted.get(`/api/approvals/${refund.action_id}/approve`) as {
      nonce: string
      assertion: { response: { clientDataJSON: string } }
    }
    const statement = approvalStatement(
      refund,
      { ...refund, ...refund.decision },
      {
        approver: 'ada',
        verdict: 'approve',
        nonce: posted.nonce,
        decide_by: refund.decide_by,
        run_by: refund.run_by,
      },
    )
    const client = utf8Decode(
      base64urlDecode(posted.assertion.response.clientDataJSON) ?? new Uint8Array(),
    )
    assert.ok(client.ok)
    const { challenge } = JSON.parse(client.value) as { challenge: string }
    const digest = Buffer.from(statementHash(sha256, statement).slice('sha256:'.length), 'hex')
    assert.equal(challenge, digest.toString('base64url'))
    double.publish(eventOf(refund, 'succeeded', 99))
    await page.getByRole('heading', { name: /What happens now|What happened/ }).waitFor()
    assert.deepEqual(complaints, [])
  })

  it('tells of a new request while it is out of sight, once, by its tool and code alone, and takes it back', async () => {
    await page.addInitScript(NOTES)
    const notes = (): Promise<readonly Record<string, unknown>[]> => page.evaluate('notes')
    const come = async (request: typeof refund): Promise<void> => {
      double.approvals = [request, ...double.approvals]
      double.publish(pendingEvent(request, 20))
      await page.getByText(`New approval: ${request.contract.title}`).waitFor({ state: 'attached' })
    }
    double.approvals = [file]
    double.actions = [pendingEvent(file, 1)]
    await page.goto(`${origin}/activity`)
    await page.getByText('Connection: Live').filter({ visible: true }).waitFor()
    await come(odd)
    assert.deepEqual(await notes(), [], 'who looks at the page needs none')
    await look(page, true)
    await come(refund)
    await page.waitForFunction('notes.length > 0')
    const [note, ...more] = await notes()
    assert.deepEqual(more, [])
    const { tag, title, body } = note ?? {}
    assert.deepEqual([tag, title], [refund.action_id, 'A request waits for you'])
    assert.match(String(body), new RegExp(`^${refund.contract.id}, [0-9A-Z]{4}-[0-9A-Z]{4}$`))
    double.publish(eventOf(refund, 'denied', 99))
    await page.getByText(`${refund.contract.id}: Denied`).waitFor({ state: 'attached' })
    assert.deepEqual((await notes()).at(-1), { closed: refund.action_id })
  })

  it('tells of a request once in two tabs, and not at all while one of them is in sight', async () => {
    await context.addInitScript(NOTES)
    double.approvals = [file]
    double.actions = [pendingEvent(file, 1)]
    const tabs = [page, await context.newPage()]
    for (const tab of tabs) {
      await tab.goto(`${origin}/activity`)
      await tab.getByText('Connection: Live').filter({ visible: true }).waitFor()
    }
    const notesOf = async (request: typeof refund): Promise<number> => {
      double.approvals = [request, ...double.approvals]
      double.publish(pendingEvent(request, 20))
      const text = `New approval: ${request.contract.title}`
      for (const tab of tabs) await tab.getByText(text).waitFor({ state: 'attached' })
      // What each tab asked for before this has been granted or refused when it gets this one.
      const settled = `navigator.locks.query().then(() => navigator.locks.request('asked', () => notes.length))`
      let count = 0
      for (const tab of tabs) count += await tab.evaluate<number>(settled)
      return count
    }
    await look(page, true)
    assert.equal(await notesOf(odd), 0, 'the other tab is in sight')
    await look(tabs[1] as Page, true)
    assert.equal(await notesOf(refund), 1)
    assert.deepEqual(complaints, [])
  })

  it('keeps of a long activity only what is in sight in the page, and every row in its place', async () => {
    await page.goto(`${origin}/activity`)
    const rows = page.locator('li[aria-posinset]')
    await rows.first().waitFor()
    const count = 400
    for (let number = 0; number < count; number += 1) {
      const request = requestOf({ number: 1_000 + number, tool: REFUND, now, input: {} })
      const reason = `long ${number}.${' more words'.repeat((number % 3) * 20)}`
      const more = { at: now + number, reason }
      double.publish(eventOf(request, 'succeeded', 1_000 + number, more))
    }
    await page.getByText(`long ${count - 1}.`).waitFor()
    assert.equal(await rows.first().getAttribute('aria-setsize'), String(count + 3))
    assert.ok((await rows.count()) < 100)
    await page.evaluate('scrollTo(0, document.body.scrollHeight)')
    await page.locator(`li[aria-posinset="${count + 3}"]`).waitFor()
    const places = await rows.evaluateAll((all) =>
      all.map((row) => row.getAttribute('aria-posinset')),
    )
    const [first = ''] = places
    assert.deepEqual(
      places,
      places.map((_, at) => String(Number(first) + at)),
    )
    await page.mouse.wheel(0, -9_000)
    await page.locator(`li[aria-posinset="${count + 3}"]`).waitFor({ state: 'detached' })
    const holes = await rows.evaluateAll((all) => {
      const boxes = all.map((row) => row.getBoundingClientRect())
      return boxes.filter((box, at) => Math.abs(box.top - (boxes[at - 1]?.bottom ?? box.top)) > 1)
    })
    assert.deepEqual(holes, [])
    double.whole = false
    await page.reload()
    await page.getByText('Actions that changed last before these were not loaded').waitFor()
    assert.deepEqual(complaints, [])
  })

  it('has a heading of the first level on every page, also while nothing has come yet', async () => {
    await page.goto(`${origin}/`)
    await page.getByRole('heading', { level: 1 }).first().waitFor()
    await context.route(
      (url) => url.pathname.startsWith('/api/') && url.pathname !== '/api/session',
      () => undefined,
    )
    const paths = ['/', '/activity', '/outcomes', '/tools', '/policy', '/emergency', '/people']
    for (const path of [...paths, '/people/ann', '/account', '/installation', '/approvals/none']) {
      await page.goto(`${origin}${path}`)
      await page.getByRole('navigation').first().waitFor()
      await page.getByRole('heading', { level: 1 }).first().waitFor()
      await page.getByRole('status').filter({ visible: true }).first().waitFor()
    }
  })

  it('offers no approve button for what does not match, and says why [INV-25]', async () => {
    double.approvals = [tampered(refund)]
    await page.goto(`${origin}/approvals/${refund.action_id}`)
    await page.getByText('not the ones that the decision was made for').waitFor()
    await page.waitForTimeout(1_200)
    assert.equal(await page.getByRole('button', { name: /Approve/ }).count(), 0)
    assert.equal(await page.getByRole('button', { name: 'Deny…' }).count(), 1)
  })

  it('says who must approve and how far that is, and offers no button to who is not needed', async () => {
    const both = requestOf({
      number: 77,
      tool: REFUND,
      now,
      input: { order_id: 'ord_7', amount: '1.00', currency: 'EUR' },
      approvers: [
        { roles: ['approver'], quorum: 1 },
        { roles: ['legal'], quorum: 1 },
      ],
    })
    double.approvals = [both]
    double.actions = [pendingEvent(both, 10)]
    await enrol()
    await page.goto(`${origin}/approvals/${both.action_id}`)
    await page.getByText('Needs: 1 of approver, and 1 of legal').waitFor()
    await page.getByRole('button', { name: /Approve with passkey/ }).waitFor()
    double.given = [{ approver: 'ben', roles: ['approver'] }]
    double.publish(eventOf(both, 'pending_approval', 11))
    await page.getByText('Needs: 1 of approver (done), and 1 of legal').waitFor()
    await page.getByText('Enough people with your roles have approved').waitFor()
    assert.equal(await page.getByRole('button', { name: /Approve with passkey/ }).count(), 0)
  })

  it('sends nothing when the server names somebody else as approver', async () => {
    await enrol()
    const honest = double.ceremony
    double.ceremony = (request) => ({ ...honest(request), approver: 'eve' })
    await page.goto(`${origin}/approvals/${refund.action_id}`)
    await page.getByRole('button', { name: 'Approve with passkey', disabled: false }).click()
    await page.getByText('named somebody else as approver').first().waitFor()
    assert.equal(double.posted.has(`/api/approvals/${refund.action_id}/approve`), false)
  })

  it('shows a new request live, counts it in the title, and leaves the open card alone', async () => {
    await page.goto(`${origin}/approvals/${file.action_id}`)
    await page.getByText('3 waiting for a decision').waitFor()
    assert.equal(await page.title(), '(3) Approvals · Trust Gateway')
    const fresh = requestOf({ number: 40, tool: REFUND, now, leftS: 5, input: { amount: '7.00' } })
    double.approvals = [...double.approvals, fresh]
    double.publish(pendingEvent(fresh, 50))
    await page.getByText('4 waiting for a decision').waitFor()
    assert.ok(page.url().endsWith(file.action_id))
    assert.equal(await page.title(), '(4) Approvals · Trust Gateway')
  })

  it('is driven by keys, and no single key approves', async () => {
    await page.goto(`${origin}/approvals/${odd.action_id}`)
    await page.getByText('3 waiting for a decision').waitFor()
    await page.waitForTimeout(1_200)
    await page.keyboard.press('j')
    await page.waitForURL(`**/approvals/${refund.action_id}`)
    await page.keyboard.press('Enter')
    await page.waitForTimeout(1_200)
    for (const key of ['a', 'y', 'Enter', 'Space']) await page.keyboard.press(key)
    assert.equal(double.posted.size, 0)
    await page.keyboard.press('d')
    await page.keyboard.type('Not ordered')
    await page.getByRole('button', { name: 'Deny it' }).press('Enter')
    await page.getByText('Denied.', { exact: true }).waitFor()
    const denied = double.posted.get(`/api/approvals/${refund.action_id}/deny`)
    assert.deepEqual(denied, { reason: 'Not ordered' })
  })

  it('draws invisible characters and never markup', async () => {
    const input = { note: 'a\u202Eb<img src=x onerror=alert(1)>**bold**' }
    const hostile = requestOf({ number: 41, tool: REFUND, now, input })
    double.approvals = [hostile]
    await page.goto(`${origin}/approvals/${hostile.action_id}`)
    await page.getByText('U+202E').first().waitFor()
    await page.getByText('<img src=x onerror=alert(1)>**bold**').first().waitFor()
    assert.equal(await page.locator('article img').count(), 0)
  })

  it('catches up after the connection was lost', async () => {
    await page.goto(`${origin}/approvals/${file.action_id}`)
    await page.getByText('3 waiting for a decision').waitFor()
    await context.setOffline(true)
    await page.getByText('This device is offline').waitFor()
    double.publish(eventOf(refund, 'denied', 60))
    double.publish(eventOf(odd, 'expired', 61))
    await context.setOffline(false)
    await page.getByText('1 waiting for a decision').waitFor()
  })
})
