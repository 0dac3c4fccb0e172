import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { base64urlDecode, passkeyFingerprint } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { SoftwareAuthenticator } from '@trustgw/testkit/software-authenticator'
import { CoseKey } from '../src/admit/cose-key.ts'
import { type CoseMember, cose } from './support/hostile/keys.ts'

const keyOf = (algorithm: 'ES256' | 'EdDSA' | 'RS256'): Uint8Array => {
  const key = new SoftwareAuthenticator({
    algorithm,
    rpId: 'localhost',
    origin: 'http://localhost',
  })
  return base64urlDecode(key.publicKey) ?? new Uint8Array()
}
const ES256 = keyOf('ES256')
const EDDSA = keyOf('EdDSA')

/** The key's bytes with some of them replaced. */
const edited = (key: Uint8Array, at: number, ...bytes: readonly number[]): Uint8Array => {
  const copy = key.slice()
  copy.set(bytes, at)
  return copy
}

test('keys of the three kinds are read', () => {
  assert.equal(CoseKey.parse(ES256)?.algorithm, -7)
  assert.equal(CoseKey.parse(EDDSA)?.algorithm, -8)
  assert.equal(CoseKey.parse(keyOf('RS256'))?.algorithm, -257)
})

test('anything but exactly such a key is refused', () => {
  const cases: Readonly<Record<string, Uint8Array>> = {
    empty: new Uint8Array(),
    'one byte less': ES256.slice(0, -1),
    'one byte more': Buffer.concat([ES256, Uint8Array.of(0)]),
    'not a map': edited(ES256, 0, 0x85),
    'an indefinite map': edited(ES256, 0, 0xbf),
    'a map that says it has more': edited(ES256, 0, 0xa6),
    'another key type': edited(ES256, 2, 1),
    'another algorithm': edited(ES256, 4, 0x27),
    'another curve': edited(ES256, 6, 2),
    'a point off the curve': edited(ES256, 20, (ES256[20] ?? 0) ^ 1),
    'one name twice': edited(ES256, 3, 1),
    'a length in two bytes': Buffer.concat([
      EDDSA.slice(0, 8),
      Uint8Array.of(0x59, 0, 32),
      EDDSA.slice(-32),
    ]),
    'a nested map': Uint8Array.of(0xa1, 0x01, 0xa0),
    'too long': new Uint8Array(2_000),
  }
  assert.ok(CoseKey.parse(edited(ES256, 0)))
  for (const [name, bytes] of Object.entries(cases)) {
    assert.equal(CoseKey.parse(bytes), undefined, name)
  }
})

test('a malformed signature is false, not a fault', () => {
  const key = CoseKey.parse(ES256)
  assert.equal(key?.verifies(Uint8Array.of(1), Uint8Array.of(1, 2, 3)), false)
  assert.equal(CoseKey.parse(EDDSA)?.verifies(Uint8Array.of(1), new Uint8Array(64)), false)
})

test('an EdDSA signature of another length, and an object that only looks like a key, verify nothing', () => {
  const key = CoseKey.parse(EDDSA)
  assert.equal(key?.verifies(Uint8Array.of(1), Uint8Array.of(1)), false)
  const cast: unknown = Object.create(CoseKey.prototype)
  assert.ok(cast instanceof CoseKey)
  assert.equal(cast.verifies(Uint8Array.of(1), new Uint8Array(64)), false)
})

test('a signature of each kind of key is of that key and those bytes only', () => {
  for (const algorithm of ['ES256', 'EdDSA', 'RS256'] as const) {
    const made = new SoftwareAuthenticator({
      algorithm,
      rpId: 'localhost',
      origin: 'http://localhost',
    })
    const key = CoseKey.parse(base64urlDecode(made.publicKey) ?? new Uint8Array())
    const { client_data_json, authenticator_data, signature } = made.assert(
      `sha256:${'a'.repeat(64)}` as never,
    )
    const bytes = (text: string): Buffer => Buffer.from(text, 'base64url')
    const hash = createHash('sha256').update(bytes(client_data_json)).digest()
    const data = Buffer.concat([bytes(authenticator_data), hash])
    assert.equal(key?.verifies(data, bytes(signature)), true, algorithm)
    assert.equal(key.verifies(data.subarray(1), bytes(signature)), false, algorithm)
  }
})

test('a fingerprint is eight groups of four digits, and differs by key', () => {
  assert.match(passkeyFingerprint(sha256, ES256), /^([0-9a-f]{4} ){7}[0-9a-f]{4}$/)
  assert.notEqual(passkeyFingerprint(sha256, ES256), passkeyFingerprint(sha256, EDDSA))
})

/** The members of a key with one of them changed, left out or put in. */
const varied = (members: readonly CoseMember[]): readonly (readonly CoseMember[])[] =>
  members.flatMap(([name, value], at) => [
    members.toSpliced(at, 1),
    members.with(at, [name, typeof value === 'number' ? value + 7 : 5]),
    members.with(at, [name, typeof value === 'number' ? -value - 7 : value.slice(1)]),
    members.with(at, [name, typeof value === 'number' ? Uint8Array.of(1) : new Uint8Array(600)]),
    members.with(at, [name - 40, value]),
    [...members, [-40 - at, 1] as const],
  ])

test('a key with any member changed, left out or added is none', () => {
  const ec = Uint8Array.from(ES256)
  const [x, y] = [ec.slice(10, 42), ec.slice(45)]
  const modulus = new Uint8Array(256).fill(0xc1)
  const kinds: readonly (readonly CoseMember[])[] = [
    [
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, x],
      [-3, y],
    ],
    [
      [1, 1],
      [3, -8],
      [-1, 6],
      [-2, Uint8Array.from(EDDSA).slice(-32)],
    ],
    [
      [1, 3],
      [3, -257],
      [-1, modulus],
      [-2, Uint8Array.of(1, 0, 1)],
    ],
  ]
  for (const members of kinds) {
    assert.ok(CoseKey.parse(cose(...members)))
    for (const odd of varied(members)) assert.equal(CoseKey.parse(cose(...odd)), undefined)
  }
})

test('a modulus has 2048 to 4096 bits, the first of them set', () => {
  const rsa = (bytes: number, first: number): Uint8Array =>
    cose(
      [1, 3],
      [3, -257],
      [-1, new Uint8Array(bytes).fill(0xc1).with(0, first)],
      [-2, Uint8Array.of(1, 0, 1)],
    )
  for (const bytes of [256, 512]) assert.ok(CoseKey.parse(rsa(bytes, 128)), String(bytes))
  assert.equal(CoseKey.parse(rsa(255, 128)), undefined)
  assert.equal(CoseKey.parse(rsa(513, 128)), undefined)
  assert.equal(CoseKey.parse(rsa(256, 127)), undefined)
})

test('only what was parsed verifies anything', () => {
  const key = Object.create(CoseKey.prototype) as CoseKey
  assert.equal(key.verifies(Uint8Array.of(1), Uint8Array.of(1)), false)
})
