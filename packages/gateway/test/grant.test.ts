import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { contractHash, hashText, type Json, readGrant } from '@trustgw/protocol'
import { nodeRandom, sha256 } from '@trustgw/runtime'
import type { ActionRecord } from '../src/action/action-record.ts'
import { readActionRecord, writeActionRecord } from '../src/action/action-record.ts'
import {
  type Authorization,
  authorize,
  GrantIssuer,
  type SignedGrant,
} from '../src/grant/grant-issuer.ts'
import { CONTRACTS, must } from './support/keys.ts'
import { World } from './support/world.ts'

/** The record of a stored action as it was just before its grant. */
async function authorized(
  t: TestContext,
  tool: string,
): Promise<{ record: ActionRecord; world: World; tool: Parameters<typeof authorize>[1] }> {
  const world = await World.open(t)
  const gateway = await world.gateway()
  const records: ActionRecord[] = []
  world.onStore = (record) => {
    const { state } = record
    if (state.kind === 'authorized') records.push(record)
    // What needs no approval is stored together with its grant.
    if (state.kind !== 'dispatched') return
    const { jti: _, grant_exp: __, ...rest } = state
    records.push({
      ...record,
      state: { ...rest, kind: 'authorized', issued: [] },
      grant: null,
      granted_to: [],
      grants: 0,
    })
  }
  const args = tool === 'files.read' ? { path: 'a' } : { amount: '5.00' }
  const { action_id: id, status } = await world.accepted(gateway, tool, args)
  if (status === 'pending_approval') {
    await world.until('the host', () => world.host.requests.length === 1)
    await world.run(world.host.send(world.host.approval(world.host.request(id))))
  }
  await world.reaches(id, 'succeeded')
  const [record] = records
  const found = CONTRACTS.find((one) => one.id === tool)
  assert.ok(record !== undefined && found !== undefined)
  return { record, world, tool: { contract: found, contract_hash: contractHash(sha256, found) } }
}

test('only an authorized action with a recorded decision gets a grant', async (t) => {
  const { record, tool } = await authorized(t, 'files.read')
  assert.equal(authorize(record, tool, record.decision.decided_at).ok, true)
  const { state, decision } = record
  for (const age of [-10_001, 10_001, Number.NaN]) {
    const stale = authorize(record, tool, decision.decided_at + age)
    assert.equal(stale.ok ? 'ok' : stale.reason, 'decision_stale')
  }
  assert.equal(authorize(record, tool, decision.decided_at + 10_000).ok, true)
  const wrong: [string, Partial<ActionRecord>, string?][] = [
    ['decision_not_recorded', { decision_event: null }],
    ['decision_forbids', { decision: { ...decision, effect: 'deny' } }],
    ['decision_forbids', { decision: { ...decision, effect: 'require_approval' } }],
    ['decision_forbids', { decision: { ...decision, effect: 'require_proof', tier: 3 } }],
    ['decision_forbids', { decision: { ...decision, tier: 1 } }],
    ['contract_changed', {}, hashText(sha256, 'another')],
    ['precondition_missing', { precondition: { tool: 'files.read', arguments: {}, values: {} } }],
    ['approval_missing', { decision: { ...decision, effect: 'require_approval', tier: 1 } }],
  ]
  for (const [reason, change, contract_hash = tool.contract_hash] of wrong) {
    const refused = authorize(
      { ...record, ...change },
      { ...tool, contract_hash },
      record.decision.decided_at,
    )
    assert.equal(refused.ok ? 'ok' : refused.reason, reason)
  }
  assert.ok(state.kind === 'authorized')
  const states: ActionRecord['state'][] = [
    { ...state, kind: 'dispatched', jti: 'j', grant_exp: 1 },
    { ...state, kind: 'scheduled', not_before: Number.MAX_SAFE_INTEGER },
    { kind: 'denied', since: 1, reason: 'no', by: null },
    { kind: 'proposed', since: 1, round: 1, issued: [], cancel: null },
  ]
  for (const other of states) {
    const refused = authorize({ ...record, state: other }, tool, record.decision.decided_at)
    assert.equal(refused.ok ? 'ok' : refused.reason, 'not_authorized')
  }
})

test('an approved action whose evidence is gone gets none', async (t) => {
  const { record, tool } = await authorized(t, 'shop.refund')
  assert.equal(authorize(record, tool, record.decision.decided_at).ok, true)
  const { state } = record
  assert.ok(state.kind === 'authorized')
  const wrong: Partial<ActionRecord>[] = [
    { evidence: [] },
    { state: { ...state, evidence: [] } },
    {
      evidence: [...record.evidence, ...record.evidence],
      decision: {
        ...record.decision,
        obligations: {
          ...record.decision.obligations,
          approvers: [{ roles: [], quorum: 2 }],
        },
      },
    },
  ]
  for (const change of wrong) {
    const refused = authorize({ ...record, ...change }, tool, record.decision.decided_at)
    assert.equal(refused.ok ? 'ok' : refused.reason, 'approval_missing')
  }
})

test('an issuer signs only what authorize made, for 30 seconds at most, each with an id of its own', async (t) => {
  const { record, world, tool } = await authorized(t, 'files.read')
  const { keys, clock } = world
  const issuer = new GrantIssuer({
    key: () => ({ kid: 'grant', sign: keys.of.grant.sign }),
    sha256,
    clock,
    random: nodeRandom,
  })
  const forged: Authorization = { record, contract: tool.contract }
  assert.throws(() => issuer.issue(forged), TypeError)
  assert.throws(
    () => issuer.issue({ ...must(authorize(record, tool, record.decision.decided_at)) }),
    TypeError,
  )
  const issue = (of: ActionRecord): SignedGrant => {
    const signed = issuer.issue(must(authorize(of, tool, record.decision.decided_at)))
    assert.ok(signed !== undefined)
    return signed
  }
  const first = issue(record)
  const second = issue(record)
  assert.notEqual(first.claims.jti, second.claims.jti)
  assert.ok(first.expires_at - clock.now() <= 30_000)
  const read = readGrant(first.token, keys.public.keyFor({ role: 'grant' }))
  assert.deepEqual(read.ok && read.value, first.claims)
  for (const [grant_ttl_ms, seconds] of [
    [3_600_000, 30],
    [5_999, 5],
    [1, 1],
  ] as const) {
    const obligations = { ...record.decision.obligations, grant_ttl_ms }
    const { claims } = issue({ ...record, decision: { ...record.decision, obligations } })
    assert.equal(claims.exp - claims.iat, seconds)
  }
})

test('without a key that is believed nothing is signed', async (t) => {
  const { record, world, tool } = await authorized(t, 'files.read')
  const { clock } = world
  const issuer = new GrantIssuer({ key: () => undefined, sha256, clock, random: nodeRandom })
  const made = must(authorize(record, tool, record.decision.decided_at))
  assert.equal(issuer.issue(made), undefined)
})

test('a stored action reads back as it was written, and nothing more than that', async (t) => {
  const { record } = await authorized(t, 'shop.refund')
  const bytes = writeActionRecord(record)
  assert.deepEqual(must(readActionRecord(bytes)), record)
  const text = Buffer.from(bytes).toString()
  const { counted: _, hint: __, ...before } = JSON.parse(text) as Record<string, Json>
  const old = Buffer.from(JSON.stringify(before))
  assert.deepEqual(must(readActionRecord(old)), record, 'an earlier version did not have them')
  const odd = [
    text.replace('"v":1', '"v":2'),
    text.replace('"v":1', '"v":1,"x":1'),
    text.replace('"grant":null', '"grant":""'),
    text.replace('"granted_to":[]', '"granted_to":["No Profile"]'),
    text.slice(1),
    '',
  ]
  for (const one of odd) assert.equal(readActionRecord(Buffer.from(one)).ok, false)
})
