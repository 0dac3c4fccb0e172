import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  type ApprovalDecisionAnswer,
  actionId,
  canonicalize,
  grantId,
  hashText,
  OUTCOME_DECISION_MAX_BYTES,
  OUTCOME_DECISION_TYP,
  type OutcomeDecision,
  outcomeDecisionShape,
  readShape,
  storedKey,
  type UnsettledAction,
  unsettledActionJson,
  utf8Decode,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import { type BusSubscription, nodeRandom, sha256 } from '@trustgw/runtime'
import {
  type Answer,
  enrol,
  type SignedIn,
  startWorld,
  TENANT,
  text,
  type World,
} from './support/world.ts'

describe('settling what ended unseen', () => {
  let world: World
  let ann: SignedIn
  let legal: SignedIn
  let clerk: SignedIn
  let gateway: BusSubscription
  let decisions: OutcomeDecision[]
  let answer: ApprovalDecisionAnswer

  before(async () => {
    world = await startWorld()
    ann = await enrol(world, 'ann', ['admin'])
    legal = await enrol(world, 'leo', ['legal'])
    clerk = await enrol(world, 'cem', ['clerk'])
    decisions = []
    answer = { status: 'accepted', state: 'reconciled_succeeded' }
    gateway = world.gateway.link.bus.respond(
      `approval.v1.${TENANT}.outcome`,
      {},
      async ({ data }) => {
        decisions.push(await genuine(data))
        return utf8Encode(canonicalize({ ...answer }))
      },
    )
  })
  after(async () => {
    await gateway.stop()
    await world.stop()
  })

  async function genuine(data: Uint8Array): Promise<OutcomeDecision> {
    const { hostKey } = world.deps
    const token = utf8Decode(data)
    const verified = verifyJws(token.ok ? token.value : '', {
      typ: OUTCOME_DECISION_TYP,
      maxBytes: OUTCOME_DECISION_MAX_BYTES,
      keyFor: (kid) => (kid === hostKey.kid ? hostKey.verify : undefined),
    })
    assert.ok(verified.ok)
    const read = readShape(outcomeDecisionShape, verified.value.payload)
    assert.ok(read.ok)
    return await Promise.resolve(read.value)
  }

  async function laid(more: Partial<UnsettledAction> = {}): Promise<UnsettledAction> {
    const action: UnsettledAction = {
      v: 1,
      action_id: actionId(nodeRandom.bytes(16)),
      tenant: TENANT,
      tool_id: 'shop.refund',
      title: 'Refund an order',
      arguments: '{"order_id":"o1"}',
      input_hash: hashText(sha256, '{"order_id":"o1"}'),
      agent: 'bot',
      initiator: 'bot',
      roles: ['legal'],
      amount: '250.00 EUR',
      jti: grantId(nodeRandom.bytes(16)),
      idempotency_key: hashText(sha256, 'key'),
      proposed_at: 1,
      entered_at: 2,
      provider_reference: null,
      doubt: 'connection_lost',
      reconciled: 'provider_cannot_tell',
      since: 3,
      ...more,
    }
    const key = `${action.tenant}.${storedKey(sha256, action.action_id)}`
    const value = utf8Encode(canonicalize(unsettledActionJson(action)))
    assert.ok((await world.deps.unsettled.create(key, value)).ok)
    return action
  }

  const settle = (action: UnsettledAction, who: SignedIn, more: object = {}): Promise<Answer> =>
    world.call('POST', `/api/outcomes/${action.action_id}`, {
      body: { jti: action.jti, outcome: 'succeeded', reason: 'The bank shows it', ...more },
      cookies: who.cookies,
    })

  const given = (action: UnsettledAction): readonly string[] =>
    world.audit.filter((line) => line.action === action.action_id).map(({ type }) => type)

  it('shows the evidence to everybody who is signed in, and to nobody else', async () => {
    const action = await laid()
    const list = await world.call('GET', '/api/outcomes', { cookies: clerk.cookies })
    const all = list.json['actions']
    assert.ok(Array.isArray(all))
    assert.ok(all.some((one) => canonicalize(one) === canonicalize(unsettledActionJson(action))))
    assert.equal((await world.call('GET', '/api/outcomes')).status, 401)
    const nobody = await world.call('POST', `/api/outcomes/${action.action_id}`, { body: {} })
    assert.equal(nobody.status, 401)
  })

  it('brings what an admin, or an approver of the action, found out to the gateway, under its own key', async () => {
    for (const who of [ann, legal]) {
      const action = await laid()
      const done = await settle(action, who)
      assert.equal(done.status, 200, done.text)
      assert.deepEqual(done.json, { state: 'reconciled_succeeded' })
      const decision = decisions.at(-1)
      assert.deepEqual(
        [decision?.action_id, decision?.jti, decision?.outcome, decision?.person],
        [action.action_id, action.jti, 'succeeded', who.person],
      )
      assert.deepEqual(given(action), ['outcome_given'])
    }
  })

  it('refuses the initiator, a person of no role of it, and another run', async () => {
    const sent = decisions.length
    const own = await laid({ initiator: 'ann' })
    assert.equal(text((await settle(own, ann)).json, 'code'), 'initiator_cannot_settle')
    const action = await laid()
    assert.equal(text((await settle(action, clerk)).json, 'code'), 'role_missing')
    const other = { jti: grantId(nodeRandom.bytes(16)) }
    assert.equal(text((await settle(action, ann, other)).json, 'code'), 'not_unsettled')
    const unknown = { ...action, action_id: actionId(nodeRandom.bytes(16)) }
    assert.equal(text((await settle(unknown, ann)).json, 'code'), 'not_unsettled')
    assert.equal(decisions.length, sent)
    assert.deepEqual([...given(own), ...given(action)], [])
  })

  it('takes a reason of bounded length, and one of two outcomes', async () => {
    const action = await laid()
    const bodies = [
      { reason: '' },
      { reason: 'x'.repeat(501) },
      { outcome: 'unknown' },
      { more: 1 },
    ]
    for (const body of bodies) {
      assert.equal((await settle(action, ann, body)).status, 400, JSON.stringify(body).slice(0, 40))
    }
  })

  it('tells a person that the gateway took it otherwise, or that it could not be reached', async () => {
    answer = { status: 'refused', code: 'not_unsettled' }
    const late = await settle(await laid(), ann)
    assert.deepEqual([late.status, late.json['code']], [409, 'not_unsettled'])
    await gateway.stop()
    const away = await settle(await laid(), ann)
    assert.deepEqual([away.status, away.json['code']], [503, 'bus_unavailable'])
  })

  it('is said by nobody while it cannot be recorded', async () => {
    const action = await laid()
    world.auditDown = true
    const sent = decisions.length
    assert.equal((await settle(action, ann)).status, 503)
    world.auditDown = false
    assert.equal(decisions.length, sent)
  })

  it('shows nothing of another tenant, and nothing unreadable', async () => {
    const { unsettled } = world.deps
    await unsettled.create(`${TENANT}.odd`, utf8Encode('{"v":2}'))
    const list = await world.call('GET', '/api/outcomes', { cookies: ann.cookies })
    assert.equal(list.status, 200)
    assert.ok(!list.text.includes('"v":2'))
  })
})
