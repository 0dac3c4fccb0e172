import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { fromPublic, fromSeed } from '@nats-io/nkeys'
import fc from 'fast-check'
import { base32Decode, base32Encode } from '../src/nats/base32.ts'
import { buildBusConfig } from '../src/nats/bus-config.ts'
import { createBusKeys, loadBusKeys, revokeBusUser } from '../src/nats/bus-keys.ts'
import { issueUser, portalToken } from '../src/nats/bus-users.ts'
import { parseCreds, readCredsFile, writeCredsFile } from '../src/nats/creds.ts'
import { readUserJwt } from '../src/nats/jwt.ts'
import { NatsError } from '../src/nats/nats-error.ts'
import { createNKey, nkeyFromSeed, publicNKeyKind, verifyNKey } from '../src/nats/nkeys.ts'
import { busStreams, INSERT_ONLY_BUCKETS } from '../src/nats/streams.ts'
import { busTopology } from '../src/nats/topology.ts'

const dir = mkdtempSync(path.join(tmpdir(), 'tg-keys-'))
after(() => rmSync(dir, { recursive: true, force: true }))
let folders = 0
function folder(): string {
  folders += 1
  return path.join(dir, String(folders))
}
const coded = (code: string) => (error: unknown) =>
  error instanceof NatsError && error.code === code
const issued = { issuedAt: 1_800_000_000 }

test('base 32 gives back what it was given and takes nothing but its canonical form', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      assert.deepEqual(base32Decode(base32Encode(bytes)), bytes)
    }),
  )
  for (const bad of ['a', 'A', 'AB', 'AAA', 'MY======', 'MZ', '0AAAAAAA', 'AAAA AAA']) {
    assert.equal(base32Decode(bad), undefined, bad)
  }
})

test('keys agree with the reference library: seed, public key and signatures both ways', () => {
  for (const kind of ['operator', 'account', 'user'] as const) {
    const ours = createNKey(kind)
    const theirs = fromSeed(Buffer.from(ours.seed()))
    assert.equal(theirs.getPublicKey(), ours.publicKey)
    const data = Buffer.from('nonce')
    assert.deepEqual(Buffer.from(theirs.sign(data)), Buffer.from(ours.sign(data)))
    assert.ok(fromPublic(ours.publicKey).verify(data, ours.sign(data)))
    assert.ok(verifyNKey(ours.publicKey, data, theirs.sign(data)))
    assert.equal(verifyNKey(ours.publicKey, Buffer.from('other'), theirs.sign(data)), false)
    assert.equal(publicNKeyKind(ours.publicKey), kind)
    assert.equal(nkeyFromSeed(ours.seed()).publicKey, ours.publicKey)
  }
})

test('a seed or public key with a wrong character, length, checksum or kind is refused', () => {
  const key = createNKey('user')
  const seed = key.seed()
  const flipped = seed.slice(0, 20) + (seed[20] === 'A' ? 'B' : 'A') + seed.slice(21)
  for (const bad of [
    '',
    seed.toLowerCase(),
    seed.slice(0, -1),
    `${seed}A`,
    flipped,
    key.publicKey,
  ]) {
    assert.throws(() => nkeyFromSeed(bad), coded('key_malformed'))
  }
  assert.equal(publicNKeyKind(seed), undefined)
  const other = key.publicKey.endsWith('A') ? 'B' : 'A'
  assert.equal(publicNKeyKind(key.publicKey.slice(0, -1) + other) ?? 'refused', 'refused')
  assert.equal(verifyNKey('U', Buffer.from('x'), key.sign(Buffer.from('x'))), false)
})

test('keys are for their owner only, and one more tenant changes no key of the others', () => {
  const keys = folder()
  createBusKeys(keys, { tenants: ['acme'], profiles: ['connector'] })
  const read = () =>
    readdirSync(keys, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .sort()
  const first = new Map(read().map((file) => [file, readFileSync(file, 'utf8')]))
  for (const file of first.keys()) assert.equal(statSync(file).mode & 0o777, 0o600, file)
  assert.equal(statSync(path.join(keys, 'accounts')).mode & 0o777, 0o700)
  const more = createBusKeys(keys, { tenants: ['globex-2'], profiles: ['ledger'] })
  assert.deepEqual(more.tenants, ['acme', 'globex-2'])
  assert.deepEqual(more.profiles, ['connector', 'ledger'])
  for (const [file, text] of first) assert.equal(readFileSync(file, 'utf8'), text)
  assert.ok(read().length > first.size)
})

test('a tenant or profile that is no slug gets no keys', () => {
  for (const name of ['', 'Acme', 'a.b', '../x', 'a_b', '*', 'a'.repeat(32)]) {
    const bad = folder()
    assert.throws(
      () => createBusKeys(bad, { tenants: [name], profiles: [] }),
      coded('config_refused'),
    )
    assert.throws(
      () => createBusKeys(bad, { tenants: [], profiles: [name] }),
      coded('config_refused'),
    )
    assert.throws(() => loadBusKeys(bad), coded('key_missing'))
  }
})

test('credentials survive their file, with mode 600, and name their own inbox', () => {
  const keys = createBusKeys(folder(), { tenants: ['acme'], profiles: ['connector'] })
  const { creds, text } = issueUser(keys, { kind: 'gateway' }, issued)
  const file = path.join(dir, 'bus.creds')
  writeCredsFile(file, text)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.throws(() => writeCredsFile(file, text), { code: 'EEXIST' })
  writeCredsFile(file, text, { replace: true })
  const read = readCredsFile(file)
  assert.deepEqual([read.user, read.inboxPrefix], [creds.user, creds.inboxPrefix])
  assert.match(read.inboxPrefix, /^_INBOX\.[a-z2-7]{26}$/)
  assert.equal(read.account, keys.account('GW').publicKey)
  const { sig } = read.prove('nonce')
  assert.ok(verifyNKey(read.user, Buffer.from('nonce'), Buffer.from(sig, 'base64url')))
})

test('credentials that are cut, mixed or altered are refused without showing the seed', () => {
  const keys = createBusKeys(folder(), { tenants: ['acme'], profiles: ['connector'] })
  const one = issueUser(keys, { kind: 'host' }, issued).text
  const two = issueUser(keys, { kind: 'log' }, issued).text
  const seed = /SU\S+/.exec(two)?.[0] ?? ''
  const mixed = one.replace(/SU\S+/, seed)
  const altered = one.replace(/\n(ey\S{40})(\S)/, (_, head: string, next: string) => {
    return `\n${head}${next === 'A' ? 'B' : 'A'}`
  })
  for (const bad of ['', one.slice(0, 200), mixed, altered, 'x'.repeat(100_000)]) {
    assert.throws(
      () => parseCreds(bad),
      (error) => coded('key_malformed')(error) && !String(error).includes(seed),
    )
  }
})

test('two identities of a role never share a key or an inbox, and an agent carries no rights of its own', () => {
  const keys = createBusKeys(folder(), { tenants: ['acme'], profiles: ['connector'] })
  const role = { kind: 'agent', tenant: 'acme', label: 'bot' } as const
  const agents = [issueUser(keys, role, issued), issueUser(keys, role, issued)]
  assert.equal(new Set(agents.map(({ creds }) => creds.user)).size, 2)
  assert.equal(new Set(agents.map(({ creds }) => creds.inboxPrefix)).size, 2)
  const token = readUserJwt(agents[0]?.creds.jwt ?? '')
  assert.deepEqual(token.subscribe, [])
  assert.equal(token.account, keys.account('T_acme_AGENTS').publicKey)
  assert.equal(token.issuer, keys.scope('T_acme_AGENTS').publicKey)
  for (const label of ['', 'a.b', '*', 'a b', '-a']) {
    assert.throws(() => issueUser(keys, { ...role, label }, issued), coded('config_refused'))
  }
  assert.throws(() => issueUser(keys, { ...role, tenant: 'globex' }, issued), coded('key_missing'))
  assert.throws(
    () => issueUser(keys, { kind: 'executor', profile: 'native' }, issued),
    coded('key_missing'),
  )
})

test('a portal token ends at its time and belongs to its tenant', () => {
  const keys = createBusKeys(folder(), { tenants: ['acme'], profiles: [] })
  const { jwt, inboxPrefix } = portalToken(
    keys.scope('T_acme_PEOPLE'),
    keys.account('T_acme_PEOPLE').publicKey,
    { issuedAt: 1_800_000_000, expiresAt: 1_800_000_060 },
  )
  const token = readUserJwt(jwt)
  assert.equal(token.expiresAt, 1_800_000_060)
  assert.equal(token.account, keys.account('T_acme_PEOPLE').publicKey)
  assert.equal(inboxPrefix, `_INBOX.${token.name}`)
})

test('revocations are kept beside the keys and only for real users', () => {
  const keys = folder()
  createBusKeys(keys, { tenants: ['acme'], profiles: [] })
  const user = createNKey('user').publicKey
  const { revocations } = revokeBusUser(keys, { account: 'T_acme_AGENTS', user, at: 5 })
  assert.deepEqual(revocations, { T_acme_AGENTS: { [user]: 5 } })
  assert.throws(
    () => revokeBusUser(keys, { account: 'T_acme_AGENTS', user: '*', at: 5 }),
    coded('key_malformed'),
  )
  writeFileSync(path.join(keys, 'revocations.json'), '{"GW": {"U": "soon"}}')
  assert.throws(() => loadBusKeys(keys), coded('key_malformed'))
})

test('the configuration refuses listeners beyond loopback, odd ports, origins and names', () => {
  const keys = createBusKeys(folder(), { tenants: [], profiles: [] })
  const good = {
    dir: '/var/lib/bus',
    serverName: 'tg',
    host: '127.0.0.1',
    clientPort: 4222,
    websocketPort: 9222,
    allowedOrigins: ['http://localhost:8080'],
    syncInterval: 'always',
    issuedAt: 1,
  } as const
  const text = buildBusConfig(keys, good)
  assert.match(text, /sync_interval: always/)
  assert.match(text, /listen: "127.0.0.1:4222"/)
  assert.doesNotMatch(text, /S[OAU][A-Z2-7]{56}/)
  for (const bad of [
    { host: '0.0.0.0' },
    { host: 'bus.example' },
    { clientPort: 0 },
    { clientPort: 70_000 },
    { websocketPort: 4222 },
    { allowedOrigins: [] },
    { allowedOrigins: ['*'] },
    { allowedOrigins: ['https://a.example/'] },
    { allowedOrigins: ['https://a.example"]}'] },
    { dir: 'bus' },
    { serverName: 'a\nhttp: 8222' },
  ]) {
    assert.throws(() => buildBusConfig(keys, { ...good, ...bad }), coded('config_refused'))
  }
})

function matches(pattern: string, subject: string): boolean {
  const want = pattern.split('.')
  const have = subject.split('.')
  return (
    have.every((token, at) => want[at] === token || want[at] === '*' || want[at] === '>') &&
    have.length === want.length
  )
}

test('every import has its export, and no account that holds streams exports a service of ours or has a queue', () => {
  const specs = busTopology({ tenants: ['acme', 'globex'], profiles: ['connector', 'ledger'] })
  for (const spec of specs) {
    for (const item of spec.imports) {
      const exporter = specs.find((one) => one.name === item.from)
      const exported = exporter?.exports.some(
        (one) => one.kind === item.kind && matches(one.subject, item.subject),
      )
      assert.ok(
        exported === true,
        `${spec.name} imports ${item.subject} that ${item.from} does not export`,
      )
    }
    if (spec.jetstream !== undefined) assert.deepEqual([spec.imports, spec.queue], [[], undefined])
  }
  for (const [name, exports] of specs.map((one) => [one.name, one.exports] as const)) {
    for (const one of exports) {
      const used = specs.some((spec) =>
        spec.imports.some((item) => item.from === name && matches(one.subject, item.subject)),
      )
      assert.ok(used, `${name} exports ${one.subject} that nobody imports`)
    }
  }
})

test('one more tenant changes no other account', () => {
  const before = busTopology({ tenants: ['acme'], profiles: ['connector'] })
  const now = busTopology({ tenants: ['acme', 'globex'], profiles: ['connector'] })
  for (const spec of before) {
    assert.deepEqual(
      now.find((one) => one.name === spec.name),
      spec,
    )
  }
})

test('insert-only streams refuse a second message, deletion, purge, rollup and expiry by header [INV-29]', () => {
  const specs = busStreams(['connector'])
  for (const bucket of INSERT_ONLY_BUCKETS) {
    const config = specs.find((spec) => spec.config.name === `KV_${bucket}`)?.config
    assert.ok(config)
    assert.deepEqual(
      [
        config.max_msgs_per_subject,
        config.discard,
        config.discard_new_per_subject,
        config.deny_delete,
        config.deny_purge,
        config.allow_rollup_hdrs,
        config.allow_msg_ttl,
      ],
      [1, 'new', true, true, true, false, false],
    )
  }
})

test('what calls and people fill is bounded, and leaves room for the audit, which is not', () => {
  const specs = busStreams(['connector']).filter((spec) => spec.account === 'DATA')
  const bytes = new Map(specs.map(({ config }) => [config.name, config.max_bytes]))
  for (const bucket of ['actions', 'open_actions', 'limits', 'approvals', 'sessions']) {
    assert.ok((bytes.get(`KV_${bucket}`) ?? 0) > 0, bucket)
  }
  assert.ok((bytes.get('RESULTS') ?? 0) > 0)
  assert.ok((bytes.get('UI') ?? 0) > 0)
  assert.equal(bytes.get('AUDIT'), -1)
  const reserved = [...bytes.values()].reduce((sum, each) => sum + Math.max(each, 0), 0)
  assert.ok(reserved <= 4 * 1024 ** 3)
})
