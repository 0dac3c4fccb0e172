import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { openBrowser, type TestBrowser } from '../src/browser.ts'
import { until } from '../src/process-table.ts'
import { type RunningSystem, startSystem } from '../src/system.ts'
import { addVirtualAuthenticator, type VirtualAuthenticator } from '../src/virtual-authenticator.ts'
import { CACHE_DIR, callJson } from './e2e-support.ts'
import { refundPolicy } from './refund-policy.ts'

/** Large refunds take two people, small ones one. */
const POLICY = refundPolicy({
  small: 'tier = 2\napprovers = { quorum = 1 }',
  large: 'tier = 2\napprovers = { quorum = 2 }',
})
const LAST_SECONDS = 8

interface PolicyStatus {
  readonly in_force: { readonly epoch: number }
  readonly gateway: { readonly epoch: number } | null
  readonly executors: readonly { readonly policy: { readonly epoch: number } | null }[]
}

/** Several people, browsers and tabs over the same requests, on the whole system. */
describe('several people over one request, in real browsers', () => {
  let system: RunningSystem
  let browser: TestBrowser
  let ann: Person
  let bob: Person
  let cents = 0

  interface Person {
    readonly context: BrowserContext
    readonly page: Page
    readonly device: VirtualAuthenticator
  }

  async function enrol(link: string, name: string): Promise<Person> {
    const context = await browser.browser.newContext({ reducedMotion: 'reduce' })
    const page = await context.newPage()
    page.setDefaultTimeout(20_000)
    const device = await addVirtualAuthenticator(page)
    await page.goto(link)
    await page.getByLabel('Your name').fill(name)
    await page.getByRole('button', { name: /sign-in passkey/ }).click()
    await page.getByRole('button', { name: /approval passkey/ }).click()
    await page.getByText('Compare with the terminal').waitFor()
    return { context, page, device }
  }

  /** Ann compares the fingerprint and pins it. */
  async function pin(name: string): Promise<void> {
    await ann.page.goto(`${system.portal}/people`)
    const card = ann.page.getByRole('article', { name })
    await card.getByRole('button', { name: /^Pin/ }).click()
    await card.getByRole('checkbox').check()
    await card.getByRole('button', { name: 'Pin with passkey' }).click()
    await card.getByText('Pinned by admin').waitFor()
  }

  /** The link that ann is shown once. */
  const linkGiven = async (): Promise<string> =>
    await ann.page.getByLabel(/It works once/).inputValue()

  async function json(...args: string[]): Promise<Record<string, unknown>> {
    const done = await system.command([...args, '--json'])
    assert.equal(done.code, 0, done.err + done.out)
    return JSON.parse(done.out) as Record<string, unknown>
  }

  before(async () => {
    system = await startSystem({ files: { 'policy.toml': POLICY } })
    browser = await openBrowser({ cacheDir: CACHE_DIR })
    ann = await enrol(system.enrolmentLink ?? '', 'Ann Example')
    await system.line('pinned')
    const made = await json('people', 'enrol', 'bob', '--role', 'approver')
    bob = await enrol(String(made['link']), 'Bob Example')
    await pin('Bob Example')
  })
  after(async () => {
    await browser.close()
    await system.remove()
  })

  async function refund(euros: number): Promise<string> {
    cents += 1
    const amount = `${euros}.${String(cents).padStart(2, '0')}`
    const args = { order_id: 'ord_1005', amount, currency: 'EUR', reason: 'Parcel damaged' }
    const { body, text } = await callJson(`${system.gateway}/v1/actions/propose`, {
      key: system.apiKey,
      body: { tool: 'shop.refund', arguments: args, wait_ms: 0 },
    })
    const id = String(body['action_id'])
    assert.match(String(body['status']), /^(?:preparing|pending_approval)$/, text)
    await until('it is read', async () => (await stateOf(id)) !== 'preparing')
    const view = await viewOf(id)
    assert.equal(view['status'], 'pending_approval', JSON.stringify(view))
    return id
  }

  const viewOf = async (id: string): Promise<Readonly<Record<string, unknown>>> =>
    (await callJson(`${system.gateway}/v1/actions/${id}`, { key: system.apiKey })).body
  const stateOf = async (id: string): Promise<unknown> => (await viewOf(id))['status']

  const card = (id: string): string => `${system.portal}/approvals/${id}`
  const approveButton = (page: Page) =>
    page.getByRole('button', { name: 'Approve with passkey', disabled: false })

  test('two approvers in two browsers: each sees at once what the other did, and both are needed', async () => {
    const id = await refund(150)
    await Promise.all([ann, bob].map(({ page }) => page.goto(card(id))))
    await approveButton(bob.page).waitFor()
    await approveButton(ann.page).click()
    await ann.page.getByText('You have approved. Others are still asked.').waitFor()
    await bob.page
      .getByText(/1 so far/)
      .first()
      .waitFor()
    assert.equal(await stateOf(id), 'pending_approval')
    await approveButton(bob.page).click()
    await until('the refund is done', async () => (await stateOf(id)) === 'succeeded')
    for (const { page } of [ann, bob]) {
      await page.getByRole('heading', { name: /What happens now|What happened/ }).waitFor()
    }
  })

  test('one denies while the other holds the passkey: the denial stands, in both browsers', async () => {
    const id = await refund(160)
    await Promise.all([ann, bob].map(({ page }) => page.goto(card(id))))
    await ann.device.setPresent(false)
    await approveButton(ann.page).click()
    await ann.page.getByText(/Waiting for your approval passkey/).waitFor()
    await bob.page.getByRole('button', { name: 'Deny…', disabled: false }).click()
    await bob.page.getByRole('textbox', { name: 'Reason' }).fill('Not this one')
    await bob.page.getByRole('button', { name: 'Deny it' }).click()
    await until('it is denied', async () => (await stateOf(id)) === 'denied')
    await ann.device.setPresent(true)
    for (const { page } of [ann, bob]) {
      await page.getByRole('heading', { name: /This has ended/ }).waitFor()
      await page.getByText('Nothing ran. Denied by bob: Not this one').waitFor()
      assert.equal(await approveButton(page).count(), 0)
    }
    assert.equal(await stateOf(id), 'denied')
  })

  test('in two tabs of one person a decision of one is seen in the other, and counts once', async () => {
    const id = await refund(20)
    const second = await ann.context.newPage()
    await addVirtualAuthenticator(second)
    await Promise.all([ann.page.goto(card(id)), second.goto(card(id))])
    await approveButton(second).waitFor()
    await approveButton(ann.page).click()
    await second.getByRole('heading', { name: /What happens now|What happened/ }).waitFor()
    assert.equal(await approveButton(second).count(), 0)
    await until('the refund is done', async () => (await stateOf(id)) === 'succeeded')
    await second.close()
  })

  test('what came while a page slept stands there once when it wakes', async () => {
    const page = await ann.context.newPage()
    await page.goto(`${system.portal}/activity`)
    await page.getByText('Connection: Live').filter({ visible: true }).waitFor()
    await page.evaluate(`globalThis.notReloaded = true`)
    const session = await ann.context.newCDPSession(page)
    await session.send('Page.setWebLifecycleState', { state: 'frozen' })
    const ids = [await refund(41), await refund(42), await refund(43)]
    await session.send('Page.setWebLifecycleState', { state: 'active' })
    for (const id of ids) {
      await page.locator(`main a[href="/approvals/${id}"]`).first().waitFor()
      assert.equal(await page.locator(`main a[href="/approvals/${id}"]`).count(), 1)
    }
    assert.equal(await page.evaluate(`globalThis.notReloaded`), true)
    await page.close()
  })

  test('approved in its last seconds it runs; a moment later there is nothing to press', async () => {
    const hasty = POLICY.replace('"15m"', '"15s"')
    await writeFile(join(system.stateDir, 'policy.toml'), hasty, { mode: 0o600 })
    await until('gateway and executor decide by it', async () => {
      const answer = await ann.page.request.get(`${system.portal}/api/policy/status`)
      const { in_force, gateway, executors } = (await answer.json()) as PolicyStatus
      const all = [gateway, ...executors.map(({ policy }) => policy)]
      return in_force.epoch > 1 && all.every((one) => one?.epoch === in_force.epoch)
    })
    const [id, late] = [await refund(30), await refund(31)]
    await ann.page.goto(card(id))
    await bob.page.goto(card(late))
    await approveButton(ann.page).waitFor()
    const left = async (): Promise<number> => {
      const text = await ann.page
        .getByText(/\d+ seconds? left/)
        .first()
        .textContent()
      return Number(/(\d+) s/.exec(text ?? '')?.[1] ?? Number.NaN)
    }
    await until('the last seconds', async () => (await left()) <= LAST_SECONDS)
    await approveButton(ann.page).click()
    await until('the refund is done', async () => (await stateOf(id)) === 'succeeded')
    await until('the other one is over', async () => (await stateOf(late)) === 'expired')
    await bob.page.getByRole('heading', { name: /This has ended/ }).waitFor()
    await bob.page.getByText('Nothing ran. Nobody decided in time.').waitFor()
    assert.equal(await approveButton(bob.page).count(), 0)
  })

  test('somebody is invited in the portal, recovered by another admin, and removed: what was theirs ends at once', async () => {
    const approves = async ({ page }: Person, euros: number): Promise<void> => {
      const id = await refund(euros)
      await page.goto(card(id))
      await approveButton(page).click()
      await until('the refund is done', async () => (await stateOf(id)) === 'succeeded')
    }
    const signedOut = ({ page }: Person): Promise<void> =>
      page.getByRole('button', { name: 'Sign in with passkey' }).waitFor({ timeout: 5_000 })
    await ann.page.goto(`${system.portal}/people`)
    await ann.page.getByRole('button', { name: 'Invite somebody…' }).click()
    await ann.page.getByLabel('Name in the record').fill('cleo')
    await ann.page.getByLabel('Roles').fill('approver')
    await ann.page.getByRole('button', { name: 'Make link' }).click()
    const invitation = await linkGiven()
    const cleo = await enrol(invitation, 'Cleo Example')
    await pin('Cleo Example')
    await approves(cleo, 51)

    // Every passkey is lost; whoever has the device is still signed in.
    await ann.page.goto(`${system.portal}/people/cleo`)
    await ann.page.getByRole('button', { name: 'Recover…' }).click()
    await ann.page.getByRole('button', { name: 'Make recovery link' }).click()
    const again = await enrol(await linkGiven(), 'Cleo Example')
    await signedOut(cleo)
    await cleo.page.getByRole('button', { name: 'Sign in with passkey' }).click()
    await cleo.page.getByRole('alert').waitFor()
    await pin('Cleo Example')
    await approves(again, 52)

    await ann.page.goto(`${system.portal}/people/cleo`)
    await ann.page.getByRole('button', { name: 'Remove…' }).click()
    await ann.page.getByRole('button', { name: 'Remove this person' }).click()
    await signedOut(again)
    await cleo.page.goto(invitation)
    await cleo.page.getByLabel('Your name').fill('Cleo Example')
    await cleo.page.getByRole('button', { name: /sign-in passkey/ }).click()
    await cleo.page.getByRole('alert').waitFor()
  })
})
