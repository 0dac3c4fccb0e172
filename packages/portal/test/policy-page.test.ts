import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import {
  base64urlDecode,
  hashText,
  type PolicyBundle,
  policyStatement,
  statementHash,
  utf8Decode,
} from '@trustgw/protocol'
import { inflateText } from '@trustgw/runtime'
import { addVirtualAuthenticator, openBrowser, type TestBrowser } from '@trustgw/testkit'
import { sha256 } from '@trustgw/testkit/approval-requests'
import { storyInstallation } from '@trustgw/testkit/approval-story'
import type { BrowserContext, Page } from 'playwright-core'
import { type BuiltPage, buildPage, CACHE_DIR } from './double/build-page.ts'
import { bundleOf, PLATFORM, QUICK_START, storyRecorded } from './double/policy-story.ts'
import { PortalDouble } from './double/portal-double.ts'

const now = Date.now()
const WIDER = QUICK_START.replaceAll('"100.00 EUR"', '"250.00 EUR"')
const TYPO = QUICK_START.replace('priority = 10', 'priorty = 10')

describe('the policy page', () => {
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
    double.installation = storyInstallation(now)
    double.policy.recorded = storyRecorded(now)
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

  const editor = () => page.getByRole('textbox', { name: /^Policy of the layer/ })
  const open = async (): Promise<void> => {
    await page.goto(`${origin}/policy`)
    await editor().waitFor()
  }
  const enrol = async (): Promise<void> => {
    await page.goto(`${origin}/enrol#one-time-token`)
    await page.getByLabel('Your name').fill('Ada Lovelace')
    await page.getByRole('button', { name: /sign-in passkey/ }).click()
    await page.getByRole('button', { name: /approval passkey/ }).click()
    await page.getByText('3f9c').waitFor()
  }
  const reviewed = async (): Promise<void> => {
    await page.getByRole('button', { name: 'Review and apply…', disabled: false }).click()
    await page.getByRole('heading', { name: 'Put epoch 8 in force' }).waitFor()
  }

  it('shows what is in force, who sealed it, who decides by it, and which tool no rule covers', async () => {
    await open()
    assert.equal(await editor().inputValue(), QUICK_START)
    await page.getByText('Epoch 7').first().waitFor()
    await page.getByText('sealed with the operator’s key').waitFor()
    await page.getByText('No rule covers the tool').first().waitFor()
    await page.getByText('Nothing is changed').waitFor()
    assert.deepEqual(complaints, [])
  })

  it('names a misspelt key with its line, leads there, and applies nothing', async () => {
    await open()
    await editor().fill(TYPO)
    const line = TYPO.split('\n').findIndex((text) => text.includes('priorty')) + 1
    const button = page.getByRole('button', { name: new RegExp(`Line ${line}:`) }).first()
    await button.click()
    const selected = await editor().evaluate((area) => {
      const { value, selectionStart, selectionEnd } = area as unknown as {
        value: string
        selectionStart: number
        selectionEnd: number
      }
      return value.slice(selectionStart, selectionEnd)
    })
    assert.match(selected, /^priorty = 10/)
    await page.getByText('Did you mean').first().waitFor()
    assert.equal(await page.getByRole('button', { name: 'Review and apply…' }).isDisabled(), true)
    assert.deepEqual(complaints, [])
  })

  it('marks a widening with its smallest example, and the past proposals it would let through', async () => {
    await open()
    await editor().fill(WIDER)
    await page
      .getByText('What needs a passkey then needs a click')
      .or(page.getByText('Smallest example'))
      .first()
      .waitFor()
    await page.getByText('100.01 EUR').first().waitFor()
    await page.getByText('3 of 10 otherwise').waitFor()
    assert.equal(await page.getByText('Wider:').count(), 3)
    await page.getByText('Your draft allows more than the policy in force').waitFor()
    assert.deepEqual(complaints, [])
  })

  it('explains a recorded proposal line by line under the draft', async () => {
    await open()
    await editor().fill(WIDER)
    await page
      .getByRole('button', { name: /^Explain/ })
      .first()
      .click()
    await page.getByRole('button', { name: 'Decide it by this draft' }).click()
    await page.getByText('It needs a click', { exact: true }).waitFor()
    await page.getByText('The policy in force says: it needs a passkey.').waitFor()
    await page.getByText('decides', { exact: true }).waitFor()
    await page.getByText('amount = {"lte":"250.00 EUR"}').last().waitFor()
    await page.getByLabel('Arguments, as JSON').fill('{"amount":')
    await page.getByRole('button', { name: 'Decide it by this draft' }).click()
    await page.getByText('The arguments are not strict JSON.').waitFor()
  })

  it('writes a rule from the form into the text, where it loads', async () => {
    await open()
    await page.getByRole('heading', { name: 'Policy', exact: true }).click()
    await page.keyboard.press('r')
    await page.getByRole('button', { name: 'Write it into the policy' }).click()
    await page.getByText('Say what the rule is about').waitFor()
    await page.getByLabel('When the tool is').fill('memory.*')
    await page.getByRole('checkbox', { name: 'Delete' }).check()
    await page.getByLabel('then it').selectOption('is denied')
    await page.getByLabel('because').fill('Nobody forgets by "accident"')
    await page.getByRole('button', { name: 'Write it into the policy' }).click()
    assert.match(await editor().inputValue(), /id {7}= "delete-memory-deny"/)
    await page.getByText('Your draft allows nothing that was not allowed before.').waitFor()
  })

  it('seals exactly the bundle of the texts on the page, after the admin said that it allows more', async () => {
    await enrol()
    await open()
    await editor().fill(WIDER)
    await reviewed()
    const seal = page.getByRole('button', { name: 'Seal with passkey' })
    assert.equal(await seal.isDisabled(), true)
    await page.getByLabel('I understand that this allows more').check()
    await seal.click()
    await page.getByRole('heading', { name: 'Epoch 8 is in force' }).waitFor()
    const posted = double.posted.get('/api/policy/apply') as {
      nonce: string
      assertion: { response: { clientDataJSON: string } }
    }
    const client = utf8Decode(
      base64urlDecode(posted.assertion.response.clientDataJSON) ?? new Uint8Array(),
    )
    assert.ok(client.ok)
    const { challenge } = JSON.parse(client.value) as { challenge: string }
    const { offered } = double.policy
    const bundle = JSON.parse(offered) as PolicyBundle
    assert.equal(inflateText(bundle.policies[0]?.deflated ?? ''), WIDER)
    const statement = policyStatement(
      { bundle, bundle_hash: hashText(sha256, offered) },
      { admin: 'ada', nonce: posted.nonce },
    )
    const digest = statementHash(sha256, statement).slice('sha256:'.length)
    assert.equal(challenge, Buffer.from(digest, 'hex').toString('base64url'))
    assert.deepEqual(complaints, [])
  })

  it('signs nothing when the server offers another bundle than that of the page', async () => {
    await enrol()
    await open()
    await editor().fill(`${QUICK_START}\n# a remark\n`)
    double.policy.twist = () => {
      const { text, bundle_hash } = bundleOf([{ ...PLATFORM, text: WIDER }], 8, now)
      return { bundle: text, bundle_hash }
    }
    await page.getByRole('button', { name: 'Review and apply…', disabled: false }).click()
    await page.getByText('holds other policies than this page').first().waitFor()
    assert.equal(double.posted.has('/api/policy/apply'), false)
  })

  it('says who has not taken an applied policy up, there and on every page', async () => {
    await enrol()
    await open()
    double.policy.follows = false
    await editor().fill(`${QUICK_START}\n# a remark\n`)
    await reviewed()
    await page.getByRole('button', { name: 'Seal with passkey' }).click()
    await page.getByText('The banner stays until all of them').waitFor({ timeout: 30_000 })
    await page.goto(`${origin}/activity`)
    await page.getByText('The newest policy is epoch 8').waitFor()
    await page.getByRole('link', { name: 'Look at the policy' }).click()
    await editor().waitFor()
  })

  it('tells of a refused policy on every page, with its first line drawn as text', async () => {
    double.policy.refused = {
      at: now,
      reason: 'policy_refused',
      details: ['policy.toml:9:1: unknown key "a\u202Eb<img src=x>"'],
      source: 'file',
    }
    await page.goto(`${origin}/`)
    await page.getByText('The changed policy file was refused.').waitFor()
    await page.getByText('U+202E').waitFor()
    assert.equal(await page.locator('main img').count(), 0)
  })

  it('lets others than admins read and try, and nothing more', async () => {
    double.person = { id: 'bob', name: 'Bob', roles: ['approver'] }
    await open()
    await page.getByText('Only people with the role admin').waitFor()
    assert.equal(await editor().getAttribute('readonly'), '')
    assert.equal(await page.getByRole('button', { name: 'Add a rule' }).count(), 0)
    assert.equal(await page.getByRole('heading', { name: 'Past proposals' }).count(), 0)
    await page.getByLabel('Tool').fill('shop.get_order')
    await page.getByRole('button', { name: 'Decide it by this draft' }).click()
    await page.getByText('It runs at once', { exact: true }).waitFor()
  })

  it('never traps the keyboard in the editor', async () => {
    await open()
    await editor().focus()
    await page.keyboard.press('Control+Home')
    await page.keyboard.press('Tab')
    assert.ok((await editor().inputValue()).startsWith('  #'))
    await page.keyboard.press('Escape')
    await page.keyboard.press('Tab')
    assert.equal(
      await editor().evaluate((area) => area === area.ownerDocument.activeElement),
      false,
    )
  })

  it('keeps a draft over a look at another page, and says so when the policy changed meanwhile', async () => {
    await open()
    await editor().fill(WIDER)
    await page.getByRole('link', { name: 'Activity' }).first().click()
    await page.getByRole('heading', { name: 'Activity' }).waitFor()
    double.policy.policies = [{ ...PLATFORM, text: `${QUICK_START}\n# by somebody else\n` }]
    double.policy.epoch = 9
    await page.getByRole('link', { name: 'Policy' }).first().click()
    assert.equal(await editor().inputValue(), WIDER)
    await page.getByText('Another policy came into force since').waitFor()
    await page.getByRole('button', { name: 'Undo all' }).click()
    assert.match(await editor().inputValue(), /by somebody else/)
  })

  it('takes what is typed while a thousand rules and five hundred proposals are judged', async () => {
    const rules = Array.from(
      { length: 1_000 },
      (_, index) =>
        `\n[[rules]]\nid = "r${index}"\npriority = ${index % 40}\neffect = "deny"\n[rules.match]\n` +
        `tool = ["svc${index % 90}.op${index % 7}*"]\namount = { gt = "${index}.00 EUR" }\n`,
    )
    const large = `${QUICK_START}${rules.join('')}`
    double.policy.policies = [{ ...PLATFORM, text: large }]
    double.policy.recorded = storyRecorded(now, 500)
    await open()
    await page.getByText('of 500 otherwise').waitFor({ timeout: 60_000 })
    await editor().focus()
    await page.keyboard.press('Control+Home')
    await page.keyboard.type('# typed')
    // The judge is still at work on what was typed first, and the page shows all of it.
    await page.getByText('Checking your draft…').waitFor()
    assert.ok((await editor().inputValue()).startsWith('# typed'))
    await page.getByText('Only comments or the order of lines').waitFor({ timeout: 60_000 })
  })
})
