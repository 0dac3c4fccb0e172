import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { signJws } from '@trustgw/protocol'
import { STEP_UP_MS } from '../src/session/session-desk.ts'
import type { SoftwarePasskey } from './support/authenticator.ts'
import {
  type Answer,
  at,
  enrol,
  newKey,
  passkeyFor,
  type SignedIn,
  startWorld,
  text,
  type World,
} from './support/world.ts'

type Cookies = Record<string, string>
type Purpose = 'login' | 'approval'

let world: World
let ann: SignedIn
let ben: SignedIn
before(async () => {
  world = await startWorld()
  ann = await enrol(world, 'ann', ['admin'])
  ben = await enrol(world, 'ben', ['approver'])
})
after(async () => {
  await world.stop()
})

async function signIn(passkey: SoftwarePasskey, cookies: Cookies = {}): Promise<Answer> {
  const begun = await world.call('POST', '/api/login/begin', { body: {}, cookies })
  const response = passkey.assert(text(begun.json, 'options', 'challenge'))
  const body = { ceremony: text(begun.json, 'ceremony'), response }
  return await world.call('POST', '/api/login/finish', { body, cookies })
}

const fresh = async (who: SignedIn): Promise<Cookies> => (await signIn(who.login)).cookies
const begin = (purpose: Purpose, cookies: Cookies) =>
  world.call('POST', '/api/passkeys/begin', { body: { purpose }, cookies })
const remove = (id: string, cookies: Cookies) =>
  world.call('DELETE', `/api/passkeys/${id}`, { body: {}, cookies })
const rename = (id: string, name: string, cookies: Cookies) =>
  world.call('POST', `/api/passkeys/${id}/name`, { body: { name }, cookies })
const statusOf = async (cookies: Cookies): Promise<number> =>
  (await world.call('GET', '/api/session', { cookies })).status
const recorded = (type: string) => world.audit.filter((line) => line.type === type).length

async function listed(cookies: Cookies) {
  const passkeys = at((await world.call('GET', '/api/passkeys', { cookies })).json, 'passkeys')
  assert.ok(Array.isArray(passkeys))
  return passkeys
}

async function finish(begun: Answer, passkey: SoftwarePasskey, cookies: Cookies): Promise<Answer> {
  const response = passkey.register(text(begun.json, 'options', 'challenge'))
  const body = { ceremony: text(begun.json, 'ceremony'), name: 'Blue key', response }
  return await world.call('POST', '/api/passkeys/finish', { body, cookies })
}

async function add(purpose: Purpose, cookies: Cookies): Promise<SoftwarePasskey> {
  const begun = await begin(purpose, cookies)
  const passkey = passkeyFor(world, begun.json, 'options')
  const done = await finish(begun, passkey, cookies)
  assert.equal(done.status, 200, done.text)
  return passkey
}

describe('the passkeys of a person', () => {
  it('are added with a name, sign in, and say when they last did', async () => {
    const cookies = await fresh(ann)
    const second = await add('login', cookies)
    assert.equal(recorded('passkey_added'), 1)
    assert.equal((await signIn(second)).status, 200)
    const shown = (await listed(cookies)).find((each) => at(each, 'id') === second.id) ?? {}
    assert.equal(at(shown, 'name'), 'Blue key')
    assert.equal(at(shown, 'purpose'), 'login')
    assert.ok(Math.abs(Number(at(shown, 'used_at')) - world.clock.now()) < 60_000)
    assert.equal((await rename(second.id, 'Red key', cookies)).status, 200)
    const renamed = (await listed(cookies)).find((each) => at(each, 'id') === second.id) ?? {}
    assert.equal(at(renamed, 'name'), 'Red key')
    assert.equal(recorded('passkey_renamed'), 1)
    assert.equal((await remove(second.id, cookies)).status, 200)
    assert.equal((await signIn(second)).status, 401, 'a removed one signs nobody in')
  })

  it('for approvals sign nobody in, however they were added', async () => {
    const cookies = await fresh(ann)
    const approval = await add('approval', cookies)
    assert.equal((await signIn(approval)).status, 401)
    const list = await listed(cookies)
    assert.equal(list.filter((each) => at(each, 'purpose') === 'approval').length, 2)
    assert.equal((await remove(approval.id, cookies)).status, 200)
  })

  it('end the other sessions of the person where one for signing in is removed', async () => {
    const cookies = await fresh(ann)
    const second = await add('login', cookies)
    const other = (await signIn(second)).cookies
    assert.equal(await statusOf(other), 200)
    assert.equal((await remove(second.id, cookies)).status, 200)
    assert.deepEqual([await statusOf(cookies), await statusOf(other)], [200, 401])
  })

  it('never lose the last one for signing in, and never one of somebody else', async () => {
    const cookies = await fresh(ann)
    const last = await remove(ann.login.id, cookies)
    assert.deepEqual([last.status, text(last.json, 'code')], [409, 'last_passkey'])
    const removed = recorded('passkey_removed')
    for (const id of [ben.login.id, ben.approval.id, 'AAAA', '%2e%2e']) {
      assert.equal((await remove(id, cookies)).status, 404, id)
      assert.equal((await rename(id, 'Mine', cookies)).status, 404, id)
    }
    assert.equal(recorded('passkey_removed'), removed)
    assert.equal((await signIn(ben.login)).status, 200)
  })

  it('are added and removed only shortly after a passkey was used', async () => {
    const first = await fresh(ann)
    const second = await add('login', first)
    world.clock.advance(STEP_UP_MS)
    const { cookies } = await world.call('GET', '/api/session', { cookies: first })
    for (const refused of [await begin('login', cookies), await remove(second.id, cookies)]) {
      assert.deepEqual([refused.status, text(refused.json, 'code')], [403, 'step_up_required'])
    }
    assert.equal((await signIn(second)).status, 200)
    assert.equal((await remove(second.id, await fresh(ann))).status, 200)
  })

  it('are made once, in the session that asked, and by a key that nobody has', async () => {
    const [mine, elsewhere] = [await fresh(ann), await fresh(ann)]
    const begun = await begin('login', mine)
    const passkey = passkeyFor(world, begun.json, 'options')
    assert.equal((await finish(begun, passkey, elsewhere)).status, 410)
    assert.equal((await finish(begun, passkey, mine)).status, 410, 'taken by the attempt')
    for (const known of [ann.login, ann.approval, ben.login]) {
      assert.equal((await finish(await begin('login', mine), known, mine)).status, 422)
    }
    assert.equal((await world.call('GET', '/api/passkeys')).status, 401)
  })
})

describe('a token of another kind', () => {
  it('is no session, whoever signed it, and a session is nothing else', async () => {
    const { tg_session: session = '', tg_bus: bus = '' } = await fresh(ann)
    assert.notEqual(bus, '')
    const payload = JSON.parse(Buffer.from(session.split('.')[1] ?? '', 'base64url').toString())
    const made = (typ: string, { kid, sign }: typeof world.sessionKey): string =>
      signJws({ typ, kid, payload }, sign)
    const others = [
      bus,
      ...['acl-record+jwt', 'grant+jwt', 'JWT'].map((typ) => made(typ, world.sessionKey)),
      made('session+jwt', newKey('session')),
    ]
    for (const token of others) assert.equal(await statusOf({ tg_session: token }), 401)
    const again = made('session+jwt', world.sessionKey)
    assert.equal(await statusOf({ tg_session: again }), 200, 'the right kind and key do')
    const enrolment = { token: session, name: 'Mallory' }
    const refused = await world.call('POST', '/api/enrolment/begin', { body: enrolment })
    assert.notEqual(refused.status, 200)
    assert.equal(await statusOf({ tg_bus: session }), 401)
  })
})
