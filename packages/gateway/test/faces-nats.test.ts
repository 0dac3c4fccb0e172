import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Json, JsonObject } from '@trustgw/protocol'
import { type Bus, MemoryBroker, type Requester, silentLogger } from '@trustgw/runtime'
import { MetricsBook } from '../src/faces/metrics.ts'
import { NatsFace } from '../src/faces/nats.ts'
import { GatewayDouble, OTHER_TENANT, TENANT, testCaller } from './double/gateway-double.ts'

const AGENT: Requester = { account: 'ACME', user: 'UAGENT' }

interface World {
  readonly api: GatewayDouble
  readonly metrics: MetricsBook
  readonly face: NatsFace
  readonly bus: (requester?: Requester) => Bus
}

function startWorld(t: TestContext): World {
  const broker = new MemoryBroker({ logger: silentLogger })
  const api = new GatewayDouble()
  const metrics = new MetricsBook()
  const face = new NatsFace({
    bus: broker.link({ requester: { account: 'GW' } }).bus,
    api,
    byRequester: (tenant, requester) => {
      if (tenant === TENANT && requester?.account === 'ACME') return testCaller('nats', 'a', tenant)
      if (tenant === OTHER_TENANT && requester?.account === 'OTHER') {
        return testCaller('nats', 'o', tenant)
      }
      return undefined
    },
    metrics,
    log: silentLogger,
  })
  face.start()
  t.after(() => face.stop())
  const bus = (requester?: Requester): Bus =>
    broker.link(requester === undefined ? {} : { requester }).bus
  return { api, metrics, face, bus }
}

async function ask(
  bus: Bus,
  subject: string,
  body: Json | string,
): Promise<Record<string, unknown>> {
  const text = typeof body === 'string' ? body : JSON.stringify({ v: 1, request: 'r-1', body })
  const data = new TextEncoder().encode(text)
  const answer = await bus.request(subject, data, { timeoutMs: 5_000 })
  return JSON.parse(new TextDecoder().decode(answer)) as Record<string, unknown>
}

const PROPOSE = 'trust.v1.acme.action.propose'
const READ: JsonObject = { tool: 'files.read', arguments: { text: 'x' } }

test('an agent proposes, waits, reads and cancels over the bus', async (t) => {
  const { api, bus } = startWorld(t)
  const agent = bus(AGENT)
  const done = await ask(agent, PROPOSE, READ)
  assert.deepEqual([done['ok'], done['request'], done['v']], [true, 'r-1', 1])
  assert.equal((done['value'] as JsonObject)['status'], 'succeeded')
  const pending = await ask(agent, PROPOSE, { tool: 'shop.pay', arguments: {} })
  const { action_id } = pending['value'] as { action_id: string }
  setTimeout(() => api.finish(action_id, 'succeeded', { paid: 1 }), 50)
  const waited = await ask(agent, 'trust.v1.acme.action.get', { action_id, wait_ms: 4_000 })
  assert.deepEqual((waited['value'] as JsonObject)['result'], { paid: 1 })
  const other = await ask(agent, PROPOSE, { tool: 'shop.pay', arguments: { b: 1 } })
  const { action_id: second } = other['value'] as { action_id: string }
  const cancelled = await ask(agent, 'trust.v1.acme.action.cancel', { action_id: second })
  assert.equal((cancelled['value'] as JsonObject)['status'], 'cancelled')
  const tools = await ask(agent, 'trust.v1.acme.tools.list', {})
  assert.equal(((tools['value'] as JsonObject)['tools'] as Json[]).length, 4)
})

test('an unknown requester, another account and another tenant get one and the same answer', async (t) => {
  const { api, bus } = startWorld(t)
  const asked: [Requester | undefined, string][] = [
    [undefined, PROPOSE],
    [{ account: 'GW' }, PROPOSE],
    [{ account: 'OTHER', user: 'U' }, PROPOSE],
    [AGENT, 'trust.v1.other.action.propose'],
    [AGENT, 'trust.v1.nobody.action.propose'],
  ]
  const answers = new Set<string>()
  for (const [requester, subject] of asked) {
    answers.add(JSON.stringify(await ask(bus(requester), subject, READ)))
  }
  assert.equal(answers.size, 1)
  assert.match([...answers][0] ?? '', /"code":"not_authenticated"/)
  assert.equal(api.proposals.length, 0)
})

test('a message without a reply is never a proposal', async (t) => {
  const { api, bus, metrics } = startWorld(t)
  const envelope = JSON.stringify({ v: 1, request: 'r', body: READ })
  bus(AGENT).publish(PROPOSE, new TextEncoder().encode(envelope))
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(api.proposals.length, 0)
  assert.match(metrics.text(), /face="nats",outcome="no_reply"\} 1\n/)
})

test('what is no envelope is refused with a stable code', async (t) => {
  const { api, bus } = startWorld(t)
  const agent = bus(AGENT)
  const cases: [string, string][] = [
    ['{', 'json_refused'],
    [`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 'json_refused'],
    ['{"v":1,"v":1,"request":"r","body":{}}', 'json_refused'],
    ['{"v":2,"request":"r","body":{}}', 'envelope_invalid'],
    ['{"v":1,"request":"r","body":{},"tenant":"x"}', 'envelope_invalid'],
    ['{"v":1,"request":"r","body":{"tool":1}}', 'body_invalid'],
    ['{"v":1,"request":"r","body":{"tool":"none","arguments":{}}}', 'unknown_tool'],
  ]
  for (const [text, code] of cases) {
    assert.equal((await ask(agent, PROPOSE, text))['code'], code, text.slice(0, 50))
  }
  api.fail = 'throw'
  const failed = await ask(agent, PROPOSE, READ)
  assert.deepEqual([failed['code'], failed['message']], ['internal', 'The gateway failed'])
})

test('who is to try later is told so, and after how long', async (t) => {
  const { api, bus } = startWorld(t)
  api.fail = 'busy'
  const busy = await ask(bus(AGENT), PROPOSE, READ)
  assert.deepEqual([busy['ok'], busy['code'], busy['retry_after_s']], [false, 'busy', 10])
  api.fail = undefined
  const unknown = await ask(bus(AGENT), PROPOSE, { tool: 'none', arguments: {} })
  assert.equal('retry_after_s' in unknown, false)
})

test('an answer that the bus could not carry is refused by name', async (t) => {
  const { api, bus } = startWorld(t)
  api.outputs.set('files.read', 'x'.repeat(1_100_000))
  assert.equal((await ask(bus(AGENT), PROPOSE, READ))['code'], 'answer_too_large')
})

test('a stopping face answers what waits with the state as it is', async (t) => {
  const { face, bus } = startWorld(t)
  const held = ask(bus(AGENT), PROPOSE, { tool: 'shop.pay', arguments: {}, wait_ms: 30_000 })
  await new Promise((resolve) => setTimeout(resolve, 50))
  await face.stop()
  assert.equal(((await held)['value'] as JsonObject)['status'], 'pending_approval')
})
