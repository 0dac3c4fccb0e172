import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { makeId } from '@trustgw/protocol'
import { deviceName } from '../src/session/device-name.ts'
import {
  SESSION_GRACE_MS,
  SESSION_RENEW_AFTER_MS,
  STEP_UP_MS,
} from '../src/session/session-desk.ts'
import type { SoftwarePasskey } from './support/authenticator.ts'
import {
  type Answer,
  at,
  enrol,
  type SignedIn,
  startWorld,
  text,
  type World,
} from './support/world.ts'

type Cookies = Record<string, string>

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0'

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

/** A ceremony with a passkey: signing in, or proving it again in a session. */
async function prove(
  kind: 'login' | 'step-up',
  passkey: SoftwarePasskey,
  cookies: Cookies = {},
): Promise<Answer> {
  const begun = await world.call('POST', `/api/${kind}/begin`, { body: {}, cookies })
  const response = passkey.assert(text(begun.json, 'options', 'challenge'))
  const body = { ceremony: text(begun.json, 'ceremony'), response }
  const headers = { 'user-agent': FIREFOX }
  return await world.call('POST', `/api/${kind}/finish`, { body, cookies, headers })
}

const fresh = async (who: SignedIn): Promise<Cookies> => (await prove('login', who.login)).cookies
const statusOf = async (cookies: Cookies): Promise<number> =>
  (await world.call('GET', '/api/session', { cookies })).status
const listed = async (cookies: Cookies) => {
  const { json } = await world.call('GET', '/api/sessions', { cookies })
  const sessions = at(json, 'sessions')
  assert.ok(Array.isArray(sessions))
  return sessions
}
const signOut = (path: string, cookies: Cookies, body: object = {}) =>
  world.call('DELETE', `/api/${path}`, { body, cookies })

describe('a copied session cookie', () => {
  const rotated = async (cookies: Cookies): Promise<Cookies> => {
    world.clock.advance(SESSION_RENEW_AFTER_MS)
    return (await world.call('GET', '/api/session', { cookies })).cookies
  }

  it('ends the session for both holders when it comes back after the grace', async () => {
    const stolen = await fresh(ann)
    const own = await rotated(stolen)
    assert.equal(await statusOf(own), 200)
    world.clock.advance(SESSION_GRACE_MS / 2)
    assert.equal(await statusOf(stolen), 200, 'a call may have been under way until now')
    world.clock.advance(SESSION_GRACE_MS)
    assert.equal(await statusOf(stolen), 401)
    assert.equal(await statusOf(own), 401)
    assert.equal(world.audit.filter(({ type }) => type === 'session_replayed').length, 1)
    const next = await prove('login', ann.login)
    assert.equal(at(next.json, 'sessions_replayed'), 1, 'the person is told')
    assert.equal(at((await prove('login', ann.login)).json, 'sessions_replayed'), 0, 'once')
  })

  it('is no copy while its successor never came back: the answer was lost, on a phone that slept', async () => {
    const known = world.audit.filter(({ type }) => type === 'session_replayed').length
    const own = await fresh(ann)
    await rotated(own)
    world.clock.advance(SESSION_GRACE_MS * 10)
    const again = await world.call('GET', '/api/session', { cookies: own })
    assert.equal(again.status, 200)
    assert.equal(await statusOf(again.cookies), 200)
    world.clock.advance(SESSION_GRACE_MS + 1)
    assert.equal(await statusOf(own), 401, 'now it has come back')
    assert.equal(await statusOf(again.cookies), 401)
    assert.equal(world.audit.filter(({ type }) => type === 'session_replayed').length, known + 1)
    await prove('login', ann.login)
  })

  it('ends the session at once when it is older than the previous one', async () => {
    const stolen = await fresh(ann)
    const own = await rotated(await rotated(stolen))
    assert.equal(await statusOf(own), 200)
    assert.equal(await statusOf(stolen), 401)
    assert.equal(await statusOf(own), 401)
  })

  it('is no session after signing out, and starts none by being sent along', async () => {
    const cookies = await fresh(ann)
    await signOut('session', cookies)
    assert.equal(await statusOf(cookies), 401)
    const planted = await fresh(ben)
    const done = await prove('login', ann.login, planted)
    assert.notEqual(done.cookies['tg_session'], planted['tg_session'])
    const still = await world.call('GET', '/api/session', { cookies: planted })
    assert.equal(text(still.json, 'person', 'id'), 'ben', 'a cookie from before is not taken over')
  })

  it('is not looked at when its header is too large', async () => {
    const cookies = { ...(await fresh(ann)), more: 'x'.repeat(16_400) }
    assert.notEqual(await statusOf(cookies), 200)
  })

  it('holds the registered claims of RFC 7519 in seconds', async () => {
    const { tg_session: token = '' } = await fresh(ann)
    const [head = '', body = ''] = token.split('.')
    const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString())
    assert.equal(read(head).typ, 'session+jwt')
    const { iss, aud, sub, iat, exp } = read(body)
    assert.deepEqual({ iss, aud, sub }, { iss: 'trustgw/host', aud: 'trustgw/portal', sub: 'ann' })
    assert.ok(Math.abs(iat - world.clock.now() / 1_000) < 60)
    assert.equal(exp - iat, 15 * 60)
  })
})

describe('sessions of a person', () => {
  it('are listed by coarse words, own ones only, and end one by one', async () => {
    await signOut('sessions', await fresh(ann), { keep_this: false })
    const [one, two] = [await fresh(ann), await fresh(ann)]
    await fresh(ben)
    const sessions = await listed(one)
    assert.equal(sessions.length, 2)
    assert.deepEqual(
      new Set(sessions.map((each) => at(each, 'device'))),
      new Set(['Firefox on Linux']),
    )
    const other = sessions.find((each) => at(each, 'current') === false) ?? {}
    const gone = await signOut(`sessions/${text(other, 'sid')}`, one)
    assert.equal(gone.status, 200)
    assert.deepEqual([await statusOf(one), await statusOf(two)], [200, 401])
  })

  it('end everywhere else, and everywhere', async () => {
    const [one, two] = [await fresh(ann), await fresh(ann)]
    await signOut('sessions', one, { keep_this: true })
    assert.deepEqual([await statusOf(one), await statusOf(two)], [200, 401])
    await signOut('sessions', one, { keep_this: false })
    assert.equal(await statusOf(one), 401)
  })

  it('are not ended by guessing an id, or by the id of somebody else', async () => {
    const [mine, theirs] = [await fresh(ann), await fresh(ben)]
    const current = (await listed(theirs)).find((each) => at(each, 'current') === true) ?? {}
    const guesses = [text(current, 'sid'), makeId('session', new Uint8Array(16)), 'x', '%2e%2e']
    for (const sid of guesses) {
      assert.equal((await signOut(`sessions/${sid}`, mine)).status, 404, sid)
    }
    assert.equal(await statusOf(theirs), 200)
  })

  it('are not ended by another site', async () => {
    const cookies = await fresh(ann)
    for (const headers of [
      { origin: 'https://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
    ]) {
      const body = { keep_this: false }
      const refused = await world.call('DELETE', '/api/sessions', { body, cookies, headers })
      assert.equal(refused.status, 403)
    }
    assert.equal(await statusOf(cookies), 200)
  })
})

describe('a passkey used again', () => {
  it('raises the session for five minutes, which ending the sessions of others takes', async () => {
    const [admin, theirs] = [await fresh(ann), await fresh(ben)]
    assert.equal(
      at((await world.call('GET', '/api/session', { cookies: admin })).json, 'auth_level'),
      5,
    )
    world.clock.advance(STEP_UP_MS)
    const later = await world.call('GET', '/api/session', { cookies: admin })
    assert.equal(at(later.json, 'auth_level'), 3)
    const { cookies } = later
    const refused = await signOut('people/ben/sessions', cookies)
    assert.equal(text(refused.json, 'code'), 'step_up_required')
    assert.equal(await statusOf(theirs), 200)
    assert.equal((await prove('step-up', ann.login, cookies)).status, 200)
    assert.equal((await signOut('people/ben/sessions', cookies)).status, 200)
    assert.equal(await statusOf(theirs), 401)
  })

  it('must be the own one, for signing in, and in a session', async () => {
    const cookies = await fresh(ann)
    assert.equal((await prove('step-up', ben.login, cookies)).status, 401)
    assert.equal((await prove('step-up', ann.approval, cookies)).status, 401)
    assert.equal((await world.call('POST', '/api/step-up/begin', { body: {} })).status, 401)
  })

  it('gives nothing that the roles of this moment do not', async () => {
    const cookies = await fresh(ann)
    assert.equal((await signOut('people/ben/sessions', cookies)).status, 200)
    await enrol(world, 'ann', ['viewer'])
    const refused = await signOut('people/ben/sessions', cookies)
    assert.equal(text(refused.json, 'code'), 'role_missing')
  })
})

describe('the name of a device', () => {
  it('holds known words only', () => {
    assert.equal(deviceName(FIREFOX), 'Firefox on Linux')
    assert.equal(deviceName(undefined), 'Unknown browser')
    assert.equal(deviceName('<b>me</b>'), 'Unknown browser')
  })
})
