import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { addVirtualAuthenticator, openBrowser, type TestBrowser } from '@trustgw/testkit'
import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { type BuiltPage, buildPage, CACHE_DIR } from './double/build-page.ts'
import { listedPerson } from './double/people-double.ts'
import { PortalDouble } from './double/portal-double.ts'
import { storyInstallation } from './double/story.ts'

const AXE = fileURLToPath(import.meta.resolve('axe-core/axe.min.js'))
const DESK = { viewport: { width: 1280, height: 860 } }

describe('the account page', () => {
  let browser: TestBrowser
  let built: BuiltPage
  let double: PortalDouble
  let origin: string
  let context: BrowserContext | undefined

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
    double.sessions = [
      { sid: 'ses_1', current: true, device: 'Chrome on Linux' },
      { sid: 'ses_2', current: false, device: 'Safari on iPhone' },
      { sid: 'ses_3', current: false, device: 'A \u202eenohP' },
    ]
    origin = await double.listen()
  })
  afterEach(async () => {
    await context?.close()
    await double.close()
  })

  async function open(path: string, look: BrowserContextOptions = DESK): Promise<Page> {
    context = await browser.browser.newContext(look)
    const page = await context.newPage()
    page.setDefaultTimeout(10_000)
    await page.goto(`${origin}${path}`)
    return page
  }

  const devices = (page: Page) =>
    page.getByRole('region', { name: 'Where you are signed in' }).getByRole('heading', { level: 3 })

  it('lists where one is signed in, marks this place, and shows what a device name hides', async () => {
    const page = await open('/')
    await page.getByRole('link', { name: 'Ada Lovelace' }).click()
    await page.getByText('Chrome on Linux').waitFor()
    assert.equal(await devices(page).count(), 3)
    assert.equal(await page.getByRole('button', { name: /^Sign out of/ }).count(), 2)
    assert.equal((await devices(page).nth(2).innerText()).includes('\u202e'), false)
  })

  it('signs out in one place, and everywhere else', async () => {
    const page = await open('/account')
    const phone = page.getByRole('button', { name: 'Sign out of Safari on iPhone' })
    await phone.press('Enter')
    await phone.waitFor({ state: 'detached' })
    assert.equal(await devices(page).count(), 2)
    await page.getByRole('button', { name: 'Sign out everywhere else' }).click()
    await page.getByRole('button', { name: 'Sign out everywhere else' }).waitFor({
      state: 'detached',
    })
    assert.equal(await devices(page).count(), 1)
    assert.deepEqual(double.posted.get('/api/sessions'), { keep_this: true })
  })

  it('signs out everywhere, here too', async () => {
    const page = await open('/account')
    await page.getByRole('button', { name: 'Sign out everywhere', exact: true }).click()
    await page.getByRole('button', { name: /Sign in/ }).waitFor()
    assert.deepEqual(double.posted.get('/api/sessions'), { keep_this: false })
  })

  it('tells of a session that was copied', async () => {
    double.replayed = 1
    const page = await open('/account')
    await page.getByRole('alert').getByText('used from two places').waitFor()
  })

  it('lets an admin sign somebody out, and asks for the sign-in passkey where that is long ago', async () => {
    const who = { id: 'grace', name: 'Grace', roles: ['approver'] }
    double.crowd.people = [listedPerson(who, { created_at: Date.now(), pin: null })]
    double.wantsStepUp = true
    const page = await open('/enrol#token')
    await addVirtualAuthenticator(page)
    await page.getByLabel('Your name').fill('Ada Lovelace')
    await page.getByRole('button', { name: /sign-in passkey/ }).click()
    await page.getByRole('button', { name: /approval passkey/ }).click()
    await page.getByText('Compare with the terminal').waitFor()
    await page.goto(`${origin}/people`)
    const grace = page.getByRole('article', { name: 'Grace' })
    await grace.getByRole('button', { name: 'Sign out everywhere grace' }).click()
    await grace.getByRole('button', { name: 'Signed out everywhere grace' }).waitFor()
    assert.equal(double.wantsStepUp, false)
    assert.ok(double.posted.has('/api/step-up/finish'))
  })

  for (const width of [1280, 360]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      it(`is accessible and fits at ${width} pixels in ${colorScheme} colours`, async () => {
        double.replayed = 1
        const viewport = { width, height: 800 }
        const page = await open('/account', { viewport, colorScheme, reducedMotion: 'reduce' })
        await page.getByText('Chrome on Linux').waitFor()
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
    }
  }
})
