import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openBundle, parseCheckpoint, printCheckpoint } from '@trustgw/core'
import {
  base64urlDecode,
  base64urlEncode,
  canonicalize,
  GRANT_TYP,
  grantClaimsShape,
  isJsonObject,
  type Json,
  POLICY_STATUS_TYP,
  parseJson,
  parseSubject,
  parseTenantId,
  policyStatusJson,
  policyStatusShape,
  readGrant,
  readPolicyStatus,
  readRecordedAction,
  readSealedBundle,
  SUBJECTS,
  type SubjectKind,
  signJws,
  subject,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import { generateSigningKey, inflateText, sha256, verifierOf } from '@trustgw/runtime'
import { bytesNear, fuzzRun, untouchable, valuesOf } from '@trustgw/testkit/fuzz'
import { bundleBytes, sealBundleOf } from '@trustgw/testkit/seal-policy'
import fc from 'fast-check'

const key = generateSigningKey()
const keyFor = (kid: string): ReturnType<typeof verifierOf> =>
  kid === 'key-1' ? verifierOf(key.publicKey) : undefined
const signed = (typ: string, payload: Json): string =>
  signJws({ typ, kid: 'key-1', payload: isJsonObject(payload) ? payload : {} }, key.sign)
const json = fc.jsonValue({ maxDepth: 5 }).map((value) => JSON.stringify(value))

test('JSON is read as what its canonical form is read as, or refused', () => {
  const text = json.map((one) => utf8Encode(one))
  fc.assert(
    fc.property(fc.oneof(text, bytesNear(text), fc.uint8Array()), (bytes) => {
      const read = parseJson(bytes)
      if (!read.ok) return
      const again = parseJson(canonicalize(read.value))
      assert.ok(again.ok)
      assert.equal(canonicalize(again.value), canonicalize(read.value))
      assert.deepEqual(read.value, JSON.parse(Buffer.from(bytes).toString()))
    }),
    fuzzRun(),
  )
})

test('bytes near to a signed document are that document or none, as bytes and as a text', () => {
  const token = signed('fuzz+jwt', { v: 1, text: 'ä', list: [1, 2, 3] })
  const bytes = utf8Encode(token)
  const expected = { typ: 'fuzz+jwt', maxBytes: 4_096, keyFor }
  assert.ok(verifyJws(bytes, expected).ok && verifyJws(token, expected).ok)
  fc.assert(
    fc.property(bytesNear(fc.constant(bytes)), (near) => {
      const isSame = Buffer.from(near).equals(bytes)
      assert.equal(verifyJws(near, expected).ok, isSame)
      assert.equal(verifyJws(Buffer.from(near).toString('latin1'), expected).ok, isSame)
    }),
    fuzzRun(),
  )
  assert.equal(verifyJws(Buffer.concat([Buffer.from('\u{feff}'), bytes]), expected).ok, false)
})

test('base64url is read as the only text of its bytes, or not at all', () => {
  const unit = fc.constantFrom(...Array.from('ABCDxyz0189-_+/= .\n'))
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 24 }), (text) => {
      const bytes = base64urlDecode(text)
      if (bytes !== undefined) assert.equal(base64urlEncode(bytes), text)
    }),
    fuzzRun(),
  )
})

test('the claims of a grant are read as they were signed, or refused', () => {
  const { good, odd } = valuesOf(grantClaimsShape)
  let taken = 0
  fc.assert(
    fc.property(fc.oneof(good, odd), (claims) => {
      const read = readGrant(signed(GRANT_TYP, claims), keyFor)
      if (!read.ok) return
      taken += 1
      assert.equal(canonicalize({ ...read.value }), canonicalize(claims))
    }),
    fuzzRun(),
  )
  assert.ok(taken > 0)
})

test('the status of a policy is read as it was signed, or refused', () => {
  const tenant = parseTenantId('demo')
  assert.ok(tenant.ok)
  const { good, odd } = valuesOf(policyStatusShape)
  const own = good.map(
    (value): Json => (isJsonObject(value) ? { ...value, tenant: 'demo' } : value),
  )
  let taken = 0
  fc.assert(
    fc.property(fc.oneof(own, odd), (status) => {
      const token = signed(POLICY_STATUS_TYP, status)
      const read = readPolicyStatus(token, { tenant: tenant.value, keyFor })
      if (!read.ok) return
      taken += 1
      assert.equal(canonicalize(policyStatusJson(read.value)), canonicalize(status))
    }),
    fuzzRun(),
  )
  assert.ok(taken > 0)
})

const POLICY =
  'version = 1\n\n[[rules]]\nid = "x"\npriority = 1\neffect = "deny"\nmatch = { tool = ["**"] }\n'

test('bytes near to a sealed bundle are that bundle, with its policies, or refused', () => {
  const operatorKey = { kid: 'operator-1', sign: key.sign }
  const head = { tenant: 'demo', epoch: 1, issuedAt: 1, operatorKey }
  const bytes = bundleBytes(sealBundleOf([{ text: POLICY }], head))
  const whole = readSealedBundle(bytes, sha256)
  assert.ok(whole.ok)
  const deps = { sha256, inflate: inflateText, development: false }
  fc.assert(
    fc.property(bytesNear(fc.constant(bytes)), (near) => {
      const read = readSealedBundle(near, sha256)
      if (!read.ok) return
      if (read.value.bundle_hash === whole.value.bundle_hash) {
        assert.deepEqual(read.value.bundle, whole.value.bundle)
      }
      openBundle(read.value, deps)
    }),
    fuzzRun(),
  )
})

test('what a DEFLATE stream unpacks to is a text within the limit, or nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const text = inflateText(base64urlEncode(bytes))
      if (text !== undefined) assert.ok(Buffer.byteLength(text) <= 4 * 1024 * 1024)
    }),
    fuzzRun(),
  )
})

test('a checkpoint is read as the only text of it, or refused', () => {
  const text = fc
    .tuple(
      fc.string({ maxLength: 12 }),
      fc.oneof(fc.nat().map(String), fc.string({ maxLength: 6 })),
      fc.uint8Array({ minLength: 31, maxLength: 33 }),
      fc.constantFrom('', '\n', 'x\n'),
    )
    .map(([origin, size, root, end]) => {
      return `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n${end}`
    })
  fc.assert(
    fc.property(text, (given) => {
      const read = parseCheckpoint(given)
      if (read.ok) assert.equal(printCheckpoint(read.value), given)
    }),
    fuzzRun(),
  )
})

test('a subject is read as the only text of its tokens, or refused', () => {
  const kinds = Object.keys(SUBJECTS).filter((kind): kind is SubjectKind => kind in SUBJECTS)
  const token = fc.oneof(
    fc.constantFrom(
      'demo',
      'connector',
      'act_aaaaaaaaaaaaaaaaaaaaaaaaaa',
      'evaluated',
      '*',
      '>',
      '',
    ),
    fc.string({ maxLength: 6 }),
  )
  let taken = 0
  fc.assert(
    fc.property(
      fc.constantFrom(...kinds),
      fc.array(token, { minLength: 4, maxLength: 4 }),
      (kind, tokens) => {
        let at = 0
        const text = SUBJECTS[kind].replaceAll(/\{\w+\}/g, () => tokens[at++] ?? '')
        const read = parseSubject(kind, text)
        if (!read.ok) return
        taken += 1
        assert.equal(subject(kind, read.value), text)
      },
    ),
    fuzzRun(),
  )
  assert.ok(taken > 0)
})

test('what is too large is refused before it is looked at', () => {
  const large = untouchable(8_000_000)
  assert.deepEqual(parseJson(large), { ok: false, reason: 'json_too_large' })
  const expected = { typ: 'fuzz+jwt', maxBytes: 4_096, keyFor }
  assert.deepEqual(verifyJws(large, expected), { ok: false, reason: 'jws_too_large' })
  assert.equal(readSealedBundle(large, sha256).ok, false)
  assert.equal(readRecordedAction(large).ok, false)
  assert.throws(() => parseJson(untouchable(1_000)), /looked at/)
  assert.throws(() => verifyJws(untouchable(1_000), expected), /looked at/)
})
