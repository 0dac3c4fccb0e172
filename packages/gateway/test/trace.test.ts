import assert from 'node:assert/strict'
import { test } from 'node:test'
import { actionId, hashText, parseMoney } from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import fc from 'fast-check'
import {
  aheadOf,
  type Entries,
  type Entry,
  HELD_MAX,
  type Held,
  RAN_MAX,
  type Ran,
  readCounter,
  settled,
  withPlace,
  writeCounter,
} from '../src/limits/counter.ts'
import { originsOf } from '../src/limits/provenance.ts'
import {
  callsBefore,
  chainOf,
  readTrace,
  recent,
  TRACE_CALLS_MAX,
  TRACE_MS,
  type Trace,
  type TracedCall,
  withCall,
  writeTrace,
} from '../src/limits/trace.ts'
import { must, NOW } from './support/keys.ts'

function idOf(n: number): ReturnType<typeof actionId> {
  const bytes = new Uint8Array(16)
  new DataView(bytes.buffer).setUint32(12, n)
  return actionId(bytes)
}

const HASH = hashText(sha256, '{}')
const OTHER = hashText(sha256, '[]')

function callsOf(tools: string): readonly TracedCall[] {
  return Array.from(tools).map((tool, at) => ({
    action: idOf(at),
    tool,
    input_hash: HASH,
    at: NOW + at,
  }))
}

const CHAINS: readonly (readonly [before: string, call: string, chain: string])[] = [
  ['', 'a', 'depth 0, repeats 0'],
  ['a', 'a', 'depth 1, repeats 1'],
  ['aaaa', 'a', 'depth 4, repeats 4'],
  ['aba', 'b', 'depth 3, repeats 1, cycle'],
  ['xaba', 'b', 'depth 4, repeats 1, cycle'],
  ['abab', 'c', 'depth 4, repeats 0'],
  ['abcab', 'c', 'depth 5, repeats 1, cycle'],
  ['abcdefghabcdefg', 'h', 'depth 15, repeats 1, cycle'],
  ['abcdefghiabcdefgh', 'i', 'depth 17, repeats 1'],
]

for (const [before, tool, wanted] of CHAINS) {
  test(`after ${before || 'nothing'} a call of ${tool} is: ${wanted}`, () => {
    const { depth, repeats, cycle } = chainOf(callsOf(before), { tool, input_hash: HASH })
    assert.equal(`depth ${depth}, repeats ${repeats}${cycle ? ', cycle' : ''}`, wanted)
  })
}

test('other arguments are no repeat, and close a cycle all the same', () => {
  const chain = chainOf(callsOf('aba'), { tool: 'b', input_hash: OTHER })
  assert.deepEqual(chain, { depth: 3, repeats: 0, cycle: true })
})

test('a trace keeps the latest calls of a quarter of an hour, and says when it left some out', () => {
  let trace: Trace = { calls: [], dropped_at: null }
  for (const call of callsOf('a'.repeat(TRACE_CALLS_MAX))) trace = withCall(trace, call)
  assert.deepEqual([trace.calls.length, trace.dropped_at], [TRACE_CALLS_MAX, null])
  const one = { action: idOf(1_000), tool: 'b', input_hash: HASH, at: NOW + 1_000 }
  trace = withCall(trace, one)
  assert.deepEqual([trace.calls.length, trace.dropped_at], [TRACE_CALLS_MAX, NOW + 1_000])
  assert.deepEqual(readTrace(writeTrace(trace)), trace)
  assert.equal(callsBefore(trace, idOf(10)).length, 9)
  const later = recent(trace, NOW + TRACE_MS + 500)
  assert.deepEqual([later.calls, later.dropped_at], [[one], NOW + 1_000])
  assert.equal(recent(trace, NOW + TRACE_MS + 1_000).dropped_at, null)
})

const held = (n: number, at: number, euros: string | null = null): Held => ({
  kind: 'held',
  action: idOf(n),
  attempt: `attempt-${n}`,
  at,
  amount: euros === null ? null : must(parseMoney(`${euros} EUR`)),
})
const ran = (at: number, euros = '1.00', count = 1): Ran => ({
  kind: 'ran',
  count,
  at,
  amount: must(parseMoney(`${euros} EUR`)),
})
const EUR = must(parseMoney('1 EUR')).currency
const HOUR_MS = 3_600_000
const asking = (n: number, now = NOW, euros: string | null = null) => ({
  action: idOf(n),
  amount: euros === null ? null : must(parseMoney(`${euros} EUR`)),
  now,
  window_ms: HOUR_MS,
  currency: EUR,
})

function shown(entries: Entries, n = 999, euros: string | null = null): string {
  const { count, amount } = aheadOf(entries, asking(n, NOW, euros))
  return `${count} for ${amount === null ? 'unknown' : amount.minor}`
}

test('a counter counts what is held however old, and what ran within the window', () => {
  const entries = [held(1, 0, '2.00'), ran(NOW - HOUR_MS), ran(NOW - HOUR_MS + 1), ran(NOW)]
  assert.equal(shown(entries), '3 for 400')
  assert.equal(shown([]), '0 for 0')
})

test('the own place of an action and what came behind it are left out', () => {
  const entries = [ran(NOW), held(1, NOW, '2.00'), held(2, NOW, '3.00'), ran(NOW)]
  assert.equal(shown(entries, 1, '2.00'), '1 for 100')
  assert.equal(shown(entries, 2, '3.00'), '2 for 300')
})

test('an unknown amount, another currency and a sum of 19 digits make the sum unknown', () => {
  assert.equal(shown([held(1, NOW), ran(NOW)]), '2 for unknown')
  const yen = { ...ran(NOW), amount: must(parseMoney('5 JPY')) }
  assert.equal(shown([yen, ran(NOW)]), '2 for unknown')
  const most = ran(NOW, '9999999999999999.99')
  assert.equal(shown([most]), '1 for 999999999999999999')
  assert.equal(shown([most, ran(NOW, '0.01')]), '2 for unknown')
})

test('a second decision of an action takes its place behind the first', () => {
  const entries = [held(1, NOW), held(2, NOW)]
  const again = { ...held(1, NOW + 5), attempt: 'again' }
  const next = withPlace(entries, again, asking(1))
  assert.deepEqual(
    next?.map((entry) => entry.kind === 'held' && entry.attempt),
    ['attempt-1', 'again', 'attempt-2'],
  )
  assert.deepEqual(settled(next ?? [], 'attempt-1', { kind: 'never_ran' }), [again, held(2, NOW)])
})

test('[INV-37] with another amount an action counts all but itself, and stands behind what it counted', () => {
  const entries = [ran(NOW), held(1, NOW, '2.00'), held(2, NOW, '3.00')]
  assert.equal(shown(entries, 1, '4.00'), '2 for 400')
  const again = { ...held(1, NOW + 5, '4.00'), attempt: 'again' }
  const next = withPlace(entries, again, asking(1))
  assert.deepEqual(next, [...entries, again])
  assert.equal(shown(next ?? [], 1, '4.00'), '2 for 400', 'its earlier place is not counted')
})

test('a place is settled once, by the time of its latest grant', () => {
  const entries: Entries = [held(1, NOW, '1.00')]
  assert.equal(settled(entries, 'attempt-1', { kind: 'open' }), entries)
  const after = settled(entries, 'attempt-1', { kind: 'ran', at: NOW + 7 })
  assert.deepEqual(after, [ran(NOW + 7)])
  assert.equal(settled(after, 'attempt-1', { kind: 'never_ran' }), after)
})

test('with as many as may be in flight there is no further place', () => {
  const full = Array.from({ length: HELD_MAX }, (_, at) => held(at, NOW))
  assert.equal(withPlace(full, held(5_000, NOW), asking(5_000)), null)
  assert.equal(withPlace(full.slice(1), held(5_000, NOW), asking(5_000))?.length, HELD_MAX)
})

const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc.nat(50).map((n) => held(n, NOW - n, '1.00')),
  fc.nat(HOUR_MS).map((age) => ran(NOW - age)),
)

test('joining what ran never counts less, at any later time', () => {
  fc.assert(
    fc.property(
      fc.array(entry, { minLength: RAN_MAX, maxLength: RAN_MAX + 300 }),
      fc.nat(2 * HOUR_MS),
      (entries, later) => {
        const place = held(7_777, NOW, '1.00')
        const next = withPlace(entries, place, asking(7_777))
        assert.ok(next !== null)
        assert.ok(next.filter(({ kind }) => kind === 'ran').length <= RAN_MAX)
        assert.deepEqual(readCounter(writeCounter(next)), next)
        const at = asking(7_777, NOW + later, '1.00')
        const plain = aheadOf([...entries, place], at)
        const joined = aheadOf(next, at)
        assert.ok(joined.count >= plain.count)
        assert.ok((joined.amount?.minor ?? 0n) >= (plain.amount?.minor ?? 0n))
      },
    ),
    { numRuns: 30 },
  )
})

test('a full counter fits a stored value with room to spare', () => {
  const amount = must(parseMoney('9999999999999999.99 EUR'))
  const most = [
    ...Array.from({ length: HELD_MAX }, (_, n) => ({
      ...held(n, NOW),
      amount,
      attempt: 'f'.repeat(24),
    })),
    ...Array.from({ length: RAN_MAX }, () => ({ ...ran(NOW), amount })),
  ]
  assert.ok(writeCounter(most).length < 400_000)
})

const RESULTS = {
  found: [
    { tool: 'crm.get', text: '{"iban":"DE89 3704 0044","n":12345678}' },
    { tool: 'web.read', text: '"say \\"DE89 3704 0044\\" aloud"' },
  ],
  complete: true,
}
const value = (given: string | number | boolean | null) => ({
  tool: 't',
  pointer: '/x',
  value: given,
})

test('a value of 8 characters or more has the results in which it occurs as its origins', () => {
  const both = ['tool_result:crm.get', 'tool_result:web.read']
  assert.deepEqual(originsOf(value('DE89 3704 0044'), RESULTS, false), both)
  assert.deepEqual(originsOf(value(12_345_678), RESULTS, false), ['tool_result:crm.get'])
  assert.deepEqual(originsOf(value('say "DE89'), RESULTS, false), ['tool_result:web.read'])
  assert.deepEqual(originsOf(value('3704 00'), RESULTS, false), ['agent'], 'seven characters')
  assert.deepEqual(originsOf(value('3704 0045'), RESULTS, false), ['agent'])
  assert.deepEqual(originsOf(value(true), RESULTS, false), ['agent'])
})

test('first_seen stands beside an origin; without either it is the agent', () => {
  assert.deepEqual(originsOf(value(12_345_678), RESULTS, true), [
    'first_seen',
    'tool_result:crm.get',
  ])
  assert.deepEqual(originsOf(value('new'), RESULTS, true), ['first_seen'])
})

test('a result that was not read leaves the origin unknown, whatever else was found', () => {
  const partly = { ...RESULTS, complete: false }
  assert.equal(originsOf(value('somewhere else'), partly, true), undefined)
  assert.equal(originsOf(value('DE89 3704 0044'), partly, false), undefined)
  assert.deepEqual(
    originsOf(value('short'), partly, false),
    ['agent'],
    'no result can be its origin',
  )
})
