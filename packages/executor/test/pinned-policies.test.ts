import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  type ApprovalStatement,
  base64urlEncode,
  bundleText,
  type PasskeyAssertion,
  type PolicyStatement,
  parseTenantId,
  type SealedBundle,
  type SignedStatement,
  sealBundle,
  signDelegation,
  statementHash,
  type TenantId,
  utf8Encode,
} from '@trustgw/protocol'
import {
  generateSigningKey,
  ManualClock,
  MemoryBroker,
  PACED_EVERY_MS,
  type RecordStore,
  sha256,
  silentLogger,
} from '@trustgw/runtime'
import { type BundleHead, bundleOf, publishBundle } from '@trustgw/testkit/seal-policy'
import { SoftwareAuthenticator } from '@trustgw/testkit/software-authenticator'
import { ExecutorFault } from '../src/executor-fault.ts'
import type { Pin } from '../src/pins/pin.ts'
import {
  PinnedPolicies,
  POLICY_REFRESH_EVERY_MS,
  POLICY_RETRY_MS,
} from '../src/policy/pinned-policies.ts'
import { tempDir, until } from './support/connectors.ts'
import { factsFor, POLICY } from './support/policy.ts'
import { NOW, ORIGIN, RP_ID, TENANT, World } from './support/world.ts'

const DAY_MS = 86_400_000
const other = parseTenantId('other')
assert.ok(other.ok)
const OTHER: TenantId = other.value

/** An executor's pinned policies over a bucket, with who may seal for them. */
class Shelf {
  readonly world = new World()
  readonly clock = new ManualClock(NOW)
  readonly records: RecordStore = new MemoryBroker({ logger: silentLogger })
    .link()
    .records({ home: 'data', bucket: 'policies' })
  readonly said: string[] = []
  readonly dir: string
  pins: readonly Pin[] = []
  changes = 0

  constructor(dir: string) {
    this.dir = dir
  }

  async open(tenants: readonly TenantId[] = [TENANT]): Promise<PinnedPolicies> {
    const said = (level: string) => (event: string, fields?: Readonly<Record<string, unknown>>) => {
      if (!event.startsWith('policy_')) return
      const { reason, details, epoch, by, tenant, count } = fields ?? {}
      const words =
        reason === undefined
          ? [epoch, by]
          : [reason, details, ...(count === 1 ? [] : [`x${String(count)}`])]
      this.said.push([level, tenant, ...words].join(' '))
    }
    const logger = { ...silentLogger, info: said('info'), error: said('error') }
    const policies = new PinnedPolicies({
      tenants,
      records: this.records,
      dir: join(this.dir, 'policies'),
      development: false,
      component: 'exec-connector',
      operatorKeyFor: this.world.trust.keyFor({ role: 'operator' }),
      pins: { current: () => Promise.resolve({ ok: true, value: this.pins }) },
      auditOf: () => undefined,
      onChanged: () => {
        this.changes += 1
      },
      sha256,
      clock: this.clock,
      logger,
    })
    await policies.start()
    return policies
  }

  /** What is said of a bundle that stands in the bucket when the executor starts. */
  async verdict(sealed: SealedBundle): Promise<string> {
    await publishBundle(this.records, TENANT, sealed)
    const policies = await this.open()
    const epoch = policies.current(TENANT)?.epoch
    await policies.stop()
    const last = this.said.at(-1) ?? ''
    assert.equal(last.startsWith('info'), epoch !== undefined, 'in force if and only if it is told')
    return last
  }
}

async function withShelf(use: (shelf: Shelf) => Promise<void>): Promise<void> {
  const temp = await tempDir()
  try {
    await use(new Shelf(temp.path))
  } finally {
    await temp.remove()
  }
}

const HEAD: BundleHead = { tenant: TENANT, epoch: 1, issuedAt: NOW }
const FILES = [{ text: POLICY }]

test('a bundle that the operator sealed is pinned; none at all is no fault', async () => {
  await withShelf(async (shelf) => {
    const policies = await shelf.open()
    assert.equal(policies.current(TENANT), undefined)
    assert.equal(policies.pinned(TENANT), undefined)
    await publishBundle(shelf.records, TENANT, shelf.world.bundle)
    await until(() => policies.current(TENANT) !== undefined)
    const { bundle_hash } = bundleText(sha256, bundleOf(FILES, HEAD))
    assert.deepEqual(policies.pinned(TENANT), { epoch: 1, bundle_hash })
    assert.deepEqual([shelf.said, shelf.changes], [['info demo 1 operator'], 1])
    await policies.stop()
  })
})

test("a bundle under another key than the operator's is refused, whatever it calls itself [INV-36]", async () => {
  const stranger = generateSigningKey()
  for (const kid of ['operator-1', 'grant-1', 'mine']) {
    await withShelf(async (shelf) => {
      const key = kid === 'grant-1' ? shelf.world.grantKey : stranger
      const sealed = sealBundle(sha256, bundleOf(FILES, HEAD), {
        kid,
        sign: key.sign,
        delegation: null,
      })
      assert.match(await shelf.verdict(sealed), /^error demo bundle_seal jws_/)
    })
  }
})

test('junk that changes without end is told at most every five seconds: the newest, and how many', async () => {
  await withShelf(async (shelf) => {
    await publishBundle(shelf.records, TENANT, shelf.world.bundle)
    const policies = await shelf.open()
    shelf.said.length = 0
    const junk = async (n: number): Promise<void> => {
      const stored = await shelf.records.get('demo.newest')
      const bytes = utf8Encode(`junk ${n}`)
      await shelf.records.replace('demo.newest', bytes, stored?.revision ?? 0)
      await policies.refresh(TENANT)
      shelf.clock.advance(POLICY_REFRESH_EVERY_MS)
    }
    for (let n = 1; n <= 23; n += 1) await junk(n)
    const count = (text: string): string => text.replace(/^error demo bundle_malformed \S+ 0/, '')
    assert.deepEqual(shelf.said.map(count), ['', ' x4', ' x5', ' x5', ' x5'])
    await policies.stop()
    assert.equal(shelf.said.map(count).at(-1), ' x3', 'the rest is told at the end')
  })
})

test('the seal of one bundle does not hold another [INV-36]', async () => {
  await withShelf(async (shelf) => {
    const wide = bundleText(sha256, bundleOf([{ text: POLICY.replace('rest', 'mcp') }], HEAD))
    const { proof } = shelf.world.bundle
    assert.match(
      await shelf.verdict({ v: 1, bundle: wide.text, proof }),
      /^error demo bundle_seal_differs/,
    )
  })
})

test('a delegate seals within its time and tenant only [INV-36]', async () => {
  const delegate = generateSigningKey()
  const cases = [
    ['info demo 1 delegate', {}, {}],
    ['error demo bundle_delegation time', { not_after: NOW }, {}],
    ['error demo bundle_delegation time', { not_before: NOW + 1 }, {}],
    [
      'error demo bundle_delegation time',
      { not_before: NOW - DAY_MS },
      { issuedAt: NOW - 2 * DAY_MS },
    ],
    ['error demo bundle_delegation tenant', { tenant: OTHER }, {}],
    ['error demo bundle_seal jws_kid_unknown', { kid: 'another' }, {}],
    ['error demo bundle_delegation too long', { not_before: 0 }, {}],
  ] as const
  for (const [expected, change, head] of cases) {
    await withShelf(async (shelf) => {
      const delegation = {
        tenant: TENANT,
        kid: 'rotation-1',
        public_key: base64urlEncode(delegate.publicKey),
        not_before: NOW - DAY_MS,
        not_after: NOW + DAY_MS,
        ...change,
      }
      const operator = { kid: 'operator-1', sign: shelf.world.operatorKey.sign }
      const sealed = sealBundle(sha256, bundleOf(FILES, { ...HEAD, ...head }), {
        kid: 'rotation-1',
        sign: delegate.sign,
        delegation: signDelegation(delegation, operator),
      })
      assert.equal(await shelf.verdict(sealed), expected)
    })
  }
})

test('a delegation that the delegate wrote for itself is none [INV-36]', async () => {
  await withShelf(async (shelf) => {
    const own = generateSigningKey()
    const delegation = signDelegation(
      {
        tenant: TENANT,
        kid: 'rotation-1',
        public_key: base64urlEncode(own.publicKey),
        not_before: NOW,
        not_after: NOW + DAY_MS,
      },
      { kid: 'operator-1', sign: own.sign },
    )
    const sealer = { kid: 'rotation-1', sign: own.sign, delegation }
    const sealed = sealBundle(sha256, bundleOf(FILES, HEAD), sealer)
    assert.equal(await shelf.verdict(sealed), 'error demo bundle_delegation jws_signature')
  })
})

/** Bundles sealed by the passkey of a person. */
class Admin {
  readonly key = new SoftwareAuthenticator({ algorithm: 'ES256', rpId: RP_ID, origin: ORIGIN })
  readonly bundle = bundleText(sha256, bundleOf(FILES, HEAD))
  readonly nonce = 'bm9uY2Utbm9uY2Utbm9uY2U'

  pin(change: Partial<Pin> = {}): Pin {
    return {
      tenant: TENANT,
      person: 'ada',
      roles: ['admin'],
      credential_id: this.key.credentialId,
      public_key: this.key.publicKey,
      rp_id: RP_ID,
      origins: [ORIGIN],
      ...change,
    }
  }

  statement(change: Partial<PolicyStatement> = {}): PolicyStatement {
    return {
      typ: 'trustgw/bundle/1',
      tenant: TENANT,
      epoch: 1,
      bundle_hash: this.bundle.bundle_hash,
      issued_at: NOW,
      admin: 'ada',
      nonce: this.nonce,
      ...change,
    }
  }

  sealed(assertion: PasskeyAssertion, admin = 'ada'): SealedBundle {
    const proof = { kind: 'passkey', admin, nonce: this.nonce, assertion } as const
    return { v: 1, bundle: this.bundle.text, proof }
  }

  sealedOver(statement: SignedStatement): SealedBundle {
    return this.sealed(this.key.assert(statementHash(sha256, statement)))
  }
}

test('the passkey of a pinned admin puts a bundle in force', async () => {
  await withShelf(async (shelf) => {
    const admin = new Admin()
    shelf.pins = [admin.pin()]
    assert.equal(await shelf.verdict(admin.sealedOver(admin.statement())), 'info demo 1 admin ada')
  })
})

test('a passkey that is not pinned for an admin of that tenant seals nothing [INV-36]', async () => {
  const admin = new Admin()
  const cases = [
    ['credential_not_pinned', []],
    ['not_an_admin', [admin.pin({ roles: ['finance', 'administrator'] })]],
    ['credential_not_pinned', [admin.pin({ person: 'ben' })]],
    ['credential_not_pinned', [admin.pin({ tenant: OTHER })]],
    ['assertion_origin', [admin.pin({ origins: ['https://approve.example'] })]],
    ['assertion_rp_id', [admin.pin({ rp_id: 'approve.example' })]],
  ] as const
  for (const [expected, pins] of cases) {
    await withShelf(async (shelf) => {
      shelf.pins = pins
      const sealed = admin.sealedOver(admin.statement())
      assert.equal(await shelf.verdict(sealed), `error demo bundle_passkey ${expected}`)
    })
  }
})

test('what an admin signed for something else puts no bundle in force [INV-36]', async () => {
  const admin = new Admin()
  const world = new World()
  const approval = world.statement(world.decision('{}', factsFor(2)), { approver: 'ada' })
  const deny: ApprovalStatement = { ...approval, verdict: 'deny' }
  const { nonce } = admin
  const expires_at = NOW + DAY_MS
  const statements: readonly SignedStatement[] = [
    approval,
    deny,
    {
      typ: 'trustgw/login/1',
      tenant: TENANT,
      origin: ORIGIN,
      rp_id: RP_ID,
      nonce,
      expires_at,
    },
    {
      typ: 'trustgw/enrol/1',
      tenant: TENANT,
      person: 'ada',
      purpose: 'approval',
      nonce,
      expires_at,
    },
    admin.statement({ epoch: 2 }),
    admin.statement({ tenant: OTHER }),
    admin.statement({ admin: 'ben' }),
    admin.statement({ issued_at: NOW + 1 }),
    admin.statement({
      bundle_hash: bundleText(sha256, bundleOf(FILES, { ...HEAD, epoch: 2 })).bundle_hash,
    }),
  ]
  for (const statement of statements) {
    await withShelf(async (shelf) => {
      shelf.pins = [admin.pin()]
      const said = await shelf.verdict(admin.sealedOver(statement))
      assert.equal(said, 'error demo bundle_passkey assertion_other_action', statement.typ)
    })
  }
})

test('a passkey without a gesture, or of another authenticator, seals nothing [INV-36]', async () => {
  const admin = new Admin()
  const hash = statementHash(sha256, admin.statement())
  const stranger = new SoftwareAuthenticator({ algorithm: 'ES256', rpId: RP_ID, origin: ORIGIN })
  const cases = [
    ['assertion_user_not_verified', admin.key.assert(hash, { flags: 0x01 })],
    ['assertion_cross_origin', admin.key.assert(hash, { crossOrigin: true })],
    ['assertion_signature', { ...stranger.assert(hash), credential_id: admin.key.credentialId }],
  ] as const
  for (const [expected, assertion] of cases) {
    await withShelf(async (shelf) => {
      shelf.pins = [admin.pin()]
      const said = await shelf.verdict(admin.sealed(assertion))
      assert.equal(said, `error demo bundle_passkey ${expected}`)
    })
  }
})

test("an admin's bundle that came before the pin is taken up once the pin is there", async () => {
  await withShelf(async (shelf) => {
    const admin = new Admin()
    await publishBundle(shelf.records, TENANT, admin.sealedOver(admin.statement()))
    const policies = await shelf.open()
    assert.equal(policies.current(TENANT), undefined)
    shelf.pins = [admin.pin()]
    shelf.clock.advance(POLICY_RETRY_MS)
    await until(() => policies.current(TENANT)?.epoch === 1)
    await policies.stop()
  })
})

test('a bundle of another tenant, and one that does not load, leave nothing in force', async () => {
  await withShelf(async (shelf) => {
    const foreign = shelf.world.sealed(FILES, 9, OTHER)
    assert.match(await shelf.verdict(foreign), /^error demo bundle_other_tenant/)
  })
  await withShelf(async (shelf) => {
    const broken = shelf.world.sealed([{ text: `${POLICY}\ncolour = "red"\n` }])
    assert.match(await shelf.verdict(broken), /^error demo policy_refused platform.toml:\d+:\d+: /)
  })
  await withShelf(async (shelf) => {
    const open = shelf.world.sealed([{ text: 'version = 1\n[defaults]\neffect = "allow"\n' }])
    assert.match(await shelf.verdict(open), /^error demo policy_refused /)
  })
})

test('what is pinned survives a restart, and an older bundle in the bucket is not taken [INV-36]', async () => {
  await withShelf(async (shelf) => {
    const { world } = shelf
    const newer = world.sealed(FILES, 5)
    await publishBundle(shelf.records, TENANT, newer)
    const first = await shelf.open()
    assert.equal(first.current(TENANT)?.epoch, 5)
    await first.stop()

    await publishBundle(shelf.records, TENANT, world.sealed(FILES, 4))
    const second = await shelf.open()
    assert.equal(second.current(TENANT)?.epoch, 5)
    assert.deepEqual(shelf.said.slice(1), ['info demo 5 own pin', 'error demo bundle_old epoch 4'])

    shelf.clock.advance(PACED_EVERY_MS)
    const twin = world.sealed([{ text: POLICY.replace('rest', 'mcp') }], 5)
    await publishBundle(shelf.records, TENANT, twin)
    await until(() => shelf.said.at(-1) === 'error demo bundle_conflict epoch 5')
    assert.equal(second.pinned(TENANT)?.bundle_hash, first.pinned(TENANT)?.bundle_hash)

    await publishBundle(shelf.records, TENANT, world.sealed(FILES, 6))
    await until(() => second.current(TENANT)?.epoch === 6)
    await second.stop()
  })
})

test('a damaged own pin refuses to start, and says what to do', async () => {
  await withShelf(async (shelf) => {
    await publishBundle(shelf.records, TENANT, shelf.world.bundle)
    await (await shelf.open()).stop()
    const file = join(shelf.dir, 'policies', `${TENANT}.json`)
    const whole = await readFile(file, 'utf8')
    for (const damaged of ['', whole.slice(0, -1), whole.replace('"epoch', '"Epoch')]) {
      await writeFile(file, damaged)
      await assert.rejects(shelf.open(), (error) => {
        assert.ok(error instanceof ExecutorFault && error.code === 'policy_pin_refused')
        assert.match(error.message, /demo\.json.*put it back from a backup/)
        return true
      })
    }
  })
})

test('two tenants have a policy each, and news of one is not news of the other', async () => {
  await withShelf(async (shelf) => {
    const { world } = shelf
    await publishBundle(shelf.records, TENANT, world.sealed(FILES, 2))
    await publishBundle(shelf.records, OTHER, world.sealed(FILES, 8, OTHER))
    const policies = await shelf.open([TENANT, OTHER])
    assert.deepEqual(
      [policies.current(TENANT), policies.current(OTHER)].map((found) => [
        found?.tenant,
        found?.epoch,
      ]),
      [
        [TENANT, 2],
        [OTHER, 8],
      ],
    )
    await publishBundle(shelf.records, OTHER, world.sealed(FILES, 3, TENANT))
    await until(() => shelf.said.at(-1)?.startsWith('error other bundle_other_tenant') === true)
    assert.equal(policies.current(TENANT)?.epoch, 2)
    await policies.stop()
  })
})

test('grants of a newer epoch make it look at the bucket, once in a while at most', async () => {
  await withShelf(async (shelf) => {
    let reads = 0
    const get = shelf.records.get.bind(shelf.records)
    shelf.records.get = (key) => {
      reads += 1
      return get(key)
    }
    const policies = await shelf.open()
    const before = reads
    await Promise.all([policies.refresh(TENANT), policies.refresh(TENANT)])
    await policies.refresh(TENANT)
    assert.equal(reads, before + 1)
    shelf.clock.advance(1_000)
    await policies.refresh(TENANT)
    assert.equal(reads, before + 2)
    await policies.stop()
  })
})
