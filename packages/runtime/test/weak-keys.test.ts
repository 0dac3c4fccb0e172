import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateSigningKey, isSoundEd25519Key, PublicKeys, verifierOf } from '@trustgw/runtime'

const IDENTITY = `01${'00'.repeat(31)}`
/** Points whose order divides 8, with either sign, and the forms of two of them above the field. */
const WEAK = [
  '00'.repeat(32),
  IDENTITY,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
  `ff${'ff'.repeat(30)}7f`,
].map((hex) => new Uint8Array(Buffer.from(hex, 'hex')))

test('a key under which anybody can sign is no key', () => {
  const [, identity = new Uint8Array()] = WEAK
  // OpenSSL before 3.5 takes the identity and 32 zero bytes as its signature of anything.
  assert.equal(verifierOf(identity), undefined)
  const entry = {
    kid: 'grant-1',
    role: 'grant',
    publicKey: identity,
    component: 'gateway',
  } as const
  assert.throws(() => new PublicKeys([entry]), TypeError)
})

test('keys of small order and of no canonical form are unsound, with either sign', () => {
  for (const key of WEAK) {
    assert.equal(isSoundEd25519Key(key), false, Buffer.from(key).toString('hex'))
    assert.equal(isSoundEd25519Key(key.with(31, (key[31] ?? 0) ^ 0x80)), false)
  }
})

test('other keys are sound; their neighbours and the largest below the field too', () => {
  assert.equal(isSoundEd25519Key(generateSigningKey().publicKey), true)
  for (const hex of [`02${'00'.repeat(31)}`, `eb${'ff'.repeat(30)}7f`, `${'ff'.repeat(31)}7e`]) {
    assert.equal(isSoundEd25519Key(Buffer.from(hex, 'hex')), true, hex)
  }
  assert.equal(isSoundEd25519Key(new Uint8Array(31).fill(9)), false)
  assert.equal(isSoundEd25519Key(new Uint8Array(33).fill(9)), false)
})
