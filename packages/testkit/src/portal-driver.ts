import type { BrowserContext, Locator, Page, WebSocket } from 'playwright-core'
import { openBrowser, type TestBrowser } from './browser.ts'
import type { BrowserOptions } from './find-browser.ts'
import { addVirtualAuthenticator, type VirtualAuthenticator } from './virtual-authenticator.ts'

const WAIT_MS = 15_000
const MARK = 'trustgwNotReloaded'

/** What the card of a request says, in the page's own words. */
export interface CardFacts {
  readonly agent: string
  readonly tool: string
  readonly operation: string
  readonly amount: string
  readonly rule: string
  readonly timeLeft: string
  /** JSON pointer of each argument to what is shown of it. */
  readonly arguments: Readonly<Record<string, string>>
}

/** A person at the portal: a headless browser with a virtual passkey device. */
export class PortalDriver {
  readonly #browser: TestBrowser
  readonly #context: BrowserContext
  readonly #page: Page
  readonly #authenticator: VirtualAuthenticator
  readonly #frames: string[] = []
  readonly #complaints: string[] = []
  #origin = ''

  private constructor(
    browser: TestBrowser,
    context: BrowserContext,
    page: Page,
    authenticator: VirtualAuthenticator,
  ) {
    this.#browser = browser
    this.#context = context
    this.#page = page
    this.#authenticator = authenticator
    page.setDefaultTimeout(WAIT_MS)
    page.on('pageerror', (error) => this.#complaints.push(error.message))
    page.on('websocket', (socket) => this.#listen(socket))
  }

  static async open(options: BrowserOptions): Promise<PortalDriver> {
    const browser = await openBrowser(options)
    try {
      const context = await browser.browser.newContext({ viewport: { width: 1280, height: 860 } })
      const page = await context.newPage()
      return new PortalDriver(browser, context, page, await addVirtualAuthenticator(page))
    } catch (error) {
      await browser.close()
      throw error
    }
  }

  get browserVersion(): string {
    return this.#browser.version
  }

  /** Errors that the page's own scripts raised. */
  get complaints(): readonly string[] {
    return this.#complaints
  }

  /** Everything that came to the page over its WebSocket, as text. */
  get received(): readonly string[] {
    return this.#frames
  }

  /** Makes both passkeys by the one-time link; the fingerprint that the page shows. */
  async enrol(link: string, name: string): Promise<string> {
    const page = this.#page
    this.#origin = new URL(link).origin
    await page.goto(link)
    await page.getByLabel('Your name').fill(name)
    await page.getByRole('button', { name: /sign-in passkey/ }).click()
    await page.getByRole('button', { name: /approval passkey/ }).click()
    await page.getByRole('heading', { name: 'Compare with the terminal' }).waitFor()
    const groups = await page.locator('p.font-mono span').allTextContents()
    return groups.join(' ')
  }

  async passkeys(): Promise<number> {
    return (await this.#authenticator.credentials()).length
  }

  /** Follows the link from the fingerprint to the list of approvals, and marks the page. */
  async goToApprovals(): Promise<void> {
    await this.#page.getByRole('link', { name: /the approvals/ }).click()
    await this.#page.getByText('Nothing waits for you').waitFor()
    await this.#page.evaluate(`globalThis.${MARK} = true`)
  }

  /** True while the page is the one that was marked: nothing was reloaded. */
  async isStillTheSamePage(): Promise<boolean> {
    return (await this.#page.evaluate(`globalThis.${MARK} === true`)) === true
  }

  /** Waits until the request's card stands on the page by itself, and reads it. */
  async card(actionId: string): Promise<CardFacts> {
    await this.#page.waitForURL(`**/approvals/${actionId}`)
    const card = this.#page.getByRole('article')
    const facts = await pairs(card.locator('section[aria-labelledby=who-title] dl > div'))
    const reason = card.locator('section[aria-labelledby=why-title]')
    const amount = await card.locator('header p').last().innerText()
    return {
      agent: facts['Proposed by'] ?? '',
      tool: facts['Tool'] ?? '',
      operation: facts['Operation'] ?? '',
      amount: amount.replaceAll(/\s+/g, ' ').trim(),
      rule: await reason.locator('.data').first().innerText(),
      timeLeft: await card.locator('[role=timer] > span').first().innerText(),
      arguments: await pairs(card.locator('section[aria-labelledby=arguments-title] dl > div')),
    }
  }

  /** Loads the page of one request; it must wait for a decision. */
  async visit(actionId: string): Promise<void> {
    await this.#page.goto(`${this.#origin}/approvals/${actionId}`)
    await this.#page.getByRole('button', { name: 'Deny…' }).waitFor()
  }

  /** Opens a request from the list, when another one is open. */
  async open(actionId: string): Promise<void> {
    const item = this.#page.locator(`#item-${actionId}`)
    await item.waitFor()
    await item.click()
  }

  /** Approves what is open with the passkey. */
  async approve(): Promise<void> {
    await this.#page.getByRole('button', { name: 'Approve with passkey', disabled: false }).click()
    await this.#page.getByRole('heading', { name: /What happens now|What happened/ }).waitFor()
  }

  async deny(reason: string): Promise<void> {
    await this.#page.getByRole('button', { name: 'Deny…' }).click()
    await this.#page.getByRole('textbox', { name: 'Reason' }).fill(reason)
    await this.#page.getByRole('button', { name: 'Deny it' }).click()
    await this.#page.getByRole('heading', { name: /This has ended/ }).waitFor()
  }

  /** The open page as a PNG. */
  async screenshot(file: string): Promise<void> {
    await this.#page.screenshot({ path: file, fullPage: true })
  }

  async close(): Promise<void> {
    await this.#context.close().catch(() => undefined)
    await this.#browser.close()
  }

  #listen(socket: WebSocket): void {
    socket.on('framereceived', ({ payload }) => {
      this.#frames.push(typeof payload === 'string' ? payload : payload.toString('utf8'))
    })
  }
}

/** Terms and their values, of the rows of a definition list. */
async function pairs(rows: Locator): Promise<Readonly<Record<string, string>>> {
  await rows.first().waitFor()
  const read = (await rows.all()).map(
    async (row): Promise<[string, string]> => [
      await row.locator('dt').innerText(),
      // What a row says beside its value stands in lines of its own.
      await row.locator('dd:not(:has(p)), dd p').first().innerText(),
    ],
  )
  return Object.fromEntries(await Promise.all(read))
}
