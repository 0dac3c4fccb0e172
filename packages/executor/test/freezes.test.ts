import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  canonicalize,
  type FreezeNotice,
  type FreezeScope,
  type FreezeStatement,
  freezeKey,
  freezeNoticeJson,
  hashText,
  ok,
  parseJson,
  parseTenantId,
  readShape,
  type SignedStatement,
  sealFreezeNotice,
  signedStatementShape,
  signJws,
  statementHash,
  type ThawStatement,
  utf8Encode,
} from '@trustgw/protocol'
import {
  FileFault,
  FREEZE_LOOK_EVERY_MS,
  FREEZE_RETRY_MS,
  FreezeBook,
  generateSigningKey,
  ManualClock,
  nodeRandom,
  type RecordStore,
  sha256,
  silentLogger,
} from '@trustgw/runtime'
import { SoftwareAuthenticator } from '@trustgw/testkit/software-authenticator'
import { clearAction } from '../src/admit/admission.ts'
import type { FreezeDeps } from '../src/admit/check-freeze.ts'
import { checkPrecondition } from '../src/admit/check-precondition.ts'
import { type ClaimDeps, claimAction, HeldClaims } from '../src/admit/claim-action.ts'
import { verifyFreeze } from '../src/freeze/verify-freeze.ts'
import { checkPasskey } from '../src/pins/check-passkey.ts'
import type { PinSource } from '../src/pins/pin-registry.ts'
import { Wal } from '../src/run/wal.ts'
import { ROOT, tempDir, until } from './support/connectors.ts'
import { bytesOf, NOW, ORIGIN, PROFILE, REFUND, RP_ID, TENANT, World } from './support/world.ts'

const other = parseTenantId('other')
assert.ok(other.ok)
const OTHER = other.value
const REASON = 'odd refunds'
let nonces = 0

function nonce(): string {
  nonces += 1
  return `nonce-${String(nonces).padStart(20, '0')}`
}

function freezeOf(change: Partial<FreezeStatement> = {}): FreezeStatement {
  const scope: FreezeScope = { kind: 'tenant' }
  const reason_hash = hashText(sha256, REASON)
  const head = { typ: 'trustgw/freeze/1', tenant: TENANT, scope, reason_hash, counter: 1 } as const
  return { ...head, by: 'somebody', at: NOW, nonce: nonce(), ...change }
}

function thawOf(freeze: FreezeStatement, change: Partial<ThawStatement> = {}): ThawStatement {
  const freeze_hash = statementHash(sha256, freeze)
  const reason_hash = hashText(sha256, REASON)
  const head = { typ: 'trustgw/thaw/1', tenant: TENANT, freeze_hash, reason_hash } as const
  return { ...head, by: 'ada', at: NOW, nonce: nonce(), ...change }
}

type Statement = FreezeStatement | ThawStatement
type Plane = 'operator' | 'host' | 'gateway' | 'log' | 'executor' | 'stranger'

/** An executor's freezes over a bucket that anyone may write, with everybody's keys. */
class Freezer {
  readonly world = new World()
  readonly clock = new ManualClock(NOW)
  readonly records: RecordStore = this.world.gateway.records({ home: 'data', bucket: 'freezes' })
  readonly admin = new SoftwareAuthenticator({ algorithm: 'ES256', rpId: RP_ID, origin: ORIGIN })
  readonly dir: string
  readonly said: string[] = []

  constructor(dir: string) {
    this.dir = dir
    const ada = { credential_id: this.admin.credentialId, public_key: this.admin.publicKey }
    this.world.pins = [
      ...this.world.pins,
      this.world.pin({ person: 'ada', roles: ['admin'], ...ada }),
    ]
  }

  async open(inbox?: string): Promise<FreezeBook> {
    const pins: PinSource = { current: () => Promise.resolve(ok(this.world.pins)) }
    const trust = { trust: this.world.trust, pins, sha256 }
    const book = new FreezeBook({
      tenants: [TENANT],
      records: this.records,
      dir: join(this.dir, 'freezes'),
      ...(inbox === undefined ? {} : { inbox }),
      verify: (notice) => verifyFreeze(notice, trust, this.clock.now()),
      news: (_, news) => {
        const detail = news.kind === 'refused' ? ` ${news.reason} ${news.detail}` : ''
        this.said.push(`${news.kind}${detail}`.trim())
      },
      sha256,
      clock: this.clock,
      log: silentLogger,
    })
    await book.start()
    return book
  }

  sealed(
    statement: Statement,
    plane: Plane,
    assertion: FreezeNotice['assertion'] = null,
  ): FreezeNotice {
    const { operatorKey, hostKey, auditKey, logKey, resultKey } = this.world
    const signers = {
      operator: { kid: 'operator-1', sign: operatorKey.sign },
      host: { kid: 'host-1', sign: hostKey.sign },
      gateway: { kid: 'audit-1', sign: auditKey.sign },
      log: { kid: 'log-1', sign: logKey.sign },
      executor: { kid: 'exec-audit-1', sign: resultKey.sign },
      stranger: { kid: 'host-1', sign: generateSigningKey().sign },
    }
    return sealFreezeNotice(sha256, { statement, reason: REASON, assertion }, signers[plane])
  }

  /** By a passkey alone. */
  signed(
    statement: Statement,
    who: 'ana' | 'ada',
    over: SignedStatement = statement,
  ): FreezeNotice {
    const key = who === 'ana' ? this.world.approver : this.admin
    const assertion = key.assert(statementHash(sha256, over))
    return { v: 1, statement, reason: REASON, seal: null, assertion }
  }

  async put(notice: FreezeNotice): Promise<void> {
    const { statement } = notice
    const key = freezeKey(statement.tenant, statementHash(sha256, statement))
    assert.ok((await this.records.create(key, bytes(notice))).ok)
  }
}

const bytes = (notice: FreezeNotice): Uint8Array =>
  utf8Encode(canonicalize(freezeNoticeJson(notice)))

async function withFreezer(use: (freezer: Freezer) => Promise<void>): Promise<void> {
  const temp = await tempDir()
  try {
    await use(new Freezer(temp.path))
  } finally {
    await temp.remove()
  }
}

/** What an executor that starts with these in its bucket stands still for, and what it said. */
async function standing(freezer: Freezer, ...notices: readonly FreezeNotice[]): Promise<number> {
  for (const notice of notices) await freezer.put(notice)
  const book = await freezer.open()
  const count = book.standing(TENANT).length
  await book.stop()
  return count
}

const ACTION = { tool: REFUND.id, agent: 'a', key: 'k', profile: PROFILE, credential: 'c' } as const

test('operator, host, gateway and any pinned person freeze alone; nobody else does', async () => {
  const by: {
    readonly [who: string]: (freezer: Freezer, freeze: FreezeStatement) => FreezeNotice
  } = {
    operator: (freezer, freeze) => freezer.sealed(freeze, 'operator'),
    host: (freezer, freeze) => freezer.sealed(freeze, 'host'),
    gateway: (freezer, freeze) => freezer.sealed(freeze, 'gateway'),
    person: (freezer, freeze) => freezer.signed({ ...freeze, by: 'ana' }, 'ana'),
  }
  for (const [who, make] of Object.entries(by)) {
    await withFreezer(async (freezer) => {
      assert.equal(await standing(freezer, make(freezer, freezeOf())), 1, who)
    })
  }
  for (const plane of ['log', 'executor', 'stranger'] as const) {
    await withFreezer(async (freezer) => {
      assert.equal(await standing(freezer, freezer.sealed(freezeOf(), plane)), 0, plane)
      assert.match(freezer.said.join(), /freeze_seal/)
    })
  }
})

test('a freeze that an agent or a portal user forges is none', async () => {
  await withFreezer(async (freezer) => {
    const stranger = new SoftwareAuthenticator({ algorithm: 'ES256', rpId: RP_ID, origin: ORIGIN })
    const freeze = freezeOf({ by: 'ana' })
    const foreign = stranger.assert(statementHash(sha256, freeze))
    const own = freezer.world.approver.assert(statementHash(sha256, freeze))
    const forged: readonly (readonly [string, FreezeNotice])[] = [
      ['credential_not_pinned', { ...freezer.signed(freeze, 'ana'), assertion: foreign }],
      ['credential_not_pinned', freezer.signed(freezeOf({ by: 'ben' }), 'ana')],
      ['assertion_other_action', freezer.signed(freezeOf({ by: 'ana' }), 'ana', freeze)],
      [
        'assertion_origin',
        {
          ...freezer.signed(freeze, 'ana'),
          assertion: freezer.world.approver.assert(statementHash(sha256, freeze), {
            origin: 'https://evil.example',
          }),
        },
      ],
      ['unsigned', { ...freezer.signed(freeze, 'ana'), assertion: null }],
      ['reason', { ...freezer.signed(freeze, 'ana'), assertion: own, reason: 'other words' }],
    ]
    const book = await freezer.open()
    for (const [expected, notice] of forged) {
      const offered = await book.offer(bytes(notice))
      assert.ok(!offered.ok && offered.detail === expected, JSON.stringify(offered))
    }
    assert.equal(book.isFrozen(TENANT, ACTION), false)
    assert.equal((await book.offer(bytes(freezer.signed(freeze, 'ana')))).ok, true)
    assert.equal(book.isFrozen(TENANT, ACTION), true)
    await book.stop()
  })
})

test('gateway, host and a person who is no admin thaw nothing; operator and pinned admin do', async () => {
  const by: { readonly [who: string]: (freezer: Freezer, thaw: ThawStatement) => FreezeNotice } = {
    gateway: (freezer, thaw) => freezer.sealed(thaw, 'gateway'),
    host: (freezer, thaw) => freezer.sealed(thaw, 'host'),
    'host for an approver': (freezer, thaw) => {
      const statement = { ...thaw, by: 'ana' }
      const assertion = freezer.world.approver.assert(statementHash(sha256, statement))
      return freezer.sealed(statement, 'host', assertion)
    },
    'an approver': (freezer, thaw) => freezer.signed({ ...thaw, by: 'ana' }, 'ana'),
    "an approver in the admin's name": (freezer, thaw) => freezer.signed(thaw, 'ana'),
    'host with a passkey over something else': (freezer, thaw) =>
      freezer.sealed(thaw, 'host', freezer.admin.assert(statementHash(sha256, freezeOf()))),
  }
  for (const [who, make] of Object.entries(by)) {
    await withFreezer(async (freezer) => {
      const freeze = freezeOf()
      const thaw = make(freezer, thawOf(freeze))
      assert.equal(await standing(freezer, freezer.sealed(freeze, 'gateway'), thaw), 1, who)
    })
  }
  for (const who of ['operator', 'admin', 'host for the admin'] as const) {
    await withFreezer(async (freezer) => {
      const freeze = freezeOf()
      const thaw = thawOf(freeze)
      const passkey = freezer.signed(thaw, 'ada')
      const notice = who === 'operator' ? freezer.sealed(thaw, 'operator') : passkey
      const sealed =
        who === 'host for the admin' ? freezer.sealed(thaw, 'host', passkey.assertion) : notice
      assert.equal(await standing(freezer, freezer.sealed(freeze, 'host'), sealed), 0, who)
    })
  }
})

test('what is revoked for good needs what a thaw needs, and no thaw ends it; of less it is a freeze', async () => {
  const agent: FreezeScope = { kind: 'agent', name: 'a' }
  const makers: readonly (readonly [
    string,
    (freezer: Freezer, of: FreezeStatement) => FreezeNotice,
    number,
  ])[] = [
    ['operator', (freezer, of) => freezer.sealed(of, 'operator'), 1],
    ['admin', (freezer, of) => freezer.signed(of, 'ada'), 1],
    [
      'host for the admin',
      (freezer, of) => freezer.sealed(of, 'host', freezer.signed(of, 'ada').assertion),
      1,
    ],
    ['host', (freezer, of) => freezer.sealed(of, 'host'), 0],
    ['gateway', (freezer, of) => freezer.sealed(of, 'gateway'), 0],
    [
      'host for an approver',
      (freezer, of) => freezer.sealed(of, 'host', freezer.signed(of, 'ana').assertion),
      0,
    ],
  ]
  for (const [who, make, left] of makers) {
    await withFreezer(async (freezer) => {
      const by = who === 'host for an approver' ? 'ana' : 'ada'
      const revocation = freezeOf({ scope: agent, final: true, by })
      const book = await freezer.open()
      assert.ok((await book.offer(bytes(make(freezer, revocation)))).ok, who)
      assert.equal(book.isFrozen(TENANT, ACTION), true, who)
      assert.equal(book.isRevoked(TENANT, { agent: 'a' }), left === 1, who)
      const thaw = freezer.sealed(thawOf(revocation), 'operator')
      assert.ok((await book.offer(bytes(thaw))).ok)
      assert.equal(book.standing(TENANT).length, left, `${who}, after a thaw`)
      assert.equal(book.isRevoked(TENANT, { agent: 'b', key: 'k' }), false)
      await book.stop()
      const again = await freezer.open()
      assert.equal(again.standing(TENANT).length, left, `${who}, after a restart`)
      await again.stop()
    })
  }
  await withFreezer(async (freezer) => {
    const alone = freezer.signed(freezeOf({ scope: agent, final: true, by: 'ana' }), 'ana')
    assert.equal(await standing(freezer, alone), 0, 'an approver revokes nothing')
  })
})

test('a thaw ends the freeze that it names and no other, also no later one of the same words', async () => {
  await withFreezer(async (freezer) => {
    const first = freezeOf()
    const second = freezeOf({ counter: 2 })
    const thaw = freezer.signed(thawOf(first), 'ada')
    const book = await freezer.open()
    let changes = 0
    const forget = book.onChange(() => (changes += 1))
    for (const notice of [
      freezer.sealed(first, 'host'),
      thaw,
      freezer.sealed(second, 'host'),
      thaw,
    ]) {
      assert.ok((await book.offer(bytes(notice))).ok)
    }
    assert.equal(changes, 3, 'each of them is told once')
    forget()
    const left = book.standing(TENANT).map(({ hash }) => hash)
    assert.deepEqual(left, [statementHash(sha256, second)])
    const wrong = thawOf(second, { tenant: OTHER })
    assert.equal((await book.offer(bytes(freezer.sealed(wrong, 'operator')))).ok, false)
    assert.equal(book.isFrozen(TENANT, ACTION), true)
    await book.stop()
  })
})

test('a seal for a freeze is none for a thaw, and another kind of token is neither', async () => {
  await withFreezer(async (freezer) => {
    const freeze = freezeOf()
    const thaw = thawOf(freeze)
    const { sign } = freezer.world.operatorKey
    const payload = { tenant: TENANT, statement_hash: statementHash(sha256, thaw) }
    for (const typ of ['freeze+jwt', 'key-revocation+jwt', 'policy-seal+jwt']) {
      const seal = signJws({ typ, kid: 'operator-1', payload }, sign)
      const notice: FreezeNotice = { v: 1, statement: thaw, reason: REASON, seal, assertion: null }
      const book = await freezer.open()
      const offered = await book.offer(bytes(notice))
      assert.ok(!offered.ok && offered.reason === 'freeze_seal', typ)
      await book.stop()
    }
  })
})

test('every statement that a passkey signs stands for itself alone', async () => {
  const file = await readFile(join(ROOT, 'vectors/protocol/statements.json'), 'utf8')
  const parsed = parseJson(file)
  assert.ok(parsed.ok)
  const { statements } = JSON.parse(file) as { statements: { statement: unknown; hash: string }[] }
  const known = statements.map(({ statement, hash }) => {
    const read = readShape(signedStatementShape, JSON.parse(JSON.stringify(statement)))
    assert.ok(read.ok)
    assert.equal(statementHash(sha256, read.value), hash)
    return read.value
  })
  assert.equal(new Set(known.map(({ typ }) => typ)).size, 8)
  const world = new World()
  const pins: PinSource = { current: () => Promise.resolve(ok(world.pins)) }
  const demand = { tenant: TENANT, person: 'ana' }
  for (const signed of known) {
    const assertion = world.approver.assert(statementHash(sha256, signed))
    for (const wanted of known) {
      const checked = await checkPasskey(wanted, assertion, demand, { pins, sha256 })
      const said = checked.ok ? 'holds' : checked.detail
      const expected = wanted === signed ? 'holds' : 'assertion_other_action'
      assert.equal(said, expected, `${signed.typ} for ${wanted.typ}`)
    }
  }
})

test('what was believed stands after a restart, whatever the bucket has by then', async () => {
  await withFreezer(async (freezer) => {
    const freeze = freezeOf()
    const first = await freezer.open()
    assert.ok((await first.offer(bytes(freezer.sealed(freeze, 'operator')))).ok)
    await first.stop()
    const again = await freezer.open()
    assert.equal(again.isFrozen(TENANT, ACTION), true)
    assert.equal(again.count(TENANT), 0, 'the bus never showed it')
    await again.stop()
    await writeFile(join(freezer.dir, 'freezes', `${TENANT}.ndjson`), '{"notice":{}}\n')
    await assert.rejects(freezer.open(), (error) => error instanceof FileFault)
  })
})

test('a freeze outlives the key that said it; a revoked key freezes nothing that is new', async () => {
  await withFreezer(async (freezer) => {
    const { trust } = freezer.world
    const validity = { notBefore: 0, notAfter: null, revokedSince: NOW - 5_000 }
    trust.replace(trust.keys.map((key) => (key.kid === 'audit-1' ? { ...key, validity } : key)))
    const before = freezeOf({ at: NOW - 10_000 })
    assert.equal(await standing(freezer, freezer.sealed(before, 'gateway')), 1)
    assert.equal(await standing(freezer, freezer.sealed(freezeOf(), 'gateway')), 1)
    const dated = freezeOf({ at: NOW + 1_000_000 })
    assert.equal(await standing(freezer, freezer.sealed(dated, 'gateway')), 1)
  })
})

test('a file in the inbox freezes without the bus; what is no notice there changes nothing', async () => {
  await withFreezer(async (freezer) => {
    const inbox = join(freezer.dir, 'in')
    const book = await freezer.open(inbox)
    await writeFile(join(inbox, 'junk.json'), 'freeze!', { mode: 0o600 })
    await writeFile(join(inbox, 'open.json'), bytes(freezer.sealed(freezeOf(), 'operator')), {
      mode: 0o644,
    })
    freezer.clock.advance(FREEZE_LOOK_EVERY_MS)
    await until(() => freezer.said.some((line) => line.includes('freeze_malformed')))
    assert.equal(book.isFrozen(TENANT, ACTION), false)
    await writeFile(join(inbox, 'stop.json'), bytes(freezer.sealed(freezeOf(), 'operator')), {
      mode: 0o600,
    })
    await until(async () => {
      freezer.clock.advance(FREEZE_LOOK_EVERY_MS)
      return book.isFrozen(TENANT, ACTION)
    })
    await book.stop()
  })
})

test("an admin's thaw that came before the pin is taken up once the pin is there", async () => {
  await withFreezer(async (freezer) => {
    const freeze = freezeOf()
    const { pins } = freezer.world
    freezer.world.pins = []
    await freezer.put(freezer.sealed(freeze, 'host'))
    await freezer.put(freezer.signed(thawOf(freeze), 'ada'))
    const book = await freezer.open()
    assert.equal(book.isFrozen(TENANT, ACTION), true)
    freezer.world.pins = pins
    await until(async () => {
      freezer.clock.advance(FREEZE_RETRY_MS)
      return !book.isFrozen(TENANT, ACTION)
    })
    await book.stop()
  })
})

test('a scope covers what it names', async () => {
  const scopes: readonly (readonly [FreezeScope, boolean])[] = [
    [{ kind: 'tenant' }, true],
    [{ kind: 'tool', name: ACTION.tool }, true],
    [{ kind: 'tool', name: `${ACTION.tool}s` }, false],
    [{ kind: 'agent', name: 'a' }, true],
    [{ kind: 'agent', name: 'b' }, false],
    [{ kind: 'key', name: 'k' }, true],
    [{ kind: 'key', name: 'a' }, false],
    [{ kind: 'profile', name: PROFILE }, true],
    [{ kind: 'profile', name: 'other' }, false],
    [{ kind: 'credential', name: 'c' }, true],
    [{ kind: 'credential', name: ACTION.tool }, false],
  ]
  for (const [scope, expected] of scopes) {
    await withFreezer(async (freezer) => {
      await freezer.put(freezer.sealed(freezeOf({ scope }), 'host'))
      const book = await freezer.open()
      assert.equal(book.isFrozen(TENANT, ACTION), expected, JSON.stringify(scope))
      assert.equal(book.isFrozen(OTHER, ACTION), false)
      await book.stop()
    })
  }
})

test('admission stops at step 5, and once more right before the claim', async (t) => {
  const temp = await tempDir()
  t.after(() => temp.remove())
  const world = new World()
  const action = await world.granted({ tier: 2 })
  const state = { frozen: false, known: 0, heard: 0, looked: 0 }
  const deps: FreezeDeps = {
    freezes: {
      isFrozen: (_, { agent }) => state.frozen && agent === action.decision.principal.subject,
      count: () => state.known,
      catchUp: () => {
        state.looked += 1
        return Promise.resolve()
      },
    },
    freezesHeard: () => state.heard,
  }
  const admits = async (): Promise<string> => {
    const cleared = await clearAction(bytesOf(action), world.admission(deps))
    return cleared.ok ? 'cleared' : cleared.reason
  }
  assert.equal(await admits(), 'cleared')
  state.heard = 1
  assert.equal(await admits(), 'freezes_behind', 'whoever hides a freeze gains nothing')
  assert.equal(state.looked, 1)
  state.known = 1
  const cleared = await clearAction(bytesOf(action), world.admission(deps))
  assert.ok(cleared.ok)
  state.frozen = true
  assert.equal(await admits(), 'frozen')
  const { wal } = await Wal.open(join(temp.path, 'wal.ndjson'), NOW)
  const audit = await world.gatewayAudit()
  const claiming: ClaimDeps = {
    ...world.beliefs(),
    ...deps,
    nonces: world.executor.claims({ home: 'exd', bucket: 'grant_nonces' }),
    journal: world.executor.claims({ home: 'exd', bucket: 'journal' }),
    wal,
    auditOf: () => audit,
    clock: world.clock,
    random: nodeRandom,
    sha256,
  }
  const ready = await checkPrecondition(cleared.value.token, world.reading())
  assert.ok(ready.ok)
  const stopped = await claimAction(ready.value, claiming, new HeldClaims([]))
  assert.equal(stopped.ok ? 'admitted' : stopped.reason, 'frozen')
  state.frozen = false
  const claimed = await claimAction(ready.value, claiming, new HeldClaims([]))
  assert.ok(claimed.ok, 'nothing was claimed before')
  await wal.close()
})
