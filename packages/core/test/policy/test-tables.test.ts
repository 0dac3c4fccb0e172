import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicy, joinLayers, parsePolicyTests, runPolicyTests } from '@trustgw/core'
import { sha256 } from '../hashing.ts'
import { mustParse } from './world.ts'

const POLICY = `version = 1
[[rules]]
id = "office"
priority = 1
effect = "allow"
[rules.match]
tool = ["shop.*"]
amount = { lte = "50 EUR" }
roles = ["clerk"]
time = { days = ["mon"], from = "08:00", to = "18:00", tz = "UTC" }
`
const TESTS = `version = 1
[[tests]]
name = "a clerk refunds in office hours"
tool = "shop.refund"
operation = "transfer"
amount = { pointer = "/amount", unit = "decimal", currency = "EUR" }
args = { amount = "20.00", tags = ["a", 1, true] }
roles = ["clerk"]
local_times = { UTC = { day = "mon", at = "09:30" } }
expect = { effect = "allow", tier = 0, rule = "office", unknown = [] }
[[tests]]
name = "nobody refunds at night"
tool = "shop.refund"
amount = { pointer = "/amount", unit = "decimal", currency_pointer = "/currency" }
args = { amount = "20.00", currency = "EUR" }
roles = ["clerk"]
local_times.UTC = { day = "mon", at = "23:00" }
expect = { effect = "deny", rule = "default" }
[[tests]]
name = "a wrong expectation"
tool = "shop.refund"
expect = { effect = "allow" }
`
const layers = joinLayers([compilePolicy(mustParse(POLICY), sha256)], sha256)

test('tests beside a policy pass and fail as they should', () => {
  const tests = parsePolicyTests(TESTS, { file: 'policy.tests.toml' })
  assert.ok(tests.ok)
  assert.deepEqual(
    runPolicyTests(layers, tests.value).map(({ name, ok, decision }) => [
      name,
      ok,
      decision.effect,
    ]),
    [
      ['a clerk refunds in office hours', true, 'allow'],
      ['nobody refunds at night', true, 'deny'],
      ['a wrong expectation', false, 'deny'],
    ],
  )
})

const failing = (from: string, to: string): boolean | undefined => {
  const tests = parsePolicyTests(TESTS.replace(from, to), { file: 't.toml' })
  assert.ok(tests.ok, JSON.stringify(tests))
  return runPolicyTests(layers, tests.value)[0]?.ok
}

test('every part of an expectation counts', () => {
  assert.equal(failing('tier = 0', 'tier = 1'), false)
  assert.equal(failing('rule = "office"', 'rule = "other"'), false)
  assert.equal(failing('unknown = []', 'unknown = ["roles"]'), false)
  assert.equal(failing('effect = "allow"', 'effect = "deny"'), false)
})

test('a misspelt member of a test is refused with its place', () => {
  const refused = parsePolicyTests(TESTS.replace('roles = ["clerk"]', 'rolls = ["clerk"]'), {
    file: 't.toml',
  })
  assert.ok(!refused.ok)
  const [{ line, column, key, nearest } = assert.fail()] = refused.findings
  assert.deepEqual([line, column, key, nearest], [8, 1, 'tests[0].rolls', 'roles'])
  for (const [from, to] of [
    ['expect = { effect = "allow" }', ''],
    ['name = "a wrong expectation"', ''],
    ['"09:30"', '"9:30"'],
    ['"20.00"', '1979-05-27'],
    ['[[tests]]', '[tests]'],
    ['currency = "EUR"', 'curency = "EUR"'],
  ] as const) {
    assert.equal(parsePolicyTests(TESTS.replace(from, to), { file: 't.toml' }).ok, false, to)
  }
})

test('what is no TOML is refused with its place', () => {
  const refused = parsePolicyTests(`${TESTS}\nname = \n`, { file: 't.toml' })
  assert.ok(!refused.ok)
  assert.equal(refused.findings[0]?.line, TESTS.split('\n').length + 1)
})
