import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { addVirtualAuthenticator, openBrowser, type TestBrowser } from '@trustgw/testkit'
import { eventOf, REFUND, requestOf } from '@trustgw/testkit/approval-requests'
import { pendingEvent, storyInstallation } from '@trustgw/testkit/approval-story'
import type { BrowserContext, Page } from 'playwright-core'
import { type BuiltPage, buildPage, CACHE_DIR } from './double/build-page.ts'
import { listedFreeze } from './double/people-double.ts'
import { PortalDouble } from './double/portal-double.ts'

const EVERYTHING = { kind: 'tenant' } as const

describe('freezing and thawing', () => {
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

  const banner = () => page.getByRole('region', { name: 'What is frozen' })
  const posted = (path: string): unknown => double.posted.get(path)

  it('is one key away on every page, says what stops, and asks the passkey for exactly that', async () => {
    for (const path of ['/', '/activity', '/policy', '/installation', '/tools', '/people']) {
      await page.goto(`${origin}${path}`)
      await page.getByRole('button', { name: 'Freeze…' }).first().waitFor()
    }
    await page.goto(`${origin}/activity`)
    await page.getByRole('heading', { name: 'Activity' }).waitFor()
    await page.keyboard.press('f')
    const dialog = page.getByRole('dialog', { name: 'Freeze' })
    await dialog.getByText('What runs already: a freeze ends nothing').waitFor()
    await dialog.getByRole('radio', { name: 'A tool' }).press('Space')
    const submit = dialog.getByRole('button', { name: 'Freeze with passkey' })
    assert.equal(await submit.isDisabled(), true)
    await dialog.getByLabel('Which tool?').fill('shop.refund')
    await dialog.getByText('New calls of the tool shop.refund').waitFor()
    assert.equal(await submit.isDisabled(), true, 'not without a reason')
    await dialog.getByLabel('Why?').fill('odd  refunds\nsince noon')
    await submit.press('Enter')
    await dialog.waitFor({ state: 'hidden' })
    assert.deepEqual(posted('/api/freezes/challenge'), {
      order: 'freeze',
      scope: { kind: 'tool', name: 'shop.refund' },
      reason: 'odd refunds since noon',
    })
    await banner().getByText('the tool shop.refund').waitFor()
    assert.match(await banner().innerText(), /ada, now: “odd refunds since noon”/)
  })

  it('signs nothing else than what it shows: another scope, reason, person, kind, time', async () => {
    const twists: readonly ((own: object) => object)[] = [
      (own) => ({ ...own, scope: { kind: 'tool', name: 'x' } }),
      (own) => ({ ...own, reason_hash: `sha256:${'0'.repeat(64)}` }),
      (own) => ({ ...own, by: 'eve' }),
      (own) => ({ ...own, tenant: 'other' }),
      (own) => ({ ...own, at: Date.now() - 3_600_000 }),
      (own) => {
        const { scope: _, counter: __, ...said } = own as { scope: unknown; counter: unknown }
        return { ...said, typ: 'trustgw/thaw/1', freeze_hash: `sha256:${'0'.repeat(64)}` }
      },
    ]
    await page.goto(`${origin}/emergency`)
    await page.getByText('Nothing is frozen').waitFor()
    await page.getByRole('button', { name: 'Freeze…' }).first().click()
    await page.getByLabel('Why?').fill('odd refunds')
    for (const twist of twists) {
      double.crowd.twist = twist
      await page.getByRole('button', { name: 'Freeze with passkey' }).click()
      await page.getByRole('alert').filter({ hasText: 'Nothing was signed' }).waitFor()
    }
    assert.equal(posted('/api/freezes/apply'), undefined)
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    assert.equal(await page.getByText('Nothing is frozen').isVisible(), true)
  })

  it('shows live what others freeze and thaw, on whatever page', async () => {
    await page.goto(`${origin}/installation`)
    await page.getByText('Live').last().waitFor()
    const at = Date.now() - 150_000
    double.crowd.freezes = [listedFreeze(EVERYTHING, { by: 'grace', reason: 'stop it', at })]
    double.tell('freezes')
    await banner().getByText('Frozen: everything.').waitFor()
    assert.match(await banner().innerText(), /grace, 2 min ago: “stop it”/)
    double.crowd.freezes = []
    double.tell('freezes')
    await banner().waitFor({ state: 'hidden' })
  })

  it('lists the signing keys, those of the past folded away, and shows live that one was revoked', async () => {
    const key = { kid: 'grant-2', role: 'grant', component: 'gateway', since: 1, until: null }
    const now = { ...key, status: 'active', fingerprint: '12ab' }
    const past = { ...key, kid: 'grant-1', status: 'ended', until: Date.now(), fingerprint: '34cd' }
    double.keys = { epoch: 4, signed_by: 'delegate', keys: [past, now] }
    await page.goto(`${origin}/installation`)
    const keys = page.getByRole('region', { name: 'Signing keys' })
    await keys.getByText('grant-2').waitFor()
    assert.equal(await keys.getByText('grant-1').isVisible(), false)
    await keys.getByText('1 key of the past').press('Enter')
    assert.equal(await keys.getByText('grant-1').isVisible(), true)
    double.keys = {
      epoch: 5,
      signed_by: 'operator',
      keys: [past, { ...now, status: 'revoked', until: Date.now() }],
    }
    double.tell('keys')
    await keys.getByText('2 keys of the past').waitFor()
    await keys.getByText('Revoked', { exact: true }).waitFor()
  })

  it('leads a viewer nowhere that only others may read', async () => {
    double.person = { id: 'vic', name: 'Vic', roles: ['viewer'] }
    await page.goto(`${origin}/`)
    await page.getByText('Your roles show no requests').waitFor()
    const links = page.getByRole('navigation').filter({ visible: true }).getByRole('link')
    assert.deepEqual(await links.allTextContents(), ['Activity', 'Installation'])
    await links.last().click()
    await page.getByRole('link', { name: 'Emergency' }).waitFor()
    assert.equal(await page.getByRole('link', { name: 'People and their passkeys' }).count(), 0)
  })

  it('says who spoke by whose word, and shows no reason that was not signed', async () => {
    const now = Date.now()
    const operators = {
      by: 'operator',
      reason: 'keys leaked',
      at: now - 3_000,
      vouched: 'operator',
    }
    const forged = listedFreeze({ kind: 'agent', name: 'bot' }, { by: 'ada', reason: 'x', at: now })
    double.crowd.freezes = [
      listedFreeze(EVERYTHING, operators),
      { ...forged, reason: 'all is well', vouched: 'gateway' },
    ]
    await page.goto(`${origin}/emergency`)
    await page.getByRole('article').first().waitFor()
    const [second, first] = await page.getByRole('article').all()
    assert.match((await first?.innerText()) ?? '', /the operator/)
    const text = (await second?.innerText()) ?? ''
    assert.match(text, /the gateway/)
    assert.match(text, /not the one that was signed/)
    assert.ok(!text.includes('all is well'))
  })

  it('lets an admin thaw one of them, with a reason, and nobody else', async () => {
    const at = Date.now() - 1_000
    double.crowd.freezes = [
      listedFreeze(EVERYTHING, { by: 'grace', reason: 'first', at }),
      listedFreeze(EVERYTHING, { by: 'grace', reason: 'second', at: at + 500 }),
    ]
    await page.goto(`${origin}/emergency`)
    const second = page.getByRole('article').filter({ hasText: '“second”' })
    const hash = await second.getByText(/^sha256:/).innerText()
    await second.getByRole('button', { name: /^Thaw/ }).press('Enter')
    await page.keyboard.type('found and mended')
    await second.getByRole('button', { name: 'Thaw with passkey' }).press('Enter')
    await second.waitFor({ state: 'hidden' })
    assert.deepEqual(posted('/api/freezes/challenge'), {
      order: 'thaw',
      freeze: hash,
      reason: 'found and mended',
    })
    assert.equal(await page.getByRole('article').count(), 1)
    double.person = { id: 'ada', name: 'Ada Lovelace', roles: ['approver'] }
    await page.reload()
    await page.getByText('An admin can thaw it.').waitFor()
    assert.equal(await page.getByRole('button', { name: /^Thaw/ }).count(), 0)
  })

  it('says what the host refused, and that it does not know when it cannot be asked', async () => {
    await page.goto(`${origin}/emergency`)
    await page.getByText('Nothing is frozen').waitFor()
    double.crowd.refusal = 'no_approval_credential'
    await page.keyboard.press('f')
    await page.getByLabel('Why?').fill('odd refunds')
    await page.getByRole('button', { name: 'Freeze with passkey' }).click()
    await page.getByRole('alert').filter({ hasText: 'nothing to sign with' }).waitFor()
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.route('**/api/freezes', (route) => route.abort())
    await page.reload()
    await page.getByText('Whether something is frozen cannot be told now').waitFor()
    assert.equal(await page.getByText('Nothing is frozen').count(), 0)
  })

  it('cards, list and activity say that a freeze holds an action; what runs is not held', async () => {
    const request = requestOf({ number: 1, tool: REFUND, now: Date.now(), input: {} })
    double.approvals = [request]
    double.actions = [pendingEvent(request, 1)]
    const { credential_ref } = request.contract
    const scope = { kind: 'credential', name: credential_ref } as const
    double.crowd.freezes = [
      listedFreeze(scope, { by: 'grace', reason: 'key leaked', at: Date.now() }),
    ]
    await page.goto(`${origin}/approvals/${request.action_id}`)
    const card = page.getByRole('article')
    await card.getByText('Held by a freeze: “key leaked”').waitFor()
    await card.getByText('You can decide.').waitFor()
    assert.equal(await page.locator(`#item-${request.action_id}`).getByText('Held').count(), 1)
    double.publish(eventOf(request, 'authorized', 2))
    await card.getByText(/It starts after the thaw/).waitFor()
    double.publish(eventOf(request, 'executing', 3))
    await card.getByText(/Held by a freeze/).waitFor({ state: 'hidden' })
    const tool = { kind: 'tool', name: REFUND.id } as const
    double.crowd.freezes = [listedFreeze(tool, { by: 'grace', reason: 'odd', at: Date.now() })]
    double.publish(eventOf(request, 'dispatched', 4))
    await page.goto(`${origin}/activity`)
    await page.getByRole('listitem').getByText('Held by a freeze').waitFor()
  })
})
