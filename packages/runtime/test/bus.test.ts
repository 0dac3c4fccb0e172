import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { BusFault, type BusFaultCode, type BusRequest } from '@trustgw/runtime'
import { ADAPTERS, bytes, eventually, type Links, text } from './links.ts'

const PROPOSE = 'trust.v1.acme.action.propose'
const INVOKE = 'exec.v1.acme.connector.invoke'
const FAST = { timeoutMs: 2_000 }

async function faultCode(promise: Promise<unknown>): Promise<BusFaultCode> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert(error instanceof BusFault, String(error))
  return error.code
}

for (const adapter of ADAPTERS) {
  describe(`the bus over ${adapter.name}`, { concurrency: 1 }, () => {
    let links: Links
    before(async () => {
      links = await adapter.start()
    })
    after(async () => {
      await links.stop()
    })

    it('brings a request to the responder and its answer back, with who asked', async () => {
      const seen: BusRequest[] = []
      const responder = links.gateway.bus.respond(
        'trust.v1.*.action.propose',
        { queue: 'gateway' },
        async (request) => {
          seen.push(request)
          return bytes(`answer to ${text(request.data)}`)
        },
      )
      await eventuallyAnswered()
      const answer = await links.agent.bus.request(PROPOSE, bytes('hello'), FAST)
      assert.equal(text(answer), 'answer to hello')
      const last = seen.at(-1)
      assert.equal(last?.subject, PROPOSE)
      assert.equal(last?.replyExpected, true)
      assert.equal(last?.requester?.user, links.agentUser)
      assert.match(last?.requester?.account ?? '', /^A[A-Z2-7]{55}$/)
      await responder.stop()
      assert.equal(
        await faultCode(links.agent.bus.request(PROPOSE, bytes('late'), FAST)),
        'bus_no_responders',
      )
    })

    /** A subscription on another connection is live only once the server has it. */
    async function eventuallyAnswered(): Promise<void> {
      for (let attempt = 0; attempt < 50; attempt += 1) {
        try {
          await links.agent.bus.request(PROPOSE, bytes('probe'), FAST)
          return
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
      }
      assert.fail('never answered')
    }

    it('times out when the responder answers nothing, and when its handler throws', async () => {
      const responder = links.executor.bus.respond(
        'exec.v1.*.connector.invoke',
        { queue: 'connector' },
        async (request) => {
          if (text(request.data) === 'throw') throw new Error('handler')
          return text(request.data) === 'answer' ? bytes('yes') : undefined
        },
      )
      await eventuallyOk(() => links.gateway.bus.request(INVOKE, bytes('answer'), FAST))
      const slow = { timeoutMs: 100 }
      assert.equal(
        await faultCode(links.gateway.bus.request(INVOKE, bytes('nothing'), slow)),
        'bus_timeout',
      )
      assert.equal(
        await faultCode(links.gateway.bus.request(INVOKE, bytes('throw'), slow)),
        'bus_timeout',
      )
      assert.equal(text(await links.gateway.bus.request(INVOKE, bytes('answer'), FAST)), 'yes')
      await responder.stop()
    })

    it('runs no more handlers at once than it was told, and loses none of the waiting', async () => {
      let running = 0
      let most = 0
      const responder = links.executor.bus.respond(
        'exec.v1.*.connector.invoke',
        { queue: 'connector', concurrency: 3 },
        async (request) => {
          running += 1
          most = Math.max(most, running)
          await new Promise((resolve) => setTimeout(resolve, 5))
          running -= 1
          return request.data
        },
      )
      await eventuallyOk(() => links.gateway.bus.request(INVOKE, bytes('probe'), FAST))
      const requests = Array.from({ length: 20 }, (_, index) =>
        links.gateway.bus.request(INVOKE, bytes(`r${index}`), FAST),
      )
      const answers = await Promise.all(requests)
      assert.deepEqual(
        answers.map(text),
        Array.from({ length: 20 }, (_, index) => `r${index}`),
      )
      assert.equal(most, 3)
      await responder.stop()
    })

    it('refuses what is larger than the server takes before sending it', async () => {
      const huge = new Uint8Array(2 * 1024 * 1024)
      assert.equal(await faultCode(links.gateway.bus.request(INVOKE, huge, FAST)), 'bus_too_large')
      assert.throws(
        () => links.gateway.bus.publish('ui.v1.acme.events', huge),
        (error) => error instanceof BusFault && error.code === 'bus_too_large',
      )
    })

    it('brings what is published to whoever listens across the accounts', async () => {
      const heard: string[] = []
      const listener = links.host.bus.listen('ui.v1.*.events', (message) => {
        heard.push(text(message.data))
      })
      await eventuallyHeard(heard)
      links.gateway.bus.publish('ui.v1.acme.events', bytes('news'))
      await eventually(() => heard.includes('news'))
      await listener.stop()
    })

    async function eventuallyHeard(heard: readonly string[]): Promise<void> {
      for (let attempt = 0; attempt < 100 && heard.length === 0; attempt += 1) {
        links.gateway.bus.publish('ui.v1.acme.events', bytes('probe'))
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      assert(heard.length > 0)
    }

    it('answers a running request before it is drained, then is closed', async () => {
      const own = await adapter.start()
      const statuses: string[] = []
      own.executor.bus.onStatus((status) => statuses.push(status))
      own.executor.bus.respond('exec.v1.*.connector.invoke', { queue: 'connector' }, async (r) => {
        await new Promise((resolve) => setTimeout(resolve, 50))
        return r.data
      })
      await eventuallyOk(() => own.gateway.bus.request(INVOKE, bytes('probe'), FAST))
      const running = own.gateway.bus.request(INVOKE, bytes('last'), FAST)
      await new Promise((resolve) => setTimeout(resolve, 20))
      await own.executor.bus.drain()
      assert.equal(text(await running), 'last')
      assert.equal(own.executor.bus.status, 'closed')
      assert.deepEqual(statuses, ['closed'])
      assert.equal(
        await faultCode(own.executor.bus.request(PROPOSE, bytes('x'), FAST)),
        'bus_closed',
      )
      await own.stop()
    })
  })
}

async function eventuallyOk(act: () => Promise<unknown>): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await act()
      return
    } catch (error) {
      if (attempt === 50) throw error
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}
