import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  type ApprovalRequest,
  canonicalize,
  NEWEST_BUNDLE_KEY,
  NEWEST_KEY_SET_KEY,
  signBeat,
  storedKey,
  utf8Encode,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { pinApprover } from '../src/attack-world.ts'
import { type Approver, TakenOverGateway } from '../src/attacks-gateway.ts'
import { reasonOf } from '../src/attacks-grant.ts'
import { gesture, TakenOverHost } from '../src/attacks-host.ts'
import { until } from '../src/process-table.ts'
import { paidRefunds } from '../src/shop-view.ts'
import { SoftwareAuthenticator } from '../src/software-authenticator.ts'
import { sayFreeze, sayThaw, type Voice } from '../src/stop-words.ts'
import type { RunningSystem } from '../src/system.ts'
import { TakenOver } from '../src/taken-over.ts'
import {
  endOf,
  ORDER,
  opened,
  partiesSystem,
  pendingId,
  propose,
  refundOf,
  toolsOf,
} from './parties-support.ts'

/** The host's own key and place on the bus in other hands, the genuine one beside it. */
describe('a host that is taken over', () => {
  let system: RunningSystem
  let host: TakenOverHost
  let approver: Approver
  before(async () => {
    system = await partiesSystem()
    approver = await pinApprover(system)
    host = await TakenOverHost.open(system)
  })
  after(async () => {
    await host?.close()
    await system?.remove()
  })

  const paidAmounts = async () => (await paidRefunds(system)).map((one) => one.amount_minor)
  /** A refund that the agent asks for, and what people are asked about it. */
  const asked = async (amount: string): Promise<readonly [string, ApprovalRequest]> => {
    const id = await pendingId(system, refundOf(amount))
    let request: ApprovalRequest | undefined
    await until('the host is asked', async () => {
      request = await host.request(id)
      return request !== undefined
    })
    assert.ok(request !== undefined)
    return [id, request]
  }
  const readNow = async (): Promise<unknown> =>
    (await propose(system, 'shop.get_order', { order_id: ORDER }, 1_500)).body['status']

  test('with an agent it approves at tier 1 in any name, and denies anything', async () => {
    const [small, request] = await asked('20.00')
    assert.equal(request.decision.tier, 1)
    assert.equal(await host.approve(request, host.word(request, 'nobody')), 'accepted')
    assert.equal(await endOf(system, small), 'succeeded')
    assert.deepEqual(await paidAmounts(), [2_000])
    const [large, other] = await asked('150.00')
    assert.equal(await host.deny(other, 'nobody'), 'accepted')
    assert.equal(await endOf(system, large), 'denied')
  })

  test('with an agent it approves nothing at tier 2, and nothing that policy denies', async () => {
    const [id, request] = await asked('150.00')
    assert.equal(request.decision.tier, 2)
    assert.equal(await host.approve(request, host.word(request, approver.person)), 'evidence_kind')
    const [, another] = await asked('151.00')
    const elsewhere = gesture(approver, another)
    assert.equal(await host.approve(request, elsewhere), 'deadline_mismatch')
    const { decide_by, run_by } = request
    const moved = { ...elsewhere, decide_by, run_by }
    assert.equal(await host.approve(request, moved), 'statement_mismatch')
    const origin = system.portal
    const rpId = new URL(origin).hostname
    const own = new SoftwareAuthenticator({ algorithm: 'ES256', rpId, origin })
    const unpinned = gesture({ ...approver, authenticator: own }, request)
    assert.equal(await host.approve(request, unpinned), 'accepted')
    assert.equal(await endOf(system, id), 'refused')
    const tool = 'memory.delete_entities'
    const denied = await propose(system, tool, { entityNames: ['a'] }, 5_000)
    assert.equal(denied.body['status'], 'denied')
    const action_id = String(denied.body['action_id'])
    const about = { ...request, action_id: action_id as ApprovalRequest['action_id'] }
    assert.equal(await host.approve(about, host.word(about, 'nobody')), 'not_pending')
    assert.deepEqual(await paidAmounts(), [2_000])
  })

  test('with an agent it brings a person to sign one action under the picture of another', async () => {
    // A passkey shows no text: the gesture is over whatever hash the page asks for.
    const [id, request] = await asked('149.00')
    assert.equal(await host.approve(request, gesture(approver, request)), 'accepted')
    assert.equal(await endOf(system, id), 'succeeded')
    assert.deepEqual(await paidAmounts(), [2_000, 14_900])
  })

  test('it reads every action, also those that nobody was asked about', async () => {
    const { body } = await propose(system, 'shop.get_order', { order_id: ORDER }, 5_000)
    assert.equal(body['status'], 'succeeded')
    const actions = host.party.link.records({ home: 'data', bucket: 'actions' })
    const key = storedKey(sha256, 'a', String(body['action_id']))
    const stored = await actions.get(`${host.party.tenant}.${key}`)
    const text = new TextDecoder().decode(stored?.value)
    assert.match(text, /ord_1001/)
    assert.match(text, /"status\\?":\\?"delivered/)
  })

  test('other bytes in the place of the newest policy and key set leave the pinned ones in force', async () => {
    const { party } = host
    const junk = utf8Encode(canonicalize({ v: 1 }))
    const places = [
      ['policies', `${party.tenant}.${NEWEST_BUNDLE_KEY}`],
      ['keys', NEWEST_KEY_SET_KEY],
    ] as const
    const genuine = new Map<string, Uint8Array>()
    for (const [bucket, key] of places) {
      genuine.set(bucket, (await party.put(bucket, key, junk)) ?? junk)
    }
    assert.equal(await readNow(), 'succeeded')
    for (const [bucket, key] of places) await party.put(bucket, key, genuine.get(bucket) ?? junk)
  })

  test('it freezes; its thaw is believed by the gateway, and by no executor', async (t) => {
    const { party, key } = host
    const voice: Voice = { link: party.link, home: 'data', tenant: party.tenant, key }
    assert.equal(await readNow(), 'succeeded')
    const freeze = await sayFreeze(voice, { kind: 'tool', name: 'shop.get_order' })
    await until('the gateway has heard of it', async () => (await readNow()) !== 'succeeded')
    const origin = system.portal
    const rpId = new URL(origin).hostname
    const own = new SoftwareAuthenticator({ algorithm: 'ES256', rpId, origin })
    await sayThaw(voice, freeze, () => own.assert(new Uint8Array(32)))
    const gateway = await opened(t, TakenOverGateway.open(system))
    let ended: unknown
    await until('the gateway grants again', async () => {
      ended = await readNow()
      const refused = await gateway.lastOfExecutor('admission_refused')
      return refused?.payload['reason'] === 'frozen'
    })
    assert.notEqual(ended, 'succeeded')
    const thawed = await system.command(['thaw', '--all', '--reason', 'it was nothing'])
    assert.equal(thawed.code, 0, thawed.err)
    await until('the operator ends it', async () => (await readNow()) === 'succeeded')
  })

  test('what host or log beats stops admission', async (t) => {
    const gateway = await opened(t, TakenOverGateway.open(system))
    const log = await opened(t, TakenOver.open(system, 'log'))
    const { body } = await propose(system, 'shop.get_order', { order_id: ORDER }, 8_000)
    const like = await gateway.decisionOf(String(body['action_id']))
    const order = (await toolsOf(system))('shop.get_order')
    const reading = async (): Promise<string> => {
      const decided = await gateway.decide(like, { order_id: ORDER }, { tool: order })
      return reasonOf(await gateway.send(gateway.granted(decided, order)))
    }
    assert.equal(await reading(), 'admitted')
    const common = { v: 1, instance: 'taken-over', key_set_epoch: 1 } as const
    const say = (from: TakenOver, text: string, of: 'host' | 'log') =>
      from.link.bus.publish(`beat.v1.${of}`, utf8Encode(text))
    const many = {
      ...common,
      component: 'log',
      freeze_count: { main: 999 },
      at: Date.now(),
    } as const
    say(log, signBeat(many, await log.key('log')), 'log')
    await until('the log is heard', async () => (await reading()) === 'freezes_behind')
    const ahead = { ...common, component: 'host', key_set_epoch: 999, freeze_count: {} } as const
    say(host.party, signBeat({ ...ahead, at: Date.now() }, host.key), 'host')
    await until('the host is heard', async () => (await reading()) === 'key_set_behind')
  })
})
