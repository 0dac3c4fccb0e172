import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { passkeyFingerprint } from '@trustgw/protocol'
import { addVirtualAuthenticator, openBrowser, type TestBrowser } from '@trustgw/testkit'
import { sha256 } from '@trustgw/testkit/approval-requests'
import { storyInstallation } from '@trustgw/testkit/approval-story'
import type { BrowserContext, Page } from 'playwright-core'
import { type BuiltPage, buildPage, CACHE_DIR } from './double/build-page.ts'
import { listedPerson } from './double/people-double.ts'
import { PortalDouble } from './double/portal-double.ts'

const AXE = fileURLToPath(import.meta.resolve('axe-core/axe.min.js'))
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

  it('invites, shows one person, and names what each change takes away, at any width', async () => {
    await page.goto(`${origin}/people`)
    await page.getByRole('button', { name: 'Invite somebody' }).press('Enter')
    await page.getByLabel('Name in the record').fill('joan')
    await page.getByRole('textbox', { name: 'Roles' }).fill('approver, finance approver')
    await page.getByRole('button', { name: 'Make link' }).click()
    assert.match(await page.getByLabel(/works once, until/).inputValue(), /#once$/)
    const asked = { person: 'joan', roles: ['approver', 'finance'] }
    assert.deepEqual(double.posted.get('/api/people'), asked)
    await page.setViewportSize({ width: 360, height: 740 })
    await page.getByRole('link', { name: 'Name of grace' }).click()
    await page.getByRole('heading', { level: 1, name: 'Name of grace' }).waitFor()
    assert.equal(new URL(page.url()).pathname, '/people/grace')
    const consequences = [
      ['Sign out everywhere…', 'Sign out everywhere', /can sign in again/],
      ['Recover…', 'Make recovery link', /all former ones are removed/],
      ['Remove…', 'Remove this person', /never again/],
    ] as const
    for (const [open, confirm, consequence] of consequences) {
      await page.getByRole('button', { name: open }).press('Enter')
      await page.getByText(consequence).waitFor()
      assert.deepEqual(await faultsOf(page), [])
      await page.getByRole('button', { name: confirm }).press('Enter')
      await page.getByRole('button', { name: open }).waitFor()
    }
    for (const step of ['/sessions', '/recovery', '']) {
      assert.deepEqual(double.posted.get(`/api/people/grace${step}`), {}, step)
    }
    await page.getByRole('button', { name: 'Change roles…' }).press('Enter')
    await page.getByRole('textbox', { name: 'Roles' }).fill('approver, finance')
    await page.getByText('A new role counts').waitFor()
    await page.getByRole('textbox', { name: 'Roles' }).fill('viewer')
    await page.getByText('all of them are revoked for good').waitFor()
    await page.getByRole('button', { name: 'Change roles', exact: true }).click()
    await page.getByRole('button', { name: 'Change roles…' }).waitFor()
    assert.deepEqual(double.posted.get('/api/people/grace/roles'), { roles: ['viewer'] })
    double.person = { id: 'ada', name: 'Ada Lovelace', roles: ['auditor'] }
    await page.reload()
    await page.getByText('Sessions open').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Remove…' }).count(), 0)
    assert.equal(await isScrolledSideways(page), false)
  })
})

const isScrolledSideways = (page: Page): Promise<boolean> =>
  page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')

async function faultsOf(page: Page): Promise<readonly string[]> {
  if ((await page.evaluate('typeof axe')) === 'undefined') {
    await page.evaluate(await readFile(AXE, 'utf8'))
  }
  const { violations } = await page.evaluate<{ violations: readonly { id: string }[] }>(
    `axe.run(document, { resultTypes: ['violations'] })`,
  )
  return violations.map((one) => JSON.stringify(one).slice(0, 600))
}
