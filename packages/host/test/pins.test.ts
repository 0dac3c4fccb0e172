import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { credentialFingerprint } from '@trustgw/host'
import {
  canonicalize,
  isJsonArray,
  type Json,
  type PinStatement,
  parseTenantId,
  pinKey,
  pinNoticeJson,
  readPinNotice,
  type SignedStatement,
  signPinRevocation,
  statementHash,
  utf8Encode,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import type { SoftwarePasskey } from './support/authenticator.ts'
import {
  type Answer,
  at,
  enrol,
  newKey,
  type SignedIn,
  startWorld,
  TENANT,
  text,
  until,
  type World,
} from './support/world.ts'

const other = parseTenantId('other')
assert.ok(other.ok)
const OTHER = other.value

function challengeOf(statement: SignedStatement): string {
  const hash = statementHash(sha256, statement).slice('sha256:'.length)
  return Buffer.from(hash, 'hex').toString('base64url')
}

const fingerprintOf = ({ publicKey }: SoftwarePasskey): string =>
  credentialFingerprint(new Uint8Array(Buffer.from(publicKey, 'base64url')))

const statementOf = (begun: Answer): PinStatement =>
  JSON.parse(canonicalize(at(begun.json, 'statement'))) as PinStatement

describe('pins by the passkey of an admin', () => {
  let world: World
  let ann: SignedIn
  let bob: SignedIn
  beforeEach(async () => {
    world = await startWorld()
    ann = await enrol(world, 'ann', ['admin', 'approver'])
    bob = await enrol(world, 'bob', ['approver'])
    world.audit.length = 0
  })
  afterEach(async () => {
    await world.stop()
  })

  const begin = (who: SignedIn, change: object = {}): Promise<Answer> =>
    world.call('POST', '/api/people/pin/challenge', {
      body: {
        person: 'bob',
        credential_id: bob.approval.id,
        fingerprint: fingerprintOf(bob.approval),
        ...change,
      },
      cookies: who.cookies,
    })
  const apply = (begun: Answer, assertion: unknown, who: SignedIn = ann): Promise<Answer> =>
    world.call('POST', '/api/people/pin/apply', {
      body: { nonce: text(begun.json, 'nonce'), assertion },
      cookies: who.cookies,
    })
  const signed = (statement: SignedStatement, passkey = ann.approval): unknown =>
    passkey.assert(challengeOf(statement))
  /** What the page shows of bob's passkey. */
  async function shown(): Promise<Json> {
    const { json } = await world.call('GET', '/api/people', { cookies: bob.cookies })
    const people = at(json, 'people')
    assert.ok(isJsonArray(people))
    const one = people.find((person) => text(person, 'id') === 'bob')
    const passkeys = at(one ?? null, 'passkeys')
    assert.ok(isJsonArray(passkeys))
    return at(passkeys[0] ?? null, 'pin')
  }
  const put = async (statement: PinStatement, value: string): Promise<void> => {
    const key = pinKey(TENANT, statementHash(sha256, statement))
    const records = world.gateway.link.records({ home: 'data', bucket: 'pins' })
    assert.ok((await records.create(key, utf8Encode(value))).ok)
  }
  const stored = async (): Promise<number> => (await world.freezes.pins.list(TENANT)).length

  it('shows and takes nothing without a session', async () => {
    assert.equal((await world.call('GET', '/api/people')).status, 401)
    for (const path of ['/api/people/pin/challenge', '/api/people/pin/apply']) {
      assert.equal((await world.call('POST', path, { body: {} })).status, 401, path)
    }
  })

  it('stores exactly the statement that was shown and signed, on record, and tells portals', async () => {
    const changed: string[] = []
    world.gateway.link.bus.listen(`ui.v1.${TENANT}.changed`, ({ data }) => {
      changed.push(Buffer.from(data).toString())
    })
    assert.equal(await shown(), null)
    const begun = await begin(ann)
    const statement = statementOf(begun)
    assert.deepEqual(
      { ...statement, at: 0, nonce: '' },
      {
        typ: 'trustgw/pin/1',
        tenant: TENANT,
        person: 'bob',
        roles: ['approver'],
        credential_id: bob.approval.id,
        public_key: bob.approval.publicKey,
        rp_id: 'localhost',
        origins: [world.origin],
        admin: 'ann',
        at: 0,
        nonce: '',
      },
    )
    const done = await apply(begun, signed(statement))
    assert.equal(done.status, 200, done.text)
    assert.equal(text(done.json, 'fingerprint'), fingerprintOf(bob.approval))
    const key = pinKey(TENANT, statementHash(sha256, statement))
    const notice = readPinNotice((await world.freezes.pins.get(key))?.value ?? new Uint8Array())
    assert.ok(notice.ok)
    assert.deepEqual(notice.value.statement, statement)
    assert.deepEqual(await shown(), { kind: 'pinned', by: 'ann', at: statement.at })
    await until(() => changed.includes('{"v":1,"what":"people"}'))
    assert.deepEqual(
      world.audit.map(({ type, actor }) => `${type} ${actor}`),
      ['pin_given ann'],
    )
    assert.equal((await begin(ann)).json['code'], 'pin_exists')
  })

  it('refuses who is no admin, another fingerprint, and a passkey that nobody has', async () => {
    const said = async (who: SignedIn, change: object = {}): Promise<unknown> =>
      (await begin(who, change)).json['code']
    assert.equal(await said(bob), 'role_missing')
    assert.equal(
      await said(ann, { fingerprint: fingerprintOf(ann.approval) }),
      'fingerprint_differs',
    )
    assert.equal(await said(ann, { fingerprint: '0' }), 'body_invalid')
    assert.equal(await said(ann, { person: 'eve' }), 'unknown_credential')
    assert.equal(await said(ann, { person: 'ann' }), 'unknown_credential', 'it is not hers')
    const { login } = bob
    const sign_in = { credential_id: login.id, fingerprint: fingerprintOf(login) }
    assert.equal(await said(ann, sign_in), 'unknown_credential', 'a sign-in approves nothing')
    assert.equal(await stored(), 0)
  })

  it("takes no other person's signature, and none over another pin or tenant", async () => {
    const wrong: readonly ((shown: PinStatement) => unknown)[] = [
      (one) => signed(one, bob.approval),
      (one) => signed(one, ann.login),
      (one) => signed({ ...one, roles: ['admin'] }),
      (one) => signed({ ...one, tenant: OTHER }),
      (one) => signed({ ...one, public_key: ann.approval.publicKey }),
    ]
    for (const make of wrong) {
      const begun = await begin(ann)
      const done = await apply(begun, make(statementOf(begun)))
      assert.deepEqual([done.status, done.json['code']], [422, 'signature_refused'])
      const again = await apply(begun, signed(statementOf(begun)))
      assert.equal(again.json['code'], 'ceremony_unknown', 'taken, whatever came of it')
    }
    const begun = await begin(ann)
    const amy = await enrol(world, 'amy', ['admin'])
    const foreign = await apply(begun, signed(statementOf(begun)), amy)
    assert.equal(foreign.json['code'], 'ceremony_unknown', 'a ceremony of another session')
    assert.equal(await stored(), 0)
  })

  it('pins nothing that is not on record', async () => {
    const begun = await begin(ann)
    world.auditDown = true
    try {
      assert.equal((await apply(begun, signed(statementOf(begun)))).status, 503)
    } finally {
      world.auditDown = false
    }
    assert.equal(await stored(), 0)
  })

  it('shows no pin that somebody else made up, and lets an admin make the real one', async () => {
    const statement = statementOf(await begin(ann))
    const forged = (passkey: SoftwarePasskey, change: Partial<PinStatement>): string => {
      const made = { ...statement, nonce: 'f'.repeat(43), ...change }
      const { id, response } = passkey.assert(challengeOf(made)) as {
        id: string
        response: { clientDataJSON: string; authenticatorData: string; signature: string }
      }
      const assertion = {
        credential_id: id,
        client_data_json: response.clientDataJSON,
        authenticator_data: response.authenticatorData,
        signature: response.signature,
      }
      return canonicalize(pinNoticeJson({ v: 1, statement: made, assertion }))
    }
    const forgeries = [
      forged(bob.approval, {}),
      forged(bob.approval, { admin: 'bob' }),
      forged(ann.approval, { tenant: OTHER }),
      '{',
      'a.b.c',
    ]
    for (const [at_, value] of forgeries.entries()) await put({ ...statement, at: at_ }, value)
    assert.equal(await shown(), null)
    assert.equal((await begin(ann)).status, 200)
  })

  it('a revocation by operator, gateway or host stands above every pin, a stranger’s does not', async () => {
    const statement = statementOf(await begin(ann))
    const revoked = (signer: Parameters<typeof signPinRevocation>[1], tenant = TENANT): string =>
      signPinRevocation({ tenant, credential_id: bob.approval.id, at: 7, reason: 'lost' }, signer)
    await put({ ...statement, at: 1 }, revoked(newKey('operator')))
    await put({ ...statement, at: 2 }, revoked(world.signers.operator, OTHER))
    assert.equal(await shown(), null)
    await put({ ...statement, at: 3 }, revoked(world.signers.gatewayAudit))
    assert.deepEqual(await shown(), { kind: 'revoked', at: 7 })
    assert.equal((await begin(ann)).json['code'], 'pin_revoked')
  })
})
