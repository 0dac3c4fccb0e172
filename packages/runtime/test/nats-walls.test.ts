import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { NatsConnection } from '@nats-io/transport-node'
import { type BusWorld, startBusWorld } from '@trustgw/testkit/bus-world'
import { subjectMatches } from '../src/bus/subject.ts'
import { Refusals } from './nats-probe.ts'

/** Every kind of subject that means something on this bus, each with a literal tenant and key. */
const PUBLISHABLE: readonly string[] = [
  ...['propose', 'get', 'cancel'].map((verb) => `trust.v1.acme.action.${verb}`),
  'trust.v1.acme.tools.list',
  'trust.v1.globex.action.propose',
  'trust.v1.globex.tools.list',
  'exec.v1.acme.connector.invoke',
  'exec.v1.acme.ledger.invoke',
  'exec.v1.acme.connector.cancel',
  'exec.v1.acme.ledger.reconcile',
  'exec.v1.acme.connector.a1.result',
  'exec.v1.acme.ledger.a1.result',
  'execout.v1.acme.a1.result',
  'approval.v1.acme.request',
  'approval.v1.acme.decision',
  'approval.v1.acme.outcome',
  'audit.v1.acme.gateway.1.decided',
  'audit.v1.acme.host.1.approved',
  'audit.v1.acme.exec-connector.1.started',
  'audit.v1.acme.exec-ledger.1.started',
  'audit.v1.acme.log.1.sealed',
  'auditout.v1.acme.1.started',
  'ui.v1.acme.events',
  'live.ui.v1.acme.events',
  'live.kv.agents.acme.k',
  'live.kv.tools.acme.connector',
  'toolsout.v1.acme',
  '$KV.tools.acme.connector',
  'live.kv.policies.acme.newest',
  'live.kv.tool_orders.acme.k',
  'live.kv.keys._all.newest',
  'live.kv.key_offers._all.k',
  'live.kv.key_revocations._all.k',
  'beat.v1.host',
  'beat.v1.log',
  'beat.v1.gateway',
  ...['keys', 'key_offers', 'key_revocations', 'leases'].map((b) => `$KV.${b}._all.newest`),
  ...[
    'actions',
    'approvals',
    'acl',
    'sessions',
    'channel_messages',
    'agents',
    'agent_notices',
    'policies',
    'policy_status',
    'unsettled',
    'tool_trust',
    'tool_orders',
  ].map((b) => `$KV.${b}.acme.k`),
  ...['grant_nonces', 'journal', 'executions'].map((b) => `$KV.${b}.acme.k`),
  ...['$JS.API', '$JS.data.API', '$JS.exd.API', '$JS.core.API'].flatMap((api) => [
    `${api}.INFO`,
    ...['INFO', 'CREATE', 'UPDATE', 'DELETE', 'PURGE', 'MSG.GET', 'MSG.DELETE', 'SNAPSHOT'].flatMap(
      (verb) =>
        ['AUDIT', 'KV_actions', 'KV_journal'].map((name) => `${api}.STREAM.${verb}.${name}`),
    ),
    ...['AUDIT.log', 'RESULTS.gateway'].flatMap((name) => [
      `${api}.CONSUMER.INFO.${name}`,
      `${api}.CONSUMER.MSG.NEXT.${name}`,
      `${api}.CONSUMER.DELETE.${name}`,
      `${api}.CONSUMER.DURABLE.CREATE.${name}`,
    ]),
    ...['AUDIT', 'KV_actions', 'KV_acl', 'KV_agents', 'KV_journal'].map(
      (name) => `${api}.DIRECT.GET.${name}`,
    ),
    ...['keys', 'key_offers', 'key_revocations'].map(
      (bucket) => `${api}.DIRECT.GET.KV_${bucket}.$KV.${bucket}._all.k`,
    ),
    ...['approvals', 'acl', 'sessions', 'tools', 'policies', 'policy_status', 'grant_nonces'].map(
      (bucket) => `${api}.DIRECT.GET.KV_${bucket}.$KV.${bucket}.acme.k`,
    ),
  ]),
  '$JS.ACK.AUDIT.log.1.1.1.1.0',
  '$JS.ACK.RESULTS.gateway.1.1.1.1.0',
  '$JS.FC.KV_actions.x',
  '$SYS.REQ.CLAIMS.UPDATE',
  '$SYS.REQ.CLAIMS.DELETE',
  '$SYS.REQ.SERVER.PING',
  '$SYS.REQ.ACCOUNT.A.CONNZ',
  '$SRV.PING',
  '_INBOX.somebody.1',
  '_R_.aaaaaa.bbbbbb',
]

const HEARABLE: readonly (readonly [subject: string, queue?: string])[] = [
  ['>'],
  ['*'],
  ['*.>'],
  ['_INBOX.>'],
  ['_INBOX.*.*'],
  ['_INBOX.somebody.>'],
  ['_R_.>'],
  ['trust.v1.*.action.propose'],
  ['trust.v1.*.action.propose', 'gateway'],
  ['trust.v1.*.action.propose', 'mine'],
  ['trust.v1.acme.action.propose'],
  ['exec.v1.*.connector.invoke'],
  ['exec.v1.*.connector.invoke', 'connector'],
  ['exec.v1.*.ledger.invoke', 'ledger'],
  ['exec.v1.*.connector.cancel', 'connector'],
  ['exec.v1.*.ledger.reconcile', 'ledger'],
  ['exec.v1.>'],
  ['exec.v1.*.*.*.result'],
  ['approval.v1.*.request', 'host'],
  ['approval.v1.*.decision', 'gateway'],
  ['approval.v1.*.decision'],
  ['approval.v1.*.outcome', 'gateway'],
  ['audit.v1.>'],
  ['ui.v1.*.events'],
  ['ui.v1.acme.events'],
  ['ui.v1.globex.events'],
  ['live.>'],
  ['$KV.>'],
  ['$KV.agents.>'],
  ['$KV.agent_notices.>'],
  ['$KV.tool_trust.>'],
  ['$KV.policy_status.>'],
  ['$KV.unsettled.>'],
  ['$KV.tools.>'],
  ['$KV.policies.>'],
  ['$KV.tool_orders.>'],
  ['$KV.acl.>'],
  ['$KV.keys.>'],
  ['$KV.key_offers.>'],
  ['$KV.key_revocations.>'],
  ['beat.v1.*'],
  ['beat.v1.host'],
  ['beat.v1.log'],
  ['$JS.>'],
  ['$JS.EVENT.ADVISORY.>'],
  ['$SYS.>'],
]

interface Rights {
  /** Patterns over PUBLISHABLE. */
  readonly publish: readonly string[]
  /** `subject` or `subject queue`, as in HEARABLE. */
  readonly hear: readonly string[]
}

const AUDIT_READS = [
  '$JS.data.API.STREAM.MSG.GET.AUDIT',
  '$JS.data.API.DIRECT.GET.AUDIT',
  '$JS.data.API.DIRECT.GET.AUDIT.>',
]
const reads = (api: string, buckets: readonly string[]): readonly string[] =>
  buckets.flatMap((bucket) => [
    `${api}.STREAM.INFO.KV_${bucket}`,
    `${api}.STREAM.MSG.GET.KV_${bucket}`,
    `${api}.DIRECT.GET.KV_${bucket}`,
    `${api}.DIRECT.GET.KV_${bucket}.>`,
  ])
const PROPOSALS = [
  'trust.v1.acme.action.propose',
  'trust.v1.acme.action.get',
  'trust.v1.acme.action.cancel',
  'trust.v1.acme.tools.list',
]

const KEYS_LIVE = ['$KV.keys.>', '$KV.key_revocations.>']

const executorRights = (profile: string): Rights => ({
  publish: [
    '$KV.grant_nonces.>',
    '$KV.journal.>',
    '$KV.executions.>',
    ...reads('$JS.exd.API', ['grant_nonces', 'journal', 'executions']),
    'execout.v1.*.*.result',
    'auditout.v1.*.*.*',
    'toolsout.v1.*',
    ...reads('$JS.data.API', ['policies', 'keys', 'key_revocations']),
    ...AUDIT_READS,
  ],
  hear: [
    ...['invoke', 'cancel', 'reconcile'].map((verb) => `exec.v1.*.${profile}.${verb} ${profile}`),
    '$KV.policies.>',
    '$KV.agent_notices.>',
    ...KEYS_LIVE,
    'beat.v1.host',
    'beat.v1.log',
  ],
})

const RIGHTS: Readonly<Record<string, Rights>> = {
  gateway: {
    publish: [
      'exec.v1.*.*.invoke',
      'exec.v1.*.*.cancel',
      'exec.v1.*.*.reconcile',
      'approval.v1.*.request',
      'audit.v1.*.gateway.*.*',
      'ui.v1.*.events',
      '$KV.actions.>',
      '$KV.policy_status.>',
      '$KV.unsettled.>',
      '$KV.tool_trust.>',
      ...reads('$JS.data.API', [
        'actions',
        'tools',
        'agents',
        'policies',
        'policy_status',
        'unsettled',
        'tool_trust',
        'tool_orders',
      ]),
      '$KV.key_offers.>',
      '$KV.key_revocations.>',
      '$KV.leases.>',
      ...reads('$JS.data.API', ['keys', 'key_offers', 'key_revocations']),
      ...AUDIT_READS,
      '$JS.data.API.CONSUMER.INFO.RESULTS.gateway',
      '$JS.data.API.CONSUMER.MSG.NEXT.RESULTS.gateway',
      '$JS.ACK.RESULTS.gateway.>',
    ],
    hear: [
      'trust.v1.*.action.propose gateway',
      'approval.v1.*.decision gateway',
      'approval.v1.*.outcome gateway',
      '$KV.agents.>',
      '$KV.agent_notices.>',
      '$KV.tools.>',
      '$KV.policies.>',
      '$KV.tool_orders.>',
      'ui.v1.*.events',
      'ui.v1.acme.events',
      'ui.v1.globex.events',
      ...KEYS_LIVE,
    ],
  },
  host: {
    publish: [
      'approval.v1.*.decision',
      'approval.v1.*.outcome',
      'audit.v1.*.host.*.*',
      '$KV.approvals.>',
      '$KV.acl.>',
      '$KV.sessions.>',
      '$KV.channel_messages.>',
      '$KV.policies.>',
      '$KV.tool_orders.>',
      '$KV.agent_notices.>',
      '$KV.keys.>',
      '$KV.key_revocations.>',
      'beat.v1.host',
      ...reads('$JS.data.API', ['keys', 'key_offers', 'key_revocations']),
      ...reads('$JS.data.API', [
        'approvals',
        'acl',
        'sessions',
        'channel_messages',
        'actions',
        'policies',
        'policy_status',
        'tools',
        'unsettled',
        'tool_trust',
        'tool_orders',
        'agents',
        'agent_notices',
      ]),
      ...AUDIT_READS,
    ],
    hear: [
      'approval.v1.*.request host',
      'ui.v1.*.events',
      'ui.v1.acme.events',
      'ui.v1.globex.events',
      '$KV.agents.>',
      '$KV.tools.>',
      '$KV.policies.>',
      '$KV.tool_orders.>',
      '$KV.tool_trust.>',
      '$KV.policy_status.>',
      '$KV.unsettled.>',
      '$KV.key_offers.>',
      ...KEYS_LIVE,
    ],
  },
  log: {
    publish: [
      'beat.v1.log',
      ...reads('$JS.data.API', ['keys', 'key_revocations']),
      '$JS.data.API.CONSUMER.INFO.AUDIT.log',
      '$JS.data.API.CONSUMER.MSG.NEXT.AUDIT.log',
      '$JS.ACK.AUDIT.log.>',
      ...AUDIT_READS,
    ],
    hear: KEYS_LIVE,
  },
  executor_connector: executorRights('connector'),
  executor_ledger: executorRights('ledger'),
  agent: { publish: PROPOSALS, hear: [] },
  portal: { publish: [], hear: ['ui.v1.acme.events'] },
  provision_system: { publish: ['$SYS.REQ.CLAIMS.*'], hear: [] },
  provision_data: {
    publish: [
      '$JS.API.>',
      '$KV.agents.>',
      '$KV.policies.>',
      '$KV.tool_orders.>',
      '$KV.keys.>',
      '$KV.key_revocations.>',
    ],
    hear: [],
  },
  provision_executor: { publish: ['$JS.API.>'], hear: [] },
}

let world: BusWorld

before(async () => {
  world = await startBusWorld({ tenants: ['acme', 'globex'], profiles: ['connector', 'ledger'] })
})

after(() => world.stop())

function connectAs(identity: string): Promise<NatsConnection> {
  switch (identity) {
    case 'gateway':
    case 'host':
    case 'log':
      return world.connect(world.creds[identity])
    case 'executor_connector':
      return world.connect(world.executor('connector'))
    case 'executor_ledger':
      return world.connect(world.executor('ledger'))
    case 'agent':
      return world.connect(world.agent('acme'))
    case 'portal':
      return world.connectPortal(world.person('acme'))
    case 'provision_system':
      return world.connect(world.creds.provisionSystem)
    case 'provision_data':
      return world.connect(world.creds.provisionData)
    default:
      return world.connect(world.issue({ kind: 'provision_executor', profile: 'connector' }))
  }
}

for (const [identity, rights] of Object.entries(RIGHTS)) {
  const own = (subject: string): boolean =>
    rights.publish.some((pattern) =>
      subjectMatches(pattern, subject.replace('$JS.core.API', '$JS.API')),
    )

  test(`${identity} publishes its own subjects and is refused every other [INV-27]`, async () => {
    const nc = await connectAs(identity)
    const refusals = new Refusals(nc)
    for (const subject of PUBLISHABLE) if (!own(subject)) await refusals.publish(subject)
    for (const subject of PUBLISHABLE.filter(own)) {
      // An empty request to the provisioning user's own API would only change the world below it.
      if (!identity.startsWith('provision')) nc.publish(subject, 'x')
    }
    await refusals.none()
  })

  test(`${identity} hears its own subjects and is refused every other [INV-27]`, async () => {
    const nc = await connectAs(identity)
    const refusals = new Refusals(nc)
    for (const [subject, queue] of HEARABLE) {
      const name = queue === undefined ? subject : `${subject} ${queue}`
      if (rights.hear.includes(name)) {
        nc.subscribe(subject, queue === undefined ? {} : { queue }).unsubscribe()
      } else {
        await refusals.subscribe(subject, queue)
      }
    }
    await refusals.none()
  })
}

test('no identity hears the answers of another, of its own tenant neither', async () => {
  const victim = world.agent('acme', 'victim')
  for (const identity of Object.keys(RIGHTS)) {
    const refusals = new Refusals(await connectAs(identity))
    const others = [victim, world.creds.log, world.creds.gateway, world.executor()]
    for (const creds of others.filter(
      (one) => one.name.replace('exec-', 'executor_') !== identity,
    )) {
      await refusals.subscribe(`${creds.inboxPrefix}.>`)
    }
  }
})

test('a second answer, a late one and one that nobody asked for are refused', async () => {
  const gateway = await world.connect(world.creds.gateway)
  const agent = await world.connect(world.agent('acme'))
  const refusals = new Refusals(gateway)
  let reply = ''
  gateway.subscribe('trust.v1.*.action.get', {
    queue: 'gateway',
    callback: (_, message) => {
      reply = message.reply ?? ''
      message.respond('once')
    },
  })
  await gateway.flush()
  const answer = await agent.request('trust.v1.acme.action.get', '{}', { timeout: 3_000 })
  assert.equal(answer.string(), 'once')
  assert.notEqual(reply, '')
  await refusals.publish(reply)
  await refusals.publish(world.executor().inboxPrefix)
})
