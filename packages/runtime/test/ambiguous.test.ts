import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { errors, headers, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { type Bus, BusFault, connectNats, nodeRandom, silentLogger } from '@trustgw/runtime'
import { startBusWorld } from '@trustgw/testkit/bus-world'
import { ackedWrite } from '../src/store/acked-write.ts'
import { NatsClaimStore } from '../src/store/nats-claim-store.ts'
import { NatsRecordStore } from '../src/store/nats-record-store.ts'
import { bytes } from './links.ts'

type Step = (subject: string, msgId: string) => unknown

/** A connection that answers requests from a script: what a server does under a partition. */
function scripted(steps: readonly Step[]): { nc: NatsConnection; ids: string[] } {
  const ids: string[] = []
  const left = [...steps]
  const request = async (
    subject: string,
    _data: Uint8Array,
    options: { readonly headers?: ReturnType<typeof headers> },
  ): Promise<Msg> => {
    const msgId = options.headers?.get('Nats-Msg-Id') ?? ''
    ids.push(msgId)
    const step = left.shift()
    assert(step, `no answer for ${subject}`)
    const answer = step(subject, msgId)
    if (answer instanceof Error) throw answer
    return { subject, data: bytes(JSON.stringify(answer)) } as unknown as Msg
  }
  return { nc: { request, info: { max_payload: 262_144 } } as unknown as NatsConnection, ids }
}

const timeout: Step = () => new errors.TimeoutError()
const nobody: Step = (subject) => new errors.NoRespondersError(subject)
const refused =
  (errCode: number, description = ''): Step =>
  () => ({ error: { code: 400, err_code: errCode, description } })
const stored =
  (stream: string, seq: number, duplicate = false): Step =>
  () => ({ stream, seq, duplicate })
const leader =
  (subject: string, seq: number, data: string): Step =>
  () => ({ message: { subject, seq, data: Buffer.from(data).toString('base64') } })
const missing: Step = () => ({ error: { code: 404, err_code: 10037, description: 'none' } })

const write = { subject: 's', data: bytes('x'), msgId: 'id', stream: 'S', budgetMs: 500 }

async function code(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert(error instanceof BusFault, String(error))
  return error.code
}

const claimsOver = (steps: readonly Step[]): NatsClaimStore =>
  new NatsClaimStore({
    nc: scripted(steps).nc,
    inboxPrefix: '_INBOX.x',
    api: '$JS.exd.API',
    bucket: 'grant_nonces',
    replicated: false,
  })

const recordsOver = (steps: readonly Step[]): NatsRecordStore =>
  new NatsRecordStore({
    nc: scripted(steps).nc,
    inboxPrefix: '_INBOX.x',
    api: '$JS.data.API',
    bucket: 'actions',
    replicated: false,
    bus: {} as unknown as Bus,
    random: nodeRandom,
  })

describe('a stored write whose answer is lost', () => {
  it('is repeated with the same id until the stream says that it has it', async () => {
    const { nc, ids } = scripted([timeout, nobody, stored('S', 7, true)])
    const outcome = await ackedWrite(nc, write)
    assert.deepEqual(outcome, { kind: 'stored', stored: { stream: 'S', seq: 7, duplicate: true } })
    assert.deepEqual(ids, ['id', 'id', 'id'])
  })

  it('is ambiguous when it was ever open, and unreachable when it never was', async () => {
    const short = { ...write, budgetMs: 1 }
    assert.equal(await code(ackedWrite(scripted([timeout]).nc, short)), 'store_ambiguous')
    assert.equal(await code(ackedWrite(scripted([nobody]).nc, short)), 'store_unreachable')
    const unavailable = scripted([refused(10_008)]).nc
    assert.equal(await code(ackedWrite(unavailable, short)), 'store_unreachable')
  })

  it('is not believed from another stream or without a sequence', async () => {
    assert.equal(await code(ackedWrite(scripted([stored('T', 1)]).nc, write)), 'store_malformed')
    assert.equal(await code(ackedWrite(scripted([stored('S', 0)]).nc, write)), 'store_malformed')
    assert.equal(await code(ackedWrite(scripted([() => []]).nc, write)), 'store_malformed')
  })

  it('is tried again while another write to the subject is being decided', async () => {
    const outcome = await ackedWrite(scripted([refused(10_164), stored('S', 2)]).nc, write)
    assert.equal(outcome.kind, 'stored')
  })
})

describe('a write that a server hands to its stream twice', () => {
  const inFlight = refused(10_158, 'duplicate message id is in process')

  it('is asked for again until the stream tells what became of the first copy', async () => {
    const { nc, ids } = scripted([inFlight, inFlight, stored('S', 4, true)])
    const outcome = await ackedWrite(nc, write)
    assert.deepEqual(outcome, { kind: 'stored', stored: { stream: 'S', seq: 4, duplicate: true } })
    assert.deepEqual(ids, ['id', 'id', 'id'])
  })

  it('is ambiguous, never refused, when the stream does not tell in time', async () => {
    const short = { ...write, budgetMs: 1 }
    assert.equal(await code(ackedWrite(scripted([inFlight]).nc, short)), 'store_ambiguous')
  })

  it('is a claim of this attempt when it is one', async () => {
    const steps = [inFlight, stored('KV_grant_nonces', 3, true)]
    const claim = { attempt: 'attempt-aaaaaaaaaaaa' }
    assert.equal(await claimsOver(steps).claim('acme.n', claim), 'mine')
  })
})

describe('a claim whose answer is lost', () => {
  const attempt = 'attempt-aaaaaaaaaaaa'
  const subject = '$KV.grant_nonces.acme.n'
  const full = 'maximum messages per subject exceeded'
  const claim = (steps: readonly Step[]): Promise<string> =>
    claimsOver(steps).claim('acme.n', { attempt })

  it('is mine when the leader shows this attempt, taken when it shows another', async () => {
    const mine = leader(subject, 3, JSON.stringify({ attempt }))
    const other = leader(subject, 3, JSON.stringify({ attempt: 'attempt-bbbbbbbbbbbb' }))
    assert.equal(await claim([timeout, refused(10_071), mine]), 'mine')
    assert.equal(await claim([refused(10_071), other]), 'taken')
    assert.equal(await claim([refused(10_077, full), other]), 'taken')
    assert.equal(await claim([timeout, stored('KV_grant_nonces', 3, true)]), 'mine')
  })

  it('is a fault, never a claim, when the leader shows nothing or rubbish, or the store is full', async () => {
    assert.equal(await code(claim([refused(10_071), missing])), 'store_ambiguous')
    const rubbish = leader(subject, 3, 'x')
    assert.equal(await code(claim([refused(10_071), rubbish])), 'store_malformed')
    assert.equal(await code(claim([refused(10_077, 'maximum messages exceeded')])), 'store_refused')
    const foreign = leader('$KV.grant_nonces.acme.other', 3, JSON.stringify({ attempt }))
    assert.equal(await code(claim([refused(10_071), foreign])), 'store_malformed')
  })
})

describe('a record whose answer is lost', () => {
  const subject = '$KV.actions.acme.a'
  it('counts as written when the leader holds exactly its bytes above the revision', async () => {
    const mine = recordsOver([timeout, refused(10_071), leader(subject, 9, 'value')])
    assert.deepEqual(await mine.replace('acme.a', bytes('value'), 5), { ok: true, revision: 9 })
    const other = recordsOver([timeout, refused(10_071), leader(subject, 9, 'another')])
    assert.equal((await other.replace('acme.a', bytes('value'), 5)).ok, false)
    const old = recordsOver([timeout, refused(10_071), leader(subject, 5, 'value')])
    assert.equal((await old.replace('acme.a', bytes('value'), 5)).ok, false)
  })

  it('is a conflict without reading when its only try was refused', async () => {
    const plain = recordsOver([refused(10_071)])
    assert.deepEqual(await plain.replace('acme.a', bytes('value'), 5), {
      ok: false,
      reason: 'conflict',
    })
    assert.equal(
      await code(recordsOver([refused(10_077)]).replace('acme.a', bytes('v'), 5)),
      'store_refused',
    )
  })
})

describe('a real server', () => {
  it('refuses an identity what is not its own: a fault by permission, and the connection lives on', async () => {
    const world = await startBusWorld()
    const options = { servers: [world.url], logger: silentLogger, random: nodeRandom }
    const agent = await connectNats({ ...options, creds: world.agent('acme') })
    const fast = { timeoutMs: 2_000 }
    const forbidden = agent.bus.request('exec.v1.acme.connector.invoke', bytes('x'), fast)
    assert.equal(await code(forbidden), 'bus_permission')
    const published = agent
      .publisher({ stream: 'AUDIT' })
      .publishStored('audit.v1.acme.gateway.1.approved', bytes('x'), { msgId: 'm' })
    assert.equal(await code(published), 'bus_permission')
    const own = agent.bus.request('trust.v1.acme.action.propose', bytes('x'), fast)
    assert.equal(await code(own), 'bus_no_responders')
    await agent.bus.drain()
    await world.stop()
  })

  it('is a fault within the budget when nobody listens', async () => {
    const world = await startBusWorld()
    const creds = world.creds.gateway
    await world.stop()
    const attempt = connectNats({
      servers: [world.url],
      creds,
      logger: silentLogger,
      random: nodeRandom,
      budgetMs: 200,
    })
    assert.equal(await code(attempt), 'bus_unreachable')
  })
})
