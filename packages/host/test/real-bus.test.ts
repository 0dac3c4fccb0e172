import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type HostDeps, type HostSettings, type RunningHost, runHost } from '@trustgw/host'
import { createEnrolment } from '@trustgw/host/enrolment'
import { canonicalize, parseComponent, parseJson, utf8Encode } from '@trustgw/protocol'
import {
  type BusLink,
  connectNats,
  type FreezeBook,
  nodeRandom,
  peopleAccount,
  portalToken,
  sha256,
  silentLogger,
  startAuditWriter,
  systemClock,
} from '@trustgw/runtime'
import { type BusWorld, startBusWorld } from '@trustgw/testkit/bus-world'
import { TelegramDouble } from '@trustgw/testkit/chat-doubles'
import { SoftwarePasskey } from './support/authenticator.ts'
import { openFreezes } from './support/freezes.ts'
import {
  actionEvent,
  approvalRequest,
  call,
  freePort,
  newKey,
  newSigners,
  policyDeps,
  RP_ID,
  TENANT,
  text,
  until,
} from './support/world.ts'

describe('on a real bus, with the rights of its own account only', () => {
  let bus: BusWorld
  let folder: string
  let link: BusLink
  let host: RunningHost
  let double: TelegramDouble
  let restart: () => Promise<void>
  let gateway: BusLink
  let target: { readonly port: number; readonly origin: string }

  const connectAs = (creds: BusWorld['creds']['host']): Promise<BusLink> =>
    connectNats({
      servers: [bus.url],
      creds,
      random: nodeRandom,
      logger: silentLogger,
    })

  before(async () => {
    const port = await freePort()
    target = { port, origin: `http://localhost:${port}` }
    bus = await startBusWorld({ origins: [target.origin] })
    folder = await mkdtemp(join(tmpdir(), 'trustgw-host-'))
    link = await connectAs(bus.creds.host)
    gateway = await connectAs(bus.creds.gateway)
    double = await TelegramDouble.start()
    const settings: HostSettings = {
      tenant: TENANT,
      listen: { hostname: '127.0.0.1', port },
      origin: target.origin,
      rpId: RP_ID,
      busUrl: bus.wsUrl,
      portalFolder: join(folder, 'web'),
      enrolmentsFolder: join(folder, 'enrolments'),
      installationFile: join(folder, 'installation.json'),
      version: '0.1.0',
      channels: {
        telegram: { token: double.token, apiUrl: double.origin, webhookSecret: null },
      },
    }
    const deps = await depsOf(bus, link, folder)
    host = await runHost(settings, deps)
    restart = async () => {
      await host.stop()
      host = await runHost(settings, deps)
    }
  })
  after(async () => {
    await host.stop()
    await double.stop()
    await books.pop()?.stop()
    await link.bus.drain()
    await gateway.bus.drain()
    await bus.stop()
    await rm(folder, { recursive: true, force: true })
  })

  it('enrols, is asked, shows live, takes a denial and brings it to the gateway', async () => {
    const cookies = await enrolled()
    const decisions: string[] = []
    gateway.bus.respond(`approval.v1.${TENANT}.decision`, { queue: 'gateway' }, ({ data }) => {
      decisions.push(Buffer.from(data).toString())
      const answer = canonicalize({ status: 'accepted', state: 'denied' })
      return Promise.resolve(utf8Encode(answer))
    })
    const request = approvalRequest({ clock: systemClock })
    const subject = `approval.v1.${TENANT}.request`
    const asked = utf8Encode(JSON.stringify(request))
    const answer = parseJson(await gateway.bus.request(subject, asked, { timeoutMs: 3_000 }))
    assert.deepEqual(answer.ok && answer.value, { status: 'stored', action_id: request.action_id })

    const portal = await bus.connectPortal(
      { jwt: cookies['tg_bus'] ?? '', inboxPrefix: '_INBOX.x' },
      { origin: target.origin },
    )
    const live: string[] = []
    portal.subscribe(`ui.v1.${TENANT}.events`, {
      callback: (_, { data }) => {
        live.push(Buffer.from(data).toString())
      },
    })
    await portal.flush()
    const publisher = gateway.publisher({ stream: 'UI' })
    const event = utf8Encode(canonicalize({ ...actionEvent(request, { revision: 1 }) }))
    await publisher.publishStored(`ui.v1.${TENANT}.events`, event, { msgId: 'one' })
    await until(async () => {
      const actions = await call({ ...target, method: 'GET', path: '/api/actions' }, { cookies })
      return actions.text.includes(request.action_id) && live.length === 1
    })

    const denied = await call(
      { ...target, method: 'POST', path: `/api/approvals/${request.action_id}/deny` },
      { cookies, body: { reason: 'no' } },
    )
    assert.deepEqual(denied.json, { state: 'denied', delivered: true })
    assert.equal(decisions.length, 1)
  })

  it('finds people, sessions, approvals and actions again after a restart', async () => {
    await host.stop()
    const settings = {
      tenant: TENANT,
      listen: { hostname: '127.0.0.1', port: target.port },
      origin: target.origin,
      rpId: RP_ID,
      busUrl: bus.wsUrl,
      portalFolder: join(folder, 'web'),
      enrolmentsFolder: join(folder, 'enrolments'),
      installationFile: join(folder, 'installation.json'),
      version: '0.1.0',
    }
    await books.pop()?.stop()
    host = await runHost(settings, await depsOf(bus, link, folder))
    const cookies = await enrolled('ben')
    const actions = await call({ ...target, method: 'GET', path: '/api/actions' }, { cookies })
    assert.match(actions.text, /"action_id":"act_/)
    const begun = await call({ ...target, method: 'POST', path: '/api/login/begin' }, { body: {} })
    const listed = begun.json['options']
    assert.equal(canonicalize(listed ?? null).match(/"id":/g)?.length, 2)
  })

  it('keeps on the bus what stands in a chat: a restart sends nothing twice and edits what it sent', async () => {
    await restart()
    const cookies = await enrolled('cara')
    const linking = { ...target, method: 'POST', path: '/api/channels/link' }
    const made = await call(linking, { cookies, body: { channel: 'telegram' } })
    double.say(7, text(made.json, 'code'))
    await until(() => double.chat(7).length === 1)
    const request = approvalRequest({ clock: systemClock }, { tier: 1, channels: ['telegram'] })
    const asked = utf8Encode(JSON.stringify(request))
    await gateway.bus.request(`approval.v1.${TENANT}.request`, asked, { timeoutMs: 3_000 })
    const shown = () => double.chat(7).filter(({ text: one }) => one.includes(request.action_id))
    await until(() => shown().length === 1)
    await restart()
    const [message] = shown()
    assert.ok(message !== undefined)
    double.press(7, message, 'Approve')
    await until(() => message.text.includes('Approved by'))
    assert.equal(double.chat(7).length, 2)
  })

  async function enrolled(person = 'ann'): Promise<Record<string, string>> {
    const made = { tenant: TENANT, person, roles: ['approver'], now: systemClock.now() }
    const enrolments = join(folder, 'enrolments')
    const { token } = await createEnrolment({ ...made, folder: enrolments, random: nodeRandom })
    const post = (path: string, body: object) =>
      call({ ...target, method: 'POST', path: `/api/enrolment/${path}` }, { body })
    const begun = await post('begin', { token, name: 'Ann' })
    const ceremony = text(begun.json, 'ceremony')
    const login = new SoftwarePasskey(target.origin, RP_ID, `login:${person}`)
    const first = login.register(text(begun.json, 'login_options', 'challenge'))
    const second = await post('login', { ceremony, response: first })
    const approval = new SoftwarePasskey(target.origin, RP_ID, `approval:${person}`)
    const response = approval.register(text(second.json, 'approval_options', 'challenge'))
    const done = await post('finish', { ceremony, response })
    assert.equal(done.status, 200, done.text)
    return done.cookies
  }
})

/** Keys stay the same over restarts of a host in one run of this file. */
const hostKey = newKey('host')
const sessionKey = newKey('session')
const auditKey = newKey('audit')

const signers = newSigners()
const books: FreezeBook[] = []

async function depsOf(bus: BusWorld, link: BusLink, folder: string): Promise<HostDeps> {
  const component = parseComponent('host')
  if (!component.ok) throw new Error('component')
  const keys = bus.keys()
  const people = peopleAccount(TENANT)
  const freezes = await openFreezes(link, folder, { ...signers, tenant: TENANT, host: hostKey })
  books.push(freezes.book)
  return {
    ...freezes,
    bus: link.bus,
    acl: link.records({ home: 'data', bucket: 'acl' }),
    approvals: link.records({ home: 'data', bucket: 'approvals' }),
    sessions: link.records({ home: 'data', bucket: 'sessions' }),
    channelMessages: link.records({ home: 'data', bucket: 'channel_messages' }),
    unsettled: link.records({ home: 'data', bucket: 'unsettled' }),
    toolTrust: link.records({ home: 'data', bucket: 'tool_trust' }),
    toolOrders: link.records({ home: 'data', bucket: 'tool_orders' }),
    uiEvents: link.reader({ home: 'data', stream: 'UI' }),
    ...policyDeps(link, signers),
    clock: systemClock,
    random: nodeRandom,
    log: silentLogger,
    audit: await startAuditWriter({
      tenant: TENANT,
      component: component.value,
      instance: '1',
      kid: auditKey.kid,
      sign: auditKey.sign,
      sha256,
      clock: systemClock,
      random: nodeRandom,
      bus: link.bus,
      publisher: link.publisher({ stream: 'AUDIT' }),
      reader: link.reader({ home: 'data', stream: 'AUDIT' }),
      keyFor: (kid) => (kid === auditKey.kid ? auditKey.verify : undefined),
    }),
    hostKey,
    sessionKey,
    keys: {
      view: () => ({ epoch: 1, signed_by: 'operator', keys: [] }),
      onNews: () => () => undefined,
    },
    tickets: {
      issue: (times) => portalToken(keys.scope(people), keys.account(people).publicKey, times),
    },
    onEnrolled: () => undefined,
  }
}
