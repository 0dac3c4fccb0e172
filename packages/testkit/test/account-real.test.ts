import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { openBrowser, type TestBrowser } from '../src/browser.ts'
import { TelegramDouble, type TelegramMessage } from '../src/doubles/telegram-double.ts'
import { until } from '../src/process-table.ts'
import { type RunningSystem, startSystem } from '../src/system.ts'
import { addVirtualAuthenticator, type VirtualAuthenticator } from '../src/virtual-authenticator.ts'
import { CACHE_DIR, callJson } from './e2e-support.ts'
import { assertAccessible, assertFits } from './page-checks.ts'
import { refundPolicy } from './refund-policy.ts'

/** Refunds are decided in the chat; large ones then wait for ten minutes. */
const POLICY = refundPolicy({
  small: 'tier = 1\napprovers = { quorum = 1, channels = ["portal", "telegram"] }',
  large: 'tier = 1\nundo = "10m"\napprovers = { quorum = 1, channels = ["portal", "telegram"] }',
})
const WIDE = { width: 1280, height: 860 }
const NARROW = { width: 360, height: 780 }
/** A folder for pictures of this run; none are taken without it. */
const PICTURES = process.env['WALK_PICTURES']

describe('the own account, in real browsers, on the real host', () => {
  let system: RunningSystem
  let telegram: TelegramDouble
  let folder: string
  let browser: TestBrowser
  let page: Page
  let first: VirtualAuthenticator

  const opened = async (): Promise<Page> => {
    const context = await browser.browser.newContext({ viewport: WIDE, reducedMotion: 'reduce' })
    const made = await context.newPage()
    made.setDefaultTimeout(20_000)
    return made
  }

  before(async () => {
    telegram = await TelegramDouble.start()
    folder = await mkdtemp(join(tmpdir(), 'trustgw-account-'))
    await writeFile(join(folder, 'token'), telegram.token, { mode: 0o600 })
    system = await startSystem({
      files: { 'policy.toml': POLICY },
      env: {
        TRUSTGW_TELEGRAM_TOKEN_FILE: join(folder, 'token'),
        TRUSTGW_TELEGRAM_API_URL: telegram.origin,
      },
    })
    browser = await openBrowser({ cacheDir: CACHE_DIR })
    page = await opened()
    first = await addVirtualAuthenticator(page)
    if (PICTURES !== undefined) await mkdir(PICTURES, { recursive: true })
  })
  after(async () => {
    await browser.close()
    await system.remove()
    await telegram.stop()
    await rm(folder, { recursive: true })
  })

  /** Dark and light, wide and narrow: no violation, nothing out of the frame. */
  const assertGood = async (state: string): Promise<void> => {
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme })
      for (const size of [NARROW, WIDE]) {
        await page.setViewportSize(size)
        await assertAccessible(page, `${state}, ${colorScheme}, ${size.width}`)
        await assertFits(page, state)
        if (PICTURES !== undefined) {
          const path = join(PICTURES, `${state}-${colorScheme}-${size.width}.png`)
          await page.screenshot({ path, fullPage: true })
        }
      }
    }
  }

  const passkeys = () => page.getByRole('region', { name: 'Sign-in passkeys' })

  test('a second sign-in passkey, made on another device, takes the place of the first', async () => {
    await page.goto(system.enrolmentLink ?? '')
    await page.getByLabel('Your name').fill('Alex Morgan')
    await page.getByRole('button', { name: /sign-in passkey/ }).click()
    await page.getByRole('button', { name: /approval passkey/ }).click()
    await page.getByText('Compare with the terminal').waitFor()
    await page.goto(`${system.portal}/account`)
    await passkeys().getByText('Your only one').waitFor()
    assert.equal(
      await passkeys()
        .getByRole('button', { name: /^Remove/ })
        .count(),
      0,
    )
    await first.remove()
    await addVirtualAuthenticator(page)
    await passkeys().getByRole('button', { name: 'Add a sign-in passkey' }).click()
    await passkeys().getByRole('textbox', { name: 'Name' }).fill('Telephone')
    await passkeys().getByRole('button', { name: 'Make passkey' }).click()
    await passkeys().getByRole('heading', { name: 'Telephone' }).waitFor()
    await assertGood('account')
    await passkeys().getByRole('button', { name: 'Remove Unnamed passkey' }).click()
    await assertGood('account-removing')
    await passkeys().getByRole('button', { name: 'Remove passkey' }).click()
    await passkeys().getByText('Your only one').waitFor()
    await passkeys().getByRole('button', { name: 'Rename Telephone' }).click()
    await passkeys().getByRole('textbox', { name: 'Name' }).fill('Old telephone')
    await page.keyboard.press('Enter')
    await passkeys().getByRole('heading', { name: 'Old telephone' }).waitFor()
    await page.getByRole('button', { name: 'Sign out', exact: true }).first().click()
    await page.getByRole('button', { name: 'Sign in with passkey' }).click()
    await page.getByRole('heading', { name: 'Old telephone' }).waitFor()
  })

  test('what takes a fresh passkey asks for it in one dialog and goes on by itself', async () => {
    const calls: string[] = []
    await page.route('**/api/passkeys/begin', async (route) => {
      calls.push(route.request().url())
      if (calls.length % 2 === 0) return await route.continue()
      const code = 'step_up_required'
      const body = { type: `urn:trustgw:problem:${code}`, title: 'Again', status: 403, code }
      await route.fulfill({ status: 403, contentType: 'application/problem+json', json: body })
    })
    const dialog = page.getByRole('dialog', { name: 'Is it still you?' })
    const approvals = page.getByRole('region', { name: 'Approval passkeys' })
    await approvals.getByRole('button', { name: 'Add an approval passkey' }).click()
    await approvals.getByRole('textbox', { name: 'Name' }).fill('Telephone')
    await approvals.getByRole('button', { name: 'Make passkey' }).click()
    await dialog.waitFor()
    await assertGood('step-up')
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    await approvals.getByRole('alert').filter({ hasText: 'Nothing was changed' }).waitFor()
    assert.equal(calls.length, 1, 'closing the dialog sends nothing again')
    calls.pop()
    await approvals.getByRole('button', { name: 'Make passkey' }).click()
    await dialog.getByRole('button', { name: 'Use sign-in passkey' }).click()
    await approvals.getByRole('heading', { name: 'Telephone' }).waitFor()
    assert.equal(calls.length, 2, 'once more, not more often')
    assert.equal(await dialog.count(), 0)
    await page.unroute('**/api/passkeys/begin')
  })

  test('a terminal is let in by the code that it shows, listed by its kind, and signed out', async () => {
    const terminal = async (path: string, body: object): Promise<Record<string, string>> => {
      const headers = {
        'content-type': 'application/json',
        origin: system.portal,
        'user-agent': 'trustgw/0.1.0 (Linux)',
      }
      const init = { method: 'POST', headers, body: JSON.stringify(body) }
      const answer = await fetch(`${system.portal}/api/device/${path}`, init)
      return (await answer.json()) as Record<string, string>
    }
    const { user_code = '', device_code } = await terminal('begin', {})
    await page.goto(`${system.portal}/device`)
    const code = page.getByLabel('The code that your terminal shows')
    await code.fill('BBBB-BBBB')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').filter({ hasText: 'No terminal that waits' }).waitFor()
    await assertGood('device-wrong-code')
    await code.fill(user_code.toLowerCase())
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Is this the terminal before you?' }).waitFor()
    await page.getByText('It says to be: Terminal on Linux.').waitFor()
    const focused = await page.evaluate<string>('document.activeElement.textContent')
    assert.equal(focused, 'Is this the terminal before you?', 'it is read aloud')
    await assertGood('device-deciding')
    await page.getByRole('button', { name: 'Let it in' }).click()
    await page.getByText('The terminal is signed in').waitFor()
    await assertGood('device-done')
    const { token_type } = await terminal('token', { device_code })
    assert.equal(token_type, 'Bearer')
    await page.goto(`${system.portal}/account`)
    await page.getByRole('button', { name: 'Sign out on Terminal on Linux' }).click()
    await page.getByRole('heading', { name: 'Terminal on Linux' }).waitFor({ state: 'detached' })
  })

  const refund = async (amount: string): Promise<string> => {
    const args = { order_id: 'ord_1005', amount, currency: 'EUR', reason: 'Parcel damaged' }
    const { body, text } = await callJson(`${system.gateway}/v1/actions/propose`, {
      key: system.apiKey,
      body: { tool: 'shop.refund', arguments: args, wait_ms: 0 },
    })
    assert.match(String(body['status']), /^(?:preparing|pending_approval)$/, text)
    return String(body['action_id'])
  }
  const ended = async (id: string, status: string): Promise<void> =>
    await until(`${id} is ${status}`, async () => {
      const { body } = await callJson(`${system.gateway}/v1/actions/${id}`, { key: system.apiKey })
      return body['status'] === status
    })
  /** The message of an action, once it has this button. */
  const message = async (id: string, button: string): Promise<TelegramMessage> => {
    const find = () =>
      telegram
        .chat(7)
        .find(({ buttons }) =>
          buttons.some(
            ({ text, callback_data = '' }) => text === button && callback_data.includes(id),
          ),
        )
    await until(`${id} is offered: ${button}`, () => Promise.resolve(find() !== undefined))
    return find() ?? assert.fail()
  }

  test('a Telegram account is linked by the code that the page shows, decides, and is unlinked', async () => {
    const chats = page.getByRole('region', { name: 'Chats' })
    await chats.getByRole('button', { name: 'Link Telegram' }).click()
    await chats.getByRole('timer').waitFor()
    const code = await chats.locator('strong').textContent()
    assert.match(code ?? '', /^\d{6}$/)
    await assertGood('account-linking')
    telegram.say(7, code ?? '')
    while (telegram.chat(7).length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    assert.match(telegram.chat(7)[0]?.text ?? '', /^Linked\./)
    await chats.getByRole('button', { name: 'I sent it' }).click()
    await chats.getByText('Linked since').waitFor()
    const small = await refund('25.01')
    telegram.press(7, await message(small, 'Approve'), 'Approve')
    await ended(small, 'succeeded')
    const large = await refund('250.01')
    telegram.press(7, await message(large, 'Approve'), 'Approve')
    const waiting = await message(large, 'Stop it')
    await until('it says until when', () => Promise.resolve(/Runs by itself/.test(waiting.text)))
    await ended(large, 'scheduled')
    telegram.press(7, waiting, 'Stop it')
    await ended(large, 'cancelled')
    await until('the message says so', () => Promise.resolve(/Stopped in/.test(waiting.text)))
    await chats.getByRole('button', { name: 'Unlink Telegram' }).click()
    await chats.getByText('Not linked').waitFor()
  })

  test('signing out everywhere ends the other browser at once', async () => {
    const other = await opened()
    await other.context().addCookies(await page.context().cookies())
    // The first browser takes a session of its own, so that there are two.
    await page.context().clearCookies()
    await page.reload()
    // As the host answers after a copied cookie came back.
    await page.route('**/api/login/finish', async (route) => {
      const response = await route.fetch()
      await route.fulfill({ response, json: { ...(await response.json()), sessions_replayed: 1 } })
    })
    await page.getByRole('button', { name: 'Sign in with passkey' }).click()
    await page.getByRole('alert').filter({ hasText: 'session of yours was copied' }).waitFor()
    const sessions = page.getByRole('region', { name: 'Where you are signed in' })
    await sessions.getByText('This one').waitFor()
    await assertGood('account-copied')
    assert.equal(await sessions.getByRole('listitem').count(), 2)
    await other.goto(system.portal)
    await other.getByText('Connection: Live').filter({ visible: true }).waitFor()
    await page.getByRole('button', { name: 'Sign out everywhere' }).click()
    await page.getByRole('button', { name: 'Sign in with passkey' }).waitFor()
    await other.getByRole('button', { name: 'Sign in with passkey' }).waitFor({ timeout: 3_000 })
  })
})
