import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import { type BusWorld, startBusWorld } from '@trustgw/testkit/bus-world'
import { insertOnlyProblems } from '../src/nats/streams.ts'
import { answering, Heard } from './nats-probe.ts'

let world: BusWorld
let gateway: NatsConnection
let host: NatsConnection
let log: NatsConnection
let executor: NatsConnection
const DATA = { domain: 'data', checkAPI: false } as const
const EXD = { domain: 'exd', checkAPI: false } as const
const ack = { timeout: 3_000 } as const

before(async () => {
  world = await startBusWorld({ tenants: ['acme', 'globex'] })
  ;[gateway, host, log, executor] = await Promise.all([
    world.connect(world.creds.gateway),
    world.connect(world.creds.host),
    world.connect(world.creds.log),
    world.connect(world.executor()),
  ])
})

after(() => world.stop())

function requestInfo(message: Msg | undefined): unknown {
  return JSON.parse(message?.headers?.get('Nats-Request-Info') ?? 'null')
}

async function ask(nc: NatsConnection, subject: string): Promise<string> {
  return (await nc.request(subject, '{}', ack)).string()
}

test('audit events of gateway, host and executor are stored and acknowledged, the executor under its profile', async () => {
  const stored = await Promise.all([
    jetstream(gateway, DATA).publish('audit.v1.acme.gateway.1.decided', '1'),
    jetstream(host, DATA).publish('audit.v1.acme.host.1.approved', '2'),
    jetstream(executor, DATA).publish('auditout.v1.acme.1.started', '3'),
  ])
  assert.deepEqual(
    stored.map((one) => one.stream),
    ['AUDIT', 'AUDIT', 'AUDIT'],
  )
  const seq = stored[2]?.seq ?? 0
  for (const nc of [gateway, host, log, executor]) {
    const manager = await jetstreamManager(nc, DATA)
    const read = await manager.direct.getMessage('AUDIT', { seq })
    assert.equal(read?.subject, 'audit.v1.acme.exec-connector.1.started')
    const last = await manager.direct.getMessage('AUDIT', {
      last_by_subj: 'audit.v1.acme.gateway.1.decided',
    })
    assert.equal(last?.string(), '1')
  }
})

test('the log takes audit events from its consumer and its acknowledgement reaches the stream', async () => {
  await jetstream(gateway, DATA).publish('audit.v1.globex.gateway.1.proposed', 'event')
  const consumer = await jetstream(log, DATA).consumers.get('AUDIT', 'log')
  let seen = 0
  for (;;) {
    const message = await consumer.next({ expires: 1_000 })
    if (message === null) break
    assert.ok(await message.ackAck())
    seen += 1
  }
  assert.ok(seen > 0)
  const manager = await jetstreamManager(world.provisionConn)
  const info = await manager.consumers.info('AUDIT', 'log')
  assert.deepEqual([info.num_ack_pending, info.num_pending], [0, 0])
})

test('the gateway takes results from its consumer, stamped with the profile that wrote them', async () => {
  const stored = await jetstream(executor, DATA).publish('execout.v1.acme.act1.result', 'done')
  assert.equal(stored.stream, 'RESULTS')
  const consumer = await jetstream(gateway, DATA).consumers.get('RESULTS', 'gateway')
  const message = await consumer.next({ expires: 3_000 })
  assert.equal(message?.subject, 'exec.v1.acme.connector.act1.result')
  assert.ok(await message?.ackAck())
})

test('the gateway writes actions by compare-and-swap and reads them singly, from the leader and many at once', async () => {
  const js = jetstream(gateway, DATA)
  const first = await js.publish('$KV.actions.acme.one', 'v1', {
    expect: { lastSubjectSequence: 0 },
  })
  await js.publish('$KV.actions.acme.one', 'v2', { expect: { lastSubjectSequence: first.seq } })
  await js.publish('$KV.actions.acme.two', 'w1', { expect: { lastSubjectSequence: 0 } })
  const stale = js.publish('$KV.actions.acme.one', 'v3', {
    expect: { lastSubjectSequence: first.seq },
  })
  await assert.rejects(stale, /wrong last sequence/)
  for (const nc of [gateway, host]) {
    const manager = await jetstreamManager(nc, DATA)
    const query = { last_by_subj: '$KV.actions.acme.one' }
    assert.equal((await manager.direct.getMessage('KV_actions', query))?.string(), 'v2')
    assert.equal((await manager.streams.getMessage('KV_actions', query))?.string(), 'v2')
    assert.equal((await manager.streams.info('KV_actions')).config.max_msgs_per_subject, 1)
    const values: string[] = []
    const all = await manager.direct.getLastMessagesFor('KV_actions', {
      multi_last: ['$KV.actions.acme.*'],
    })
    for await (const message of all) values.push(message.string())
    assert.deepEqual(values.sort(), ['v2', 'w1'])
  }
})

test('the host writes and reads approvals, rights and sessions', async () => {
  const js = jetstream(host, DATA)
  const manager = await jetstreamManager(host, DATA)
  for (const bucket of ['approvals', 'acl', 'sessions']) {
    const subject = `$KV.${bucket}.acme.k`
    await js.publish(subject, bucket, { expect: { lastSubjectSequence: 0 } })
    const read = await manager.direct.getMessage(`KV_${bucket}`, { last_by_subj: subject })
    assert.equal(read?.string(), bucket)
  }
})

test('an agent record written by provisioning and a tool written by the executor reach the gateway live and on reading', async () => {
  const agents = new Heard(gateway, '$KV.agents.>')
  const tools = new Heard(gateway, '$KV.tools.>')
  await gateway.flush()
  await jetstream(world.provisionConn).publish('$KV.agents.acme.key1', 'record')
  await jetstream(executor, DATA).publish('toolsout.v1.acme', 'contracts')
  assert.equal((await agents.one()).subject, '$KV.agents.acme.key1')
  const tool = await tools.one()
  assert.deepEqual([tool.subject, tool.string()], ['$KV.tools.acme.connector', 'contracts'])
  const manager = await jetstreamManager(gateway, DATA)
  const read = await manager.direct.getMessage('KV_tools', {
    last_by_subj: '$KV.tools.acme.connector',
  })
  assert.equal(read?.string(), 'contracts')
})

test('events of the gateway reach the portal over WebSocket and the host, and are stored', async () => {
  const portal = await world.connectPortal(world.person('acme'))
  const shown = new Heard(portal, 'ui.v1.acme.events')
  const hostHears = new Heard(host, 'ui.v1.*.events')
  await Promise.all([portal.flush(), host.flush()])
  const stored = await jetstream(gateway, DATA).publish('ui.v1.acme.events', 'changed')
  assert.equal(stored.stream, 'UI')
  assert.equal((await shown.one()).string(), 'changed')
  assert.equal((await hostHears.one()).string(), 'changed')
})

test('an agent asks the gateway, which learns its account and key from the server', async () => {
  const proposals = answering(gateway, 'trust.v1.*.action.propose', 'gateway', 'accepted')
  const creds = world.agent('globex', 'bot')
  const agent = await world.connect(creds)
  const answer = await agent.request('trust.v1.globex.action.propose', '{}', ack)
  assert.equal(answer.string(), 'accepted')
  const info = requestInfo(proposals[0])
  assert.ok(typeof info === 'object' && info !== null && 'acc' in info && 'user' in info)
  assert.deepEqual([info.acc, info.user], [world.accounts['T_globex_AGENTS'], creds.user])
})

test('invocation, approval request and decision cross as requests', async () => {
  answering(executor, 'exec.v1.*.connector.invoke', 'connector', 'claimed')
  answering(host, 'approval.v1.*.request', 'host', 'noted')
  const decisions = answering(gateway, 'approval.v1.*.decision', 'gateway', 'recorded')
  await Promise.all([executor.flush(), host.flush(), gateway.flush()])
  assert.equal(await ask(gateway, 'exec.v1.acme.connector.invoke'), 'claimed')
  assert.equal(await ask(gateway, 'approval.v1.acme.request'), 'noted')
  assert.equal(await ask(host, 'approval.v1.acme.decision'), 'recorded')
  const info = requestInfo(decisions[0])
  assert.ok(typeof info === 'object' && info !== null && 'acc' in info)
  assert.equal(info.acc, world.accounts['HOST'])
})

test('the executor claims a nonce and a journal entry once, keeps executions, and sees that the streams are insert-only', async () => {
  const js = jetstream(executor, EXD)
  const manager = await jetstreamManager(executor, EXD)
  for (const bucket of ['grant_nonces', 'journal']) {
    const subject = `$KV.${bucket}.acme.n1`
    await js.publish(subject, 'me', { expect: { lastSubjectSequence: 0 } })
    const read = await manager.streams.getMessage(`KV_${bucket}`, { last_by_subj: subject })
    assert.equal(read?.string(), 'me')
    const { config } = await manager.streams.info(`KV_${bucket}`)
    assert.deepEqual(insertOnlyProblems(bucket, { ...config }), [])
    assert.notDeepEqual(
      insertOnlyProblems(bucket, { ...config, discard_new_per_subject: false }),
      [],
    )
  }
  const first = await js.publish('$KV.executions.acme.a1', 'started')
  await js.publish('$KV.executions.acme.a1', 'ended', {
    expect: { lastSubjectSequence: first.seq },
  })
  const read = await manager.direct.getMessage('KV_executions', {
    last_by_subj: '$KV.executions.acme.a1',
  })
  assert.equal(read?.string(), 'ended')
})

test('a tenant added to the running server works at once and nobody is disconnected', async () => {
  await world.addTenant('initech')
  answering(gateway, 'trust.v1.*.tools.list', 'gateway', 'tools')
  const agent = await world.connect(world.agent('initech'))
  const answer = await agent.request('trust.v1.initech.tools.list', '{}', ack)
  assert.equal(answer.string(), 'tools')
  assert.deepEqual(
    [gateway, host, log, executor].map((nc) => nc.isClosed()),
    [false, false, false, false],
  )
  assert.deepEqual([...world.tenants].sort(), ['acme', 'globex', 'initech'])
})
