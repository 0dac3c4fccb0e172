import assert from 'node:assert/strict'
import { test } from 'node:test'
import { actionStateShape } from '@trustgw/core'
import {
  type ActionId,
  approvalEvidencesShape,
  canonicalize,
  decisionRecordShape,
  executionResultShape,
  hashJson,
  isJsonObject,
  type Json,
  operationShape,
  type Profile,
  principalShape,
  RESULT_TYP,
  type Shape,
  signJws,
  sourceShape,
  subject as subjectOf,
  type TenantId,
  utf8Encode,
} from '@trustgw/protocol'
import { generateSigningKey, sha256, verifierOf } from '@trustgw/runtime'
import { bytesNear, fuzzRun, untouchable, valuesOf } from '@trustgw/testkit/fuzz'
import fc from 'fast-check'
import { readActionRecord, writeActionRecord } from '../src/action/action-record.ts'
import { readCounter, writeCounter } from '../src/limits/counter.ts'
import { readTrace, writeTrace } from '../src/limits/trace.ts'
import { readResult } from '../src/results/read-result.ts'

const HASH = `sha256:${'0'.repeat(64)}`
const ACTION = 'act_aaaaaaaaaaaaaaaaaaaaaaaaaa'
const good = (shape: Shape<unknown>): fc.Arbitrary<Json> => valuesOf(shape).good

const proposal = fc.record({
  action_id: fc.constant(ACTION),
  trace: fc.constant('trc_x'),
  tenant: fc.constant('demo'),
  workspace: fc.constant('main'),
  source: good(sourceShape),
  principal: good(principalShape),
  auth_level: fc.integer({ min: 1, max: 5 }),
  on_behalf_of: fc.constantFrom(null, 'ana'),
  tool_id: fc.constant('shop.refund'),
  arguments: fc.jsonValue({ maxDepth: 4 }).map((value): Json => JSON.parse(JSON.stringify(value))),
  input_hash: fc.constant(HASH),
  client_key: fc.constantFrom(null, 'key-1'),
  received_at: fc.nat(),
})
const record = fc.record({
  v: fc.constant(1),
  proposal,
  tool: fc.record({
    contract_hash: fc.constant(HASH),
    operation: good(operationShape),
    credential_ref: fc.constant('shop'),
    amount: fc.constantFrom(null, '5.00 EUR'),
  }),
  state: good(actionStateShape),
  decision: good(decisionRecordShape),
  decision_event: fc.constantFrom<Json>(null, { seq: 1, event_id: 'evt_x' }),
  evidence: good(approvalEvidencesShape),
  grant: fc.constantFrom(null, 'a.b.c'),
  granted_to: fc.constantFrom<Json>([], ['connector']),
  result: fc.constant(null),
  counted: fc.constant(null),
  hint: fc.constantFrom(null, 'less than 5.00 EUR'),
})
const bytesOf = (value: unknown): Uint8Array => utf8Encode(JSON.stringify(value))

test('a stored action is read as what it was written from, or refused', () => {
  let taken = 0
  const stored = record.map(bytesOf)
  fc.assert(
    fc.property(fc.oneof(stored, bytesNear(stored)), (bytes) => {
      const read = readActionRecord(bytes)
      if (!read.ok) return
      taken += 1
      const again = readActionRecord(writeActionRecord(read.value))
      assert.deepEqual(again, read)
    }),
    fuzzRun(),
  )
  assert.ok(taken > 0)
})

test('counters and traces that are stored are read as they were written, or not at all', () => {
  const at = fc.oneof(fc.nat(), fc.constantFrom(-1, 2 ** 53))
  const row = fc.oneof(
    fc.tuple(at, fc.constantFrom(null, '5.00 EUR', '5.0 EUR', '-1 EUR'), fc.integer()),
    fc.tuple(at, fc.constant(null), fc.constantFrom(ACTION, 'act_'), fc.constant('try-1')),
    fc.array(fc.jsonValue(), { maxLength: 5 }),
  )
  const counter = fc.array(row, { maxLength: 3 }).map((entries) => bytesOf({ v: 1, entries }))
  fc.assert(
    fc.property(fc.oneof(counter, bytesNear(counter)), (bytes) => {
      const read = readCounter(bytes)
      if (read !== undefined) assert.deepEqual(readCounter(writeCounter(read)), read)
    }),
    fuzzRun(),
  )
  const call = { action: ACTION, tool: 'shop.refund', input_hash: HASH, at: 1 }
  const trace = fc
    .record({
      v: fc.constantFrom(1, 2),
      calls: fc.constantFrom([], [call]),
      dropped_at: fc.option(at),
    })
    .map(bytesOf)
  fc.assert(
    fc.property(fc.oneof(trace, bytesNear(trace)), (bytes) => {
      const read = readTrace(bytes)
      if (read !== undefined) assert.deepEqual(readTrace(writeTrace(read)), read)
    }),
    fuzzRun(),
  )
})

const key = generateSigningKey()
const deps = { executorKeyFor: () => verifierOf(key.publicKey), sha256 }
const tokens = {
  tenant: 'demo' as TenantId,
  profile: 'connector' as Profile,
  action: ACTION as ActionId,
}
const signed = (payload: Json): Uint8Array => {
  const content = {
    typ: RESULT_TYP,
    kid: 'result-1',
    payload: isJsonObject(payload) ? payload : {},
  }
  return utf8Encode(signJws(content, key.sign))
}

test('a result that an executor signed is read as it was signed, or refused', () => {
  const own = { tenant_id: 'demo', profile: 'connector', action_id: ACTION }
  const result = good(executionResultShape).map((value) => {
    const given = isJsonObject(value) ? value : {}
    return { ...given, ...own, result_hash: hashJson(sha256, given['output'] ?? null) }
  })
  const subject = subjectOf('exec_result', tokens)
  const odd = valuesOf(executionResultShape).odd
  let taken = 0
  fc.assert(
    fc.property(fc.oneof(result, odd), (payload) => {
      const read = readResult({ subject, data: signed(payload) }, deps)
      if (!read.ok) return
      taken += 1
      assert.equal(canonicalize({ ...read.value }), canonicalize(payload))
    }),
    fuzzRun(),
  )
  assert.ok(taken > 0)
  const one = signed({})
  fc.assert(
    fc.property(bytesNear(fc.constant(one)), (data) => {
      const read = readResult({ subject, data }, deps)
      const expected = Buffer.from(data).equals(one) ? 'shape' : 'signature'
      assert.equal(read.ok ? 'read' : read.reason, expected)
    }),
    fuzzRun(),
  )
})

test('what is too large is refused before it is looked at', () => {
  const large = untouchable(2_000_000)
  assert.equal(readActionRecord(large).ok, false)
  assert.equal(readCounter(large), undefined)
  assert.equal(readTrace(large), undefined)
  const subject = subjectOf('exec_result', tokens)
  assert.deepEqual(readResult({ subject, data: large }, deps), { ok: false, reason: 'signature' })
  assert.throws(() => readActionRecord(untouchable(10)), /looked at/)
})
