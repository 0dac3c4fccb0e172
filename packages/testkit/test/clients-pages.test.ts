import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connectHttp, type PageToOpen } from '../src/clients/sdk-caller.ts'
import type { Era, ToolAnswer, ToolCaller } from '../src/clients/tool-caller.ts'
import { PortalDriver } from '../src/portal-driver.ts'
import { paidRefunds } from '../src/shop-view.ts'
import { type RunningSystem, startSystem } from '../src/system.ts'
import { CACHE_DIR } from './e2e-support.ts'

const ERAS: readonly Era[] = ['modern', 'legacy']
/** Long enough for a person made of code; what is not approved is declined, and not held at all. */
const HOLD_MS = 15_000

describe('a client that shows the approval page to its person', () => {
  let system: RunningSystem
  let portal: PortalDriver

  before(async () => {
    system = await startSystem({ env: { TRUSTGW_GATEWAY_HOLD: `${HOLD_MS}ms` } })
    portal = await PortalDriver.open({ cacheDir: CACHE_DIR })
    await portal.enrol(system.enrolmentLink ?? '', 'Robin')
    await system.line('pinned')
  })
  after(async () => {
    await portal.close()
    await system.remove()
  })

  const connect = (
    era: Era,
    onPage: (page: PageToOpen) => Promise<'accept' | 'decline'>,
  ): Promise<ToolCaller> => {
    const headers = { authorization: `Bearer ${system.apiKey ?? ''}` }
    return connectHttp(`${system.mcp}/c/shop`, headers, { era, onPage })
  }

  const refund = (client: ToolCaller, amount: string): Promise<ToolAnswer> =>
    client.call('shop.refund', {
      order_id: 'ord_1005',
      amount,
      currency: 'EUR',
      reason: 'Desk has a scratch',
    })

  const actionOf = ({ url }: PageToOpen): string =>
    new URL(String(url)).pathname.split('/').at(-1) ?? ''

  for (const [index, era] of ERAS.entries()) {
    test(`${era} era: the passkey on that page brings the result in the same call`, async () => {
      const client = await connect(era, async (page) => {
        await portal.visit(actionOf(page))
        await portal.approve()
        return 'accept'
      })
      const paid = (await paidRefunds(system)).length
      const done = await refund(client, `102.0${index}`)
      assert.equal(done.isError, false, done.text)
      assert.match(done.text, /"status":"succeeded"/)
      assert.equal((await paidRefunds(system)).length, paid + 1)
      await client.close()
    })

    test(`${era} era: a page that was declined holds nothing, and the action waits`, async () => {
      const pages: PageToOpen[] = []
      const client = await connect(era, (page) => {
        pages.push(page)
        return Promise.resolve('decline')
      })
      const began = performance.now()
      const answer = await refund(client, `103.0${index}`)
      assert.ok(performance.now() - began < HOLD_MS)
      assert.equal(answer.structured['status'], 'pending_approval', answer.text)
      assert.deepEqual(pages.map(actionOf), [answer.structured['action_id']])
      await client.close()
    })
  }
})
