import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  canonicalize,
  type PinStatement,
  parseTenantId,
  pinNoticeJson,
  type SignedStatement,
  signPinRevocation,
  statementHash,
  utf8Encode,
} from '@trustgw/protocol'
import {
  generateSigningKey,
  ManualClock,
  type RecordStore,
  sha256,
  silentLogger,
} from '@trustgw/runtime'
import { SoftwareAuthenticator } from '@trustgw/testkit/software-authenticator'
import { addPin, readPins } from '../src/pins/pin-file.ts'
import { PIN_RETRY_MS, PinFollower } from '../src/pins/pin-follower.ts'
import { PinRegistry } from '../src/pins/pin-registry.ts'
import { tempDir, until } from './support/connectors.ts'
import { NOW, ORIGIN, PROFILE, RP_ID, TENANT, World } from './support/world.ts'

const other = parseTenantId('other')
assert.ok(other.ok)
const OTHER = other.value

const passkey = (): SoftwareAuthenticator =>
  new SoftwareAuthenticator({ algorithm: 'ES256', rpId: RP_ID, origin: ORIGIN })

/** An executor that pinned one admin (ada) and one approver (ana), and a bucket that anyone may write. */
class Board {
  readonly world = new World()
  readonly clock = new ManualClock(NOW)
  readonly records: RecordStore = this.world.gateway.records({ home: 'data', bucket: 'pins' })
  readonly admin = passkey()
  readonly path: string
  #keys = 0

  constructor(dir: string) {
    this.path = join(dir, 'pins.json')
  }

  async prepare(): Promise<void> {
    const { credentialId: credential_id, publicKey: public_key } = this.admin
    const ada = { person: 'ada', roles: ['admin'], credential_id, public_key }
    for (const pin of [this.world.pin(), this.world.pin(ada)]) {
      assert.ok((await addPin(this.path, pin)).ok)
    }
  }

  async open(): Promise<PinFollower> {
    const follower = new PinFollower({
      tenants: [TENANT],
      profile: PROFILE,
      records: this.records,
      path: this.path,
      pins: new PinRegistry(this.path),
      trust: this.world.trust,
      auditOf: () => undefined,
      sha256,
      clock: this.clock,
      logger: silentLogger,
    })
    await follower.start()
    return follower
  }

  async people(): Promise<readonly string[]> {
    const read = await readPins(this.path)
    assert.ok(read.ok)
    return read.value.pins.map(({ person }) => person).toSorted()
  }

  async put(value: Uint8Array): Promise<void> {
    this.#keys += 1
    assert.ok((await this.records.create(`${TENANT}.n${this.#keys}`, value)).ok)
  }

  async pin(
    statement: PinStatement,
    by: SoftwareAuthenticator,
    over: SignedStatement = statement,
  ): Promise<void> {
    const assertion = by.assert(statementHash(sha256, over))
    await this.put(utf8Encode(canonicalize(pinNoticeJson({ v: 1, statement, assertion }))))
  }

  /** Who is pinned once an executor has started over this bucket. */
  async after(): Promise<readonly string[]> {
    const follower = await this.open()
    await follower.stop()
    return await this.people()
  }
}

function statementFor(
  key: SoftwareAuthenticator,
  change: Partial<PinStatement> = {},
): PinStatement {
  const { credentialId: credential_id, publicKey: public_key } = key
  const whose = { person: 'ben', roles: ['finance'], credential_id, public_key }
  const where = { tenant: TENANT, rp_id: RP_ID, origins: [ORIGIN] }
  const head = { typ: 'trustgw/pin/1', admin: 'ada', at: NOW, nonce: 'A'.repeat(22) } as const
  return { ...head, ...whose, ...where, ...change }
}

async function withBoard(use: (board: Board) => Promise<void>): Promise<void> {
  const temp = await tempDir()
  try {
    const board = new Board(temp.path)
    await board.prepare()
    await use(board)
  } finally {
    await temp.remove()
  }
}

test('a pinned admin pins another person, and that one, as an admin, the next', async () => {
  await withBoard(async (board) => {
    const ben = passkey()
    const cleo = statementFor(passkey(), { person: 'cleo', admin: 'ben' })
    await board.pin(cleo, ben)
    assert.deepEqual(await board.after(), ['ada', 'ana'], 'nobody pinned ben yet')
    await board.pin(statementFor(ben, { roles: ['admin'] }), board.admin)
    assert.deepEqual(await board.after(), ['ada', 'ana', 'ben', 'cleo'])
    assert.deepEqual(await board.after(), ['ada', 'ana', 'ben', 'cleo'], 'once')
  })
})

test('nobody else pins, and nothing else that an admin signed does', async () => {
  const freeze: SignedStatement = {
    typ: 'trustgw/freeze/1',
    tenant: TENANT,
    scope: { kind: 'tenant' },
    reason_hash: statementHash(sha256, statementFor(passkey())),
    counter: 1,
    by: 'ada',
    at: NOW,
    nonce: 'A'.repeat(22),
  }
  const forged: { readonly [why: string]: (board: Board) => Promise<void> } = {
    'no admin': (board) =>
      board.pin(statementFor(passkey(), { admin: 'ana' }), board.world.approver),
    "in the admin's name": (board) => board.pin(statementFor(passkey()), board.world.approver),
    'itself, unpinned': (board) => {
      const own = passkey()
      return board.pin(statementFor(own, { admin: 'ben', roles: ['admin'] }), own)
    },
    'another tenant': (board) => board.pin(statementFor(passkey(), { tenant: OTHER }), board.admin),
    'other words': (board) => {
      const key = passkey()
      return board.pin(statementFor(key, { roles: ['admin'] }), board.admin, statementFor(key))
    },
    'a freeze': (board) => board.pin(statementFor(passkey()), board.admin, freeze),
    'no COSE key': (board) =>
      board.pin(statementFor(passkey(), { public_key: 'AAAA' }), board.admin),
    junk: (board) => board.put(utf8Encode('{"v":1}')),
  }
  for (const [why, put] of Object.entries(forged)) {
    await withBoard(async (board) => {
      await put(board)
      assert.deepEqual(await board.after(), ['ada', 'ana'], why)
    })
  }
})

test('operator, host and gateway each revoke a pin for good; nobody else does', async () => {
  const revoked = (
    board: Board,
    kid: string,
    sign: ReturnType<typeof generateSigningKey>['sign'],
  ) => {
    const credential_id = board.world.approver.credentialId
    const revocation = { tenant: TENANT, credential_id, at: NOW, reason: 'lost' }
    return board.put(utf8Encode(signPinRevocation(revocation, { kid, sign })))
  }
  for (const [kid, key] of [
    ['operator-1', 'operatorKey'],
    ['host-1', 'hostKey'],
    ['audit-1', 'auditKey'],
  ] as const) {
    await withBoard(async (board) => {
      await revoked(board, kid, board.world[key].sign)
      await board.pin(statementFor(board.world.approver, { person: 'ana' }), board.admin)
      assert.deepEqual(await board.after(), ['ada'], kid)
      const again = await addPin(board.path, board.world.pin())
      assert.ok(!again.ok && again.reason === 'pin_revoked')
    })
  }
  for (const [kid, key] of [
    ['log-1', 'logKey'],
    ['host-1', 'logKey'],
    ['grant-1', 'grantKey'],
  ] as const) {
    await withBoard(async (board) => {
      await revoked(board, kid, board.world[key].sign)
      assert.deepEqual(await board.after(), ['ada', 'ana'], `${kid} by ${key}`)
    })
  }
})

test('a pin that waited for its admin is taken up once the admin is pinned', async () => {
  await withBoard(async (board) => {
    const eve = passkey()
    await board.pin(statementFor(passkey(), { admin: 'eve' }), eve)
    const follower = await board.open()
    assert.deepEqual(await board.people(), ['ada', 'ana'])
    const { credentialId: credential_id, publicKey: public_key } = eve
    const pinned = { person: 'eve', roles: ['admin'], credential_id, public_key }
    assert.ok((await addPin(board.path, board.world.pin(pinned))).ok)
    await until(async () => {
      board.clock.advance(PIN_RETRY_MS)
      return (await board.people()).includes('ben')
    })
    await follower.stop()
  })
})
