import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { canonicalize } from '@trustgw/protocol'
import {
  SESSION_MAX_MS,
  SESSION_RENEW_AFTER_MS,
  SESSION_TTL_MS,
} from '../src/session/session-desk.ts'
import { SoftwarePasskey, type Twist } from './support/authenticator.ts'
import {
  at,
  enrol,
  passkeyFor,
  RP_ID,
  type SignedIn,
  startWorld,
  text,
  type World,
} from './support/world.ts'

async function login(world: World, passkey: SoftwarePasskey, twist: Twist = {}) {
  const begun = await world.call('POST', '/api/login/begin', { body: {} })
  const response = passkey.assert(text(begun.json, 'options', 'challenge'), twist)
  const ceremony = text(begun.json, 'ceremony')
  return await world.call('POST', '/api/login/finish', { body: { ceremony, response } })
}

describe('enrolment', () => {
  let world: World
  before(async () => {
    world = await startWorld()
  })
  after(async () => {
    await world.stop()
  })

  it('makes two passkeys apart, a person, a session and one word to the supervisor', async () => {
    const ann = await enrol(world)
    assert.equal(ann.login.userHandle, 'login:ann')
    assert.equal(ann.approval.userHandle, 'approval:ann')
    const [message] = world.enrolled
    assert.equal(message?.kind, 'enrolled')
    assert.equal(message.credential_id, ann.approval.id)
    assert.equal(message.public_key, ann.approval.publicKey)
    assert.deepEqual(message.origins, [world.origin])
    assert.equal(message.rp_id, RP_ID)
    assert.match(message.fingerprint, /^(?:[0-9a-f]{4} ){7}[0-9a-f]{4}$/)
    const digest = createHash('sha256').update(Buffer.from(ann.approval.publicKey, 'base64url'))
    assert.equal(message.fingerprint.replaceAll(' ', ''), digest.digest('hex').slice(0, 32))
    const session = await world.call('GET', '/api/session', { cookies: ann.cookies })
    assert.equal(text(session.json, 'person', 'id'), 'ann')
    assert.deepEqual(at(session.json, 'person', 'roles'), ['admin', 'approver'])
    assert.equal(text(session.json, 'bus', 'subject'), 'ui.v1.acme.events')
    assert.ok(world.audit.some(({ type, actor }) => type === 'person_enrolled' && actor === 'ann'))
  })

  it('keeps no token on disk, and the file goes when it is used', async () => {
    const token = await world.enrolmentToken('ben')
    const [, secret = ''] = token.split('.')
    const [name = ''] = await readdir(world.settings.enrolmentsFolder)
    const file = await readFile(`${world.settings.enrolmentsFolder}/${name}`, 'utf8')
    assert.ok(!file.includes(secret))
    assert.equal((await readdir(world.settings.enrolmentsFolder)).length, 1)
    const begun = await world.call('POST', '/api/enrolment/begin', { body: { token, name: 'Ben' } })
    assert.equal(begun.status, 200)
    assert.equal((await readdir(world.settings.enrolmentsFolder)).length, 1)
  })

  it('answers an unknown, a mistaken, a malformed and an expired token alike', async () => {
    const open = await world.enrolmentToken('cleo')
    const good = await world.enrolmentToken('cleo', [], 1_000)
    const [id = ''] = good.split('.')
    const [openId = ''] = open.split('.')
    world.clock.advance(1_001)
    const tokens = [
      good,
      `${id}.wrong`,
      `${openId}.wrong`,
      `${open}x`,
      `${open}.x`,
      openId,
      `enr_${'a'.repeat(26)}.x`,
      'x',
      '../../etc/passwd.x',
    ]
    for (const token of tokens) {
      const refused = await world.call('POST', '/api/enrolment/begin', {
        body: { token, name: 'C' },
      })
      assert.equal(refused.status, 403, token)
      assert.equal(text(refused.json, 'code'), 'enrolment_refused')
      assert.equal(refused.json['detail'], undefined)
    }
  })

  it('lets one of two concurrent uses of a token win', async () => {
    const token = await world.enrolmentToken('dora')
    const runs = await Promise.all(
      [1, 2].map(async () => {
        const begun = await world.call('POST', '/api/enrolment/begin', {
          body: { token, name: 'D' },
        })
        const ceremony = text(begun.json, 'ceremony')
        const first = passkeyFor(world, begun.json, 'login_options')
        const challenge = text(begun.json, 'login_options', 'challenge')
        const second = await world.call('POST', '/api/enrolment/login', {
          body: { ceremony, response: first.register(challenge) },
        })
        const passkey = passkeyFor(world, second.json, 'approval_options')
        const response = passkey.register(text(second.json, 'approval_options', 'challenge'))
        return { ceremony, response }
      }),
    )
    const ends = await Promise.all(
      runs.map((body) => world.call('POST', '/api/enrolment/finish', { body })),
    )
    assert.deepEqual(
      ends.map(({ status }) => status).toSorted((a, b) => a - b),
      [200, 403],
    )
    assert.equal(world.enrolled.filter(({ person }) => person === 'dora').length, 1)
    const again = await world.call('POST', '/api/enrolment/begin', { body: { token, name: 'D' } })
    assert.equal(text(again.json, 'code'), 'enrolment_refused')
  })

  it('refuses a used token even where its file came back', async () => {
    const token = await world.enrolmentToken('finn')
    const [name = ''] = (await readdir(world.settings.enrolmentsFolder)).filter((file) =>
      file.startsWith(token.split('.')[0] ?? '-'),
    )
    const path = `${world.settings.enrolmentsFolder}/${name}`
    const { copyFile } = await import('node:fs/promises')
    await copyFile(path, `${world.folder}/kept.json`)
    const begun = await world.call('POST', '/api/enrolment/begin', { body: { token, name: 'F' } })
    const ceremony = text(begun.json, 'ceremony')
    const first = passkeyFor(world, begun.json, 'login_options')
    const second = await world.call('POST', '/api/enrolment/login', {
      body: { ceremony, response: first.register(text(begun.json, 'login_options', 'challenge')) },
    })
    const passkey = passkeyFor(world, second.json, 'approval_options')
    const response = passkey.register(text(second.json, 'approval_options', 'challenge'))
    const done = await world.call('POST', '/api/enrolment/finish', { body: { ceremony, response } })
    assert.equal(done.status, 200)
    await copyFile(`${world.folder}/kept.json`, path)
    const again = await world.call('POST', '/api/enrolment/begin', { body: { token, name: 'F' } })
    assert.equal(text(again.json, 'code'), 'enrolment_refused')
  })

  const twists: readonly (readonly [string, Twist])[] = [
    ['another origin', { origin: 'https://evil.example' }],
    ['another RP ID', { rpId: 'evil.example' }],
    ['a foreign challenge', { challenge: 'AAAA' }],
    ['an assertion type', { type: 'webauthn.get' }],
    ['a framed page', { crossOrigin: true }],
    ['no user verification', { userVerified: false }],
  ]
  for (const [name, twist] of twists) {
    it(`refuses a registration with ${name}`, async () => {
      const token = await world.enrolmentToken('gus')
      const begun = await world.call('POST', '/api/enrolment/begin', { body: { token, name: 'G' } })
      const passkey = passkeyFor(world, begun.json, 'login_options')
      const response = passkey.register(text(begun.json, 'login_options', 'challenge'), twist)
      const body = { ceremony: text(begun.json, 'ceremony'), response }
      const refused = await world.call('POST', '/api/enrolment/login', { body })
      assert.equal(refused.status, 422)
      assert.equal(text(refused.json, 'code'), 'registration_refused')
      const again = await world.call('POST', '/api/enrolment/login', { body })
      assert.equal(text(again.json, 'code'), 'ceremony_unknown')
    })
  }

  it('refuses one passkey for both purposes, and an id that somebody else has', async () => {
    const first = await enrol(world, 'hal')
    for (const stolen of [undefined, first.login.id]) {
      const token = await world.enrolmentToken('ida')
      const begun = await world.call('POST', '/api/enrolment/begin', { body: { token, name: 'I' } })
      const ceremony = text(begun.json, 'ceremony')
      const passkey = passkeyFor(world, begun.json, 'login_options')
      const second = await world.call('POST', '/api/enrolment/login', {
        body: {
          ceremony,
          response: passkey.register(text(begun.json, 'login_options', 'challenge')),
        },
      })
      const challenge = text(second.json, 'approval_options', 'challenge')
      const other = passkeyFor(world, second.json, 'approval_options')
      const response =
        stolen === undefined
          ? passkey.register(challenge)
          : other.register(challenge, { id: stolen })
      const end = await world.call('POST', '/api/enrolment/finish', {
        body: { ceremony, response },
      })
      assert.ok(end.status === 422 || end.status === 403, end.text)
    }
    assert.ok(!world.enrolled.some(({ person }) => person === 'ida'))
  })

  it('refuses names that are invisible or turn the reading direction', async () => {
    for (const name of ['', '   ', 'Ann\u202Egnp', 'A\u200Bnn', 'x'.repeat(81), 'a\nb']) {
      const token = await world.enrolmentToken('jo')
      const refused = await world.call('POST', '/api/enrolment/begin', { body: { token, name } })
      assert.equal(text(refused.json, 'code'), 'body_invalid', JSON.stringify(name))
    }
  })

  it('tells who is asked for what in a typed challenge, never twice the same', async () => {
    const token = await world.enrolmentToken('kim')
    const body = { token, name: 'Kim' }
    const one = await world.call('POST', '/api/enrolment/begin', { body })
    const two = await world.call('POST', '/api/enrolment/begin', { body })
    const challenges = [one, two].map(({ json }) => text(json, 'login_options', 'challenge'))
    assert.notEqual(challenges[0], challenges[1])
    assert.equal(Buffer.from(challenges[0] ?? '', 'base64url').length, 32)
  })
})

describe('signing in', () => {
  let world: World
  let ann: SignedIn
  before(async () => {
    world = await startWorld()
    ann = await enrol(world)
  })
  after(async () => {
    await world.stop()
  })

  it('takes a passkey over the hash of the statement that was shown', async () => {
    const begun = await world.call('POST', '/api/login/begin', { body: {} })
    const statement = at(begun.json, 'statement')
    const hash = createHash('sha256').update(canonicalize(statement)).digest('base64url')
    assert.equal(text(begun.json, 'options', 'challenge'), hash)
    assert.equal(text(statement, 'typ'), 'trustgw/login/1')
    assert.equal(text(statement, 'origin'), world.origin)
    const done = await login(world, ann.login)
    assert.equal(done.status, 200)
    assert.equal(text(done.json, 'person', 'id'), 'ann')
    assert.notEqual(done.cookies['tg_session'] ?? '', '')
    assert.equal(done.cookies['tg_bus'], 'eyJ.bus.ticket')
    assert.ok(world.audit.some(({ type }) => type === 'signed_in'))
  })

  it('lists sign-in passkeys only', async () => {
    const begun = await world.call('POST', '/api/login/begin', { body: {} })
    const listed = JSON.stringify(at(begun.json, 'options', 'allowCredentials'))
    assert.ok(listed.includes(ann.login.id))
    assert.ok(!listed.includes(ann.approval.id))
  })

  it('refuses a passkey for approvals', async () => {
    const refused = await login(world, ann.approval)
    assert.equal(refused.status, 401)
    assert.equal(text(refused.json, 'code'), 'wrong_credential')
    assert.deepEqual(refused.cookies, {})
  })

  const twists: readonly (readonly [string, Twist])[] = [
    ['another origin', { origin: 'http://localhost:1' }],
    ['another RP ID', { rpId: 'evil.example' }],
    ['another challenge', { challenge: 'AAAA' }],
    ['a creation type', { type: 'webauthn.create' }],
    ['a framed page', { crossOrigin: true }],
    ['no user verification', { userVerified: false }],
    ['a flipped signature', { flipSignature: true }],
    [
      'the handle of another person',
      { userHandle: Buffer.from('login:ben').toString('base64url') },
    ],
    ['the handle for approvals', { userHandle: Buffer.from('approval:ann').toString('base64url') }],
    ['an unknown id', { id: 'AAAAAAAAAAAAAAAAAAAAAA' }],
  ]
  for (const [name, twist] of twists) {
    it(`refuses an assertion with ${name}`, async () => {
      const refused = await login(world, ann.login, twist)
      assert.equal(refused.status, 401)
      assert.equal(text(refused.json, 'code'), 'login_refused')
      assert.deepEqual(refused.cookies, {})
    })
  }

  it('uses each ceremony once, also after a failure and after its time', async () => {
    const begun = await world.call('POST', '/api/login/begin', { body: {} })
    const ceremony = text(begun.json, 'ceremony')
    const response = ann.login.assert(text(begun.json, 'options', 'challenge'))
    const body = { ceremony, response }
    assert.equal((await world.call('POST', '/api/login/finish', { body })).status, 200)
    const again = await world.call('POST', '/api/login/finish', { body })
    assert.equal(text(again.json, 'code'), 'ceremony_unknown')
    const late = await world.call('POST', '/api/login/begin', { body: {} })
    world.clock.advance(6 * 60_000)
    const expired = await world.call('POST', '/api/login/finish', {
      body: {
        ceremony: text(late.json, 'ceremony'),
        response: ann.login.assert(text(late.json, 'options', 'challenge')),
      },
    })
    assert.equal(text(expired.json, 'code'), 'ceremony_unknown')
  })

  it('signs nobody in who is not on record', async () => {
    world.auditDown = true
    try {
      const refused = await login(world, ann.login)
      assert.equal(refused.status, 503)
      assert.deepEqual(refused.cookies, {})
    } finally {
      world.auditDown = false
    }
  })

  it('limits attempts', async () => {
    let refused = 0
    for (let index = 0; index < 80; index += 1) {
      const { status } = await world.call('POST', '/api/login/begin', { body: {} })
      if (status === 429) refused += 1
    }
    assert.ok(refused > 0 && refused < 80)
    world.clock.advance(120_000)
    assert.equal((await world.call('POST', '/api/login/begin', { body: {} })).status, 200)
  })
})

describe('a session', () => {
  let world: World
  let ann: SignedIn
  before(async () => {
    world = await startWorld()
    ann = await enrol(world)
  })
  after(async () => {
    await world.stop()
  })

  const fresh = async () => (await login(world, ann.login)).cookies
  const alive = async (cookies: Record<string, string>) =>
    (await world.call('GET', '/api/session', { cookies })).status

  it('is over at once when its person signs out, for every copy of the cookie', async () => {
    const cookies = await fresh()
    assert.equal(await alive(cookies), 200)
    const out = await world.call('DELETE', '/api/session', { body: {}, cookies })
    assert.equal(out.status, 200)
    assert.match(out.headers['set-cookie']?.join() ?? '', /tg_session=; .*Max-Age=0/)
    assert.equal(await alive(cookies), 401)
    assert.equal((await world.call('GET', '/api/actions', { cookies })).status, 401)
  })

  it('lives on by use, in tokens that replace each other, at most twelve hours', async () => {
    let cookies = await fresh()
    const first = cookies
    world.clock.advance(SESSION_RENEW_AFTER_MS)
    const renewed = await world.call('GET', '/api/session', { cookies })
    assert.notEqual(renewed.cookies['tg_session'] ?? '', '')
    assert.notEqual(renewed.cookies['tg_session'], first['tg_session'])
    assert.equal(await alive(first), 200, 'an answer that got lost signs nobody out')
    cookies = renewed.cookies
    world.clock.advance(SESSION_RENEW_AFTER_MS)
    cookies = (await world.call('GET', '/api/actions', { cookies })).cookies
    assert.equal(await alive(cookies), 200)
    for (let passed = 0; passed < SESSION_MAX_MS; passed += SESSION_TTL_MS / 2) {
      world.clock.advance(SESSION_TTL_MS / 2)
      const answer = await world.call('GET', '/api/session', { cookies })
      if (answer.status === 401) {
        assert.ok(passed > SESSION_MAX_MS - 2 * SESSION_TTL_MS)
        return
      }
      cookies = answer.cookies
    }
    assert.fail('the session never ended')
  })

  it('ends without use', async () => {
    const cookies = await fresh()
    world.clock.advance(SESSION_TTL_MS)
    assert.equal(await alive(cookies), 401)
  })

  it('survives a restart of the host', async () => {
    const cookies = await fresh()
    await world.restart()
    assert.equal(await alive(cookies), 200)
  })

  it('is no token of another kind, key, or spelling, nor two at once', async () => {
    const { tg_session: good = '' } = await fresh()
    const [head = '', body = '', tail = ''] = good.split('.')
    const none = Buffer.from('{"alg":"none","kid":"x","typ":"session+jwt"}').toString('base64url')
    const bad = [
      '',
      'x',
      `${head}.${body}.`,
      `${none}.${body}.${tail}`,
      `${head}.${body}.${'A'.repeat(tail.length)}`,
      `${good}=`,
      `${good}; tg_session=${good}`,
    ]
    for (const token of bad) assert.equal(await alive({ tg_session: token }), 401, token)
    assert.equal(await alive({}), 401)
  })

  it('sends cookies that no script and no other site gets', async () => {
    const done = await login(world, ann.login)
    for (const line of done.headers['set-cookie'] ?? []) {
      assert.match(line, /; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Strict$/)
    }
  })
})
