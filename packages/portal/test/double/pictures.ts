import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { addVirtualAuthenticator, openBrowser } from '@trustgw/testkit'
import { eventOf, REFUND, requestOf } from '@trustgw/testkit/approval-requests'
import {
  pendingEvent,
  storyEarlier,
  storyEvents,
  storyInstallation,
  storyKeys,
  storyRequests,
  tampered,
} from '@trustgw/testkit/approval-story'
import type { Browser, Page } from 'playwright-core'
import { buildPage, CACHE_DIR, PICTURES_DIR } from './build-page.ts'
import { indexedPng } from './indexed-png.ts'
import { storyAgents, storyFreezes, storyPeople } from './people-story.ts'
import { QUICK_START, storyRecorded } from './policy-story.ts'
import { PortalDouble } from './portal-double.ts'

const SIZES = [
  { width: 1280, height: 860 },
  { width: 390, height: 844 },
] as const
const ARMED_MS = 1_000

interface Scene {
  readonly name: string
  readonly path: string
  readonly dark?: boolean
  /** Full height of the page instead of one screen. */
  readonly whole?: boolean
  /** The person has made both passkeys. */
  readonly enrolled?: boolean
  readonly before?: (double: PortalDouble) => void
  readonly act?: (page: Page, double: PortalDouble) => Promise<void>
}

const now = Date.now()
const requests = storyRequests(now)
const refund = must(requests['refund'])
const odd = must(requests['odd'])
const file = must(requests['file'])
const undo = requestOf({
  number: 77,
  tool: REFUND,
  now,
  tier: 0,
  undoMs: 600_000,
  approvers: [],
  ruleId: 'refunds-small',
  reason: 'Small refunds run after ten minutes, unless somebody stops them.',
  input: { order_id: 'ord_20433', amount: '18.50', currency: 'EUR', reason: 'Late by two days' },
})
const card = (id: string): string => `/approvals/${id}`

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('missing from the story')
  return value
}

const SCENES: readonly Scene[] = [
  { name: 'sign-in', path: '/', before: (double) => void (double.signedIn = false) },
  { name: 'enrol-1', path: '/enrol#token' },
  { name: 'enrol-2', path: '/enrol#token', act: (page) => enrol(page, false) },
  { name: 'enrol-done', path: '/enrol#token', act: (page) => enrol(page, true) },
  {
    name: 'enrol-refused',
    path: '/enrol#token',
    before: (double) => void (double.enrolmentRefused = true),
    act: async (page) => {
      await page.getByLabel('Your name').fill('Ada Lovelace')
      await page.getByRole('button', { name: /sign-in passkey/ }).click()
      await page.getByText('That did not work').waitFor()
    },
  },
  { name: 'loading', path: '/', before: (double) => void (double.slowMs = 4_000) },
  {
    name: 'empty',
    path: '/',
    before: (double) => {
      double.approvals = []
      double.actions = [...storyEvents(now)]
    },
  },
  { name: 'list', path: '/' },
  { name: 'card', path: card(refund.action_id) },
  { name: 'card-whole', path: card(refund.action_id), whole: true },
  { name: 'card-odd', path: card(odd.action_id), whole: true },
  { name: 'card-click', path: card(file.action_id) },
  {
    name: 'mismatch',
    path: card(refund.action_id),
    before: (double) => void (double.approvals = [tampered(refund), odd, file]),
  },
  {
    name: 'deny',
    path: card(refund.action_id),
    act: async (page) => {
      await page.getByRole('button', { name: 'Deny…' }).click()
      await page.getByRole('button', { name: 'Wrong amount' }).click()
    },
  },
  { name: 'approving', path: card(refund.action_id), enrolled: true, act: approve },
  {
    name: 'running',
    path: card(refund.action_id),
    enrolled: true,
    act: async (page, double) => {
      await approve(page)
      double.publish(eventOf(refund, 'authorized', 500))
      double.publish(eventOf(refund, 'executing', 501))
      await page.getByText(/What happens now|What happened/).scrollIntoViewIfNeeded()
    },
  },
  {
    name: 'done',
    path: card(refund.action_id),
    enrolled: true,
    act: async (page, double) => {
      await approve(page)
      double.publish(eventOf(refund, 'succeeded', 502))
      await page.getByText(/What happens now|What happened/).scrollIntoViewIfNeeded()
    },
  },
  { name: 'activity', path: '/activity' },
  { name: 'installation', path: '/installation', whole: true },
  { name: 'policy', path: '/policy', act: judged },
  {
    name: 'policy-widens',
    path: '/policy',
    whole: true,
    act: async (page) => {
      await draft(page, WIDER)
      await page.getByText('Wider:').first().waitFor()
    },
  },
  { name: 'policy-error', path: '/policy', act: (page) => draft(page, TYPO) },
  {
    name: 'policy-try',
    path: '/policy',
    act: async (page) => {
      await draft(page, WIDER)
      await page
        .getByRole('button', { name: /^Explain/ })
        .first()
        .click()
      await page.getByRole('button', { name: 'Decide it by this draft' }).click()
      await page.getByText('The policy in force says').scrollIntoViewIfNeeded()
    },
  },
  {
    name: 'policy-apply',
    path: '/policy',
    enrolled: true,
    act: async (page) => {
      await draft(page, WIDER)
      await page.getByRole('button', { name: 'Review and apply…', disabled: false }).click()
      await page.getByRole('heading', { name: /^Put epoch/ }).waitFor()
    },
  },
  {
    name: 'freeze',
    path: '/activity',
    act: async (page) => {
      await page.keyboard.press('f')
      await page.getByRole('radio', { name: 'A tool' }).press('Space')
      await page.getByLabel('Which tool?').fill(refund.contract.id)
      await page.getByLabel('Why?').fill('Refunds to orders that were never paid, since noon')
    },
  },
  { name: 'emergency-empty', path: '/emergency' },
  {
    name: 'emergency',
    path: '/emergency',
    before: (double) => void (double.crowd.freezes = [...storyFreezes(now)]),
    act: async (page) => {
      await page.getByRole('button', { name: /^Thaw/ }).last().click()
      await page.getByLabel(/What was found/).fill('Stolen key revoked, orders corrected')
    },
  },
  {
    name: 'held',
    path: card(refund.action_id),
    before: (double) => void (double.crowd.freezes = [...storyFreezes(now)]),
  },
  {
    name: 'held-activity',
    path: '/activity',
    before: (double) => void (double.crowd.freezes = [...storyFreezes(now)]),
  },
  {
    name: 'agents',
    path: '/agents',
    before: (double) => {
      double.crowd.freezes = [...storyFreezes(now)]
      double.crowd.agents = [...storyAgents(now)]
      double.crowd.people = [...storyPeople(now)]
    },
    whole: true,
  },
  {
    name: 'agent-register',
    path: '/agents',
    before: (double) => {
      double.crowd.agents = [...storyAgents(now)]
      double.crowd.people = [...storyPeople(now)]
    },
    act: async (page) => {
      await page.getByRole('button', { name: 'Register an agent…' }).click()
      await page.getByLabel('Name', { exact: true }).fill('returns-bot')
      await page.getByLabel('Title').fill('Returns desk')
      await page.getByLabel('On whose behalf it acts').selectOption('grace')
      await page.getByText('Limits of this key').click()
      await page.getByLabel('Only these tools').fill('shop.get_order, shop.refund')
    },
  },
  {
    name: 'people',
    path: '/people',
    before: (double) => void (double.crowd.people = [...storyPeople(now)]),
    act: async (page) => {
      await page.getByRole('button', { name: /^Pin/ }).click()
    },
  },
  {
    name: 'reconnecting',
    path: card(refund.action_id),
    act: async (page, double) => {
      double.answers = false
      double.cutStreams()
      await page.getByText('Connection lost').first().waitFor()
    },
  },
  {
    name: 'offline',
    path: card(refund.action_id),
    act: async (page) => {
      await page.context().setOffline(true)
      await page.getByText('This device is offline').waitFor()
    },
  },
  {
    name: 'undo',
    path: card(undo.action_id),
    before: (double) => {
      double.approvals = [undo, ...double.approvals]
      const runs = { decide_by: now + 540_000, at: now - 60_000 }
      double.actions = [eventOf(undo, 'scheduled', 99, runs), ...double.actions]
    },
  },
  { name: 'unreachable', path: '/', before: (double) => void (double.answers = false) },
  {
    name: 'keys',
    path: card(refund.action_id),
    act: async (page) => {
      await page.keyboard.press('?')
    },
  },
]

const WIDER = QUICK_START.replaceAll('"100.00 EUR"', '"250.00 EUR"')
const TYPO = QUICK_START.replace('priority = 10', 'priorty = 10')

/** Waits until the draft was judged to the end. */
async function judged(page: Page): Promise<void> {
  await page.getByText(/^(?:Nothing odd|\d+ to look at|\d+ errors?)$/).waitFor()
}

async function draft(page: Page, text: string): Promise<void> {
  await judged(page)
  await page.getByRole('textbox', { name: /^Policy of the layer/ }).fill(text)
  await page.waitForTimeout(600)
  await judged(page)
}

async function enrol(page: Page, whole: boolean): Promise<void> {
  await page.getByLabel('Your name').fill('Ada Lovelace')
  await page.getByRole('button', { name: /sign-in passkey/ }).click()
  const second = page.getByRole('button', { name: /approval passkey/ })
  await second.waitFor()
  if (!whole) return
  await second.click()
  await page.getByText('Compare with the terminal').waitFor()
}

async function approve(page: Page): Promise<void> {
  await page.waitForTimeout(ARMED_MS)
  await page.getByRole('button', { name: 'Approve with passkey' }).click()
  await page.getByText(/Waiting for the gateway|What happens now|What happened/).waitFor()
}

async function take(browser: Browser, root: string, scene: Scene): Promise<void> {
  for (const size of SIZES) {
    const double = new PortalDouble(root)
    const origin = await double.listen()
    double.approvals = [refund, odd, file]
    double.actions = [
      ...double.approvals.map((request, index) => pendingEvent(request, 300 + index)),
      ...storyEvents(now),
    ]
    double.installation = storyInstallation(now)
    double.keys = storyKeys(now)
    double.earlier = storyEarlier(now)
    double.policy.recorded = storyRecorded(now)
    scene.before?.(double)
    const context = await browser.newContext({
      viewport: size,
      colorScheme: scene.dark === true ? 'dark' : 'light',
      reducedMotion: 'reduce',
    })
    const page = await context.newPage()
    await addVirtualAuthenticator(page)
    page.on('console', (message) => {
      if (message.type() === 'error') process.stderr.write(`${scene.name}: ${message.text()}\n`)
    })
    page.on('pageerror', (error) => process.stderr.write(`${scene.name}: ${error.message}\n`))
    if (scene.enrolled === true) {
      await page.goto(`${origin}/enrol#token`)
      await enrol(page, true)
    }
    await page.goto(`${origin}${scene.path}`)
    await page.waitForTimeout(500)
    await scene.act?.(page, double)
    await page.waitForTimeout(300)
    const dark = scene.dark === true ? '-dark' : ''
    const path = join(PICTURES_DIR, `portal-${scene.name}-${size.width}${dark}.png`)
    if (scene.whole === true) {
      // A taller screen instead of a stitched picture, in which bars would float over the text.
      const height = await page.evaluate('document.documentElement.scrollHeight')
      await page.setViewportSize({ width: size.width, height: Number(height) })
    }
    await writeFile(path, indexedPng(await page.screenshot()))
    await context.close()
    await double.close()
  }
}

const DARK = [
  'sign-in',
  'card',
  'card-odd',
  'activity',
  'installation',
  'mismatch',
  'policy',
  'policy-widens',
  'freeze',
  'emergency',
  'held',
  'people',
]

/** Takes the pictures under `docs/pictures`; arguments choose scenes by name. */
async function main(): Promise<void> {
  const chosen = process.argv.slice(2)
  const all = [
    ...SCENES,
    ...SCENES.filter(({ name }) => DARK.includes(name)).map((scene) => ({ ...scene, dark: true })),
  ]
  await mkdir(PICTURES_DIR, { recursive: true })
  const built = await buildPage()
  const opened = await openBrowser({ cacheDir: CACHE_DIR })
  try {
    for (const scene of all) {
      if (chosen.length > 0 && !chosen.includes(scene.name)) continue
      await take(opened.browser, built.root, scene)
    }
  } finally {
    await opened.close()
    await built.remove()
  }
}

await main()
