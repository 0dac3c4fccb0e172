import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CompiledLayers,
  compilePolicy,
  type Explanation,
  explain,
  joinLayers,
  safeExplain,
  safeHint,
} from '@trustgw/core'
import type { Json } from '@trustgw/protocol'
import { sha256 } from '../hashing.ts'
import { factsOf, type Given, mustParse } from './world.ts'

const layersOf = (text: string): CompiledLayers =>
  joinLayers([compilePolicy(mustParse(text), sha256)], sha256)

const TEXT = `version = 1
[[rules]]
id = "vip-only"
priority = 1
effect = "deny"
match = { tool = ["shop.*"], args = { "/customer" = { in = ["mallory", "eve"] } } }
[[rules]]
id = "small"
priority = 2
effect = "allow"
match = { tool = ["shop.*"], amount = { lte = "50.00 EUR" } }
[[rules]]
id = "large"
priority = 3
effect = "require_approval"
tier = 2
match = { tool = ["shop.*"] }
[[rules]]
id = "elsewhere"
priority = 1
effect = "deny"
match = { tool = ["files.*"] }
`
const of = (args: Given['args']): Explanation =>
  explain(layersOf(TEXT), factsOf(args === undefined ? {} : { args }))

test('explain names each rule read, each line with its value, and what stands', () => {
  const { decision, rules } = of({ customer: 'ann', amount: '80.00', currency: 'EUR' })
  assert.equal(decision.rule_id, 'large')
  assert.deepEqual(
    rules.map(({ id, truth, stands }) => [id, truth, stands]),
    [
      ['vip-only', false, false],
      ['small', false, false],
      ['large', true, true],
    ],
  )
  assert.deepEqual(rules[1]?.lines[1], {
    line: 'amount = {"lte":"50.00 EUR"}',
    fact: 'amount',
    value: '80.00 EUR',
    truth: false,
  })
})

test('the smallest change is the amount at the threshold, in the form the caller used', () => {
  const text = of({ customer: 'ann', amount: '80.00', currency: 'EUR' })
  assert.deepEqual(text.change, [{ pointer: '/amount', from: '80.00', to: '50.00', isBound: true }])
  const number = of({ customer: 'ann', amount: 80, currency: 'EUR' })
  assert.deepEqual(number.change?.[0]?.to, 50)
  assert.equal(
    safeExplain(text),
    'Policy asks a person to approve this first. It would be allowed if /amount were "50.00".',
  )
})

test('two arguments are changed where one is not enough', () => {
  const both = of({ customer: 'eve', amount: '80.00', currency: 'EUR' })
  assert.deepEqual(both.change?.map(({ pointer }) => pointer).sort(), ['/amount', '/customer'])
  assert.match(safeExplain(both), /^Refused by policy\. It would be allowed if/)
})

test('what goes to the caller names no rule, no reason, no other value of the policy', () => {
  const text = safeExplain(of({ customer: 'eve', amount: '8.00', currency: 'EUR' }))
  assert.equal(text, 'Refused by policy. It would be allowed if /customer had another value.')
  for (const secret of ['vip-only', 'mallory', 'files', 'Rule']) assert.ok(!text.includes(secret))
})

test('a hint says no more than that, and gives up within its bounds', () => {
  const facts = factsOf({ args: { customer: 'eve', amount: '80.00', currency: 'EUR' } })
  const layers = layersOf(TEXT)
  const wide = { triesMax: 1_000, linesMax: 100 }
  assert.match(safeHint(layers, facts, wide) ?? '', /^It would be allowed if [^]*\/customer had/)
  assert.equal(safeHint(layers, facts, { ...wide, triesMax: 1 }), null)
  assert.equal(safeHint(layers, facts, { ...wide, linesMax: 1 }), null)
})

test('a change is proposed only of what the caller sent, and none where none helps', () => {
  assert.equal(of({}).change, null)
  const files = explain(layersOf(TEXT), factsOf({ tool: 'files.write', args: { path: '/x' } }))
  assert.equal(files.change, null)
  assert.equal(safeExplain(files), 'Refused by policy.')
  const allowed = of({ customer: 'ann', amount: '8.00', currency: 'EUR' })
  assert.deepEqual([allowed.change, safeExplain(allowed)], [[], 'Allowed by policy.'])
})

test('what is too long is to be cut to the length that is allowed, not to be left out', () => {
  const text = `version = 1
[[rules]]
id = "r"
priority = 1
effect = "allow"
[rules.match]
args."/note" = { type = "string", max_length = 5 }
args."/tags" = { max_length = 2 }
args."/code" = { max_length = 3 }
`
  const layers = layersOf(text)
  const said = (args: Json): string => safeExplain(explain(layers, factsOf({ args })))
  const fits = { note: 'short', tags: ['a'], code: '123' }
  assert.match(
    said({ ...fits, note: '\u{1f600}'.repeat(9) }),
    /if \/note had at most 5 characters\.$/,
  )
  assert.match(said({ ...fits, tags: ['a', 'b', 'c'] }), /if \/tags had at most 2 items\.$/)
  assert.match(said({ ...fits, code: '123456' }), /if \/code had at most 3 characters\.$/)
  const { change } = explain(layers, factsOf({ args: { ...fits, note: 'too long' } }))
  assert.deepEqual(change, [
    { pointer: '/note', from: 'too long', to: 'too l', isBound: true, length: 5 },
  ])
})

test('a change that helps is one that policy allows, inside lists and objects too', () => {
  const text = `version = 1
[[rules]]
id = "r"
priority = 1
effect = "allow"
[rules.match]
args."/to/0/address" = { email_domain_in = ["example.com"] }
args."/urls" = { each = { host_in = ["example.com"], scheme_in = ["https"] } }
`
  const layers = layersOf(text)
  const given = { args: { to: [{ address: 'x@evil.com', name: 'x' }], urls: ['http://evil.com'] } }
  const { change } = explain(layers, factsOf(given))
  assert.deepEqual(change?.map(({ pointer }) => pointer).sort(), ['/to/0/address', '/urls'])
})

const LIMITED = `version = 1
[[rules]]
id = "all"
priority = 1
effect = "allow"
match = { tool = ["**"] }
[[limits]]
id = "velocity"
match = { tool = ["shop.*"] }
key = ["tenant"]
window = "1h"
max_count = 3
max_amount = "100.00 EUR"
on_exceed = "require_approval"
tier = 2
[[limits]]
id = "files"
match = { tool = ["files.*"] }
key = ["tenant"]
window = "1h"
max_count = 1
on_exceed = "deny"
`

test('explain shows each limit over the tool with what its counter holds', () => {
  const given = { args: { amount: '60.00', currency: 'EUR' } }
  const counters = { velocity: { count: 1, amount: '50.00 EUR' } }
  const { limits } = explain(layersOf(LIMITED), factsOf({ ...given, counters }))
  assert.deepEqual(
    limits.map(({ id, truth, is_exceeded, counter, max_amount }) => [
      id,
      truth,
      is_exceeded,
      counter,
      max_amount,
    ]),
    [['velocity', true, true, { count: 1, amount: '50.00 EUR' }, '100.00 EUR']],
  )
  const [unknown] = explain(layersOf(LIMITED), factsOf(given)).limits
  assert.deepEqual([unknown?.counter, unknown?.is_exceeded], [null, true])
})
