import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicy, countingsOf, type PolicyDecision } from '@trustgw/core'
import { sha256 } from '../hashing.ts'
import { decideText, factsOf, type Given, mustParse } from './world.ts'

const TEXT = `version = 1
[[rules]]
id = "all"
priority = 1
effect = "allow"
match = { tool = ["**"] }
[[limits]]
id = "velocity"
match = { tool = ["shop.refund_*"] }
key = ["tenant", "agent", "args:/customer"]
window = "1h"
max_count = 3
max_amount = "100.00 EUR"
on_exceed = "require_approval"
tier = 2
approvers = { roles = ["finance"] }
`
const counted = (count: number, amount: string | null): Given['counters'] => ({
  velocity: { count, amount },
})
const refund = (amount: unknown, counters: Given['counters']): PolicyDecision =>
  decideText(TEXT, {
    args: { amount, currency: 'EUR' } as never,
    ...(counters === undefined ? {} : { counters }),
  })
const brief = ({ effect, tier, rule_id, unknown }: PolicyDecision): unknown[] => [
  effect,
  tier,
  rule_id,
  unknown,
]
const ALLOWED = ['allow', 0, 'all', []]
const ASKED = ['require_approval', 2, 'velocity', []]

test('the last one within a limit passes, the next one does not', () => {
  assert.deepEqual(brief(refund('10', counted(2, '0 EUR'))), ALLOWED)
  assert.deepEqual(brief(refund('10', counted(3, '0 EUR'))), ASKED)
  assert.deepEqual(brief(refund('10', counted(0, '90.00 EUR'))), ALLOWED)
  assert.deepEqual(brief(refund('10.01', counted(0, '90.00 EUR'))), ASKED)
  assert.deepEqual(refund('10.01', counted(0, '90.00 EUR')).obligations.approvers, [
    { roles: ['finance'], quorum: 1 },
  ])
})

test('an unknown counter, amount or sum exceeds', () => {
  assert.deepEqual(brief(refund('10', undefined)), [
    'require_approval',
    2,
    'velocity',
    ['counter:velocity'],
  ])
  for (const [given, unknown] of [
    [refund('-10', counted(0, '0 EUR')), 'amount'],
    [refund('10', counted(0, null)), 'counter:velocity'],
    [refund('10', counted(0, '5 USD')), 'counter:velocity'],
  ] as const) {
    assert.deepEqual(brief(given), ['require_approval', 2, 'velocity', [unknown]])
  }
})

test('an unknown match counts, a false one does not', () => {
  const byRole = TEXT.replace(
    'match = { tool = ["shop.refund_*"] }',
    'match = { roles = ["clerk"] }',
  )
  const given = { args: { amount: '1', currency: 'EUR' }, counters: counted(3, '0 EUR') ?? {} }
  assert.equal(decideText(byRole, given).rule_id, 'velocity')
  assert.deepEqual(decideText(byRole, given).unknown, ['roles'])
  assert.equal(decideText(byRole, { ...given, roles: ['x'] }).rule_id, 'all')
  assert.equal(decideText(TEXT, { ...given, tool: 'shop.get' }).rule_id, 'all')
})

test('a tool that moves no money is counted and never summed', () => {
  const none = { amount: { kind: 'none' }, counters: counted(2, '100.00 EUR') ?? {} }
  assert.equal(decideText(TEXT, none).effect, 'allow')
})

test('a limit never makes a decision less strict', () => {
  const denied = TEXT.replace('effect = "allow"', 'effect = "deny"')
  const given = { counters: counted(9, '0 EUR') ?? {} }
  assert.deepEqual(decideText(denied, given).rule_id, 'all')
  assert.equal(decideText(denied, given).effect, 'deny')
})

test('what a proposal counts in names counter, window, parts of the key and what is added', () => {
  const compiled = compilePolicy(mustParse(TEXT), sha256)
  const args = { amount: '10', currency: 'EUR', customer: 'c1' }
  const [counting, ...rest] = countingsOf(compiled, factsOf({ args }))
  assert.equal(rest.length, 0)
  assert.deepEqual(counting?.key, [
    ['tenant', 'acme'],
    ['agent', 'support.bot'],
    ['args:/customer', '"c1"'],
  ])
  assert.deepEqual(
    [counting?.counter, counting?.window_ms, counting?.max_count, counting?.amount?.minor],
    ['velocity', 3_600_000, 3, 1_000n],
  )
  const [unknown] = countingsOf(compiled, factsOf({ args: {}, agent: null }))
  assert.deepEqual(
    unknown?.key.map(([, value]) => value),
    ['acme', null, null],
  )
  assert.equal(unknown?.amount, null)
  assert.deepEqual(countingsOf(compiled, factsOf({ tool: 'x.y' })), [])
  const layered = compilePolicy(mustParse(TEXT), sha256, { layer: 'tenant' })
  assert.equal(countingsOf(layered, factsOf({ args }))[0]?.counter, 'tenant:velocity')
})

test('every part of a key is the identity that it names, a scalar, or not known', () => {
  const text = TEXT.replace(
    'key = ["tenant", "agent", "args:/customer"]',
    'key = ["tool", "tenant", "workspace", "agent", "user", "args:/a", "args:/b", "args:/c", "args:/d", "args:/e", "args:/f"]',
  )
  const compiled = compilePolicy(mustParse(text), sha256)
  const args = { a: 'x', b: 1.5, c: false, d: null, e: [1], amount: '10', currency: 'EUR' }
  const [counting] = countingsOf(compiled, factsOf({ args, user: 'ann' }))
  assert.deepEqual(counting?.key, [
    ['tool', 'shop.refund_order'],
    ['tenant', 'acme'],
    ['workspace', 'main'],
    ['agent', 'support.bot'],
    ['user', 'ann'],
    ['args:/a', '"x"'],
    ['args:/b', '1.5'],
    ['args:/c', 'false'],
    ['args:/d', 'null'],
    ['args:/e', null],
    ['args:/f', null],
  ])
})

test('a sum is added to by money, by nothing where the contract moves none, else by what is unknown', () => {
  const added = (text: string, given: Given): unknown => {
    const [counting] = countingsOf(compilePolicy(mustParse(text), sha256), factsOf(given))
    return counting?.amount
  }
  const args = { amount: '10', currency: 'EUR' }
  assert.deepEqual(added(TEXT, { args }), { minor: 1_000n, currency: 'EUR' })
  assert.deepEqual(added(TEXT, { args, amount: { kind: 'none' } }), { minor: 0n, currency: 'EUR' })
  assert.equal(added(TEXT, { args: {} }), null)
  assert.equal(added(TEXT.replace('max_amount = "100.00 EUR"\n', ''), { args }), null)
})

test('a proposal counts in a limit whose match is unknown, and not where it is false', () => {
  const byUser = TEXT.replace(
    '{ tool = ["shop.refund_*"] }',
    '{ source = ["rest"], user = ["ann"] }',
  )
  const compiled = compilePolicy(mustParse(byUser), sha256)
  const counts = (given: Given): number => countingsOf(compiled, factsOf(given)).length
  assert.equal(counts({ source: null, user: null }), 1)
  assert.equal(counts({ source: null, user: 'bob' }), 0)
  assert.equal(counts({ source: 'rest', user: 'ann' }), 1)
  assert.equal(counts({ source: 'mcp', user: 'ann' }), 0)
})
