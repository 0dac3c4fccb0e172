import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  actionId,
  approvalId,
  auditEventId,
  grantId,
  ID_PREFIXES,
  type IdKind,
  makeId,
  parseActionId,
  parseApprovalId,
  parseAuditEventId,
  parseGrantId,
  parseId,
} from '@trustgw/protocol'
import fc from 'fast-check'

const random16 = fc.uint8Array({ minLength: 16, maxLength: 16 })
const kinds = Object.keys(ID_PREFIXES) as IdKind[]

test('an id is its prefix and the base32 of its bytes', () => {
  assert.equal(actionId(new Uint8Array(16)), `act_${'a'.repeat(26)}`)
  assert.equal(auditEventId(new Uint8Array(16).fill(255)), `evt_${'7'.repeat(25)}4`)
  const counted = Uint8Array.from({ length: 16 }, (_, i) => i)
  assert.equal(grantId(counted), 'jti_aaaqeayeaudaocajbifqydiob4')
  assert.match(approvalId(counted), /^apr_/)
})

test('prefixes of kinds differ', () => {
  assert.equal(new Set(Object.values(ID_PREFIXES)).size, kinds.length)
})

test('every id is read back as its kind and as no other', () => {
  fc.assert(
    fc.property(random16, fc.constantFrom(...kinds), fc.constantFrom(...kinds), (bytes, a, b) => {
      assert.equal(parseId(b, makeId(a, bytes)).ok, a === b)
    }),
  )
})

test('different bytes give different ids', () => {
  fc.assert(
    fc.property(random16, fc.nat(127), (bytes, bit) => {
      const other = Uint8Array.from(bytes)
      other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.notEqual(actionId(other), actionId(bytes))
    }),
  )
})

test('other lengths, cases, characters and trailing bits are refused', () => {
  const good = actionId(new Uint8Array(16))
  const bad = [
    '',
    'act_',
    good.slice(0, -1),
    `${good}a`,
    `${good}\n`,
    good.toUpperCase(),
    `${good.slice(0, -1)}b`,
    `${good.slice(0, -2)}.a`,
    `${good.slice(0, -2)}1a`,
    ` ${good}`,
    good.slice(4),
  ]
  for (const text of bad) {
    for (const parse of [parseActionId, parseApprovalId, parseAuditEventId, parseGrantId]) {
      assert.deepEqual(parse(text), { ok: false, reason: 'id_format' })
    }
  }
})

test('another number of bytes is a fault', () => {
  for (const length of [0, 15, 17]) {
    assert.throws(() => actionId(new Uint8Array(length)), { code: 'id_bytes' })
  }
})
