import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { headers, type Msg, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'
import { type BusWorld, startBusWorld } from '@trustgw/testkit/bus-world'
import { busCreds } from '../src/nats/creds.ts'
import { userJwt } from '../src/nats/jwt.ts'
import { createNKey } from '../src/nats/nkeys.ts'
import { answering, Heard } from './nats-probe.ts'

/**
 * The server follows a reply subject that the client chose, and permissions do not look at it
 * (spec/protocol.md §6). Each test replays such an attack and compares every stream with what it was.
 */
const DATA = { domain: 'data', checkAPI: false } as const
const EXD = { domain: 'exd', checkAPI: false } as const
const SETTLE_MS = 120

let world: BusWorld
let exd: NatsConnection

beforeEach(async () => {
  world = await startBusWorld({ tenants: ['acme', 'globex'], profiles: ['connector', 'ledger'] })
  exd = await world.connect(world.issue({ kind: 'provision_executor', profile: 'connector' }))
})

afterEach(() => world.stop())

/** Every stream of DATA and of the connector's data account: what it is and how much it holds. */
async function everything(): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const nc of [world.provisionConn, exd]) {
    const manager = await jetstreamManager(nc, { checkAPI: false })
    for await (const info of manager.streams.list()) {
      const { config, state } = info
      const consumers = (await manager.consumers.list(config.name).next()).map((one) => one.name)
      found.set(
        config.name,
        JSON.stringify([config, state.messages, state.last_seq, state.num_deleted, consumers]),
      )
    }
  }
  return found
}

/** Runs an attack and fails when a stream outside `mayGrow` is not exactly as it was. */
async function leavesUntouched(mayGrow: readonly string[], attack: () => Promise<void>) {
  const before = await everything()
  await attack()
  await sleep(SETTLE_MS)
  const now = await everything()
  const changed = [...new Set([...before.keys(), ...now.keys()])].filter(
    (name) => before.get(name) !== now.get(name),
  )
  assert.deepEqual(
    changed.filter((name) => !mayGrow.includes(name)),
    [],
  )
  assert.ok(mayGrow.every((name) => now.has(name)))
}

/** An attacker who holds a whole account: no permission limits this user. */
function owner(account: string): Promise<NatsConnection> {
  const key = createNKey('user')
  const everythingAllowed = { allow: ['>'] } as const
  const jwt = userJwt(
    { name: 'owner', issuedAt: Math.floor(Date.now() / 1000) },
    key.publicKey,
    world.keys().account(account),
    {
      permissions: { pub: everythingAllowed, sub: everythingAllowed },
      limits: { connectionTypes: ['STANDARD'] },
    },
  )
  return world.connect({ ...busCreds(jwt, key), inboxPrefix: '_INBOX.owner' })
}

/** Where a steered answer would do harm. */
const TARGETS = [
  '$KV.acl.acme.agent1',
  '$KV.approvals.acme.a1',
  '$KV.agents.acme.k1',
  '$KV.actions.acme.a1',
  'audit.v1.acme.gateway.1.forged',
  'ui.v1.acme.events',
  'live.ui.v1.acme.events',
  ...['$JS.API', '$JS.data.API', '$JS.core.API', '$JS.exd.API'].flatMap((api) => [
    `${api}.STREAM.DELETE.KV_grant_nonces`,
    `${api}.STREAM.UPDATE.KV_journal`,
    `${api}.STREAM.PURGE.KV_executions`,
    `${api}.STREAM.PURGE.KV_acl`,
    `${api}.STREAM.DELETE.AUDIT`,
    `${api}.CONSUMER.DELETE.RESULTS.gateway`,
    `${api}.CONSUMER.DURABLE.CREATE.KV_acl.spy`,
  ]),
] as const

test('a value that an executor stored and asks for with the stream server as reply changes no stream [INV-29]', async () => {
  const executor = await world.connect(world.executor())
  const journal = await (await jetstreamManager(exd)).streams.info('KV_journal')
  const payloads = [
    '',
    '{}',
    JSON.stringify({ ...journal.config, discard_new_per_subject: false }),
    JSON.stringify({ stream_name: 'KV_acl', config: { deliver_subject: 'x', ack_policy: 'none' } }),
  ]
  for (const [index, payload] of payloads.entries()) {
    await jetstream(executor, EXD).publish(`$KV.executions.acme.crafted${index}`, payload)
  }
  await leavesUntouched([], async () => {
    for (const index of payloads.keys()) {
      for (const reply of TARGETS) {
        const subject = `$KV.executions.acme.crafted${index}`
        executor.publish(`$JS.exd.API.DIRECT.GET.KV_executions.${subject}`, '', { reply })
        executor.publish(
          '$JS.exd.API.DIRECT.GET.KV_executions',
          JSON.stringify({ last_by_subj: subject }),
          { reply },
        )
      }
    }
    await executor.flush()
  })
})

test('that attack works inside the account that holds the streams, which is why no service is in it', async () => {
  const inside = await owner('EXD_connector')
  const manager = await jetstreamManager(exd)
  await jetstream(inside).publish('$KV.executions.acme.crafted', '')
  const reply = '$JS.API.STREAM.DELETE.KV_grant_nonces'
  const subject = '$JS.API.DIRECT.GET.KV_executions.$KV.executions.acme.crafted'
  inside.publish(subject, '', { reply })
  await inside.flush()
  await sleep(SETTLE_MS)
  await assert.rejects(manager.streams.info('KV_grant_nonces'), /stream not found/)
})

test('the same by whoever holds the whole account of an executor, the gateway, the host or the log', async () => {
  await jetstream(world.provisionConn).publish('$KV.agents.acme.k1', '')
  const gateway = await world.connect(world.creds.gateway)
  const host = await world.connect(world.creds.host)
  await jetstream(gateway, DATA).publish('$KV.actions.acme.empty', '')
  await jetstream(gateway, DATA).publish('audit.v1.acme.gateway.1.decided', '')
  await jetstream(host, DATA).publish('$KV.acl.acme.empty', '')
  const attacks = {
    GW: [
      ['$JS.data.API.DIRECT.GET.KV_actions.$KV.actions.acme.empty', ''],
      ['$JS.data.API.STREAM.INFO.KV_actions', ''],
      ['$JS.data.API.CONSUMER.INFO.RESULTS.gateway', ''],
      ['$JS.data.API.CONSUMER.MSG.NEXT.RESULTS.gateway', '1'],
      ['audit.v1.acme.gateway.1.x', ''],
    ],
    HOST: [
      ['$JS.data.API.DIRECT.GET.KV_acl.$KV.acl.acme.empty', ''],
      ['$JS.data.API.STREAM.MSG.GET.KV_acl', '{"seq":1}'],
      ['audit.v1.acme.host.1.x', ''],
    ],
    LOG: [
      ['$JS.data.API.CONSUMER.INFO.AUDIT.log', ''],
      ['$JS.data.API.CONSUMER.MSG.NEXT.AUDIT.log', '1'],
      ['$JS.data.API.DIRECT.GET.AUDIT', '{"seq":1}'],
    ],
    EXEC_connector: [
      ['auditout.v1.acme.1.x', ''],
      ['execout.v1.acme.a1.result', ''],
      ['$KV.executions.acme.x', ''],
    ],
  } as const
  // Each may write these itself, so an answer that lands there is no more than its own right.
  const own: Readonly<Record<string, RegExp>> = {
    GW: /^(?:\$KV\.actions\.|audit\.|ui\.)/,
    HOST: /^\$KV\.(?:acl|approvals)\./,
    LOG: /^$/,
    EXEC_connector: /^$/,
  }
  for (const [account, requests] of Object.entries(attacks)) {
    const attacker = await owner(account)
    await leavesUntouched(['AUDIT', 'RESULTS', 'KV_executions'], async () => {
      for (const [subject, data] of requests) {
        for (const reply of TARGETS) {
          if (own[account]?.test(reply) !== true) attacker.publish(subject, data, { reply })
        }
      }
      await attacker.flush()
    })
  }
})

test('an acknowledgement of an audit event does not become a rights entry, an approval or an invocation', async () => {
  const executor = await world.connect(world.executor())
  const ledger = await world.connect(world.executor('ledger'))
  const invoked = new Heard(executor, 'exec.v1.*.connector.invoke', 'connector')
  const ledgerInvoked = new Heard(ledger, 'exec.v1.*.ledger.invoke', 'ledger')
  const host = await world.connect(world.creds.host)
  const gateway = await world.connect(world.creds.gateway)
  await leavesUntouched(['AUDIT', 'RESULTS'], async () => {
    executor.publish('auditout.v1.acme.1.x', '1', { reply: '$KV.acl.acme.agent1' })
    executor.publish('execout.v1.acme.a1.result', '1', { reply: '$KV.approvals.acme.a1' })
    executor.publish('auditout.v1.acme.1.x', '1', { reply: 'exec.v1.acme.ledger.invoke' })
    host.publish('audit.v1.acme.host.1.x', '1', { reply: 'exec.v1.acme.connector.invoke' })
    host.publish('audit.v1.acme.host.1.x', '1', { reply: '$KV.actions.acme.a1' })
    gateway.publish('audit.v1.acme.gateway.1.x', '1', { reply: '$KV.acl.acme.agent1' })
    await Promise.all([executor, host, gateway].map((nc) => nc.flush()))
  })
  await invoked.nothing()
  await ledgerInvoked.nothing()
})

test('an answer of an executor steered by the gateway does not become a rights entry', async () => {
  const executor = await world.connect(world.executor())
  answering(executor, 'exec.v1.*.connector.invoke', 'connector', '{"role":"admin"}')
  await executor.flush()
  const gateway = await world.connect(world.creds.gateway)
  await leavesUntouched([], async () => {
    for (const reply of ['$KV.acl.acme.agent1', '$KV.approvals.acme.a1', '$KV.tools.acme.ledger']) {
      gateway.publish('exec.v1.acme.connector.invoke', '{}', { reply })
    }
    await gateway.flush()
  })
})

test('an answer to an agent does not reach the events of the portal, another tenant or an executor [INV-28]', async () => {
  const gateway = await world.connect(world.creds.gateway)
  answering(gateway, 'trust.v1.*.action.propose', 'gateway', 'answer')
  const executor = await world.connect(world.executor())
  const invoked = new Heard(executor, 'exec.v1.*.connector.invoke', 'connector')
  const portal = await world.connectPortal(world.person('acme'))
  const shown = new Heard(portal, 'ui.v1.acme.events')
  await Promise.all([gateway, executor, portal].map((nc) => nc.flush()))
  const agent = await world.connect(world.agent('acme'))
  await leavesUntouched([], async () => {
    for (const reply of [
      'ui.v1.acme.events',
      'live.ui.v1.acme.events',
      'exec.v1.acme.connector.invoke',
      'trust.v1.globex.action.propose',
      ...TARGETS,
    ]) {
      agent.publish('trust.v1.acme.action.propose', '{}', { reply })
    }
    await agent.flush()
  })
  await shown.nothing()
  await invoked.nothing()
})

interface Seen {
  readonly account: unknown
  readonly replyExpected: boolean
}

function seen(message: Msg): Seen {
  const info: unknown = JSON.parse(message.headers?.get('Nats-Request-Info') ?? 'null')
  const account = typeof info === 'object' && info !== null && 'acc' in info ? info.acc : undefined
  return { account, replyExpected: (message.reply ?? '') !== '' }
}

test('an answer that re-enters as a request names the account of the gateway itself and expects no reply [INV-28]', async () => {
  const gateway = await world.connect(world.creds.gateway)
  const cancels: Msg[] = []
  answering(gateway, 'trust.v1.*.action.propose', 'gateway', '{"action":"victim"}')
  gateway.subscribe('trust.v1.*.action.cancel', {
    queue: 'gateway',
    callback: (_, message) => {
      cancels.push(message)
    },
  })
  await gateway.flush()
  const agent = await world.connect(world.agent('acme'))
  agent.publish('trust.v1.acme.action.propose', '{}', { reply: 'trust.v1.acme.action.cancel' })
  await agent.flush()
  await sleep(SETTLE_MS)
  const agents = world.accounts['T_acme_AGENTS']
  // So the gateway takes a proposal only from the tenant's own account, and only with a reply.
  assert.deepEqual(cancels.map(seen), [{ account: world.accounts['GW'], replyExpected: false }])
  await agent.request('trust.v1.acme.action.cancel', '{}', { timeout: 100 }).catch(() => undefined)
  const last = cancels.at(-1)
  assert.ok(last)
  assert.deepEqual(seen(last), { account: agents, replyExpected: true })
})

test('an agent cannot forge what the server says of it', async () => {
  const gateway = await world.connect(world.creds.gateway)
  const proposals = answering(gateway, 'trust.v1.*.action.propose', 'gateway', 'ok')
  await gateway.flush()
  const creds = world.agent('acme')
  const agent = await world.connect(creds)
  const forged = headers()
  forged.set('Nats-Request-Info', JSON.stringify({ acc: world.accounts['HOST'], user: 'U' }))
  await agent.request('trust.v1.acme.action.propose', '{}', { timeout: 2_000, headers: forged })
  const [message] = proposals
  const info: unknown = JSON.parse(message?.headers?.get('Nats-Request-Info') ?? 'null')
  assert.ok(typeof info === 'object' && info !== null && 'acc' in info && 'user' in info)
  assert.deepEqual([info.acc, info.user], [world.accounts['T_acme_AGENTS'], creds.user])
})

test('whoever holds a whole account reaches nothing that the account does not import', async () => {
  const hearers = await Promise.all(
    [world.creds.gateway, world.creds.host, world.executor(), world.executor('ledger')].map(
      (creds) => world.connect(creds),
    ),
  )
  const [gateway, host, executor, ledger] = hearers
  assert.ok(gateway && host && executor && ledger)
  const heard = {
    proposals: new Heard(gateway, 'trust.v1.*.action.propose', 'gateway'),
    decisions: new Heard(gateway, 'approval.v1.*.decision', 'gateway'),
    requests: new Heard(host, 'approval.v1.*.request', 'host'),
    connector: new Heard(executor, 'exec.v1.*.connector.invoke', 'connector'),
    ledger: new Heard(ledger, 'exec.v1.*.ledger.invoke', 'ledger'),
  }
  await Promise.all(hearers.map((nc) => nc.flush()))
  const forbidden = {
    T_acme_AGENTS: ['trust.v1.globex.action.propose', 'approval.v1.acme.decision'],
    T_acme_PEOPLE: ['trust.v1.acme.action.propose', 'approval.v1.acme.decision'],
    INGRESS: ['approval.v1.acme.decision', 'exec.v1.acme.connector.invoke'],
    LOG: ['trust.v1.acme.action.propose', 'approval.v1.acme.request', 'audit.v1.acme.host.1.x'],
    HOST: ['exec.v1.acme.connector.invoke', 'trust.v1.acme.action.propose', '$KV.actions.acme.x'],
    EXEC_connector: [
      'exec.v1.acme.ledger.invoke',
      'exec.v1.acme.ledger.a1.result',
      'audit.v1.acme.exec-ledger.1.started',
      'audit.v1.acme.gateway.1.decided',
      '$KV.tools.acme.ledger',
      '$KV.acl.acme.x',
      'approval.v1.acme.decision',
    ],
    EXD_connector: ['exec.v1.acme.connector.a1.result', '$KV.acl.acme.x'],
  }
  await leavesUntouched([], async () => {
    for (const [account, subjects] of Object.entries(forbidden)) {
      const attacker = await owner(account)
      for (const subject of [...subjects, '$KV.agents.acme.x', 'ui.v1.acme.events']) {
        attacker.publish(subject, 'forged', { reply: '_INBOX.owner.1' })
      }
      for (const api of ['$JS.API', '$JS.data.API', '$JS.core.API']) {
        if (account === 'EXD_connector') continue
        attacker.publish(`${api}.STREAM.DELETE.AUDIT`, '', { reply: '_INBOX.owner.2' })
        attacker.publish(`${api}.STREAM.PURGE.KV_journal`, '', { reply: '_INBOX.owner.2' })
      }
      await attacker.flush()
    }
  })
  for (const one of Object.values(heard)) await one.nothing()
})

test('whoever holds a whole account hears nothing of another', async () => {
  const accounts = [
    'T_globex_AGENTS',
    'T_globex_PEOPLE',
    'LOG',
    'EXEC_ledger',
    'INGRESS',
    'EXD_ledger',
  ]
  const spies = await Promise.all(accounts.map((account) => owner(account)))
  const heard = spies.flatMap((nc) => [new Heard(nc, '>'), new Heard(nc, '$KV.>')])
  await Promise.all(spies.map((nc) => nc.flush()))
  const gateway = await world.connect(world.creds.gateway)
  answering(gateway, 'trust.v1.*.action.propose', 'gateway', 'ok')
  await gateway.flush()
  const agent = await world.connect(world.agent('acme'))
  await agent.request('trust.v1.acme.action.propose', '{}', { timeout: 2_000 })
  await jetstream(gateway, DATA).publish('ui.v1.acme.events', 'e')
  await jetstream(gateway, DATA).publish('audit.v1.acme.gateway.1.decided', 'e')
  await jetstream(await world.connect(world.executor()), EXD).publish('$KV.journal.acme.j', 'e')
  for (const one of heard) await one.nothing()
})

test('an executor writes results, audit events and tools under its own profile only [INV-30]', async () => {
  const ledger = await owner('EXEC_ledger')
  const js = jetstream(ledger, DATA)
  await js.publish('execout.v1.acme.a1.result', 'r')
  await js.publish('auditout.v1.acme.1.started', 'a')
  await js.publish('toolsout.v1.acme', 't')
  const manager = await jetstreamManager(world.provisionConn)
  const last = async (stream: string, subject: string): Promise<string | undefined> =>
    (await manager.streams.getMessage(stream, { last_by_subj: subject }))?.subject
  assert.equal(await last('RESULTS', 'exec.v1.>'), 'exec.v1.acme.ledger.a1.result')
  assert.equal(await last('AUDIT', 'audit.v1.>'), 'audit.v1.acme.exec-ledger.1.started')
  assert.equal(await last('KV_tools', '$KV.tools.>'), '$KV.tools.acme.ledger')
})

function withHeader(name: string, value: string): { headers: MsgHdrs } {
  const made = headers()
  made.set(name, value)
  return { headers: made }
}

test('a claimed nonce or journal entry cannot be claimed, overwritten, removed or aged out again [INV-15]', async () => {
  const executor = await world.connect(world.executor())
  const js = jetstream(executor, EXD)
  for (const bucket of ['grant_nonces', 'journal']) {
    const subject = `$KV.${bucket}.acme.n1`
    const { seq } = await js.publish(subject, 'first', { expect: { lastSubjectSequence: 0 } })
    const again = [
      js.publish(subject, 'second', { expect: { lastSubjectSequence: 0 } }),
      js.publish(subject, 'blind'),
      js.publish(subject, 'swapped', { expect: { lastSubjectSequence: seq } }),
      js.publish(subject, '', withHeader('KV-Operation', 'DEL')),
      js.publish(subject, '', withHeader('KV-Operation', 'PURGE')),
      js.publish(subject, '', withHeader('Nats-Rollup', 'sub')),
      js.publish(subject, '', withHeader('Nats-Rollup', 'all')),
      js.publish(`${subject}-ttl`, 'x', withHeader('Nats-TTL', '1s')),
    ]
    const outcomes = await Promise.allSettled(again)
    assert.deepEqual(
      outcomes.map((outcome) => outcome.status),
      again.map(() => 'rejected'),
    )
    const manager = await jetstreamManager(exd)
    await assert.rejects(manager.streams.purge(`KV_${bucket}`), /purge not permitted/)
    await assert.rejects(manager.streams.deleteMessage(`KV_${bucket}`, seq), /not permitted/)
    const kept = await manager.streams.getMessage(`KV_${bucket}`, { last_by_subj: subject })
    assert.deepEqual([kept?.seq, kept?.string()], [seq, 'first'])
  }
  await world.server.kill()
  await world.server.restart()
  const again = await world.connect(world.executor())
  const reclaim = jetstream(again, EXD).publish('$KV.journal.acme.n1', 'second', {
    expect: { lastSubjectSequence: 0 },
  })
  await assert.rejects(reclaim, /wrong last sequence/)
})
