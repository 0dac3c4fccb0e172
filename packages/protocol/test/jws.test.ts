import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, test } from 'node:test'
import * as protocol from '@trustgw/protocol'
import { type JsonObject, type JwsExpectation, signJws, verifyJws } from '@trustgw/protocol'
import fc from 'fast-check'
import { ed25519PublicKey, nodeEd25519Sign, nodeEd25519Verify, vectorJson } from './support.ts'

interface JwsVectors {
  readonly typ: string
  readonly kid: string
  readonly max_bytes: number
  readonly private: string
  readonly public: string
  readonly payload: JsonObject
  readonly tokens: readonly { name: string; token: string; reason: string | null }[]
}

const vectors = vectorJson('protocol/jws.json') as JwsVectors
const { typ, kid, payload } = vectors
const privateKey = createPrivateKey({
  key: { kty: 'OKP', crv: 'Ed25519', d: vectors.private, x: vectors.public },
  format: 'jwk',
})
const publicKey = ed25519PublicKey(Buffer.from(vectors.public, 'base64url'))
const sign = nodeEd25519Sign(privateKey)

function expecting(key: KeyObject = publicKey): JwsExpectation {
  const keys = new Map([[kid, nodeEd25519Verify(key)]])
  return { typ, maxBytes: vectors.max_bytes, keyFor: (named) => keys.get(named) }
}

describe('compact JWS vectors', () => {
  for (const { name, token, reason } of vectors.tokens) {
    test(`${name}: ${reason ?? 'verified'}`, () => {
      const verified = verifyJws(token, expecting())
      if (reason === null) assert.deepEqual(verified, { ok: true, value: { kid, payload } })
      else assert.equal(verified.ok ? null : verified.reason, reason)
    })
  }

  test('signJws writes the first one', () => {
    assert.equal(signJws({ typ, kid, payload }, sign), vectors.tokens[0]?.token)
  })
})

describe('verifyJws', () => {
  const token = signJws({ typ, kid, payload }, sign)

  test('the key is asked for only when all cheap checks hold, the signature only with a key', () => {
    const calls: string[] = []
    const watching: JwsExpectation = {
      typ,
      maxBytes: vectors.max_bytes,
      keyFor: (named) => {
        calls.push(`key ${named}`)
        return () => {
          calls.push('verify')
          return false
        }
      },
    }
    for (const { token: given, reason } of vectors.tokens) {
      calls.length = 0
      verifyJws(given, watching)
      const cheap = ['jws_too_large', 'jws_format', 'jws_alg', 'jws_header_member', 'jws_typ']
      if (cheap.includes(reason ?? '')) assert.deepEqual(calls, [])
    }
    verifyJws(token, watching)
    assert.deepEqual(calls, [`key ${kid}`, 'verify'])
  })

  test('a payload is never given when the signature does not verify [INV-11]', () => {
    const verified = verifyJws(token, { ...expecting(), keyFor: () => () => false })
    assert.deepEqual(verified, { ok: false, reason: 'jws_signature' })
  })

  test('a kid that could mean something to a look-up is never looked up', () => {
    for (const { token: given, name } of vectors.tokens.filter((row) =>
      row.name.startsWith('kid '),
    )) {
      let asked = ''
      const expected: JwsExpectation = {
        ...expecting(),
        keyFor: (named) => {
          asked = named
          return undefined
        },
      }
      assert.equal(verifyJws(given, expected).ok, false, name)
      assert.match(asked, /^[A-Za-z0-9._:-]*$/)
    }
  })

  test('every changed character makes a token that is refused', () => {
    fc.assert(
      fc.property(
        fc.nat(token.length - 1),
        fc.constantFrom(...Array.from('AZaz09-_.+/= \n')),
        (at, unit) => {
          const changed = token.slice(0, at) + unit + token.slice(at + 1)
          assert.equal(verifyJws(changed, expecting()).ok, changed === token)
        },
      ),
      { numRuns: 1500 },
    )
  })

  test('every payload that can be signed is read back', () => {
    const { privateKey: own, publicKey: ownPublic } = generateKeyPairSync('ed25519')
    const values = fc.dictionary(
      fc.string(),
      fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)),
      { maxKeys: 6 },
    )
    fc.assert(
      fc.property(values, (given) => {
        const signed = signJws({ typ, kid, payload: given }, nodeEd25519Sign(own))
        const verified = verifyJws(signed, expecting(ownPublic))
        assert.ok(verified.ok)
        assert.deepEqual(verified.value.payload, { ...given })
        assert.deepEqual(verifyJws(signed, expecting()), { ok: false, reason: 'jws_signature' })
      }),
      { numRuns: 50 },
    )
  })
})

test('a kid or typ that no verifier takes, and a broken signer, are faults', () => {
  for (const bad of ['', 'a b', '../a', "a'", 'x'.repeat(200)]) {
    assert.throws(() => signJws({ typ, kid: bad, payload }, sign), { code: 'jws_content' })
    assert.throws(() => signJws({ typ: bad, kid, payload }, sign), { code: 'jws_content' })
  }
  assert.throws(() => signJws({ typ, kid, payload }, () => new Uint8Array(63)), {
    code: 'jws_signer',
  })
})

test('the package exports no way to decode a token without verifying it [INV-11]', () => {
  const names = Object.keys(protocol).filter((name) => /jws|jwt|token/i.test(name))
  assert.deepEqual(
    names.filter((name) => /decode|parse|read|payload|header$/i.test(name)),
    [],
  )
  assert.ok(names.includes('verifyJws'))
})

describe('Wycheproof Ed25519', () => {
  interface Group {
    readonly publicKey: { readonly pk: string }
    readonly tests: readonly {
      readonly tcId: number
      readonly comment: string
      readonly msg: string
      readonly sig: string
      readonly result: 'valid' | 'invalid' | 'acceptable'
    }[]
  }
  const suite = vectorJson('wycheproof/ed25519_test.json') as {
    numberOfTests: number
    testGroups: Group[]
  }
  const cases = suite.testGroups.flatMap(({ publicKey: { pk }, tests }) =>
    tests.map((each) => ({ ...each, pk })),
  )

  test('has every case', () => assert.equal(cases.length, suite.numberOfTests))

  for (const { tcId, comment, msg, sig, result, pk } of cases) {
    test(`${tcId} ${result}: ${comment}`, () => {
      const key = ed25519PublicKey(Buffer.from(pk, 'hex'))
      const verified = nodeEd25519Verify(key)(Buffer.from(msg, 'hex'), Buffer.from(sig, 'hex'))
      if (result !== 'acceptable') assert.equal(verified, result === 'valid')
    })
  }
})
