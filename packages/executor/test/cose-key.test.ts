import assert from 'node:assert/strict'
import { test } from 'node:test'
import { base64urlDecode } from '@trustgw/protocol'
import { SoftwareAuthenticator } from '@trustgw/testkit/software-authenticator'
import { CoseKey, keyFingerprint } from '../src/admit/cose-key.ts'

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

test('a fingerprint is eight groups of four digits, and differs by key', () => {
  assert.match(keyFingerprint(ES256), /^([0-9a-f]{4} ){7}[0-9a-f]{4}$/)
  assert.notEqual(keyFingerprint(ES256), keyFingerprint(EDDSA))
})
