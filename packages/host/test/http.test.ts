import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { silentLogger } from '@trustgw/runtime'
import { CEREMONIES_MAX_COUNT, CeremonyBook } from '../src/ceremony/ceremony-book.ts'
import { AttemptLimit } from '../src/http/attempt-limit.ts'
import { readCookie } from '../src/http/cookies.ts'
import {
  buildListener,
  HEAD_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  REQUEST_TIMEOUT_MS,
} from '../src/http/listener.ts'
import { PROBLEMS } from '../src/http/problem.ts'
import { checkSettings } from '../src/settings.ts'
import {
  type Answer,
  at,
  call,
  enrol,
  startWorld,
  TENANT,
  text,
  until,
  type World,
} from './support/world.ts'

describe('the listener', () => {
  let world: World
  let cookies: Record<string, string>
  before(async () => {
    world = await startWorld()
    cookies = (await enrol(world)).cookies
  })
  after(async () => {
    await world.stop()
  })

  it('sends strict headers on every answer, refusals and files included', async () => {
    for (const path of ['/', '/health', '/api/session', '/nothing', '/mark.svg']) {
      const { headers } = await world.call('GET', path)
      assert.match(
        String(headers['content-security-policy']),
        /^default-src 'none'; script-src 'self'/,
      )
      assert.match(
        String(headers['content-security-policy']),
        /connect-src 'self' ws:\/\/localhost:9222;/,
      )
      assert.equal(headers['x-content-type-options'], 'nosniff', path)
      assert.equal(headers['referrer-policy'], 'no-referrer')
      assert.equal(headers['cross-origin-opener-policy'], 'same-origin')
      assert.match(String(headers['permissions-policy']), /publickey-credentials-get=\(self\)/)
    }
    const api = await world.call('GET', '/api/session')
    assert.equal(api.headers['cache-control'], 'no-store')
    assert.equal(api.headers['content-type'], 'application/problem+json')
    assert.deepEqual(Object.keys(api.json).sort(), ['code', 'status', 'title', 'type'])
  })

  it('refuses a Host that is not its own', async () => {
    for (const host of ['evil.example', '127.0.0.1', `127.0.0.1:${world.settings.listen.port}`]) {
      const refused = await world.call('GET', '/', { headers: { host } })
      assert.equal(refused.status, 421, host)
      assert.equal(text(refused.json, 'code'), 'host_refused')
    }
    const named = await world.call('GET', '/health', { headers: { host: '127.0.0.1' } })
    assert.deepEqual(named.json, { status: 'ok' })
  })

  it('refuses two Host headers, none, and an unparsable one, and stays up', async () => {
    const port = world.settings.listen.port
    const good = `Host: localhost:${port}\r\n`
    for (const head of [`${good}${good}`, '', 'Host: a b<>\r\n', `${good}Host: evil\r\n`]) {
      const answer = await raw(port, `GET / HTTP/1.1\r\n${head}Connection: close\r\n\r\n`)
      assert.match(answer, /^HTTP\/1\.1 4\d\d /, JSON.stringify(head))
    }
    assert.equal((await world.call('GET', '/health')).status, 200)
  })

  it('behind TLS gives a cookie that no sibling of its name can set, and asks for TLS from then on', async () => {
    const origin = 'https://portal.example'
    const sealed = await startWorld({}, () => ({
      ...{ origin, rpId: 'portal.example' },
      approvalOrigin: 'https://approve.portal.example',
    }))
    try {
      const target = { port: sealed.settings.listen.port, origin }
      const headers = { host: 'portal.example' }
      const home = await call({ ...target, method: 'GET', path: '/' }, { headers })
      assert.equal(home.headers['strict-transport-security'], 'max-age=31536000')
      const page = { host: 'approve.portal.example' }
      const other = await call({ ...target, method: 'GET', path: '/approve' }, { headers: page })
      assert.equal(other.headers['strict-transport-security'], 'max-age=31536000')
      const end = { ...target, method: 'DELETE', path: '/api/session' }
      const out = await call(end, { headers, body: {} })
      const [session = ''] = out.headers['set-cookie'] ?? []
      assert.match(session, /^__Host-tg_session=; Path=\/; .*HttpOnly; SameSite=Strict; Secure$/)
    } finally {
      await sealed.stop()
    }
    const plain = await world.call('GET', '/')
    assert.equal(plain.headers['strict-transport-security'], undefined)
  })

  it('refuses writing from another origin, from none, and not as JSON', async () => {
    const post = (headers: Record<string, string>) =>
      world.call('POST', '/api/login/begin', { body: {}, headers, cookies })
    for (const origin of ['https://evil.example', 'null', '', `${world.origin}/`]) {
      const refused = await post({ origin })
      assert.equal(refused.status, 403)
      assert.equal(text(refused.json, 'code'), 'origin_refused')
    }
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      '',
      'application/jsonx',
    ]) {
      const refused = await post({ 'content-type': type })
      assert.equal(refused.status, 415)
      assert.equal(text(refused.json, 'code'), 'content_type_refused')
    }
    const cross = await post({ 'sec-fetch-site': 'cross-site' })
    assert.equal(text(cross.json, 'code'), 'origin_refused')
    const out = await world.call('DELETE', '/api/session', {
      body: {},
      cookies,
      headers: { origin: 'https://evil.example' },
    })
    assert.equal(out.status, 403)
    assert.equal((await world.call('GET', '/api/session', { cookies })).status, 200)
  })

  it('refuses the API to another site even for reading', async () => {
    const headers = { 'sec-fetch-site': 'cross-site' }
    const refused = await world.call('GET', '/api/session', { cookies, headers })
    assert.equal(refused.status, 403)
  })

  it('refuses methods and paths that nothing here takes', async () => {
    for (const method of ['PUT', 'PATCH', 'OPTIONS', 'TRACE']) {
      assert.equal((await world.call(method, '/api/session')).status, 405, method)
    }
    for (const path of ['/api/nothing', '/api', '/api/approvals/x/y/z']) {
      assert.equal((await world.call('GET', path, { cookies })).status, 404, path)
    }
    assert.equal((await world.call('POST', '/api/nothing', { body: {} })).status, 404)
  })

  it('refuses bodies that are too large, not strict JSON, or not as described', async () => {
    const post = postRaw(world)
    const large = await post(`{"a":"${'x'.repeat(300_000)}"}`)
    assert.equal(large.status, 413)
    assert.equal(text(large.json, 'code'), 'body_too_large')
    const bad = [
      '',
      '{',
      '{"a":1,"a":1}',
      '[]',
      '{"a":1e400}',
      '{"a":-0}',
      '\ufeff{}',
      '{"__proto__":'.repeat(70),
    ]
    for (const body of bad) {
      assert.equal(text((await post(body)).json, 'code'), 'json_refused', body.slice(0, 20))
    }
    assert.equal(text((await post('{"extra":1}')).json, 'code'), 'body_invalid')
    assert.equal(text((await post('{"__proto__":{"x":1}}')).json, 'code'), 'body_invalid')
  })

  it('refuses a body that never said how long it would be', async () => {
    const port = world.settings.listen.port
    const chunk = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`
    const head = `POST /api/login/begin HTTP/1.1\r\nHost: localhost:${port}\r\nOrigin: ${world.origin}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`
    assert.match(await raw(port, head + chunk.repeat(5)), /^HTTP\/1\.1 413 /)
  })

  it('serves the portal: pages as one document, files with a strong tag', async () => {
    for (const path of [
      '/',
      '/approvals',
      '/approvals/act_x',
      '/activity',
      '/installation',
      '/enrol',
    ]) {
      const page = await world.call('GET', path)
      assert.equal(page.status, 200, path)
      assert.match(page.text, /portal/)
      assert.equal(page.headers['cache-control'], 'no-cache')
    }
    const asset = await world.call('GET', '/assets/index-Ab12Cd34.js')
    assert.equal(asset.headers['cache-control'], 'public, max-age=31536000, immutable')
    assert.match(String(asset.headers['content-type']), /^text\/javascript/)
    const etag = String(asset.headers.etag)
    assert.match(etag, /^"[A-Za-z0-9_-]{43}"$/)
    const same = await world.call('GET', '/assets/index-Ab12Cd34.js', {
      headers: { 'if-none-match': etag },
    })
    assert.equal(same.status, 304)
    assert.equal(same.text, '')
    assert.equal(
      asset.headers['content-encoding'],
      undefined,
      'who asks for nothing gets it as it is',
    )
    const large = '/assets/large-Ab12Cd34.js'
    const gzip = await world.call('GET', large, {
      headers: { 'accept-encoding': 'br, gzip;q=0.5' },
    })
    assert.equal(gzip.headers['content-encoding'], 'gzip')
    assert.equal(gzip.headers['vary'], 'Accept-Encoding')
    assert.ok(Number(gzip.headers['content-length']) < 1_000)
    const whole = await world.call('GET', large, { headers: { 'accept-encoding': 'gzip;q=0' } })
    assert.equal(whole.headers['content-encoding'], undefined)
    assert.notEqual(whole.headers.etag, gzip.headers.etag)
    const head = await world.call('HEAD', '/')
    assert.equal(head.status, 200)
    assert.equal(head.text, '')
  })

  it('serves nothing outside the portal folder and nothing hidden', async () => {
    const paths = [
      '/../outside.txt',
      '/%2e%2e/outside.txt',
      '/..%2foutside.txt',
      '/assets/../../outside.txt',
      '/assets/..%5c..%5coutside.txt',
      '//outside.txt',
      '/.secret',
      '/etc/passwd',
      '/index.html%00.svg',
      '/settings',
    ]
    for (const path of paths) {
      const refused = await world.call('GET', path)
      assert.ok(refused.status === 404 || refused.status === 421, `${path} ${refused.status}`)
      assert.doesNotMatch(refused.text, /outside$|^secret/)
    }
  })

  it('tells of keys only with a session, and portals when there are others', async () => {
    assert.equal((await world.call('GET', '/api/keys')).status, 401)
    const none = await world.call('GET', '/api/keys', { cookies })
    assert.deepEqual(none.json, { epoch: 1, signed_by: 'operator', keys: [] })
    const told: string[] = []
    const heard = world.gateway.link.bus.listen(`ui.v1.${TENANT}.changed`, ({ data }) => {
      told.push(Buffer.from(data).toString())
    })
    const key = {
      kid: 'gateway-grant-2',
      role: 'grant',
      component: 'gateway',
      status: 'revoked',
      since: 1,
      until: 2,
      fingerprint: 'ab:cd',
    } as const
    world.keySet = { epoch: 2, signed_by: 'delegate', keys: [key] }
    await until(() => told.length > 0)
    assert.deepEqual(JSON.parse(told[0] ?? ''), { v: 1, what: 'keys' })
    const answer = await world.call('GET', '/api/keys', { cookies })
    assert.deepEqual(answer.json, { epoch: 2, signed_by: 'delegate', keys: [{ ...key }] })
    await heard.stop()
  })

  it('tells of the installation only with a session, and says when it knows little', async () => {
    assert.equal((await world.call('GET', '/api/installation')).status, 401)
    const little = await world.call('GET', '/api/installation', { cookies })
    assert.equal(text(little.json, 'supervisor'), 'unknown')
    assert.equal(at(little.json, 'bus', 'connected'), true)
    const status = {
      processes: [
        {
          name: 'host',
          pid: 1,
          state: 'running',
          started_at: 1,
          restarts: 1,
          last_end: 'exit 0',
          version: '0.1.0',
        },
      ],
      bus: { version: '2.15.1', connected: false, port: 4222, websocket_port: 9222 },
      isolation: [{ name: 'process', in_force: true, detail: 'one each' }],
      mode: 'development',
      versions: { trustgw: '0.1.0', node: '20' },
      state_dir: '.trustgw',
    }
    await writeFile(world.settings.installationFile, JSON.stringify(status))
    const full = await world.call('GET', '/api/installation', { cookies })
    assert.equal(text(full.json, 'mode'), 'development')
    assert.equal(at(full.json, 'bus', 'connected'), true)
    await writeFile(world.settings.installationFile, '{"processes":')
    const broken = await world.call('GET', '/api/installation', { cookies })
    assert.equal(text(broken.json, 'supervisor'), 'unknown')
  })

  it('names a port in use when it cannot start', async () => {
    const { runHost } = await import('@trustgw/host')
    await assert.rejects(runHost(world.settings, world.deps), { code: 'EADDRINUSE' })
  })
})

function postRaw(world: World): (body: string) => Promise<Answer> {
  return (body) => world.call('POST', '/api/login/begin', { raw: body })
}

function raw(port: number, message: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(message))
    socket.setEncoding('utf8')
    socket.on('data', (part: string) => {
      answer += part
    })
    socket.on('error', () => resolve(answer))
    socket.on('close', () => resolve(answer))
    setTimeout(() => socket.destroy(), 2_000).unref()
  })
}

describe('parts of the listener', () => {
  it('forgets the oldest ceremony for a new one, and gives each once', () => {
    const book = new CeremonyBook<number>()
    for (let index = 0; index <= CEREMONIES_MAX_COUNT; index += 1) book.open(`c${index}`, index, 10)
    assert.equal(book.size, CEREMONIES_MAX_COUNT)
    assert.equal(book.take('c0', 0), undefined)
    assert.equal(book.take('c1', 9), 1)
    assert.equal(book.take('c1', 9), undefined)
    assert.equal(book.take('c2', 10), undefined)
  })

  it('limits each address and all together, and refills', () => {
    const limit = new AttemptLimit()
    const many = Array.from({ length: 100 }, () => limit.take('a', 1_000_000))
    assert.equal(many.filter(Boolean).length, 60)
    assert.equal(limit.take('b', 1_000_000), true)
    assert.equal(limit.take('a', 1_001_000), true)
    assert.equal(limit.take('a', 1_001_000), false)
    const all = Array.from({ length: 5_000 }, (_, index) => limit.take(`x${index}`, 1_001_000))
    assert.ok(all.filter(Boolean).length <= 300)
  })

  it('reads a cookie by its whole name and takes no doubled one', () => {
    assert.equal(readCookie('a=1; tg=2', 'tg'), '2')
    assert.equal(readCookie('xtg=1', 'tg'), undefined)
    assert.equal(readCookie('tg=1; tg=2', 'tg'), undefined)
    assert.equal(readCookie(undefined, 'tg'), undefined)
  })

  it('cuts off who does not finish a head or a request in time', () => {
    const server = buildListener({
      handle: () => Promise.resolve(new Response()),
      guard: () => undefined,
      headers: () => new Map(),
      log: silentLogger,
    })
    assert.equal(server.headersTimeout, HEAD_TIMEOUT_MS)
    assert.equal(server.requestTimeout, REQUEST_TIMEOUT_MS)
    assert.equal(server.keepAliveTimeout, KEEP_ALIVE_MS)
    assert.ok(server.maxConnections > 0 && (server.maxHeadersCount ?? 0) > 0)
  })

  it('has an error status for every problem', () => {
    for (const { status } of Object.values(PROBLEMS)) assert.ok(status >= 400 && status < 600)
  })

  it('refuses settings that contradict themselves, naming the key', async () => {
    const world = await startWorld()
    const good = world.settings
    await world.stop()
    const bad = [
      [{ ...good, origin: 'localhost:8080' }, /host\.origin/],
      [{ ...good, origin: 'http://localhost:8080/' }, /host\.origin/],
      [{ ...good, origin: 'http://portal.example', rpId: 'portal.example' }, /https/],
      [{ ...good, rpId: 'example.org' }, /host\.rp_id/],
      [{ ...good, busUrl: 'http://localhost' }, /bus\.websocket_url/],
      [{ ...good, busUrl: "ws://localhost; script-src 'unsafe-inline'" }, /bus\.websocket_url/],
    ] as const
    for (const [settings, message] of bad) {
      assert.throws(() => checkSettings(settings), { code: 'host_settings', message })
    }
  })
})
