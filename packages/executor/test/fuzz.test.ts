import assert from 'node:assert/strict'
import { test } from 'node:test'
import { base64urlDecode, grantedActionShape, utf8Encode } from '@trustgw/protocol'
import { bytesNear, fuzzRun, untouchable, valuesOf } from '@trustgw/testkit/fuzz'
import fc from 'fast-check'
import { clearAction } from '../src/admit/admission.ts'
import { readIntegerMap } from '../src/admit/cbor-map.ts'
import { CoseKey } from '../src/admit/cose-key.ts'
import { ADMISSION_REASONS } from '../src/admit/reasons.ts'
import { checkAssertion } from '../src/admit/webauthn.ts'
import { pinShape } from '../src/pins/pin.ts'
import { PASSKEYS } from './support/hostile/assertion-parts.ts'
import { type CoseMember, cose } from './support/hostile/keys.ts'
import { bytesOf, ORIGIN, RP_ID, World } from './support/world.ts'

const member: fc.Arbitrary<CoseMember> = fc.tuple(
  fc.integer({ min: -65_536, max: 65_535 }),
  fc.oneof(fc.integer({ min: -65_536, max: 65_535 }), fc.uint8Array({ maxLength: 300 })),
)
const map = fc
  .uniqueArray(member, { maxLength: 8, selector: ([name]) => name })
  .map((members) => new Uint8Array(cose(...members)))

test('a CBOR map is read as the bytes that it is written in, or not at all', () => {
  let taken = 0
  fc.assert(
    fc.property(fc.oneof(map, bytesNear(map), fc.uint8Array()), (bytes) => {
      const read = readIntegerMap(bytes)
      if (read === undefined) return
      taken += 1
      assert.deepEqual(Buffer.from(cose(...read)), Buffer.from(bytes))
    }),
    fuzzRun(),
  )
  assert.ok(taken > 0)
})

test('bytes near to a key are a key of the same kind, or none, and verify no signature of it', () => {
  const data = Buffer.from('data')
  for (const { public_key, sign } of Object.values(PASSKEYS)) {
    const good = Buffer.from(public_key)
    const signature = sign(data)
    assert.equal(CoseKey.parse(good)?.verifies(data, signature), true)
    fc.assert(
      fc.property(
        bytesNear(fc.constant(good)),
        bytesNear(fc.constant(signature)),
        (bytes, near) => {
          const key = CoseKey.parse(bytes)
          const isSame = good.equals(bytes)
          assert.equal(key?.verifies(data, signature) ?? false, isSame)
          assert.equal(
            key?.verifies(data, near) ?? false,
            isSame && Buffer.from(signature).equals(near),
          )
        },
      ),
      fuzzRun(),
    )
  }
})

test('an assertion of any bytes is refused for a reason of its own', () => {
  const { public_key, sign } = PASSKEYS.ES256
  const key = CoseKey.parse(public_key)
  assert.ok(key)
  const demand = { key, rp_id: RP_ID, origins: [ORIGIN], challenge: new Uint8Array(32) }
  const text = '{"type":"webauthn.get","challenge":"AAAA","origin":"http://localhost:8080"}'
  const client = bytesNear(fc.constant(utf8Encode(text)))
  const authenticator = bytesNear(fc.uint8Array({ minLength: 30, maxLength: 45 }))
  fc.assert(
    fc.property(
      client,
      authenticator,
      fc.uint8Array(),
      (client_data_json, authenticator_data, data) => {
        const signature = sign(data)
        const assertion = { client_data_json, authenticator_data, signature }
        const reason = checkAssertion(assertion, demand)
        assert.ok(reason !== undefined && ADMISSION_REASONS.includes(reason))
      },
    ),
    fuzzRun(),
  )
})

test('a message near to a good one is that one or is refused, whatever it holds', async () => {
  const world = new World()
  const deps = world.admission()
  const good = bytesOf(await world.granted({ tier: 2 }))
  assert.equal((await clearAction(good, deps)).ok, true)
  const shaped = valuesOf(grantedActionShape)
  const other = fc.oneof(shaped.good, shaped.odd).map((value) => utf8Encode(JSON.stringify(value)))
  const judge = async (bytes: Uint8Array): Promise<void> => {
    const outcome = await clearAction(bytes, deps)
    if (outcome.ok)
      assert.deepEqual(
        JSON.parse(Buffer.from(bytes).toString()),
        JSON.parse(Buffer.from(good).toString()),
      )
    else assert.ok(ADMISSION_REASONS.includes(outcome.reason))
  }
  await fc.assert(fc.asyncProperty(fc.oneof(bytesNear(fc.constant(good)), other), judge), fuzzRun())
})

test('a pin of any form is a pin with a key, or none', () => {
  const { good, odd } = valuesOf(pinShape)
  fc.assert(
    fc.property(fc.oneof(good, odd), (value) => {
      const read = pinShape.read(value)
      if (read.ok)
        assert.ok(CoseKey.parse(base64urlDecode(read.value.public_key) ?? new Uint8Array()))
    }),
    fuzzRun(),
  )
})

test('what is too large is refused before it is looked at', async () => {
  const large = untouchable(524_289)
  assert.equal(readIntegerMap(large), undefined)
  assert.equal(CoseKey.parse(large), undefined)
  const outcome = await clearAction(large, new World().admission())
  assert.deepEqual(outcome, { ok: false, reason: 'message_malformed', detail: 'json_too_large' })
  await assert.rejects(clearAction(untouchable(524_288), new World().admission()), /looked at/)
})
