import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { ActionId, ActionView, ApprovalDecision, ApprovalRequest } from '@trustgw/protocol'
import { evidenceHash } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import type { RunningGateway } from '../src/start-gateway.ts'
import type { VerdictTwist } from './support/host-double.ts'
import { ACME, CONTRACTS, GLOBEX, POLICY } from './support/keys.ts'
import { agentRecord, policyOf, World } from './support/world.ts'

const SMALL = { amount: '50.00' }
const LARGE = { amount: '250.00' }

interface Pending {
  readonly world: World
  readonly gateway: RunningGateway
  readonly view: ActionView
  readonly id: ActionId
  readonly request: ApprovalRequest
}

async function pending(t: TestContext, args = SMALL, tool = 'shop.refund'): Promise<Pending> {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const view = await world.accepted(gateway, tool, args)
  const id = view.action_id
  assert.equal(view.status, 'pending_approval')
  await asked(world, id)
  return { world, gateway, view, id, request: world.host.request(id) }
}

async function asked(world: World, id: ActionId): Promise<void> {
  await world.until('the host to be asked', () =>
    world.host.requests.some(({ action_id }) => action_id === id),
  )
}

function send(world: World, decision: ApprovalDecision): Promise<unknown> {
  return world.run(world.host.send(decision))
}

test('people are told which calls went before and in whose result a value stood, and no more than is known', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.outputs.set('files.read', { payee: 'DE02 1203 0000 0000 2020 51', ref: 7 })
  const read = await world.accepted(gateway, 'files.read', { path: '/invoices/17' })
  await world.reaches(read.action_id, 'succeeded')
  const to = { iban: 'DE02 1203 0000 0000 2020 51', ref: 7, note: 'thank you very much' }
  const view = await world.accepted(gateway, 'shop.payout', { amount: '10.00', to })
  await asked(world, view.action_id)
  const { origins, chain } = world.host.request(view.action_id)
  assert.deepEqual(origins, [{ pointer: '/to/iban', origins: ['tool_result:files.read'] }])
  assert.deepEqual(chain, { depth: 1, tools: ['files.read'], complete: false })
})

test('a first call is sent without an account', async (t) => {
  const { request } = await pending(t)
  assert.deepEqual([request.origins, request.chain], [undefined, undefined])
})

test('a small refund waits for one person of the host, then runs', async (t) => {
  const { world, id, request, view } = await pending(t)
  assert.equal(view.expires_at, request.decide_by)
  assert.equal(request.decide_by - request.requested_at, 900_000)
  await world.idle(300)
  assert.deepEqual(world.executor.invocations, [], 'nothing runs before the approval')
  const decision = world.host.approval(request)
  const answer = await send(world, decision)
  assert.deepEqual(answer, { status: 'accepted', state: 'dispatched' })
  await world.reaches(id, 'succeeded')
  await world.until('the end to be closed', async () => (await world.openActions()) === 0)
  const { action, claims } = world.executor.last()
  assert.equal(claims.clearance, 'human_approved')
  assert.deepEqual(action.approvals, [decision.evidence])
  assert.ok(decision.evidence !== null)
  assert.deepEqual(claims.approvals, [evidenceHash(sha256, decision.evidence)])
  assert.deepEqual(await world.types(id), [
    'proposed',
    'evaluated',
    'approval_requested',
    'approved',
    // As of the moment of the grant: what was approved came out the same.
    'evaluated',
    'grant_issued',
    ...(await world.types(id)).slice(6, -1),
    'succeeded',
  ])
  const approved = (await world.events(id)).find(({ type }) => type === 'approved')
  assert.deepEqual(approved?.actor, { kind: 'human', id: 'ann' })
})

test('a large refund needs a passkey over exactly its statement', async (t) => {
  const { world, id, request } = await pending(t, LARGE)
  const weak = await send(world, world.host.approval(request, { kind: 'host' }))
  assert.deepEqual(weak, { status: 'refused', code: 'evidence_kind' })
  const answer = await send(world, world.host.approval(request))
  assert.deepEqual(answer, { status: 'accepted', state: 'dispatched' })
  await world.reaches(id, 'succeeded')
  assert.equal(world.executor.last().claims.clearance, 'elevated_approval')
})

test('a denial ends the action with the reason of the person', async (t) => {
  const { world, gateway, id, request } = await pending(t)
  const denial = world.host.denial(request)
  assert.deepEqual(await send(world, denial), { status: 'accepted', state: 'denied' })
  assert.deepEqual(await send(world, denial), { status: 'accepted', state: 'denied' })
  const late = await send(world, world.host.approval(request))
  assert.deepEqual(late, { status: 'refused', code: 'not_pending' })
  const view = await world.view(gateway, id)
  assert.deepEqual([view.status, view.reason], ['denied', 'An approver said no: not today'])
  await world.idle(500)
  assert.deepEqual(world.executor.invocations, [])
})

const WRONG: readonly [string, string, VerdictTwist, typeof SMALL?][] = [
  ['by the initiator', 'initiator_cannot_approve', { person: 'bot' }],
  ['without the role', 'role_missing', { roles: ['approver'] }, LARGE],
  ['through a chat that the rule does not name', 'channel_not_named', { channel: 'telegram' }],
  ['in a chat where a passkey is due', 'channel_not_named', { channel: 'slack' }, LARGE],
  ['with another deadline', 'deadline_mismatch', { evidence: { decide_by: 1 } }],
  ['with another time to run', 'deadline_mismatch', { evidence: { run_by: 1 } }],
  ['in the name of another', 'approver_mismatch', { evidence: { approver: 'bob' } }],
  ['over another action', 'statement_mismatch', { statement: { tool_id: 'shop.payout' } }],
  ['over a denial', 'statement_mismatch', { statement: { verdict: 'deny' } }],
  ['over a denial', 'statement_mismatch', { statement: { verdict: 'deny' } }, LARGE],
  ['over another tier', 'statement_mismatch', { statement: { tier: 1 } }, LARGE],
  ['over another credential', 'statement_mismatch', { statement: { credential_ref: 'x' } }],
  ['over another nonce', 'statement_mismatch', { evidence: { nonce: 'A'.repeat(22) } }, LARGE],
  ['signed by an executor', 'statement_mismatch', { statementKey: 'connector' }],
  ['signed by a stranger', 'statement_mismatch', { statementKey: 'stranger' }],
]

for (const [how, code, twist, args] of WRONG) {
  test(`an approval ${how} is refused (${args === LARGE ? 'passkey' : 'host'})`, async (t) => {
    const { world, id, request } = await pending(t, args)
    const answer = await send(world, world.host.approval(request, twist))
    assert.deepEqual(answer, { status: 'refused', code })
    await world.idle(200)
    assert.equal((await world.record(id)).state.kind, 'pending_approval')
    assert.deepEqual((await world.record(id)).evidence, [])
    assert.deepEqual(world.executor.invocations, [])
  })
}

test('the person on whose behalf the agent acts is the initiator', async (t) => {
  const world = await World.open(t)
  await world.enlist(agentRecord({ on_behalf_of: 'ann' }))
  const gateway = await world.gateway()
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', SMALL)
  await asked(world, id)
  const own = await send(world, world.host.approval(world.host.request(id)))
  assert.deepEqual(own, { status: 'refused', code: 'initiator_cannot_approve' })
  const other = await send(world, world.host.approval(world.host.request(id), { person: 'bob' }))
  assert.deepEqual(other, { status: 'accepted', state: 'dispatched' })
})

test('a decision counts only from the host, on the subject of its tenant', async (t) => {
  const { world, id, request } = await pending(t)
  const decision = world.host.approval(request)
  const forged = { status: 'refused', code: 'decision_not_genuine' }
  for (const key of ['stranger', 'connector', 'grant', 'operator'] as const) {
    assert.deepEqual(await world.run(world.host.send(decision, { key })), forged)
  }
  assert.deepEqual(await world.run(world.host.send(decision, { tenant: GLOBEX })), forged)
  const elsewhere = { ...decision, tenant: GLOBEX }
  assert.deepEqual(await world.run(world.host.send(elsewhere)), {
    status: 'refused',
    code: 'unknown_action',
  })
  assert.equal((await world.record(id)).state.kind, 'pending_approval')
})

test('an approval without evidence is none', async (t) => {
  const { world, request } = await pending(t)
  const decision = { ...world.host.approval(request), evidence: null }
  assert.deepEqual(await send(world, decision), { status: 'refused', code: 'evidence_missing' })
})

test('the same decision again gets the same answer and changes nothing', async (t) => {
  const { world, id, request } = await pending(t)
  const decision = world.host.approval(request)
  const both = await world.run(Promise.all([world.host.send(decision), world.host.send(decision)]))
  assert.deepEqual(
    both.map(({ status }) => status),
    ['accepted', 'accepted'],
  )
  await world.reaches(id, 'succeeded')
  assert.deepEqual(await send(world, decision), { status: 'accepted', state: 'succeeded' })
  assert.equal(world.executor.effects.size, 1)
  assert.equal(world.executor.grants.length, 1)
  assert.equal((await world.record(id)).evidence.length, 1)
})

test('another decision with the nonce of a counted one is not taken for it', async (t) => {
  const { world, request } = await pending(t)
  const nonce = 'B'.repeat(22)
  await send(world, world.host.approval(request, { nonce }))
  const other = world.host.approval(request, { nonce, person: 'bob' })
  assert.deepEqual(await send(world, other), { status: 'refused', code: 'not_pending' })
})

test('two people must approve where two are asked for', async (t) => {
  const { world, id, request } = await pending(t, SMALL, 'shop.payout')
  const first = await send(world, world.host.approval(request))
  assert.deepEqual(first, { status: 'accepted', state: 'pending_approval' })
  const again = await send(world, world.host.approval(request))
  assert.deepEqual(again, { status: 'refused', code: 'approved_already' })
  await world.idle(300)
  assert.deepEqual(world.executor.invocations, [])
  const second = await send(world, world.host.approval(request, { person: 'bob' }))
  assert.deepEqual(second, { status: 'accepted', state: 'dispatched' })
  await world.reaches(id, 'succeeded')
  assert.equal(world.executor.last().claims.approvals.length, 2)
})

test('one denial outweighs an approval that was counted', async (t) => {
  const { world, id, request } = await pending(t, SMALL, 'shop.payout')
  await send(world, world.host.approval(request))
  await send(world, world.host.denial(request, 'bob'))
  const late = await send(world, world.host.approval(request, { person: 'cem' }))
  assert.deepEqual(late, { status: 'refused', code: 'not_pending' })
  assert.equal((await world.record(id)).state.kind, 'denied')
})

test('when nobody decides, the action expires by the clock', async (t) => {
  const { world, gateway, id, request } = await pending(t)
  world.clock.advance(899_000)
  await world.idle(50)
  assert.equal((await world.record(id)).state.kind, 'pending_approval')
  world.clock.advance(1_100)
  await world.reaches(id, 'expired')
  const view = await world.view(gateway, id)
  assert.equal(view.reason, 'Its time ran out before it was released.')
  const late = await send(world, world.host.approval(request))
  assert.deepEqual(late, { status: 'refused', code: 'not_pending' })
  await world.idle(500)
  assert.deepEqual(world.executor.invocations, [])
})

test('an approval that comes before the alarm but after the deadline is not said to be accepted', async (t) => {
  const { world, id, request } = await pending(t)
  // The alarm rings a millisecond after the deadline: a decision may come in between.
  world.clock.advance(request.decide_by - world.clock.now())
  const answer = await world.host.send(world.host.approval(request))
  assert.deepEqual(answer, { status: 'refused', code: 'not_pending' })
  assert.equal((await world.record(id)).state.kind, 'expired')
  assert.deepEqual((await world.record(id)).evidence, [])
})

test('its agent may cancel an action that waits, and nobody approves it afterwards', async (t) => {
  const { world, gateway, id, request } = await pending(t)
  const cancelled = await gateway.api.cancel(world.caller(gateway), id)
  assert.equal(cancelled.ok && cancelled.value.status, 'cancelled')
  const late = await send(world, world.host.approval(request))
  assert.deepEqual(late, { status: 'refused', code: 'not_pending' })
  const event = (await world.events(id)).find(({ type }) => type === 'cancelled')
  assert.deepEqual(event?.actor, { kind: 'agent', id: 'bot' })
})

test('a cancel comes too late for what is done, and does not undo it', async (t) => {
  const { world, gateway, id, request } = await pending(t)
  await send(world, world.host.approval(request))
  await world.reaches(id, 'succeeded')
  const outcome = await gateway.api.cancel(world.caller(gateway), id)
  assert.equal(outcome.ok && outcome.value.status, 'succeeded')
})

test('a cancelled action whose grant nobody claimed is not sent again', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  world.executor.manner = { status: 'refused', reason: 'executor_busy', retryable: true }
  const { action_id: id } = await world.accepted(gateway, 'files.read', { path: 'a' })
  await world.until('a try', () => world.executor.invocations.length > 0, 20)
  await world.run(gateway.api.cancel(world.caller(gateway), id))
  const sent = world.executor.invocations.length
  await world.reaches(id, 'cancelled', 100)
  assert.ok(world.executor.invocations.length <= sent + 1, 'only what was on its way')
})

test('a policy that changed before the approval makes it void and decides afresh', async (t) => {
  const { world, gateway, id, request } = await pending(t)
  await world.stop(gateway)
  world.policy = policyOf(POLICY.replace('Refunds need a person', 'Refunds need a look'), 2)
  const later = await world.gateway()
  const answer = await send(world, world.host.approval(request))
  assert.deepEqual(answer, { status: 'refused', code: 'decision_changed' })
  const record = await world.record(id)
  assert.deepEqual([record.state.kind, record.evidence], ['pending_approval', []])
  assert.equal(record.decision.reason, 'Refunds need a look')
  await world.until('the fresh request', () => world.host.request(id).decision.policy_epoch === 2)
  assert.deepEqual(world.executor.invocations, [])
  const again = await send(world, world.host.approval(world.host.request(id)))
  assert.deepEqual(again, { status: 'accepted', state: 'dispatched' })
  await world.reaches(id, 'succeeded')
  assert.equal(world.executor.last().claims.policy_epoch, 2)
  assert.equal((await world.view(later, id)).status, 'succeeded')
})

test('a policy that forbids by now denies what was approved under the earlier one', async (t) => {
  const { world, gateway, id, request } = await pending(t)
  await world.stop(gateway)
  world.policy = policyOf(POLICY.replaceAll('shop.refund', 'shop.other'))
  await world.gateway()
  await send(world, world.host.approval(request))
  await world.reaches(id, 'denied')
  assert.deepEqual(world.executor.invocations, [])
})

for (const [what, change] of [
  ['description', { description: 'Another tool by now' }],
  ['credential', { credential_ref: 'other' }],
] as const) {
  test(`a contract whose ${what} changed makes the approval void`, async (t) => {
    const { world, gateway, id, request } = await pending(t)
    const before = (await world.record(id)).decision.contract_hash
    await world.serve(
      CONTRACTS.map((one) => (one.id === 'shop.refund' ? { ...one, ...change } : one)),
    )
    await world.reaches(id, 'denied')
    assert.deepEqual(await send(world, world.host.approval(request)), {
      status: 'refused',
      code: 'not_pending',
    })
    assert.equal((await world.record(id)).decision.contract_hash, before)
    assert.equal(gateway.counts().quarantined, 1)
    assert.deepEqual(world.executor.invocations, [])
  })
}

test('a tool that is not served any more denies what was approved', async (t) => {
  const { world, gateway, id, request } = await pending(t)
  await world.serve(CONTRACTS.filter((one) => one.id === 'files.read'))
  await world.until('the tool to go', () => gateway.api.tools(world.caller(gateway)).length === 1)
  await send(world, world.host.approval(request))
  await world.reaches(id, 'denied')
  const { reason } = await world.view(gateway, id)
  assert.match(reason ?? '', /has changed since/)
})

test('an agent that was revoked while its action waited gets nothing done', async (t) => {
  const { world, gateway, id, request } = await pending(t)
  const caller = world.caller(gateway)
  await world.enlist(agentRecord({ status: 'revoked' }))
  await world.until(
    'the revocation',
    () => !gateway.agents.isActive(caller.principal.tenant, caller.key_id),
  )
  await send(world, world.host.approval(request))
  await world.reaches(id, 'denied')
  assert.deepEqual(world.executor.invocations, [])
})

test('the host is asked until it has stored the request', async (t) => {
  const world = await World.open(t)
  const gateway = await world.gateway()
  await world.host.stop()
  const { action_id: id } = await world.accepted(gateway, 'shop.refund', SMALL)
  await world.idle(2_500)
  world.host.start(ACME)
  await asked(world, id)
  await world.idle(5_000)
  assert.equal(world.host.requests.length, 1, 'and not again')
})

test('a verdict that is stored but whose event is not recorded yet is carried on later', async (t) => {
  const { world, id, request: wanted } = await pending(t)
  world.audit.set('approved', 'fail')
  const decision = world.host.approval(wanted)
  const sent = world.host.send(decision, { timeoutMs: 300 }).catch(() => undefined)
  await world.idle(500)
  assert.equal((await world.record(id)).state.kind, 'authorized')
  assert.deepEqual(world.executor.invocations, [])
  world.audit.clear()
  await world.reaches(id, 'succeeded', 20)
  assert.ok((await world.types(id)).includes('approved'))
  assert.deepEqual(await send(world, decision), { status: 'accepted', state: 'succeeded' })
  await world.run(sent)
})
