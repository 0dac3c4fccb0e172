import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import {
  type ApprovalEvidence,
  type ApprovalStatement,
  base64urlEncode,
  contractHash,
  type DecisionRecord,
  decisionHash,
  type GrantClaims,
  hashText,
  parseProfile,
  type Source,
  signGrant,
  signJws,
  statementHash,
} from '@trustgw/protocol'
import { BusFault, generateSigningKey, sha256 } from '@trustgw/runtime'
import { type AssertionTwist, SoftwareAuthenticator } from '@trustgw/testkit/software-authenticator'
import { clearAction } from '../src/admit/admission.ts'
import { ADMISSION_REASONS, type AdmissionReason } from '../src/admit/reasons.ts'
import { factsFor, POLICY_REASONS } from './support/policy.ts'
import { bytesOf, type Change, NOW, ORIGIN, REFUND, RP_ID, TENANT, World } from './support/world.ts'

/** Reasons that other files have: `executor.test.ts` those of claiming, `beat.test.ts` those of the beat,
 * `freezes.test.ts` and `precondition.test.ts` those of step 5, and step 3 one of its own. */
const ELSEWHERE: readonly AdmissionReason[] = [
  ...POLICY_REASONS,
  'beat_missing',
  'key_set_behind',
  'freezes_behind',
  'frozen',
  'precondition_changed',
  'precondition_unreadable',
  'grant_used',
  'action_claimed',
  'action_cancelled',
  'tool_busy',
  'tool_unavailable',
  'journal_unwritable',
  'audit_unreachable',
  'executor_busy',
  'executor_stopping',
  'precondition_changed',
  'precondition_unreadable',
]
const ARGUMENTS = '{"amount":"250.00","order_id":"ord_1001"}'
const seen = new Set<string>()
const world = new World()

after(() => {
  const missing = ADMISSION_REASONS.filter(
    (reason) => !seen.has(reason) && !ELSEWHERE.includes(reason),
  )
  assert.deepEqual(missing, [], 'every reason is seen once')
})

async function reasonFor(
  change: Change,
  deps = world.admission(),
  edit: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes,
): Promise<string> {
  const bytes = edit(bytesOf(await world.granted(change)))
  const outcome = await clearAction(bytes, deps)
  const reason = outcome.ok ? 'admitted' : outcome.reason
  seen.add(reason)
  return reason
}

function refuses(reason: AdmissionReason, name: string, change: Change | (() => Change)): void {
  test(`${reason}: ${name}`, async () => {
    assert.equal(await reasonFor(typeof change === 'function' ? change() : change), reason)
  })
}

for (const tier of [0, 1, 2] as const) {
  test(`a good granted action of tier ${tier} passes`, async () => {
    assert.equal(await reasonFor({ tier }), 'admitted')
  })
}

// Step 1

test('message_malformed: not JSON, an unknown member, too large', async () => {
  const text = (edit: (text: string) => string) => (bytes: Uint8Array) =>
    new TextEncoder().encode(edit(new TextDecoder().decode(bytes)))
  const deps = world.admission()
  assert.equal(
    await reasonFor(
      {},
      deps,
      text((json) => json.slice(1)),
    ),
    'message_malformed',
  )
  assert.equal(
    await reasonFor(
      {},
      deps,
      text((json) => json.replace('"v":1', '"v":1,"x":1')),
    ),
    'message_malformed',
  )
  assert.equal(
    await reasonFor(
      {},
      deps,
      text((json) => json.replace('"v":1', '"v":1,"v":1')),
    ),
    'message_malformed',
  )
  assert.equal(
    await reasonFor(
      {},
      deps,
      text((json) => json + ' '.repeat(600_000)),
    ),
    'message_malformed',
  )
})

const good = (claims: GrantClaims): string => signGrant(claims, 'grant-1', world.grantKey.sign)
const rawJws = (header: object, payload: object, sign: (input: string) => Uint8Array): string => {
  const part = (value: object): string =>
    base64urlEncode(new TextEncoder().encode(JSON.stringify(value)))
  const input = `${part(header)}.${part(payload)}`
  return `${input}.${base64urlEncode(sign(input))}`
}
const HEADER = { alg: 'EdDSA', kid: 'grant-1', typ: 'execution-grant+jwt' }
const stranger = generateSigningKey()

test('grant_too_large is told before anything is verified', async () => {
  assert.equal(
    await reasonFor({ sign: () => `${'A'.repeat(600)}.AA.${'A'.repeat(86)}` }),
    'grant_too_large',
  )
})
refuses('grant_format', 'an extra dot', { sign: (claims) => `${good(claims)}.` })
refuses('grant_format', 'padding', { sign: (claims) => `${good(claims)}=` })
refuses('grant_header_member', 'a jwk in the header', {
  sign: (claims) => rawJws({ ...HEADER, jwk: {} }, claims, world.grantKey.sign),
})
refuses('grant_alg', 'alg none', {
  sign: (claims) => rawJws({ ...HEADER, alg: 'none' }, claims, world.grantKey.sign),
})
refuses('grant_alg', 'HS256 with the public key as secret', {
  sign: (claims) => rawJws({ ...HEADER, alg: 'HS256' }, claims, world.grantKey.sign),
})
refuses('grant_typ', 'a session token as a grant', {
  sign: (claims) => rawJws({ ...HEADER, typ: 'session+jwt' }, claims, world.grantKey.sign),
})
refuses('grant_key_unknown', 'a key that nobody pinned', {
  sign: (claims) => signGrant(claims, 'grant-2', stranger.sign),
})
refuses('grant_key_unknown', 'the key of another role', {
  sign: (claims) => signGrant(claims, 'host-1', world.hostKey.sign),
})
refuses('grant_signature', 'another key under a known id', {
  sign: (claims) => signGrant(claims, 'grant-1', stranger.sign),
})
refuses('grant_claims', 'an unknown claim', {
  sign: (claims) => rawJws(HEADER, { ...claims, admin: true }, world.grantKey.sign),
})
refuses('grant_issuer', 'another issuer', {
  sign: (claims) => rawJws(HEADER, { ...claims, iss: 'trustgw/host' }, world.grantKey.sign),
})
refuses('grant_audience', 'another profile', () => {
  const other = parseProfile('native')
  assert.ok(other.ok)
  return { claims: { aud: other.value } }
})
const SECONDS = Math.floor(NOW / 1000)
refuses('grant_lifetime', 'it lives 31 seconds', { claims: { exp: SECONDS + 31 } })
refuses('grant_lifetime', 'it ends before it begins', { claims: { exp: SECONDS } })
refuses('grant_not_yet_valid', 'from the future by 3 seconds', {
  claims: { iat: SECONDS + 3, nbf: SECONDS + 3, exp: SECONDS + 20 },
})
refuses('grant_expired', 'ended 2 seconds ago', {
  claims: { iat: SECONDS - 30, nbf: SECONDS - 30, exp: SECONDS - 2 },
})
test('two seconds of skew are allowed on either side [INV-14]', async () => {
  const late = { iat: SECONDS - 29, nbf: SECONDS - 29, exp: SECONDS - 1 }
  const early = { iat: SECONDS + 2, nbf: SECONDS + 2, exp: SECONDS + 20 }
  const decision = { decided_at: NOW - 29_000 }
  assert.equal(await reasonFor({ claims: late, decision }), 'admitted')
  assert.equal(await reasonFor({ claims: early }), 'admitted')
})

// Step 2

test('tenant_not_served: the subject is of another tenant', async () => {
  assert.equal(await reasonFor({}, world.admission({ tenants: [] })), 'tenant_not_served')
})
refuses('tool_unknown', 'a tool that is not served', {
  claims: { tool_name: 'shop.delete_all' },
})
refuses('contract_changed', 'the description was another one', {
  claims: { contract_hash: contractHash(sha256, { ...REFUND, description: 'Harmless.' }) },
})
refuses('decision_hash_differs', 'the record was changed', { decisionAfter: { reason: 'other' } })
for (const member of [
  { workspace_id: 'other' },
  { sub: 'demo|api-key|key-1|agent-2' },
  { rule_id: 'other' },
  { policy_epoch: 2 },
  { input_hash: hashText(sha256, '{}') },
  { policy_fingerprint: hashText(sha256, 'other') },
]) {
  refuses('decision_disagrees', Object.keys(member).join(), { claims: member })
}
refuses('decision_forbids', 'the recorded decision was a deny', { decision: { effect: 'deny' } })
refuses('decision_forbids', 'effect and tier do not go together', {
  decision: { effect: 'allow' },
})
refuses('tier_not_supported', 'a proof is demanded', {
  decision: { tier: 3, effect: 'require_proof' },
})
refuses('clearance_differs', 'auto approved at tier 2', { claims: { clearance: 'auto_approved' } })
refuses('precondition_differs', 'a precondition that the tool has not', {
  claims: { precondition_hash: hashText(sha256, '1') },
})
refuses('idempotency_key_differs', 'a key of another action', {
  claims: { idempotency_key: hashText(sha256, 'other') },
})
refuses('credential_differs', 'another credential than the tool has', {
  claims: { credential_ref: 'bank' },
})
refuses('credential_not_allowed', 'a principal that is not on the list', {
  decision: {
    principal: { tenant: TENANT, issuer: 'oauth', client: 'c', subject: 'agent-1' },
  },
})
refuses('arguments_malformed', 'a name twice', {
  argumentsAfter: '{"amount":"1","amount":"250.00"}',
})
refuses('arguments_not_canonical', 'the same value with a space', {
  argumentsAfter: '{"amount": "250.00","order_id":"ord_1001"}',
})
refuses('input_hash_differs', 'an argument changed after approval', {
  argumentsAfter: '{"amount":"9250.00","order_id":"ord_1001"}',
})
refuses('arguments_invalid', 'a member that the schema does not know', {
  arguments: '{"amount":"250.00","order_id":"ord_1001","to":"me"}',
})
refuses('decision_event_missing', 'a place that the stream has not', {
  event: { seq: 1_000_000, event_id: 'evt_x' },
})
test('decision_event_malformed: something else stands there', async () => {
  const stored = await world.gateway
    .publisher({ stream: 'AUDIT' })
    .publishStored(`audit.v1.${TENANT}.gateway.1.evaluated`, new Uint8Array([123, 125]), {
      msgId: 'x',
    })
  const event = { seq: stored.seq, event_id: 'evt_x' }
  assert.equal(await reasonFor({ event }), 'decision_event_malformed')
})
test('decision_event_signature: the gateway did not sign it', async () => {
  const deps = world.admission({ auditKeyFor: () => () => false })
  assert.equal(await reasonFor({}, deps), 'decision_event_signature')
  const unknown = world.admission({ auditKeyFor: () => undefined })
  assert.equal(await reasonFor({}, unknown), 'decision_event_signature')
})
test('decision_event_differs: it is the event of another decision [INV-12]', async () => {
  const other = await world.granted()
  assert.equal(await reasonFor({ event: other.decision_event }), 'decision_event_differs')
})
test('store_unreachable: the audit stream does not answer', async () => {
  const audit = {
    getBySeq: () => Promise.reject(new BusFault('bus_timeout', 'x')),
    getLast: () => Promise.reject(new BusFault('bus_timeout', 'x')),
  }
  assert.equal(await reasonFor({}, world.admission({ audit })), 'store_unreachable')
})

// Step 3

test('below_floor: this executor demands more than the gateway says', async () => {
  const deps = world.admission({ floorOf: (tool) => (tool === 'shop.refund' ? 2 : 0) })
  assert.equal(await reasonFor({ tier: 1 }, deps), 'below_floor')
  assert.equal(await reasonFor({ tier: 2 }, deps), 'admitted')
})

// Step 4

test('assertion_origin: approvals count where this executor was told that they are signed', async () => {
  const elsewhere = world.admission({ approvalOrigin: 'https://another.example' })
  assert.equal(await reasonFor({ tier: 2 }, elsewhere), 'assertion_origin')
  assert.equal(
    await reasonFor({ tier: 2 }, world.admission({ approvalOrigin: ORIGIN })),
    'admitted',
  )
})

/** Evidence for a decision that the test fixes beforehand, so that statements can be made of it. */
function withEvidence(
  make: (decision: DecisionRecord) => readonly ApprovalEvidence[],
  tier: 0 | 1 | 2 = 2,
  change: Partial<DecisionRecord> & { readonly source?: Source } = {},
): Change {
  const { source, ...changed } = change
  const facts = source === undefined ? factsFor(tier) : { source }
  const decision = world.decision(ARGUMENTS, facts, changed)
  return { tier, decision, evidence: make(decision) }
}

refuses('approvals_differ', 'no evidence where the grant names one', { evidenceAfter: [] })
refuses('approvals_differ', 'evidence beside what the grant names', () => {
  const change = withEvidence((decision) => [world.passkeyEvidence(world.statement(decision))])
  return { ...change, evidenceAfter: [...(change.evidence ?? []), ...(change.evidence ?? [])] }
})
refuses('evidence_unexpected', 'evidence at tier 0', () =>
  withEvidence((decision) => [world.hostEvidence(world.statement(decision))], 0),
)
refuses('evidence_unexpected', 'more people than the quorum', () =>
  withEvidence((decision) => [
    world.passkeyEvidence(world.statement(decision)),
    world.passkeyEvidence(world.statement(decision, { approver: 'ben' })),
  ]),
)
refuses('evidence_wrong_kind', "the host's word at tier 2", () =>
  withEvidence((decision) => [world.hostEvidence(world.statement(decision))]),
)
refuses('quorum_not_met', 'nobody approved', { evidence: [] })
refuses('approver_twice', 'one person with two keys is one person', () =>
  withEvidence(
    (decision) => [
      world.passkeyEvidence(world.statement(decision)),
      world.passkeyEvidence(world.statement(decision)),
    ],
    2,
    { source: 'webhook' },
  ),
)
refuses('approver_is_initiator', 'the person on whose behalf it runs', () =>
  withEvidence((decision) => [world.passkeyEvidence(world.statement(decision))], 2, {
    on_behalf_of: 'ana',
  }),
)
refuses('approver_is_initiator', 'the agent itself', () =>
  withEvidence((decision) => [
    world.passkeyEvidence(world.statement(decision, { approver: 'agent-1' })),
  ]),
)
refuses('deadline_extended', 'later than the decision allows', () =>
  withEvidence((decision) => [
    world.passkeyEvidence(world.statement(decision, { decide_by: NOW + 86_400_000 })),
  ]),
)
refuses('run_by_passed', 'too late to run', () =>
  withEvidence((decision) => [
    world.passkeyEvidence(world.statement(decision, { decide_by: NOW - 500, run_by: NOW - 1 })),
  ]),
)
refuses('host_statement_signature', 'signed by another key', () =>
  withEvidence((decision) => [world.hostEvidence(world.statement(decision), stranger)], 1),
)
refuses('host_statement_signature', 'a document of another kind', () =>
  withEvidence(
    (decision) => [
      world.hostEvidence(world.statement(decision), world.hostKey, 'approval-decision+jwt'),
    ],
    1,
  ),
)
refuses('host_statement_is_a_deny', 'a signed deny', () =>
  withEvidence((decision) => [hostPresented(decision, { verdict: 'deny' })], 1),
)
refuses('host_statement_other_action', 'a statement over other arguments', () =>
  withEvidence((decision) => [hostPresented(decision, { input_hash: hashText(sha256, '{}') })], 1),
)

function hostPresented(
  decision: DecisionRecord,
  change: Partial<ApprovalStatement>,
): ApprovalEvidence {
  return world.hostEvidence(world.statement(decision, change))
}

test('pins_unreadable: the file of pins is damaged', async () => {
  const deps = world.admission({
    pins: { current: () => Promise.resolve({ ok: false, reason: 'pins_malformed' }) },
  })
  assert.equal(await reasonFor({}, deps), 'pins_unreadable')
})

test('credential_not_pinned: unknown credential, other person, other tenant', async () => {
  const tries = [[], [world.pin({ person: 'ben' })], [world.pin({ tenant: 'other' as never })]]
  for (const pins of tries) {
    const deps = world.admission({
      pins: { current: () => Promise.resolve({ ok: true, value: pins }) },
    })
    assert.equal(await reasonFor({}, deps), 'credential_not_pinned')
  }
})

test('approver_lacks_role: the pinned roles count, not what the host says', async () => {
  const pins = [world.pin({ roles: ['sales'] })]
  const deps = world.admission({
    pins: { current: () => Promise.resolve({ ok: true, value: pins }) },
  })
  assert.equal(await reasonFor({}, deps), 'approver_lacks_role')
})

function twisted(twist: AssertionTwist): () => Change {
  return () =>
    withEvidence((decision) => {
      const statement = world.statement(decision)
      const challenge = statementHash(sha256, statement)
      return [world.passkeyEvidence(statement, world.approver.assert(challenge, twist))]
    })
}

refuses('assertion_malformed', 'client data that is not JSON', twisted({ clientData: 'x' }))
refuses(
  'assertion_malformed',
  'bytes behind the authenticator data',
  twisted({ extensions: new Uint8Array(3) }),
)
refuses('assertion_malformed', 'attested data in an assertion', twisted({ flags: 0x45 }))
refuses('assertion_malformed', 'backed up but not eligible', twisted({ flags: 0x15 }))
refuses('assertion_type', 'a registration', twisted({ type: 'webauthn.create' }))
refuses('assertion_cross_origin', 'from inside a frame', twisted({ crossOrigin: true }))
refuses(
  'assertion_cross_origin',
  'with a top origin',
  twisted({ topOrigin: 'https://evil.example' }),
)
refuses(
  'assertion_origin',
  'a page of another origin',
  twisted({ origin: 'http://localhost:8081' }),
)
refuses('assertion_rp_id', 'another relying party', twisted({ rpId: 'example.com' }))
refuses('assertion_user_not_present', 'nobody touched it', twisted({ flags: 0x04 }))
refuses('assertion_user_not_verified', 'nobody proved who they are', twisted({ flags: 0x01 }))
refuses('assertion_is_a_deny', 'a signed deny presented as an approval [INV-22]', () =>
  withEvidence((decision) => {
    const statement = world.statement(decision)
    const deny = statementHash(sha256, { ...statement, verdict: 'deny' })
    return [world.passkeyEvidence(statement, world.approver.assert(deny))]
  }),
)
refuses('assertion_other_action', 'an assertion over another action', () =>
  withEvidence((decision) => {
    const statement = world.statement(decision)
    const other = world.decision(ARGUMENTS.replace('250', '1'), factsFor(2))
    const hash = statementHash(sha256, { ...statement, action_id: other.action_id })
    return [world.passkeyEvidence(statement, world.approver.assert(hash))]
  }),
)
refuses('assertion_other_action', 'a login over the same members', () =>
  withEvidence((decision) => {
    const statement = world.statement(decision)
    const login = statementHash(sha256, {
      typ: 'trustgw/login/1',
      tenant: TENANT,
      origin: ORIGIN,
      rp_id: RP_ID,
      nonce: statement.nonce,
      expires_at: statement.decide_by,
    })
    return [world.passkeyEvidence(statement, world.approver.assert(login))]
  }),
)
refuses('assertion_signature', 'signed by another authenticator', () =>
  withEvidence((decision) => {
    const other = new SoftwareAuthenticator({ algorithm: 'ES256', rpId: RP_ID, origin: ORIGIN })
    const statement = world.statement(decision)
    const assertion = other.assert(statementHash(sha256, statement))
    const credential_id = world.approver.credentialId
    return [world.passkeyEvidence(statement, { ...assertion, credential_id })]
  }),
)

for (const algorithm of ['EdDSA', 'RS256'] as const) {
  test(`an approval by an ${algorithm} passkey passes`, async () => {
    const key = new SoftwareAuthenticator({ algorithm, rpId: RP_ID, origin: ORIGIN })
    const pin = world.pin({ credential_id: key.credentialId, public_key: key.publicKey })
    const deps = world.admission({
      pins: { current: () => Promise.resolve({ ok: true, value: [pin] }) },
    })
    const change = withEvidence((decision) => {
      const statement = world.statement(decision)
      return [world.passkeyEvidence(statement, key.assert(statementHash(sha256, statement)))]
    })
    assert.equal(await reasonFor(change, deps), 'admitted')
  })
}

test('a quorum of two people passes, and both are needed [INV-20]', async () => {
  const ben = new SoftwareAuthenticator({ algorithm: 'EdDSA', rpId: RP_ID, origin: ORIGIN })
  const benPin = world.pin({
    person: 'ben',
    credential_id: ben.credentialId,
    public_key: ben.publicKey,
  })
  const pins = [world.pin(), benPin]
  const deps = world.admission({
    pins: { current: () => Promise.resolve({ ok: true, value: pins }) },
  })
  const twoOfFinance = { source: 'telegram' } as const
  const both = (decision: DecisionRecord): readonly ApprovalEvidence[] => {
    const second = world.statement(decision, { approver: 'ben' })
    return [
      world.passkeyEvidence(world.statement(decision)),
      world.passkeyEvidence(second, ben.assert(statementHash(sha256, second))),
    ]
  }
  assert.equal(await reasonFor(withEvidence(both, 2, twoOfFinance), deps), 'admitted')
  const one = withEvidence((decision) => both(decision).slice(0, 1), 2, twoOfFinance)
  assert.equal(await reasonFor(one, deps), 'quorum_not_met')
})

test('the grant of one action does not carry the decision of another [INV-13]', async () => {
  const first = await world.granted({ tier: 0 })
  const second = await world.granted({ tier: 0 })
  const outcome = await clearAction(
    bytesOf({ ...first, decision: second.decision }),
    world.admission(),
  )
  assert.equal(outcome.ok ? '' : outcome.reason, 'decision_hash_differs')
  assert.notEqual(decisionHash(sha256, first.decision), decisionHash(sha256, second.decision))
})

test('a document of another type by the gateway key is no grant', async () => {
  const sign = (claims: GrantClaims): string =>
    signJws(
      { typ: 'tool-registry+jwt', kid: 'grant-1', payload: { ...claims, approvals: [] } },
      world.grantKey.sign,
    )
  assert.equal(await reasonFor({ sign }), 'grant_typ')
})
