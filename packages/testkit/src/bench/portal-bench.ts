/** The portal under load: first load, 1 000 cards that wait, 200 events a second; beside a floor. */
import type { BrowserContext, CDPSession, Page } from 'playwright-core'
import { openBrowser } from '../browser.ts'
import { type RunningSystem, startSystem } from '../system.ts'
import { addVirtualAuthenticator } from '../virtual-authenticator.ts'
import { openAgent, propose, proposePending, refund, WAITS } from './pending-calls.ts'
import { EventSource } from './portal-events.ts'
import { FLOOR_PAGE, FLOOR_SCRIPT, STAY_AT_END_SCRIPT, WATCH_SCRIPT } from './portal-scripts.ts'
import { percentile } from './stats.ts'

export interface PortalBenchOptions {
  readonly pending: number
  readonly per_second: number
  /** Of the activity page; the floor and the approvals page take a third each. */
  readonly seconds: number
  readonly cacheDir: string
  readonly progress: (text: string) => void
  readonly signal: AbortSignal
}

export interface Delays {
  readonly count: number
  /** Never on screen, nor anything newer. */
  readonly missing: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly max_ms: number
}

export interface LiveRow {
  readonly arm: 'floor' | 'activity' | 'approvals'
  readonly delays: Delays
  /** Cards that came during the run of the approvals page. */
  readonly cards: Delays | null
  readonly long_tasks: number
  readonly longest_task_ms: number
  /** After a collection of garbage. */
  readonly heap_bytes: number
  readonly nodes: number
  /** Share of the time in which the page's main thread worked. */
  readonly busy_share: number
}

export interface FirstLoad {
  readonly page: 'sign in' | 'approvals'
  readonly bytes: number
  readonly script_bytes: number
  readonly style_bytes: number
  readonly data_bytes: number
  readonly first_paint_ms: number
  /** The heading of the page says what it is about. */
  readonly ready_ms: number
}

export interface PortalRun {
  readonly loads: readonly FirstLoad[]
  readonly rows: readonly LiveRow[]
  readonly browser: string
}

/** 1.6 Mbit/s down, 750 kbit/s up, 150 ms: what browsers' own tools call a slow 4G. */
const SLOW_4G = {
  offline: false,
  latency: 150,
  downloadThroughput: (1_600 * 1_000) / 8,
  uploadThroughput: (750 * 1_000) / 8,
}
const WAIT_MS = 60_000
const SETTLE_MS = 2_000
const CARD_EVERY_MS = 500
/** What the host gives in one answer; the portal knows no more of what waited before it came. */
const LISTED_AT_ONCE_COUNT = 200

interface Bench {
  readonly system: RunningSystem
  readonly context: BrowserContext
  readonly events: EventSource
  readonly options: PortalBenchOptions
}

export async function measurePortal(options: PortalBenchOptions): Promise<PortalRun> {
  const cleanUp: (() => Promise<unknown>)[] = []
  try {
    options.progress('starting the system and a browser')
    const system = await startSystem()
    cleanUp.push(() => system.remove())
    const found = await openBrowser({ cacheDir: options.cacheDir })
    cleanUp.push(() => found.close())
    const { browser, version } = found
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 } })
    await enrol(context, system)
    const events = await EventSource.open(system)
    cleanUp.push(() => events.close())
    const bench = { system, context, events, options }
    options.progress(`${options.pending} actions that wait`)
    await proposePending(system, options.pending, options.signal)
    await allWait(bench)
    options.progress('first load over a throttled link')
    const apart = await browser.newContext()
    const loads = [
      await firstLoad(apart, `${system.portal}/`, 'sign in'),
      await firstLoad(context, `${system.portal}/`, 'approvals'),
    ]
    const third = Math.ceil(options.seconds / 3)
    const rows = [
      await live(bench, 'floor', third),
      await live(bench, 'activity', options.seconds),
      await live(bench, 'approvals', third),
    ]
    return { loads, rows, browser: version }
  } finally {
    for (const step of cleanUp.toReversed()) await step()
  }
}

async function enrol(context: BrowserContext, system: RunningSystem): Promise<void> {
  const page = await context.newPage()
  await addVirtualAuthenticator(page)
  await page.goto(system.enrolmentLink ?? '')
  await page.getByLabel('Your name').fill('Alex Morgan')
  await page.getByRole('button', { name: /sign-in passkey/ }).click()
  await page.getByRole('button', { name: /approval passkey/ }).click()
  await page.getByRole('heading', { name: 'Compare with the terminal' }).waitFor()
  await page.close()
}

/** Until the host lists them, as many as it lists at once. */
async function allWait({ context, system, options }: Bench): Promise<void> {
  for (const end = Date.now() + WAIT_MS; ; ) {
    const text = await (await context.request.get(`${system.portal}/api/approvals`)).text()
    const listed = new Set(text.match(/"action_id":"act_[a-z2-7]+"/g)).size
    if (listed >= Math.min(options.pending, LISTED_AT_ONCE_COUNT)) return
    if (Date.now() > end) throw new Error(`the host lists ${listed} actions that wait`)
    await new Promise((resolve) => setTimeout(resolve, CARD_EVERY_MS))
  }
}

async function firstLoad(
  context: BrowserContext,
  url: string,
  which: FirstLoad['page'],
): Promise<FirstLoad> {
  const page = await context.newPage()
  const session = await context.newCDPSession(page)
  await session.send('Network.enable')
  await session.send('Network.setCacheDisabled', { cacheDisabled: true })
  await session.send('Network.emulateNetworkConditions', SLOW_4G)
  const types = new Map<string, string>()
  const bytes = { Script: 0, Stylesheet: 0, Fetch: 0, all: 0 }
  session.on('Network.responseReceived', ({ requestId, type }) => types.set(requestId, type))
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const type = types.get(requestId)
    bytes.all += encodedDataLength
    if (type === 'Script' || type === 'Stylesheet' || type === 'Fetch') {
      bytes[type] += encodedDataLength
    }
  })
  const ready =
    which === 'sign in'
      ? page.getByRole('button', { name: 'Sign in with passkey' })
      : page.getByText(/waiting for a decision/)
  await page.goto(url, { timeout: WAIT_MS, waitUntil: 'commit' })
  await ready.first().waitFor({ timeout: WAIT_MS })
  const ready_ms = Number(await page.evaluate('performance.now()'))
  const first_paint_ms = Number(
    await page.evaluate(
      `performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN`,
    ),
  )
  await page.close()
  const { all, Script, Stylesheet, Fetch } = bytes
  return {
    page: which,
    bytes: all,
    script_bytes: Script,
    style_bytes: Stylesheet,
    data_bytes: Fetch,
    first_paint_ms,
    ready_ms,
  }
}

interface Seen {
  readonly rows: readonly (readonly [number, number])[]
  readonly cards: readonly (readonly [string, number])[]
  readonly long: readonly number[]
}

async function live(bench: Bench, arm: LiveRow['arm'], seconds: number): Promise<LiveRow> {
  const { context, events, options } = bench
  options.progress(`${arm}, ${options.per_second} events a second for ${seconds} s`)
  const page = await context.newPage()
  page.setDefaultTimeout(WAIT_MS)
  await page.addInitScript(WATCH_SCRIPT)
  await openArm(bench, page, arm)
  const session = await context.newCDPSession(page)
  await session.send('Performance.enable')
  const heard = events.hearPending()
  await page.waitForTimeout(SETTLE_MS)
  const atLoad = (await seenIn(page)).long.length
  const first = events.sent.length
  const before = await metrics(session)
  await Promise.all([
    events.run(options.per_second, seconds, options.signal),
    arm === 'approvals' ? newCards(bench, seconds) : undefined,
  ])
  const after = await metrics(session)
  await page.waitForTimeout(SETTLE_MS)
  const seen = await seenIn(page)
  const long = seen.long.slice(atLoad)
  await session.send('HeapProfiler.collectGarbage')
  const end = await metrics(session)
  await page.close()
  return {
    arm,
    delays: rowDelays(events.sent.slice(first), seen.rows, first),
    cards: arm === 'approvals' ? cardDelays(heard, seen.cards) : null,
    long_tasks: long.length,
    longest_task_ms: Math.max(0, ...long),
    heap_bytes: end('JSHeapUsedSize'),
    nodes: end('Nodes'),
    busy_share:
      (after('TaskDuration') - before('TaskDuration')) / (after('Timestamp') - before('Timestamp')),
  }
}

async function openArm({ system }: Bench, page: Page, arm: LiveRow['arm']): Promise<void> {
  if (arm === 'floor') {
    const address = `${system.portal}/floor`
    await page.route(address, (route) =>
      route.fulfill({ contentType: 'text/html', body: FLOOR_PAGE }),
    )
    await page.goto(address)
    await page.evaluate(FLOOR_SCRIPT)
    return
  }
  await page.goto(arm === 'activity' ? `${system.portal}/activity` : `${system.portal}/`)
  await page.getByText('Connection: Live').filter({ visible: true }).waitFor()
  if (arm === 'activity') await page.locator('#content ul li, #content ol li').first().waitFor()
  else {
    await page.locator('[id^=item-act_]').first().waitFor()
    await page.evaluate(STAY_AT_END_SCRIPT)
  }
}

async function newCards({ system, options }: Bench, seconds: number): Promise<void> {
  const agent = await openAgent(system)
  const end = performance.now() + seconds * 1_000
  try {
    for (let at = 0; performance.now() < end && !options.signal.aborted; at += 1) {
      await propose(agent, refund(at), WAITS)
      await new Promise((resolve) => setTimeout(resolve, CARD_EVERY_MS))
    }
  } finally {
    await agent.close()
  }
}

async function metrics(session: CDPSession): Promise<(name: string) => number> {
  const { metrics: all } = await session.send('Performance.getMetrics')
  return (name) => all.find((one) => one.name === name)?.value ?? Number.NaN
}

async function seenIn(page: Page): Promise<Seen> {
  const text = String(await page.evaluate('JSON.stringify(globalThis.benchSeen)'))
  const seen: Seen = JSON.parse(text)
  return seen
}

/** A list whose newest is at its top shows number `n` as soon as it shows `n` or a later one. */
function rowDelays(sent: readonly number[], rows: Seen['rows'], first: number): Delays {
  const delays: number[] = []
  let at = 0
  for (const [newest, when] of rows) {
    for (; at < sent.length && at + first <= newest; at += 1) {
      delays.push(when - (sent[at] ?? Number.NaN))
    }
  }
  return summarize(delays, sent.length - at)
}

function cardDelays(heard: ReadonlyMap<string, number>, cards: Seen['cards']): Delays {
  const shown = new Map(cards)
  const delays = [...heard].flatMap(([id, when]) => {
    const at = shown.get(id)
    return at === undefined ? [] : [at - when]
  })
  return summarize(delays, heard.size - delays.length)
}

function summarize(delays: readonly number[], missing: number): Delays {
  const sorted = delays.toSorted((a, b) => a - b)
  return {
    count: sorted.length,
    missing,
    p50_ms: percentile(sorted, 0.5),
    p99_ms: percentile(sorted, 0.99),
    max_ms: sorted.at(-1) ?? Number.NaN,
  }
}
