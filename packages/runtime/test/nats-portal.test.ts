import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { type BusWorld, startBusWorld } from '@trustgw/testkit/bus-world'
import { busAccountJwt } from '../src/nats/bus-config.ts'
import { revokeBusUser } from '../src/nats/bus-keys.ts'
import { type BusCreds, busCreds } from '../src/nats/creds.ts'
import { accountJwt, scopedUserJwt, userJwt } from '../src/nats/jwt.ts'
import { createNKey } from '../src/nats/nkeys.ts'
import { pushAccount } from '../src/nats/provision.ts'
import { Heard, until } from './nats-probe.ts'

let world: BusWorld
const ORIGIN = 'https://portal.example'

before(async () => {
  world = await startBusWorld({ tenants: ['acme', 'globex'], origins: [ORIGIN] })
})

after(() => world.stop())

const refused = (connection: Promise<NatsConnection>): Promise<void> =>
  assert.rejects(connection, /authorization|connection refused|expired/i)

test('a page of another origin is refused, the allowed one let in', async () => {
  const session = world.person('acme')
  for (const origin of ['https://evil.example', 'http://portal.example', `${ORIGIN}:444`]) {
    await refused(world.connectPortal(session, { origin }))
  }
  const portal = await world.connectPortal(session, { origin: ORIGIN })
  assert.equal(portal.isClosed(), false)
})

test('a portal token is good for nothing but the WebSocket', async () => {
  const { jwt } = world.person('acme')
  await refused(
    connect({
      servers: world.url,
      reconnect: false,
      authenticator: () => ({ jwt, nkey: '', sig: '' }),
    }),
  )
})

test('credentials of an agent or a service are refused on the WebSocket', async () => {
  for (const creds of [world.agent('acme'), world.creds.gateway, world.creds.provisionData]) {
    await refused(world.connectPortal({ jwt: creds.jwt, inboxPrefix: '_INBOX.x' }))
  }
})

test('nobody is anonymous, over TCP or WebSocket [INV-26]', async () => {
  await refused(connect({ servers: world.url, reconnect: false }))
  await refused(connect({ servers: world.url, reconnect: false, user: 'a', pass: 'b' }))
  await refused(world.connectPortal({ jwt: '', inboxPrefix: '_INBOX.x' }))
})

test('a user of an unknown account, a foreign operator, another key or a changed token is refused', async () => {
  const account = createNKey('account')
  const key = createNKey('user')
  const rights = {
    permissions: { pub: { allow: ['>'] }, sub: { allow: ['>'] } },
    limits: { connectionTypes: ['STANDARD'] },
  } as const
  const issuedAt = Math.floor(Date.now() / 1000)
  const stranger = userJwt({ name: 'x', issuedAt }, key.publicKey, account, rights)
  await refused(world.connect(busCreds(stranger, key)))

  const foreign = accountJwt({ name: 'F', issuedAt }, account.publicKey, createNKey('operator'), {
    exports: [],
    imports: [],
  })
  const system = await world.connect(world.creds.provisionSystem)
  await pushAccount(system, foreign).catch(() => undefined)
  await refused(world.connect(busCreds(stranger, key)))

  const agent = world.agent('acme')
  const other = createNKey('user')
  const stolen: BusCreds = {
    ...agent,
    prove: (nonce) => ({
      jwt: agent.jwt,
      nkey: agent.user,
      sig: Buffer.from(other.sign(Buffer.from(nonce ?? ''))).toString('base64url'),
    }),
  }
  await refused(world.connect(stolen))
  const [head, body = '', signature] = agent.jwt.split('.')
  const claims = Buffer.from(body, 'base64url').toString().replace('"name":"', '"name":"a')
  const changed = [head, Buffer.from(claims).toString('base64url'), signature].join('.')
  await refused(world.connect({ ...agent, prove: (n) => ({ ...agent.prove(n), jwt: changed }) }))
})

test('a user of a scoped key that brings rights of its own is refused', async () => {
  const key = createNKey('user')
  const keys = world.keys()
  const scope = keys.scope('T_acme_AGENTS')
  const head = { name: 'greedy', issuedAt: Math.floor(Date.now() / 1000) }
  const account = keys.account('T_acme_AGENTS').publicKey
  const modest = scopedUserJwt(head, key.publicKey, scope, account)
  const [header, body = ''] = modest.split('.')
  const claims: unknown = JSON.parse(Buffer.from(body, 'base64url').toString())
  assert.ok(typeof claims === 'object' && claims !== null && 'nats' in claims)
  const nats = { ...Object(claims.nats), pub: { allow: ['>'] }, sub: { allow: ['>'] } }
  const rewritten = Buffer.from(JSON.stringify({ ...claims, nats })).toString('base64url')
  const signature = scope.sign(Buffer.from(`${header}.${rewritten}`))
  const jwt = `${header}.${rewritten}.${Buffer.from(signature).toString('base64url')}`
  await world.connect(busCreds(modest, key))
  await refused(world.connect(busCreds(jwt, key)))
})

test('a portal session hears the events of its own tenant only, and ends when its token does', async () => {
  const session = world.person('globex', 2)
  const portal = await world.connectPortal(session)
  const shown = new Heard(portal, 'ui.v1.globex.events')
  await portal.flush()
  const gateway = await world.connect(world.creds.gateway)
  await gateway.request('ui.v1.acme.events', 'theirs', { timeout: 2_000 })
  await gateway.request('ui.v1.globex.events', 'ours', { timeout: 2_000 })
  assert.equal((await shown.one()).string(), 'ours')
  assert.equal(shown.messages.length, 1)
  assert.ok(await until(() => portal.isClosed()))
  // The token is good through the whole second in which it ends.
  await sleep(1_100)
  await refused(world.connectPortal(session))
})

test('a revoked agent is cut off at once and stays out, its siblings stay in', async () => {
  const revoked = world.agent('acme')
  const sibling = await world.connect(world.agent('acme'))
  const live = await world.connect(revoked)
  // Tokens carry whole seconds, and the account's new one must be later than the last.
  await sleep(1_100)
  const at = Math.floor(Date.now() / 1000)
  const keys = revokeBusUser(`${world.dir}/operator`, {
    account: 'T_acme_AGENTS',
    user: revoked.user,
    at,
  })
  const system = await world.connect(world.creds.provisionSystem)
  await pushAccount(system, busAccountJwt(keys, 'T_acme_AGENTS', at))
  assert.ok(await until(() => live.isClosed()))
  await refused(world.connect(revoked))
  assert.equal(sibling.isClosed(), false)
})
