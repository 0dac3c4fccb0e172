import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseProposal, type ToolFacts } from '@trustgw/core'
import type { Json } from '@trustgw/protocol'

const SHOP: ToolFacts = {
  id: 'shop.refund',
  operation: 'transfer',
  category: 'payments',
  tags: ['money'],
  bundle: 'shop',
  amount: { kind: 'none' },
}

/** `pointer: message (nearest)` of each problem. */
function problemsOf(value: Json, tools: readonly ToolFacts[] = []): readonly string[] {
  const read = parseProposal(value, tools)
  if (read.ok) return []
  return read.problems.map(
    ({ pointer, message, nearest }) =>
      `${pointer}: ${message}${nearest === undefined ? '' : ` (${nearest})`}`,
  )
}

test('a proposal says what a test may say, and null is not available', () => {
  const read = parseProposal({
    tool: 'shop.refund',
    operation: 'transfer',
    amount: { pointer: '/amount', unit: 'minor', currency: 'EUR' },
    args: { amount: 12, note: null, deep: { list: [null, 1.5] } },
    agent: 'bot',
    roles: ['clerk'],
    user: null,
    auth_level: 3,
    counters: { velocity: { count: 2, amount: '5.00 EUR' } },
    local_times: { UTC: { day: 'mon', at: '09:30' } },
  })
  assert.ok(read.ok, JSON.stringify(read))
  const { value } = read
  assert.deepEqual(value.args, { amount: 12, note: null, deep: { list: [null, 1.5] } })
  assert.deepEqual([value.user, value.scopes, value.auth_level], [null, null, 3])
  assert.deepEqual(value.local_times?.get('UTC'), { day: 'mon', minute: 570 })
  assert.equal(value.counters?.get('velocity')?.amount?.minor, 500n)
})

test('the contract of a registered tool says what it is, and the proposal may not', () => {
  const read = parseProposal({ tool: 'shop.refund', args: {} }, [SHOP])
  assert.ok(read.ok)
  assert.deepEqual(read.value.tool, SHOP)
  assert.deepEqual(problemsOf({ tool: 'shop.refund', operation: 'read' }, [SHOP]), [
    '/operation: the contract of the registered tool says this',
  ])
})

test('every mistake is named with its pointer and the nearest name', () => {
  assert.deepEqual(problemsOf({ tool: 'a.b', opertion: 'read' }), [
    '/opertion: "opertion" is not a key that means anything here (operation)',
  ])
  assert.deepEqual(problemsOf({ tool: 'a.b', counters: { 'x/y~': { count: -1 } } }), [
    '/counters/x~1y~0/count: expected 0 to 1000000000',
  ])
  assert.deepEqual(problemsOf({ tool: 'a.b', auth_level: 2.5 }), [
    '/auth_level: expected an integer, found a number',
  ])
  assert.deepEqual(problemsOf({ tool: 'a.b', args: [1] }), ['/args: expected an object'])
  assert.deepEqual(problemsOf({ args: {} }), ['/tool: a proposal names its tool'])
  assert.deepEqual(problemsOf([1])[0], ': expected an object')
  assert.deepEqual(problemsOf({ tool: 'a.b', counters: { c: { amount: '5 EURO' } } }), [
    '/counters/c/amount: expected an amount such as "20.00 EUR"',
  ])
})

test('prototype names are ordinary names', () => {
  const value: unknown = JSON.parse(
    '{"tool":"a.b","__proto__":{"operation":"read"},"constructor":1}',
  )
  const problems = problemsOf(value as Json)
  assert.equal(problems.length, 2)
  assert.match(problems.join('\n'), /__proto__/)
})
