import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChainCheck, type ChainProblem, verifyWriterChains } from '@trustgw/core'
import {
  type AuditEvent,
  auditEventHash,
  auditEventId,
  auditSigningInput,
  base64urlEncode,
  chainStart,
  type Hash,
  parseTenantId,
  type UnsignedAuditEvent,
} from '@trustgw/protocol'
import fc from 'fast-check'
import { sha256, testKey } from '../hashing.ts'

const keys = { k1: testKey(), k2: testKey() }
const keyFor = ({ kid }: { readonly kid: string }) =>
  kid === 'k1' || kid === 'k2' ? keys[kid].verify : undefined

let count = 0
function event(writer: string, tenantName: string, seq: number, prev_hash: Hash): AuditEvent {
  const tenant = parseTenantId(tenantName)
  assert.ok(tenant.ok)
  count++
  const unsigned: UnsignedAuditEvent = {
    v: 1,
    event_id: auditEventId(new Uint8Array(16).fill(count)),
    type: 'evaluated',
    time: 1_700_000_000_000 + count,
    tenant: tenant.value,
    writer,
    kid: writer === 'host/1' ? 'k2' : 'k1',
    seq,
    prev_hash,
    actor: { kind: 'agent', id: 'müller' },
    action_id: null,
    trace: null,
    payload: { input_hash: `h${count}` },
  }
  return sealed(unsigned)
}

function sealed(unsigned: UnsignedAuditEvent): AuditEvent {
  const key = unsigned.kid === 'k2' ? keys.k2 : keys.k1
  return { ...unsigned, sig: base64urlEncode(key.sign(auditSigningInput(unsigned))) }
}

/** Chains of three writers, interleaved. */
function log(rounds: number): AuditEvent[] {
  const heads = new Map<string, AuditEvent>()
  const events: AuditEvent[] = []
  for (let round = 1; round <= rounds; round++) {
    for (const [writer, tenant] of [
      ['gateway/1', 'acme'],
      ['gateway/1', 'other'],
      ['host/1', 'acme'],
    ] as const) {
      const head = heads.get(writer + tenant)
      const previous = head === undefined ? chainStart(sha256) : auditEventHash(sha256, head)
      const next = event(writer, tenant, round, previous)
      heads.set(writer + tenant, next)
      events.push(next)
    }
  }
  return events
}

const problems = (events: readonly AuditEvent[]): readonly ChainProblem[] =>
  verifyWriterChains(sha256, keyFor, events).map(({ problem }) => problem)

test('chains as they were written hold, each by itself', () => {
  const events = log(5)
  assert.deepEqual(problems(events), [])
  const check = new ChainCheck(sha256, keyFor)
  for (const written of events) check.add(written)
  assert.deepEqual(
    check.heads().map(({ tenant, writer, seq }) => [tenant, writer, seq]),
    [
      ['acme', 'gateway/1', 5],
      ['other', 'gateway/1', 5],
      ['acme', 'host/1', 5],
    ],
  )
})

test('a removed event is found, the first one and any other [INV-31]', () => {
  const events = log(4)
  for (let index = 0; index < 9; index++) {
    assert.deepEqual(problems(events.toSpliced(index, 1)), ['event_missing'])
  }
})

test('two events of a writer that changed places are found', () => {
  const events = log(4)
  const [a, b] = [events[3], events[6]]
  assert.ok(a && b)
  assert.deepEqual(problems(events.with(3, b).with(6, a)), ['event_missing', 'event_out_of_order'])
})

test('a repeated event is found', () => {
  const events = log(2)
  const [first] = events
  assert.ok(first)
  assert.deepEqual(problems([...events, first]), ['event_out_of_order'])
})

test('a change in any member of an event is found [INV-31]', () => {
  const events = log(2)
  const [first] = events
  assert.ok(first)
  const changes: Partial<AuditEvent>[] = [
    { time: first.time + 1 },
    { type: 'approved' },
    { actor: { kind: 'human', id: 'müller' } },
    { payload: { input_hash: 'other' } },
    { trace: 't' },
    { event_id: auditEventId(new Uint8Array(16)) },
    { sig: first.sig.replace(/^./, first.sig.startsWith('A') ? 'B' : 'A') },
  ]
  for (const change of changes) {
    const found = problems(events.with(0, { ...first, ...change }))
    assert.deepEqual(found, ['signature_wrong', 'previous_hash_wrong'], JSON.stringify(change))
  }
})

test('an event that its writer rewrote and signed again breaks the one after it', () => {
  const events = log(3)
  const [first] = events
  assert.ok(first)
  const { sig: _, ...rest } = first
  const rewritten = sealed({ ...rest, payload: { input_hash: 'other' } })
  const found = verifyWriterChains(sha256, keyFor, events.with(0, rewritten))
  assert.deepEqual(
    found.map(({ problem, seq, writer, tenant }) => [problem, seq, writer, tenant]),
    [['previous_hash_wrong', 2, 'gateway/1', 'acme']],
  )
})

test('a chain that does not begin at its start is found', () => {
  assert.deepEqual(
    problems([event('gateway/1', 'acme', 1, auditEventHash(sha256, log(1)[0] ?? assert.fail()))]),
    ['previous_hash_wrong'],
  )
})

test('a writer without a known key is found, and a key of another writer does not do', () => {
  const { sig: _, ...first } = event('gateway/1', 'acme', 1, chainStart(sha256))
  assert.deepEqual(problems([sealed({ ...first, kid: 'k9' })]), ['key_unknown'])
  const borrowed = { ...first, kid: 'k2', sig: sealed(first).sig }
  assert.deepEqual(problems([borrowed]), ['signature_wrong'])
})

test('whatever is removed before the end of a chain is found', () => {
  const events = log(6)
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat({ max: 14 }), { minLength: 1 }), (removed) => {
      assert.ok(problems(events.filter((_, index) => !removed.includes(index))).length > 0)
    }),
    { numRuns: 50 },
  )
})
