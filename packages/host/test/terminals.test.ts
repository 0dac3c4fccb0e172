import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type ApprovalRequest, actionId, type JsonObject, signJws } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import {
  DEVICE_INTERVAL_MS,
  DEVICE_TTL_MS,
  DEVICES_MAX_COUNT,
  DeviceBook,
  USER_CODE_MISSES_MAX_COUNT,
} from '../src/ceremony/device-book.ts'
import { type ApiDeps, buildApi } from '../src/http/api.ts'
import { STEP_UP_MS, TERMINAL_SESSION_MS } from '../src/session/session-desk.ts'
import {
  type Answer,
  approvalRequest,
  ask,
  at,
  enrol,
  type RequestOptions,
  type SignedIn,
  startWorld,
  text,
  type World,
} from './support/world.ts'

const UA = { 'user-agent': 'trustgw/0.1.0 (Linux)' }

describe('the book of terminals that wait', () => {
  const waiting = (userCode: string, askedAt = 0) => ({
    userCode,
    device: 'Terminal on Linux',
    askedAt,
    expiresAt: askedAt + DEVICE_TTL_MS,
  })
  const bookWith = (userCode = 'BCDFGHJK'): DeviceBook => {
    const book = new DeviceBook()
    assert.ok(book.open('hash', waiting(userCode), 0))
    return book
  }
  const reason = (result: { ok: boolean; reason?: string }) => (result.ok ? 'ok' : result.reason)

  it('lets one in once, and only after a person said so', () => {
    const book = bookWith()
    assert.equal(reason(book.poll('hash', 0)), 'authorization_pending')
    assert.ok(book.decide('BCDFGHJK', 'ann', 'allow', 1).ok)
    assert.equal(reason(book.decide('BCDFGHJK', 'ben', 'allow', 2)), 'unknown_code')
    const polled = book.poll('hash', DEVICE_INTERVAL_MS)
    assert.deepEqual(polled.ok && polled.value, { person: 'ann', device: 'Terminal on Linux' })
    assert.equal(reason(book.poll('hash', 2 * DEVICE_INTERVAL_MS)), 'expired_token')
  })

  it('says no once, and then knows nothing of it', () => {
    const book = bookWith()
    assert.ok(book.decide('BCDFGHJK', 'ann', 'refuse', 1).ok)
    assert.equal(reason(book.poll('hash', 2)), 'access_denied')
    assert.equal(reason(book.poll('hash', DEVICE_INTERVAL_MS + 2)), 'expired_token')
  })

  it('forgets after ten minutes, let in or not', () => {
    const [open, allowed] = [bookWith(), bookWith()]
    assert.ok(allowed.decide('BCDFGHJK', 'ann', 'allow', 1).ok)
    assert.equal(reason(open.look('BCDFGHJK', 'ann', DEVICE_TTL_MS)), 'unknown_code')
    for (const book of [open, allowed]) {
      assert.equal(reason(book.poll('hash', DEVICE_TTL_MS)), 'expired_token')
    }
  })

  it('slows down who asks too often, more each time', () => {
    const book = bookWith()
    book.poll('hash', 0)
    assert.equal(reason(book.poll('hash', DEVICE_INTERVAL_MS - 1)), 'slow_down')
    assert.ok(book.decide('BCDFGHJK', 'ann', 'allow', DEVICE_INTERVAL_MS).ok)
    const late = 2 * DEVICE_INTERVAL_MS - 1
    assert.equal(reason(book.poll('hash', late)), 'slow_down', 'the first interval is not enough')
    assert.ok(book.poll('hash', late + 3 * DEVICE_INTERVAL_MS).ok)
  })

  it('takes few wrong codes of one person, and none of that from another', () => {
    const book = bookWith()
    for (let miss = 0; miss < USER_CODE_MISSES_MAX_COUNT; miss += 1) {
      assert.equal(reason(book.look('XXXXXXXX', 'ann', miss)), 'unknown_code')
    }
    assert.equal(reason(book.look('BCDFGHJK', 'ann', 9)), 'too_many_attempts')
    assert.equal(reason(book.decide('BCDFGHJK', 'ann', 'allow', 9)), 'too_many_attempts')
    assert.ok(book.look('BCDFGHJK', 'ben', 9).ok)
    assert.equal(reason(book.look('XXXXXXXX', 'ann', DEVICE_TTL_MS)), 'unknown_code', 'in time')
  })

  it('has room for so many, and drops nobody who waits', () => {
    const book = new DeviceBook()
    for (let count = 0; count < DEVICES_MAX_COUNT; count += 1) {
      assert.ok(book.open(`hash ${count}`, waiting(`CODE ${count}`), 0))
    }
    assert.equal(book.open('one more', waiting('MORE'), 0), false)
    assert.ok(book.look('CODE 0', 'ann', 1).ok)
    assert.ok(book.open('later', waiting('LATER', DEVICE_TTL_MS), DEVICE_TTL_MS))
    assert.equal(book.open('same code', waiting('LATER', DEVICE_TTL_MS), DEVICE_TTL_MS), false)
  })
})

describe('a terminal', () => {
  let world: World
  let ann: SignedIn
  before(async () => {
    world = await startWorld()
    ann = await enrol(world, 'ann', ['approver'])
  })
  after(async () => {
    await world.stop()
  })

  const post = (path: string, body: object, more: object = {}) =>
    world.call('POST', path, { body, ...more })
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}`, ...UA } })
  const code = (answer: Answer) => answer.json['code'] ?? answer.status

  /** A passkey used again, so that ann may let somebody in. */
  async function steppedUp(): Promise<{ cookies: Record<string, string> }> {
    const begun = await post('/api/login/begin', {})
    const response = ann.login.assert(text(begun.json, 'options', 'challenge'))
    const done = await post('/api/login/finish', {
      ceremony: text(begun.json, 'ceremony'),
      response,
    })
    return { cookies: done.cookies }
  }

  async function signedInTerminal(): Promise<string> {
    const begun = await post('/api/device/begin', {}, { headers: UA })
    const session = await steppedUp()
    const user_code = text(begun.json, 'user_code')
    const let_in = await post('/api/device/decide', { user_code, verdict: 'allow' }, session)
    assert.equal(let_in.status, 200, let_in.text)
    const device_code = text(begun.json, 'device_code')
    return text((await post('/api/device/token', { device_code })).json, 'access_token')
  }

  async function asked(options: RequestOptions): Promise<ApprovalRequest> {
    const request = approvalRequest(world, options)
    assert.equal((await ask(world, request))['status'], 'stored')
    return request
  }

  it('is let in by a person who used a passkey lately and typed its code', async () => {
    const begun = await post('/api/device/begin', {}, { headers: UA })
    const device_code = text(begun.json, 'device_code')
    const user_code = text(begun.json, 'user_code')
    assert.match(user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/)
    assert.equal(text(begun.json, 'verification_uri'), `${world.origin}/device`)
    assert.equal(code(await post('/api/device/token', { device_code })), 'authorization_pending')
    assert.equal(code(await post('/api/device/token', { device_code })), 'slow_down')

    const stale = await steppedUp()
    world.clock.advance(STEP_UP_MS)
    const typed = user_code.toLowerCase().replace('-', ' ')
    const seen = await post('/api/device/look', { user_code: typed }, stale)
    assert.equal(text(seen.json, 'device'), 'Terminal on Linux')
    const decide = { user_code: typed, verdict: 'allow' }
    assert.equal(code(await post('/api/device/decide', decide, stale)), 'step_up_required')
    assert.equal(code(await post('/api/device/decide', decide)), 'no_session')
    world.clock.advance(2 * DEVICE_INTERVAL_MS)
    assert.equal(code(await post('/api/device/token', { device_code })), 'authorization_pending')

    const fresh = await steppedUp()
    assert.equal((await post('/api/device/decide', decide, fresh)).status, 200)
    world.clock.advance(2 * DEVICE_INTERVAL_MS)
    const given = await post('/api/device/token', { device_code })
    const { access_token: _, ...rest } = given.json
    assert.deepEqual(rest, {
      token_type: 'Bearer',
      expires_in: TERMINAL_SESSION_MS / 1_000,
      person: 'ann',
      tenant: 'acme',
    })
    assert.equal(code(await post('/api/device/token', { device_code })), 'expired_token')
    assert.ok(world.audit.some(({ type, actor }) => type === 'terminal_allowed' && actor === 'ann'))
  })

  it('keeps no device code, only its hash', async (t) => {
    const opened = t.mock.method(DeviceBook.prototype, 'open')
    const begun = await post('/api/device/begin', {})
    assert.equal(opened.mock.callCount(), 1)
    const kept = JSON.stringify(opened.mock.calls[0]?.arguments)
    assert.ok(kept.includes(sha256(text(begun.json, 'device_code'))))
    assert.ok(!kept.includes(text(begun.json, 'device_code')))
  })

  it('reaches no route but those of approvals, and none of them by a cookie', async () => {
    const token = await signedInTerminal()
    const own = new Set([
      'GET /approvals',
      'GET /approvals/:id',
      'GET /approvals/:id/earlier',
      'POST /approvals/:id/begin',
      'POST /approvals/:id/approve',
      'POST /approvals/:id/deny',
      'DELETE /device/session',
    ])
    const withoutSession = new Set([
      'POST /login/begin',
      'POST /login/finish',
      'POST /enrolment/begin',
      'POST /enrolment/login',
      'POST /enrolment/finish',
      'POST /device/begin',
      'POST /device/token',
      // It ends what its cookie names, and clears the cookies of whoever asks.
      'DELETE /session',
    ])
    const routes = buildApi({ policy: {} } as ApiDeps).routes
    assert.ok(routes.length > 40)
    const id = actionId(new Uint8Array(16))
    for (const { method, path } of routes) {
      const name = `${method} ${path}`
      const to = `/api${path.replace(/:[a-z]+/g, id)}`
      const body = method === 'GET' ? {} : { body: {} }
      const asCookie = { ...body, cookies: { tg_session: token } }
      if (!withoutSession.has(name)) {
        assert.equal(code(await world.call(method, to, asCookie)), 'no_session', name)
      }
      if (withoutSession.has(name) || own.has(name)) continue
      const got = await world.call(method, to, { ...body, ...bearer(token) })
      assert.equal(code(got), 'no_session', name)
    }
    assert.equal((await world.call('GET', '/api/approvals', bearer(token))).status, 200)
  })

  it('is not signed in by the token of a browser, nor by a bearer beside a cookie', async () => {
    const { cookies } = await steppedUp()
    const portals = bearer(cookies['tg_session'] ?? '')
    assert.equal(code(await world.call('GET', '/api/approvals', portals)), 'no_session')
    const both = { ...bearer('forged'), cookies }
    assert.equal(code(await world.call('GET', '/api/approvals', both)), 'no_session')
  })

  it('is of its kind in type, audience and record: a token that differs in one opens nothing', async () => {
    const token = await signedInTerminal()
    const [, body = ''] = token.split('.')
    const payload: JsonObject = JSON.parse(Buffer.from(body, 'base64url').toString())
    const made = (typ: string, aud: string): string =>
      signJws(
        { typ, kid: world.sessionKey.kid, payload: { ...payload, aud } },
        world.sessionKey.sign,
      )
    const list = async (one: string) => code(await world.call('GET', '/api/approvals', bearer(one)))
    assert.equal(await list(made('terminal+jwt', 'trustgw/terminal')), 200)
    assert.equal(await list(made('session+jwt', 'trustgw/terminal')), 'no_session')
    assert.equal(await list(made('terminal+jwt', 'trustgw/portal')), 'no_session')
    const tg_session = made('session+jwt', 'trustgw/portal')
    const asCookie = await world.call('GET', '/api/session', { cookies: { tg_session } })
    assert.equal(code(asCookie), 'no_session', 'its record is a terminal’s')
  })

  it('denies anything and approves what takes no passkey, never more', async () => {
    const token = await signedInTerminal()
    const as = bearer(token)
    const one = await asked({ tier: 1 })
    const two = await asked({ tier: 2 })
    const path = (request: ApprovalRequest) => `/api/approvals/${request.action_id}`
    const list = await world.call('GET', '/api/approvals', as)
    assert.ok(list.text.includes(one.action_id) && list.text.includes(two.action_id))

    assert.equal(code(await post(`${path(two)}/begin`, {}, as)), 'page_needed')
    const { cookies } = await steppedUp()
    const begun = await post(`${path(two)}/begin`, {}, { cookies })
    const nonce = text(begun.json, 'nonce')
    const stolen = await post(`${path(two)}/approve`, { nonce, assertion: null }, as)
    assert.equal(code(stolen), 'ceremony_unknown', 'a nonce of the browser is not the terminal’s')

    const own = await post(`${path(one)}/begin`, {}, as)
    const proof = { nonce: text(own.json, 'nonce'), assertion: null }
    assert.equal(at((await post(`${path(one)}/approve`, proof, as)).json, 'state'), 'authorized')
    const denied = await post(`${path(two)}/deny`, { reason: 'not today' }, as)
    assert.equal(at(denied.json, 'state'), 'denied')
  })

  it('is listed by its kind, ends with all sessions, by itself, and after eight hours', async () => {
    const [one, two, three, four] = [
      await signedInTerminal(),
      await signedInTerminal(),
      await signedInTerminal(),
      await signedInTerminal(),
    ]
    const works = async (token: string) =>
      (await world.call('GET', '/api/approvals', bearer(token))).status
    world.clock.advance(60 * 60_000)
    const session = await steppedUp()
    const sessions = at((await world.call('GET', '/api/sessions', session)).json, 'sessions')
    assert.ok(Array.isArray(sessions))
    const terminals = sessions.filter((each) => at(each, 'kind') === 'terminal')
    assert.ok(terminals.length >= 4, 'an hour without use ends no terminal')
    assert.ok(terminals.every((each) => at(each, 'device') === 'Terminal on Linux'))

    const out = await world.call('DELETE', '/api/device/session', { body: {}, ...bearer(one) })
    assert.equal(out.status, 200)
    assert.deepEqual([await works(one), await works(two)], [401, 200])
    const sid = text(terminals[0] ?? {}, 'sid')
    assert.equal(
      (await world.call('DELETE', `/api/sessions/${sid}`, { body: {}, ...session })).status,
      200,
    )
    await world.call('DELETE', '/api/sessions', { body: { keep_this: true }, ...session })
    assert.deepEqual([await works(two), await works(three)], [401, 401])
    assert.equal(await works(four), 401)

    const last = await signedInTerminal()
    world.clock.advance(TERMINAL_SESSION_MS - 60_000)
    assert.equal(await works(last), 200)
    world.clock.advance(60_000)
    assert.equal(await works(last), 401)
  })
})
