import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type ActionId,
  AGENT_RECORD_TYP,
  agentRecordJson,
  type Json,
  type JsonObject,
  signJws,
  subject,
  TOOL_REGISTRY_TYP,
  toolRegistryJson,
  utf8Encode,
} from '@trustgw/protocol'
import {
  type BusCreds,
  type BusLink,
  connectNats,
  nodeRandom,
  sha256,
  silentLogger,
  startAuditWriter,
  systemClock,
} from '@trustgw/runtime'
import { agentsAccountKey, type BusWorld, startBusWorld } from '@trustgw/testkit/bus-world'
import { MetricsBook } from '../src/faces/metrics.ts'
import { NatsFace } from '../src/faces/nats.ts'
import type { CallOutcome } from '../src/gateway-api.ts'
import { type RunningGateway, startGateway } from '../src/start-gateway.ts'
import { ExecutorDouble } from './support/executor-double.ts'
import { HostDouble } from './support/host-double.ts'
import {
  ACME,
  CONNECTOR,
  CONTRACTS,
  GATEWAY_COMPONENT,
  must,
  POLICY,
  TestKeys,
} from './support/keys.ts'
import { agentRecord, apiKey, fixedPolicy, policyOf } from './support/world.ts'

describe('on a real bus, with the rights of its own account only', () => {
  const keys = new TestKeys()
  const links: BusLink[] = []
  let bus: BusWorld
  let agentCreds: BusCreds
  let gatewayLink: BusLink
  let executor: ExecutorDouble
  let host: HostDouble
  let gateway: RunningGateway
  let face: NatsFace

  const connectAs = async (creds: BusCreds): Promise<BusLink> => {
    const link = await connectNats({
      servers: [bus.url],
      creds,
      random: nodeRandom,
      logger: silentLogger,
    })
    links.push(link)
    return link
  }

  const start = async (
    of: { readonly link?: BusLink; readonly instance?: string; readonly policy?: string } = {},
  ): Promise<RunningGateway> => {
    const { link = gatewayLink, instance = '1', policy = POLICY } = of
    const inForce = policyOf(policy)
    const audit = await startAuditWriter({
      tenant: ACME,
      component: GATEWAY_COMPONENT,
      instance,
      kid: 'audit',
      sign: keys.of.audit.sign,
      sha256,
      clock: systemClock,
      random: nodeRandom,
      bus: link.bus,
      publisher: link.publisher({ stream: 'AUDIT' }),
      reader: link.reader({ home: 'data', stream: 'AUDIT' }),
      keyFor: keys.public.keyFor({ role: 'audit' }),
    })
    return startGateway({
      link,
      tenants: [ACME],
      agentAccounts: new Map([[ACME, agentsAccountKey(bus, 'acme')]]),
      keys: keys.public,
      grantKey: () => ({ kid: 'grant', sign: keys.of.grant.sign }),
      audit: () => audit,
      policy: fixedPolicy(inForce),
      freezes: { isFrozen: () => false, isRevoked: () => false, onChange: () => () => undefined },
      clock: systemClock,
      random: nodeRandom,
      log: silentLogger,
    })
  }

  const propose = (tool: string, args: JsonObject, holdMs = 0): Promise<CallOutcome> => {
    const caller = gateway.api.authenticate(apiKey(agentRecord()), 'rest')
    assert.ok(caller !== undefined)
    return gateway.api.propose(caller, { tool, arguments: args, client_key: null }, { ms: holdMs })
  }

  const through = async (at: RunningGateway, path: string): Promise<string> => {
    const caller = at.api.authenticate(apiKey(agentRecord()), 'rest')
    assert.ok(caller !== undefined)
    const call = { tool: 'files.read', arguments: { path }, client_key: null }
    const outcome = await at.api.propose(caller, call, { ms: 8_000 })
    return outcome.ok ? outcome.value.status : outcome.reason
  }

  const status = async (id: ActionId): Promise<string> => {
    const caller = gateway.api.authenticate(apiKey(agentRecord()), 'rest')
    assert.ok(caller !== undefined)
    return must(await gateway.api.get(caller, id, { ms: 4_000 })).status
  }

  before(async () => {
    bus = await startBusWorld()
    agentCreds = bus.agent('acme')
    gatewayLink = await connectAs(bus.creds.gateway)
    executor = new ExecutorDouble({
      link: await connectAs(bus.executor()),
      keys,
      profile: CONNECTOR,
      kid: 'connector',
      onInvoke: () => undefined,
    })
    executor.start()
    host = new HostDouble(await connectAs(bus.creds.host), keys)
    host.start(ACME)
    await serve()
    await enlist()
    gateway = await start()
    face = new NatsFace({
      bus: gatewayLink.bus,
      api: gateway.api,
      byRequester: (at, requester) => gateway.agents.byRequester(at, requester),
      metrics: new MetricsBook(),
      log: silentLogger,
    })
    face.start()
  })

  after(async () => {
    await face.stop()
    await gateway.stop()
    await Promise.all([executor.stop(), host.stop()])
    for (const link of links) await link.bus.drain()
    await bus.stop()
  })

  async function serve(): Promise<void> {
    const payload = toolRegistryJson({
      v: 1,
      tenant: ACME,
      profile: CONNECTOR,
      policy: null,
      published_at: Date.now(),
      agents: [],
      bundles: [],
      tools: CONTRACTS,
    })
    const content = { typ: TOOL_REGISTRY_TYP, kid: 'connector', payload }
    const link = await connectAs(bus.executor())
    await link
      .publisher({ stream: 'KV_tools' })
      .publishStored(
        subject('tools_local', { tenant: ACME }),
        utf8Encode(signJws(content, keys.of.connector.sign)),
        { msgId: 'registry-1' },
      )
  }

  async function enlist(): Promise<void> {
    const link = await connectAs(bus.creds.provisionData)
    const records = link.records({ home: 'own', bucket: 'agents' })
    const onBus = agentRecord({
      key_id: 'bbbbbbbbbbbbbbbb',
      agent: 'bus-bot',
      secret_hash: null,
      nkey: agentCreds.user,
    })
    for (const record of [agentRecord(), onBus]) {
      const payload = agentRecordJson(record)
      const content = { typ: AGENT_RECORD_TYP, kid: 'operator', payload }
      const token = signJws(content, keys.of.operator.sign)
      assert.ok((await records.create(`acme.${record.key_id}`, utf8Encode(token))).ok)
    }
  }

  it('runs an allowed call to its end', async () => {
    const view = must(await propose('files.read', { path: 'a' }, 8_000))
    assert.deepEqual([view.status, view.result], ['succeeded', { done: true }])
  })

  it('knows an agent by what the server says of it, and another account not at all', async () => {
    const ask = async (creds: BusCreds): Promise<{ ok: boolean; code?: string; value?: Json }> => {
      const nc = await bus.connect(creds)
      const body = { tool: 'files.read', arguments: { path: 'b' }, wait_ms: 5_000 }
      const asked = JSON.stringify({ v: 1, request: 'r', body })
      const answer = await nc.request('trust.v1.acme.action.propose', asked, { timeout: 8_000 })
      return answer.json()
    }
    const known = await ask(agentCreds)
    assert.equal(known.ok, true, JSON.stringify(known))
    const unknown = await ask(bus.agent('acme', 'unknown'))
    assert.deepEqual([unknown.ok, unknown.code], [false, 'not_authenticated'])
  })

  it('holds a large refund for a passkey, and runs it once, also over a restart', async () => {
    const { action_id: id } = must(await propose('shop.refund', { amount: '250.00' }))
    while (host.requests.length === 0) await pause(20)
    await gateway.stop()
    gateway = await start()
    assert.ok(gateway.recovered >= 1)
    const answer = await host.send(host.approval(host.request(id)))
    assert.deepEqual(answer, { status: 'accepted', state: 'dispatched' })
    assert.equal(await status(id), 'succeeded')
    assert.equal(executor.effects.get(id), 1)
  })

  it('carries arguments of 128 KiB of quotes to host and executor, and the result back', async () => {
    const text = '"\\'.repeat(32_760)
    const { action_id: id } = must(await propose('shop.refund', { amount: '5.00', text }))
    while (!host.requests.some(({ action_id }) => action_id === id)) await pause(20)
    await host.send(host.approval(host.request(id)))
    assert.equal(await status(id), 'succeeded')
    const { action } = executor.last(id)
    assert.equal(action.arguments, JSON.stringify({ amount: '5.00', text }))
    assert.ok(action.arguments.length > 131_000)
  })

  it('[INV-37] two gateways at once let exactly as many through as a limit has places for', async () => {
    const policy = `${POLICY}
[[limits]]
id = "places"
match = { tool = ["files.*"] }
key = ["tenant", "agent"]
window = "1h"
max_count = 5
on_exceed = "deny"
[[limits]]
id = "all-tools"
match = { tool = ["**"] }
key = ["tenant"]
window = "1h"
max_count = 500
on_exceed = "deny"
`
    const both = await Promise.all(
      ['2', '3'].map(async (instance) =>
        start({ link: await connectAs(bus.creds.gateway), instance, policy }),
      ),
    )
    const calls = Array.from({ length: 24 }, async (_, n) => {
      const at = both[n % both.length]
      assert.ok(at !== undefined)
      return through(at, `limited-${n}`)
    })
    const ends = await Promise.all(calls)
    assert.equal(ends.filter((end) => end === 'succeeded').length, 5, ends.join())
    assert.equal(ends.filter((end) => end === 'denied').length, 19, ends.join())
    await Promise.all(both.map((one) => one.stop()))
  })
})
