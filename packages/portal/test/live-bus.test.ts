import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type ActionEvent, canonicalize } from '@trustgw/protocol'
import { openBrowser, type TestBrowser } from '@trustgw/testkit'
import { REFUND, requestOf } from '@trustgw/testkit/approval-requests'
import { pendingEvent, storyInstallation } from '@trustgw/testkit/approval-story'
import { type BusWorld, startBusWorld } from '@trustgw/testkit/bus-world'
import { type BuiltPage, buildPortal, CACHE_DIR } from './double/build-page.ts'
import { PortalDouble } from './double/portal-double.ts'

const LIFE_S = 3

/** The portal as it is served, over a real nats-server; only the host's HTTP API is a double. */
describe('the live feed over a real bus', () => {
  let browser: TestBrowser
  let built: BuiltPage
  let double: PortalDouble
  let world: BusWorld
  let origin: string

  before(async () => {
    built = await buildPortal()
    double = new PortalDouble(built.root)
    double.installation = storyInstallation(Date.now())
    origin = await double.listen()
    world = await startBusWorld({ origins: [origin] })
    browser = await openBrowser({ cacheDir: CACHE_DIR })
  })
  after(async () => {
    await browser.close()
    await world.stop()
    await double.close()
    await built.remove()
  })

  const publish = async (event: ActionEvent): Promise<void> => {
    const gateway = await world.connect(world.creds.gateway)
    await gateway.request('ui.v1.acme.events', canonicalize({ ...event }), { timeout: 3_000 })
    await gateway.close()
  }

  it('shows a request as it comes, and again after its identity on the bus has expired', async () => {
    const url = world.wsUrl.replace('127.0.0.1', 'localhost')
    double.bus = { url, login: () => world.person('acme', LIFE_S) }
    const page = await browser.browser.newPage()
    const complaints: string[] = []
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    await page.goto(origin)
    await page.getByText('Nothing waits for you').waitFor()

    const first = requestOf({ number: 1, tool: REFUND, now: Date.now(), input: { amount: '1.00' } })
    double.approvals = [first]
    await publish(pendingEvent(first, 1))
    await page.getByText('1 waiting for a decision').waitFor()
    assert.equal(await page.title(), '(1) Approvals · Trust Gateway')
    assert.deepEqual(complaints, [])

    await page.waitForTimeout((LIFE_S + 3) * 1_000)
    const second = requestOf({ number: 2, tool: REFUND, now: Date.now(), input: {} })
    double.approvals = [first, second]
    await publish(pendingEvent(second, 2))
    await page.getByText('2 waiting for a decision').waitFor()
    await page.close()
  })
})
