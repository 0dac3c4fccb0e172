import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Locator, Page } from 'playwright-core'

const AXE = fileURLToPath(import.meta.resolve('axe-core/axe.min.js'))
const TABS_MAX = 60

interface AxeViolation {
  readonly id: string
  readonly impact: string
  readonly help: string
  readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary: string }[]
}

/** Every rule of axe-core, its best practices too, on the page as it stands. */
export async function assertAccessible(page: Page, state: string): Promise<void> {
  // Through the debugger: the page's own policy lets no foreign script in, and shall not.
  if ((await page.evaluate(`typeof globalThis.axe`)) !== 'object') {
    await page.evaluate(await readFile(AXE, 'utf8'))
  }
  const { violations } = await page.evaluate<{ violations: readonly AxeViolation[] }>(
    `axe.run(document, { resultTypes: ['violations'] })`,
  )
  const found = violations.map(({ id, impact, help, nodes }) => ({
    rule: `${id} (${impact}): ${help}`,
    nodes: nodes.map(({ target, failureSummary }) => `${target.join(' ')}: ${failureSummary}`),
  }))
  assert.deepEqual(found, [], `accessibility of: ${state}`)
}

/** Goes on with Tab until that element has the focus; it must be seen to have it. */
export async function tabTo(page: Page, target: Locator): Promise<void> {
  await target.waitFor()
  const focused = target.and(page.locator(':focus'))
  for (let count = 0; count < TABS_MAX; count += 1) {
    if ((await focused.count()) === 1) {
      const outline = 'getComputedStyle(document.activeElement).outlineStyle'
      assert.notEqual(await page.evaluate(outline), 'none', 'the focus is drawn')
      return
    }
    await page.keyboard.press('Tab')
  }
  assert.fail(`no Tab leads to ${target.toString()}`)
}

/** Nothing sticks out to the side. */
export async function assertFits(page: Page, state: string): Promise<void> {
  const widths = await page.evaluate<readonly [number, number]>(
    `[document.documentElement.scrollWidth, document.documentElement.clientWidth]`,
  )
  assert.ok(widths[0] <= widths[1], `${state}: ${widths[0]} pixels wide on ${widths[1]}`)
}
