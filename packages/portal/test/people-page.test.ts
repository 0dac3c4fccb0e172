import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { passkeyFingerprint } from '@trustgw/protocol'
import { addVirtualAuthenticator, openBrowser, type TestBrowser } from '@trustgw/testkit'
import { sha256 } from '@trustgw/testkit/approval-requests'
import { storyInstallation } from '@trustgw/testkit/approval-story'
import type { BrowserContext, Page } from 'playwright-core'
import { type BuiltPage, buildPage, CACHE_DIR } from './double/build-page.ts'
import { listedPerson } from './double/people-double.ts'
import { PortalDouble } from './double/portal-double.ts'

const created_at = Date.now()
const who = (id: string, role: string) => ({ id, name: `Name of ${id}`, roles: [role] })

describe('the page of people', () => {
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
    double.installation = storyInstallation(Date.now())
    double.crowd.people = [
      listedPerson(who('grace', 'approver'), { created_at, pin: null }),
      listedPerson(who('alan', 'admin'), { created_at, pin: { kind: 'pinned', by: 'ada', at: 1 } }),
      listedPerson(who('kurt', 'approver'), { created_at, pin: { kind: 'revoked', at: 1 } }),
    ]
    origin = await double.listen()
    context = await browser.browser.newContext({ viewport: { width: 1280, height: 860 } })
    page = await context.newPage()
    page.setDefaultTimeout(10_000)
    await addVirtualAuthenticator(page)
    await page.goto(`${origin}/enrol#token`)
    await page.getByLabel('Your name').fill('Ada Lovelace')
    await page.getByRole('button', { name: /sign-in passkey/ }).click()
    await page.getByRole('button', { name: /approval passkey/ }).click()
    await page.getByText('Compare with the terminal').waitFor()
  })
  afterEach(async () => {
    await context.close()
    await double.close()
  })

  const articleOf = (id: string) => page.getByRole('article', { name: `Name of ${id}` })

  it('shows the fingerprint that the key has, and pins exactly that key once they were compared', async () => {
    await page.goto(`${origin}/installation`)
    await page.getByRole('link', { name: 'People and their passkeys' }).click()
    const grace = articleOf('grace')
    const key = double.crowd.people[0]?.passkeys[0]
    assert.ok(key !== undefined)
    const bytes = new Uint8Array(Buffer.from(key.public_key, 'base64url'))
    const fingerprint = passkeyFingerprint(sha256, bytes)
    const groups = await grace.locator('p.font-mono span:not(.sr-only)').allTextContents()
    assert.equal(groups.join(' '), fingerprint)
    await grace.getByRole('button', { name: /^Pin/ }).press('Enter')
    const pin = grace.getByRole('button', { name: 'Pin with passkey' })
    assert.equal(await pin.isDisabled(), true, 'not before they were compared')
    await page.keyboard.press('Space')
    await pin.press('Enter')
    await grace.getByText('Pinned by ada').waitFor()
    assert.deepEqual(double.posted.get('/api/people/pin/challenge'), {
      person: 'grace',
      credential_id: key.credential_id,
      fingerprint,
    })
    assert.equal(await grace.getByRole('button', { name: /^Pin/ }).count(), 0)
  })

  it('signs no other pin than the one on the page', async () => {
    await page.goto(`${origin}/people`)
    const grace = articleOf('grace')
    await grace.getByRole('button', { name: /^Pin/ }).click()
    await grace.getByRole('checkbox').check()
    const other = double.crowd.people[1]?.passkeys[0]?.public_key
    const twists: readonly ((own: object) => object)[] = [
      (own) => ({ ...own, public_key: other }),
      (own) => ({ ...own, roles: ['admin'] }),
      (own) => ({ ...own, person: 'alan' }),
      (own) => ({ ...own, tenant: 'other' }),
      (own) => ({ ...own, admin: 'eve' }),
      (own) => ({ ...own, origins: ['https://evil.example'] }),
      (own) => ({ ...own, rp_id: 'evil.example' }),
      (own) => ({ ...own, at: Date.now() + 3_600_000 }),
    ]
    for (const twist of twists) {
      double.crowd.twist = twist
      await grace.getByRole('button', { name: 'Pin with passkey' }).click()
      await grace.getByRole('alert').filter({ hasText: 'Nothing was signed' }).waitFor()
      await grace.getByRole('button', { name: 'Back' }).click()
      await grace.getByRole('button', { name: /^Pin/ }).click()
      await grace.getByRole('checkbox').check()
    }
    assert.equal(double.posted.get('/api/people/pin/apply'), undefined)
  })

  it('offers nothing for what is pinned or revoked, and nothing to who is no admin', async () => {
    await page.goto(`${origin}/people`)
    await articleOf('alan').getByText('Pinned by ada').waitFor()
    await articleOf('kurt').getByText('Revoked').waitFor()
    assert.equal(await page.getByRole('button', { name: /^Pin/ }).count(), 1)
    double.person = { id: 'ada', name: 'Ada Lovelace', roles: ['approver'] }
    await page.reload()
    await articleOf('grace').waitFor()
    assert.equal(await page.getByRole('button', { name: /^Pin/ }).count(), 0)
    await page.route('**/api/people', (route) => route.abort())
    await page.reload()
    await page.getByRole('alert').filter({ hasText: 'did not answer' }).waitFor()
  })
})
