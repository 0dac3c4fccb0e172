import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import {
  APPROVAL_STATEMENT_MAX_BYTES,
  APPROVAL_STATEMENT_TYP,
  type ApprovalRequest,
  approvalStatement,
  approvalStatementJson,
  canonicalize,
  contractHash,
  hashJson,
  hashText,
  preconditionHash,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import type { SoftwarePasskey, Twist } from './support/authenticator.ts'
import { type Choice, challengeFor } from './support/challenge.ts'
import {
  type Answer,
  approvalRequest,
  ask,
  CONTRACT,
  enrol,
  type RequestOptions,
  type SignedIn,
  startWorld,
  TENANT,
  tell,
  text,
  until,
  type World,
} from './support/world.ts'

function pathOf(request: ApprovalRequest): string {
  return `/api/approvals/${request.action_id}`
}

function omit(request: ApprovalRequest, name: string): object {
  return Object.fromEntries(Object.entries(request).filter(([member]) => member !== name))
}

describe('approving', () => {
  let world: World
  let ann: SignedIn
  let ben: SignedIn
  before(async () => {
    world = await startWorld()
    ann = await enrol(world, 'ann', ['approver'])
    ben = await enrol(world, 'ben', ['viewer', 'approver'])
  })
  after(async () => {
    await world.stop()
  })

  async function asked(options: RequestOptions = {}): Promise<ApprovalRequest> {
    const request = approvalRequest(world, options)
    assert.equal((await ask(world, request))['status'], 'stored')
    return request
  }

  /** One that waits out an undo window of a minute before it runs. */
  async function stoppable(
    verdict: Partial<ApprovalRequest['decision']> = { effect: 'allow', tier: 0 },
  ): Promise<ApprovalRequest> {
    const made = approvalRequest(world)
    const approvers = verdict.effect === 'allow' ? [] : made.decision.obligations.approvers
    const obligations = { ...made.decision.obligations, approvers, undo_ms: 60_000 }
    const request = { ...made, decision: { ...made.decision, ...verdict, obligations } }
    assert.equal((await ask(world, request))['status'], 'stored')
    return request
  }

  const begin = (request: ApprovalRequest, who: SignedIn = ann) =>
    world.call('POST', `${pathOf(request)}/begin`, { body: {}, cookies: who.cookies })

  const send = (request: ApprovalRequest, who: SignedIn, nonce: string, assertion: unknown) =>
    world.call('POST', `${pathOf(request)}/approve`, {
      body: { nonce, assertion },
      cookies: who.cookies,
    })

  const deny = (request: ApprovalRequest, who: SignedIn = ann, reason = 'not today') =>
    world.call('POST', `${pathOf(request)}/deny`, { body: { reason }, cookies: who.cookies })

  async function approve(
    request: ApprovalRequest,
    options: {
      readonly who?: SignedIn
      readonly passkey?: SoftwarePasskey
      readonly twist?: Twist
      readonly choice?: Choice
    } = {},
  ): Promise<Answer> {
    const who = options.who ?? ann
    const begun = await begin(request, who)
    if (begun.status !== 200) return begun
    const challenge = challengeFor(request, begun, options.choice)
    const assertion = (options.passkey ?? who.approval).assert(challenge, options.twist)
    return await send(request, who, text(begun.json, 'nonce'), assertion)
  }

  const sentFor = (request: ApprovalRequest) =>
    world.gateway.decisions.filter(({ action_id }) => action_id === request.action_id)

  it('lists what waits, whole, and shows one with its state', async () => {
    const request = await asked()
    const list = await world.call('GET', '/api/approvals', { cookies: ann.cookies })
    const all = list.json['approvals']
    assert.ok(Array.isArray(all))
    assert.ok(
      all.some((one) => canonicalize(one) === canonicalize(JSON.parse(JSON.stringify(request)))),
    )
    const one = await world.call('GET', pathOf(request), { cookies: ann.cookies })
    const { state, given, ...rest } = one.json
    assert.equal(state, 'pending_approval')
    assert.deepEqual(given, [])
    assert.deepEqual(rest, JSON.parse(JSON.stringify(request)))
  })

  it('shows and decides nothing without a session', async () => {
    const request = await asked()
    for (const [method, path] of [
      ['GET', '/api/approvals'],
      ['GET', pathOf(request)],
      ['POST', `${pathOf(request)}/begin`],
      ['POST', `${pathOf(request)}/approve`],
      ['POST', `${pathOf(request)}/deny`],
    ] as const) {
      const refused = await world.call(method, path, method === 'GET' ? {} : { body: {} })
      assert.equal(refused.status, 401, path)
    }
    assert.equal(sentFor(request).length, 0)
  })

  it('takes a passkey over exactly this action and brings it to the gateway', async () => {
    const request = await asked()
    const done = await approve(request)
    assert.equal(done.status, 200, done.text)
    assert.deepEqual(done.json, { state: 'authorized', delivered: true })
    const [decision] = sentFor(request)
    assert.equal(decision?.verdict, 'approve')
    assert.equal(decision.approver, 'ann')
    assert.equal(decision.evidence?.kind, 'passkey')
    const given = world.audit.filter(({ action }) => action === request.action_id)
    assert.deepEqual(
      given.map(({ type }) => type),
      ['approval_given'],
    )
    const list = await world.call('GET', '/api/approvals', { cookies: ann.cookies })
    assert.ok(!list.text.includes(request.action_id))
    assert.equal(text((await begin(request)).json, 'code'), 'not_pending')
  })

  it('at tier 1 gives its own word over the same statement', async () => {
    const request = await asked({ tier: 1 })
    const begun = await begin(request)
    const nonce = text(begun.json, 'nonce')
    const done = await send(request, ann, nonce, null)
    assert.equal(done.status, 200, done.text)
    const [decision] = sentFor(request)
    assert.equal(decision?.evidence?.kind, 'host')
    const { hostKey } = world.deps
    const verified = verifyJws(
      decision.evidence.kind === 'host' ? decision.evidence.statement : '',
      {
        typ: APPROVAL_STATEMENT_TYP,
        maxBytes: APPROVAL_STATEMENT_MAX_BYTES,
        keyFor: (kid) => (kid === hostKey.kid ? hostKey.verify : undefined),
      },
    )
    assert.ok(verified.ok)
    const expected = approvalStatement(
      request,
      {
        contract_hash: contractHash(sha256, CONTRACT),
        input_hash: hashText(sha256, request.arguments),
        precondition_hash: preconditionHash(sha256, null),
      },
      {
        approver: 'ann',
        verdict: 'approve',
        nonce,
        decide_by: request.decide_by,
        run_by: request.run_by,
      },
    )
    assert.equal(
      canonicalize(verified.value.payload),
      canonicalize(approvalStatementJson(expected)),
    )
  })

  it('refuses no passkey at tier 2, and a needless one at tier 1', async () => {
    const high = await asked({ tier: 2 })
    const refused = await send(high, ann, text((await begin(high)).json, 'nonce'), null)
    assert.equal(text(refused.json, 'code'), 'assertion_refused')
    const low = await asked({ tier: 1 })
    const needless = await approve(low)
    assert.equal(text(needless.json, 'code'), 'assertion_refused')
    assert.equal(sentFor(high).length + sentFor(low).length, 0)
  })

  const twists: readonly (readonly [string, Twist])[] = [
    ['another origin', { origin: 'https://evil.example' }],
    ['another RP ID', { rpId: 'evil.example' }],
    ['a bare random challenge', { challenge: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }],
    ['a creation type', { type: 'webauthn.create' }],
    ['a framed page', { crossOrigin: true }],
    ['no user verification', { userVerified: false }],
    ['a flipped signature', { flipSignature: true }],
  ]
  for (const [name, twist] of twists) {
    it(`refuses an assertion with ${name}`, async () => {
      const request = await asked()
      const refused = await approve(request, { twist })
      assert.equal(refused.status, 422)
      assert.equal(text(refused.json, 'code'), 'assertion_refused')
      assert.equal(sentFor(request).length, 0)
      const line = world.audit.findLast(({ action }) => action === request.action_id)
      assert.equal(line?.type, 'approval_refused')
    })
  }

  const changes: readonly (readonly [string, Choice])[] = [
    ['a denial', { verdict: 'deny' }],
    ['other arguments', { change: { input_hash: hashJson(sha256, 'other') } }],
    ['another contract', { change: { contract_hash: hashJson(sha256, 'other') } }],
    ['another approver', { change: { approver: 'ben' } }],
    ['a later deadline', { change: { run_by: 9_999_999_999_999 } }],
    ['a lower tier', { change: { tier: 1 } }],
    ['another credential', { change: { credential_ref: 'bank' } }],
  ]
  for (const [name, choice] of changes) {
    it(`refuses a signature over ${name}`, async () => {
      const request = await asked()
      const refused = await approve(request, { choice })
      assert.equal(text(refused.json, 'code'), 'assertion_refused')
      assert.equal(sentFor(request).length, 0)
    })
  }

  it('refuses a passkey for signing in, and that of another person [INV-24]', async () => {
    const request = await asked()
    for (const passkey of [ann.login, ben.approval]) {
      const refused = await approve(request, { passkey })
      assert.equal(text(refused.json, 'code'), 'assertion_refused')
    }
    assert.equal(sentFor(request).length, 0)
  })

  it('refuses a signature made for another action [INV-21]', async () => {
    const one = await asked()
    const two = await asked()
    const begunOne = await begin(one)
    const begunTwo = await begin(two)
    const assertion = ann.approval.assert(challengeFor(one, begunOne))
    const refused = await send(two, ann, text(begunTwo.json, 'nonce'), assertion)
    assert.equal(text(refused.json, 'code'), 'assertion_refused')
    const crossed = await send(two, ann, text(begunOne.json, 'nonce'), assertion)
    assert.equal(text(crossed.json, 'code'), 'ceremony_unknown')
    assert.equal(sentFor(one).length + sentFor(two).length, 0)
  })

  it('binds a nonce to the person and the session, and takes it once', async () => {
    const request = await asked({ quorum: 2 })
    const begun = await begin(request)
    const nonce = text(begun.json, 'nonce')
    const assertion = ann.approval.assert(challengeFor(request, begun))
    const foreign = await send(request, ben, nonce, assertion)
    assert.equal(text(foreign.json, 'code'), 'ceremony_unknown')
    const spent = await send(request, ann, nonce, assertion)
    assert.equal(text(spent.json, 'code'), 'ceremony_unknown')
  })

  it('lets nobody approve what runs on their own behalf, but deny it [INV-23]', async () => {
    const request = await asked({ onBehalfOf: 'ann' })
    const refused = await begin(request)
    assert.equal(refused.status, 403)
    assert.equal(text(refused.json, 'code'), 'initiator_cannot_approve')
    assert.equal((await deny(request)).status, 200)
  })

  it('asks for a role of the clause, and for its channel', async () => {
    const request = await asked({ roles: ['viewer'] })
    assert.equal(text((await begin(request)).json, 'code'), 'role_missing')
    assert.equal(text((await deny(request)).json, 'code'), 'role_missing')
    assert.equal((await begin(request, ben)).status, 200)
    const elsewhere = await asked({ tier: 1, channels: ['telegram'] })
    assert.equal(text((await begin(elsewhere)).json, 'code'), 'channel_not_named')
    assert.equal((await deny(elsewhere)).status, 200)
    const signed = await asked({ tier: 2, channels: ['telegram'] })
    assert.equal((await begin(signed)).status, 200)
  })

  it('is too late at the deadline, and lists it no more', async () => {
    const request = await asked({ decideInMs: 60_000 })
    const begun = await begin(request)
    world.clock.advance(60_000)
    const late = await send(
      request,
      ann,
      text(begun.json, 'nonce'),
      ann.approval.assert(challengeFor(request, begun)),
    )
    assert.ok(['too_late', 'ceremony_unknown'].includes(text(late.json, 'code')))
    assert.equal((await begin(request)).status, 410)
    assert.equal((await deny(request)).status, 410)
    const list = await world.call('GET', '/api/approvals', { cookies: ann.cookies })
    assert.ok(!list.text.includes(request.action_id))
    assert.equal(sentFor(request).length, 0)
  })

  it('takes a denial with a reason', async () => {
    const request = await asked()
    for (const reason of ['', 'x'.repeat(501), 'a\nb']) {
      assert.equal(text((await deny(request, ann, reason)).json, 'code'), 'body_invalid')
    }
    const done = await deny(request)
    assert.deepEqual(done.json, { state: 'denied', delivered: true })
    const [decision] = sentFor(request)
    assert.equal(decision?.verdict, 'deny')
    assert.equal(decision.reason, 'not today')
    assert.equal(decision.evidence, null)
    assert.equal(text((await approve(request)).json, 'code'), 'not_pending')
  })

  it('lets the first of a concurrent approval and denial win', async () => {
    for (let round = 0; round < 5; round += 1) {
      const request = await asked()
      const begun = await begin(request)
      const assertion = ann.approval.assert(challengeFor(request, begun))
      const ends = await Promise.all([
        send(request, ann, text(begun.json, 'nonce'), assertion),
        deny(request, ben),
      ])
      assert.deepEqual(
        ends.map(({ status }) => status).toSorted((a, b) => a - b),
        [200, 409],
      )
      assert.equal(sentFor(request).length, 1)
    }
  })

  it('counts people for a quorum, not signatures', async () => {
    const request = await asked({ quorum: 2 })
    world.gateway.answer = () => Promise.resolve({ status: 'accepted', state: 'pending_approval' })
    const first = await approve(request)
    assert.equal(text(first.json, 'state'), 'pending_approval')
    assert.equal(text((await approve(request)).json, 'code'), 'not_pending')
    world.gateway.answer = () => Promise.resolve({ status: 'accepted', state: 'authorized' })
    const second = await approve(request, { who: ben })
    assert.equal(text(second.json, 'state'), 'authorized')
    assert.deepEqual(
      sentFor(request).map(({ approver }) => approver),
      ['ann', 'ben'],
    )
  })

  it('counts one person once, also when both approvals come at the same time', async () => {
    const request = await asked({ quorum: 2 })
    const begun = await Promise.all([begin(request), begin(request)])
    const ends = await Promise.all(
      begun.map((one) => {
        const assertion = ann.approval.assert(challengeFor(request, one))
        return send(request, ann, text(one.json, 'nonce'), assertion)
      }),
    )
    assert.deepEqual(
      ends.map(({ status }) => status).toSorted((a, b) => a - b),
      [200, 409],
    )
    assert.equal(sentFor(request).length, 1)
  })

  it('waits for every clause, and needs nobody whose clauses are all met', async () => {
    const cem = await enrol(world, 'cem', ['approver'])
    const approvers = [
      { roles: ['approver'], quorum: 1 },
      { roles: ['viewer'], quorum: 1 },
    ]
    const request = await asked({ approvers })
    world.gateway.answer = () => Promise.resolve({ status: 'accepted', state: 'pending_approval' })
    const early = await begin(request, cem)
    assert.equal(text((await approve(request)).json, 'state'), 'pending_approval')
    const one = await world.call('GET', pathOf(request), { cookies: cem.cookies })
    assert.deepEqual(one.json['given'], [{ approver: 'ann', roles: ['approver'] }])
    const late = await begin(request, cem)
    assert.deepEqual([late.status, text(late.json, 'code')], [409, 'approver_not_needed'])
    const begun = cem.approval.assert(challengeFor(request, early))
    const sent = await send(request, cem, text(early.json, 'nonce'), begun)
    assert.equal(text(sent.json, 'code'), 'approver_not_needed')
    world.gateway.answer = () => Promise.resolve({ status: 'accepted', state: 'authorized' })
    assert.equal(text((await approve(request, { who: ben })).json, 'state'), 'authorized')
    assert.equal(text((await approve(request, { who: cem })).json, 'code'), 'not_pending')
    const both = await asked({ approvers })
    assert.equal(text((await approve(both, { who: ben })).json, 'state'), 'authorized')
    assert.equal(text((await approve(both)).json, 'code'), 'not_pending')
    const denied = await asked({ approvers })
    await approve(denied)
    assert.equal((await deny(denied, cem)).status, 200, 'who is not needed may deny')
  })

  it('asks in order where an order is asked for', async () => {
    const approvers = [
      { roles: ['viewer'], quorum: 1 },
      { roles: ['approver'], quorum: 1, after: ['viewer'] },
    ]
    const request = await asked({ approvers })
    world.gateway.answer = () => Promise.resolve({ status: 'accepted', state: 'pending_approval' })
    assert.equal(text((await approve(request)).json, 'code'), 'approver_not_yet')
    assert.equal((await approve(request, { who: ben })).status, 200)
    world.gateway.answer = () => Promise.resolve({ status: 'accepted', state: 'authorized' })
    assert.equal(text((await approve(request)).json, 'state'), 'authorized')
  })

  it('lets whom an escalation names decide when its time has come', async () => {
    const clause = { roles: ['boss'], quorum: 1 }
    const later = { after_ms: 600_000, roles: ['approver'] }
    const early = await asked({ approvers: [{ ...clause, escalation: later }] })
    assert.equal(text((await approve(early)).json, 'code'), 'role_missing')
    assert.equal(text((await deny(early)).json, 'code'), 'role_missing')
    const now = await asked({ approvers: [{ ...clause, escalation: { ...later, after_ms: 1 } }] })
    await new Promise((resolve) => setTimeout(resolve, 5))
    assert.equal((await approve(now)).status, 200)
  })

  it('shows what runs by itself, which can be stopped and not approved', async () => {
    const request = await stoppable()
    const listed = await world.call('GET', '/api/approvals', { cookies: ann.cookies })
    assert.ok(JSON.stringify(listed.json).includes(request.action_id))
    assert.equal(text((await approve(request)).json, 'code'), 'not_pending')
    const event = { revision: 4, state: 'scheduled', at: request.requested_at + 1 } as const
    await tell(world, request, event)
    world.gateway.answer = () => Promise.resolve({ status: 'accepted', state: 'cancelled' })
    const stopped = await deny(request)
    assert.deepEqual(stopped.json, { state: 'cancelled', delivered: true })
    world.gateway.answer = () => Promise.resolve({ status: 'accepted', state: 'authorized' })
  })

  it('refuses to show what is simply allowed', async () => {
    const request = approvalRequest(world)
    const decision = { ...request.decision, effect: 'allow', tier: 0 } as const
    const answer = await ask(world, { ...request, decision })
    assert.deepEqual(answer, { status: 'refused', code: 'not_an_approval' })
  })

  it('stops what was approved inside its undo window; a stop that comes too late leaves it approved', async () => {
    for (const [answer, state] of [
      [{ status: 'accepted', state: 'cancelled' }, 'denied'],
      [{ status: 'refused', code: 'not_pending' }, 'authorized'],
    ] as const) {
      const request = await stoppable({ effect: 'require_approval', tier: 2 })
      world.gateway.answer = () => Promise.resolve({ status: 'accepted', state: 'scheduled' })
      assert.equal(text((await approve(request)).json, 'state'), 'scheduled')
      world.gateway.answer = () => Promise.resolve(answer)
      const stopped = await deny(request, ben)
      assert.equal(stopped.status, answer.status === 'accepted' ? 200 : 409)
      const one = await world.call('GET', pathOf(request), { cookies: ann.cookies })
      assert.equal(one.json['state'], state)
    }
    const plain = await asked()
    world.gateway.answer = () => Promise.resolve({ status: 'accepted', state: 'authorized' })
    await approve(plain)
    assert.equal(text((await deny(plain, ben)).json, 'code'), 'not_pending')
  })

  it('says so when the gateway had decided otherwise', async () => {
    const request = await asked()
    world.gateway.answer = () => Promise.resolve({ status: 'refused', code: 'expired' })
    const refused = await approve(request)
    assert.equal(refused.status, 409)
    assert.equal(text(refused.json, 'code'), 'not_pending')
    const one = await world.call('GET', pathOf(request), { cookies: ann.cookies })
    assert.equal(one.json['state'], 'expired')
    world.gateway.answer = () => Promise.resolve({ status: 'accepted', state: 'authorized' })
  })

  it('puts away what ended elsewhere', async () => {
    const request = await asked()
    await tell(world, request, { revision: 5, state: 'cancelled', at: request.requested_at + 1 })
    await until(async () => (await begin(request)).status === 409)
    const one = await world.call('GET', pathOf(request), { cookies: ann.cookies })
    assert.equal(one.json['state'], 'cancelled')
  })

  it('knows only actions that it was asked for', async () => {
    const request = approvalRequest(world)
    assert.equal(text((await begin(request)).json, 'code'), 'unknown_action')
    assert.equal(text((await deny(request)).json, 'code'), 'unknown_action')
    const odd = await world.call('GET', '/api/approvals/..%2f..', { cookies: ann.cookies })
    assert.equal(odd.status, 404)
  })
})

describe('a request for approval', () => {
  let world: World
  before(async () => {
    world = await startWorld()
  })
  after(async () => {
    await world.stop()
  })

  it('is stored once, however often it comes', async () => {
    const request = approvalRequest(world)
    for (let times = 0; times < 3; times += 1) {
      assert.deepEqual(await ask(world, request), {
        status: 'stored',
        action_id: request.action_id,
      })
    }
    const stored = await world.deps.approvals.list(TENANT)
    assert.equal(stored.length, 1)
  })

  const lies: readonly (readonly [string, string, (r: ApprovalRequest) => object])[] = [
    ['other arguments', 'input_hash_differs', (r) => ({ ...r, arguments: '{"cents":1}' })],
    [
      'arguments in another spelling',
      'arguments_not_canonical',
      (r) => ({ ...r, arguments: ` ${r.arguments}` }),
    ],
    [
      'a changed contract',
      'contract_hash_differs',
      (r) => ({ ...r, contract: { ...CONTRACT, title: 'x' } }),
    ],
    [
      'another tool',
      'tool_differs',
      (r) => ({ ...r, contract: { ...CONTRACT, id: 'shop.other' } }),
    ],
    ['another tenant', 'tenant_differs', (r) => ({ ...r, tenant: 'other' })],
    [
      'a decision for another action',
      'action_differs',
      (r) => ({ ...r, action_id: approvalRequest(world).action_id }),
    ],
    [
      'an allowed action',
      'not_an_approval',
      (r) => ({ ...r, decision: { ...r.decision, effect: 'allow' } }),
    ],
    ['tier 0', 'not_an_approval', (r) => ({ ...r, decision: { ...r.decision, tier: 0 } })],
    ['tier 3', 'tier_unsupported', (r) => ({ ...r, decision: { ...r.decision, tier: 3 } })],
    [
      'a precondition',
      'precondition_differs',
      (r) => ({ ...r, precondition_hash: hashJson(sha256, 1) }),
    ],
    [
      'deadlines the wrong way round',
      'deadlines_differ',
      (r) => ({ ...r, run_by: r.decide_by - 1 }),
    ],
    [
      'a deadline that is over',
      'too_late',
      (r) => ({ ...r, requested_at: 1, decide_by: 2, run_by: 3 }),
    ],
    ['an unknown member', 'request_malformed', (r) => ({ ...r, extra: 1 })],
    ['a missing member', 'request_malformed', (r) => omit(r, 'decision')],
  ]
  for (const [name, code, lie] of lies) {
    it(`is refused with ${name}`, async () => {
      const answer = await ask(world, lie(approvalRequest(world)))
      assert.deepEqual(answer, { status: 'refused', code })
    })
  }

  it('is replaced by a later one for the same action, never by an earlier or a twin', async () => {
    const first = approvalRequest(world)
    await ask(world, first)
    const decision = { ...first.decision, rule_id: 'stricter' }
    const twin = await ask(world, { ...first, decision })
    assert.deepEqual(twin, { status: 'refused', code: 'conflict' })
    const older = await ask(world, { ...first, decision, requested_at: first.requested_at - 1 })
    assert.deepEqual(older, { status: 'refused', code: 'stale_request' })
    const later = { ...first, decision, requested_at: first.requested_at + 1 }
    assert.equal((await ask(world, later))['status'], 'stored')
    const ann = await enrol(world)
    const shown = await world.call('GET', `/api/approvals/${first.action_id}`, {
      cookies: ann.cookies,
    })
    assert.equal(text(shown.json, 'decision', 'rule_id'), 'stricter')
  })

  it('is refused when it would not fit beside the decisions to come', async () => {
    const args = canonicalize({ note: '"'.repeat(60_000) })
    const request = approvalRequest(world)
    const contract = { ...request.contract, input_schema: { description: 'x'.repeat(250_000) } }
    const decision = {
      ...request.decision,
      input_hash: hashText(sha256, args),
      contract_hash: contractHash(sha256, contract),
    }
    const answer = await ask(world, { ...request, contract, arguments: args, decision })
    assert.deepEqual(answer, { status: 'refused', code: 'too_large' })
  })

  it('ignores a request that expects no answer', async () => {
    const request = approvalRequest(world)
    const data = utf8Encode(JSON.stringify(request))
    world.gateway.link.bus.publish(`approval.v1.${TENANT}.request`, data)
    await ask(world, approvalRequest(world))
    const found = await world.deps.approvals.list(TENANT)
    const bodies = found.map(({ value }) =>
      Buffer.from(Buffer.from(value).toString().split('.')[1] ?? '', 'base64url').toString(),
    )
    assert.ok(!bodies.some((body) => body.includes(request.action_id)))
  })
})
