import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import {
  approvalStatement,
  canonicalize,
  contractHash,
  type FreezeNotice,
  type FreezeStatement,
  freezeKey,
  freezeNoticeJson,
  hashText,
  isJsonArray,
  type Json,
  type JsonObject,
  parseHash,
  readFreezeNotice,
  type SignedStatement,
  sealFreezeNotice,
  statementHash,
  utf8Encode,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import {
  type Answer,
  approvalRequest,
  at,
  enrol,
  type SignedIn,
  startWorld,
  TENANT,
  text,
  until,
  type World,
} from './support/world.ts'

const TOOL = { kind: 'tool', name: 'shop.refund' } as const
const STOP = { order: 'freeze', scope: { kind: 'tenant' }, reason: 'odd refunds' } as const

function challengeOf(statement: SignedStatement): string {
  const hash = statementHash(sha256, statement).slice('sha256:'.length)
  return Buffer.from(hash, 'hex').toString('base64url')
}

/** What a browser would sign: the statement that the host showed. */
function statementOf(begun: Answer): FreezeStatement {
  return JSON.parse(canonicalize(at(begun.json, 'statement'))) as FreezeStatement
}

describe('freezes by a passkey', () => {
  let world: World
  let ann: SignedIn
  let bob: SignedIn
  before(async () => {
    world = await startWorld()
    ann = await enrol(world, 'ann', ['admin'])
    bob = await enrol(world, 'bob', ['approver'])
  })
  after(async () => {
    await world.stop()
  })
  beforeEach(async () => {
    for (const { hash } of world.freezes.book.standing(TENANT)) await thawed(hash)
    world.audit.length = 0
  })

  const begin = (who: SignedIn, wish: object): Promise<Answer> =>
    world.call('POST', '/api/freezes/challenge', { body: wish, cookies: who.cookies })
  const apply = (begun: Answer, assertion: unknown, who: SignedIn): Promise<Answer> =>
    world.call('POST', '/api/freezes/apply', {
      body: { nonce: text(begun.json, 'nonce'), assertion },
      cookies: who.cookies,
    })
  const signed = (begun: Answer, who: SignedIn): unknown =>
    who.approval.assert(challengeOf(statementOf(begun)))

  async function freeze(who: SignedIn, wish: object = STOP): Promise<Answer> {
    const begun = await begin(who, wish)
    assert.equal(begun.status, 200, begun.text)
    return await apply(begun, signed(begun, who), who)
  }
  async function thawed(hash: string): Promise<Answer> {
    const begun = await begin(ann, { order: 'thaw', freeze: hash, reason: 'mended' })
    return await apply(begun, signed(begun, ann), ann)
  }
  async function standing(): Promise<readonly Json[]> {
    const { json } = await world.call('GET', '/api/freezes', { cookies: bob.cookies })
    const found = at(json, 'freezes')
    assert.ok(isJsonArray(found))
    return found
  }
  const nothing = async (): Promise<void> => {
    assert.deepEqual(await standing(), [])
    assert.deepEqual(world.freezes.book.standing(TENANT), [])
  }
  const told = (): readonly string[] => world.audit.map(({ type, actor }) => `${type} ${actor}`)

  it('shows and takes nothing without a session', async () => {
    assert.equal((await world.call('GET', '/api/freezes')).status, 401)
    for (const path of ['/api/freezes/challenge', '/api/freezes/apply']) {
      assert.equal((await world.call('POST', path, { body: {} })).status, 401, path)
    }
  })

  it('anybody with an approval passkey freezes: stored with seal and signature, told to portals', async () => {
    const changed: string[] = []
    world.gateway.link.bus.listen(`ui.v1.${TENANT}.changed`, ({ data }) => {
      changed.push(Buffer.from(data).toString())
    })
    const begun = await begin(bob, { ...STOP, scope: TOOL })
    const statement = statementOf(begun)
    assert.deepEqual(
      { ...statement, at: 0, nonce: '' },
      {
        typ: 'trustgw/freeze/1',
        tenant: TENANT,
        scope: TOOL,
        reason_hash: hashText(sha256, 'odd refunds'),
        counter: world.freezes.book.count(TENANT) + 1,
        by: 'bob',
        at: 0,
        nonce: '',
      },
    )
    const done = await apply(begun, signed(begun, bob), bob)
    assert.equal(done.status, 200, done.text)
    const hash = parseHash(text(done.json, 'hash'))
    assert.ok(hash.ok)
    const stored = await world.freezes.freezeRecords.get(freezeKey(TENANT, hash.value))
    const read = readFreezeNotice(stored?.value ?? new Uint8Array(), sha256)
    assert.ok(read.ok)
    assert.ok(read.value.notice.seal !== null && read.value.notice.assertion !== null)
    assert.equal(read.value.notice.assertion.credential_id, bob.approval.id)
    assert.deepEqual(await standing(), [
      {
        statement: at(begun.json, 'statement'),
        reason: 'odd refunds',
        vouched: 'host',
        final: false,
      },
    ])
    await until(() => changed.length > 0)
    assert.deepEqual(JSON.parse(changed[0] ?? ''), { v: 1, what: 'freezes' })
    assert.deepEqual(told(), ['freeze_given bob'])
  })

  it('only an admin thaws, and only what stands', async () => {
    const done = await freeze(bob)
    const [hash] = [text(done.json, 'hash')]
    const wish = { order: 'thaw', freeze: hash, reason: 'mended' }
    const refused = await begin(bob, wish)
    assert.deepEqual([refused.status, refused.json['code']], [403, 'role_missing'])
    const other = await begin(ann, { ...wish, freeze: `sha256:${'0'.repeat(64)}` })
    assert.deepEqual([other.status, other.json['code']], [409, 'not_frozen'])
    assert.equal((await standing()).length, 1)
    const over = await thawed(hash)
    assert.deepEqual([over.status, over.json['standing']], [200, []])
    await nothing()
    assert.deepEqual(told(), ['freeze_given bob', 'thaw_given ann'])
    assert.equal((await begin(ann, wish)).json['code'], 'not_frozen')
  })

  it('ends one of two freezes of the same words', async () => {
    const first = text((await freeze(bob)).json, 'hash')
    const second = text((await freeze(bob)).json, 'hash')
    assert.notEqual(first, second)
    await thawed(first)
    const left = world.freezes.book.standing(TENANT).map(({ hash }) => hash)
    assert.deepEqual(left, [second])
  })

  it("takes nobody else's signature, no sign-in's, and none twice", async () => {
    for (const [who, passkey] of [
      ["another person's", ann.approval],
      ['for signing in', bob.login],
    ] as const) {
      const begun = await begin(bob, STOP)
      const done = await apply(begun, passkey.assert(challengeOf(statementOf(begun))), bob)
      assert.deepEqual([done.status, done.json['code']], [422, 'signature_refused'], who)
    }
    const begun = await begin(bob, STOP)
    const foreign = await apply(begun, signed(begun, ann), ann)
    assert.equal(foreign.json['code'], 'ceremony_unknown', 'a ceremony of another session')
    const again = await apply(begun, signed(begun, bob), bob)
    assert.equal(again.json['code'], 'ceremony_unknown', 'taken, whatever came of it')
    await nothing()
    assert.deepEqual(told(), ['freeze_refused bob', 'freeze_refused bob'])
  })

  it('takes no signature over anything else: an approval, another scope, reason, time, kind', async () => {
    const request = approvalRequest({ clock: world.clock })
    const { decide_by, run_by } = request
    const approval = approvalStatement(
      request,
      {
        contract_hash: contractHash(sha256, request.contract),
        input_hash: request.decision.input_hash,
        precondition_hash: request.precondition_hash,
      },
      { approver: 'bob', verdict: 'approve', nonce: 'n'.repeat(43), decide_by, run_by },
    )
    const changes: readonly ((shown: FreezeStatement) => SignedStatement)[] = [
      () => approval,
      (shown) => ({ ...shown, scope: TOOL }),
      (shown) => ({ ...shown, reason_hash: hashText(sha256, 'another') }),
      (shown) => ({ ...shown, at: shown.at + 1 }),
      (shown) => ({ ...shown, by: 'ann' }),
      (shown) => {
        const { tenant, reason_hash, by, at: when, nonce } = shown
        const said = { tenant, reason_hash, by, at: when, nonce }
        return { typ: 'trustgw/thaw/1', freeze_hash: reason_hash, ...said }
      },
    ]
    for (const change of changes) {
      const begun = await begin(bob, STOP)
      const over = change(statementOf(begun))
      const done = await apply(begun, bob.approval.assert(challengeOf(over)), bob)
      assert.equal(done.json['code'], 'signature_refused', canonicalize({ ...over } as JsonObject))
    }
    await nothing()
  })

  it('refuses what is no wish', async () => {
    for (const wish of [
      { ...STOP, reason: '' },
      { ...STOP, reason: 'x'.repeat(501) },
      { ...STOP, scope: { kind: 'tool' } },
      { ...STOP, scope: { kind: 'planet', name: 'x' } },
      { ...STOP, order: 'melt' },
      { order: 'thaw', freeze: 'all', reason: 'x' },
    ]) {
      assert.equal((await begin(bob, wish)).status, 400, JSON.stringify(wish))
    }
  })

  it('stops also while nothing can be recorded, and goes on only on record', async () => {
    world.auditDown = true
    try {
      const done = await freeze(bob)
      assert.equal(done.status, 200, done.text)
      const hash = text(done.json, 'hash')
      assert.equal((await thawed(hash)).status, 503)
      assert.equal((await standing()).length, 1)
    } finally {
      world.auditDown = false
    }
  })

  it('shows what others froze, and forgets nothing over a restart', async () => {
    const { kid, sign } = world.signers.gatewayAudit
    const statement: FreezeStatement = {
      typ: 'trustgw/freeze/1',
      tenant: TENANT,
      scope: TOOL,
      reason_hash: hashText(sha256, 'too many calls'),
      counter: 1,
      by: 'gateway',
      at: world.clock.now(),
      nonce: 'g'.repeat(43),
    }
    const parts = { statement, reason: 'too many calls', assertion: null }
    const notice: FreezeNotice = sealFreezeNotice(sha256, parts, { kid, sign })
    const key = freezeKey(TENANT, statementHash(sha256, statement))
    const bytes = utf8Encode(canonicalize(freezeNoticeJson(notice)))
    await world.gateway.link.records({ home: 'data', bucket: 'freezes' }).create(key, bytes)
    await until(async () => (await standing()).length === 1)
    await world.restart()
    const [shown] = await standing()
    assert.equal(text(shown ?? null, 'vouched'), 'gateway')
  })

  it('only an admin revokes for good, and nobody ends that', async () => {
    const wish = { ...STOP, scope: { kind: 'agent', name: 'gone-bot' }, final: true }
    const refused = await begin(bob, wish)
    assert.deepEqual([refused.status, refused.json['code']], [403, 'role_missing'])
    const done = await freeze(ann, wish)
    assert.equal(done.status, 200, done.text)
    assert.equal(world.freezes.book.isRevoked(TENANT, { agent: 'gone-bot' }), true)
    const hash = text(done.json, 'hash')
    const ending = await begin(ann, { order: 'thaw', freeze: hash, reason: 'mended' })
    assert.deepEqual([ending.status, ending.json['code']], [409, 'revoked_for_good'])
    assert.deepEqual(told(), ['freeze_given ann'])
  })
})
