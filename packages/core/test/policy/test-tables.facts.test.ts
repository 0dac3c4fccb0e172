import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicy, joinLayers, parsePolicyTests, runPolicyTests } from '@trustgw/core'
import { sha256 } from '../hashing.ts'
import { mustParse } from './world.ts'

const parse = (text: string) => parsePolicyTests(text, { file: 't.toml' })

const findings = (lines: string): readonly string[] => {
  const read = parse(`version = 1\n[[tests]]\nname = "t"\nexpect = { effect = "deny" }\n${lines}\n`)
  return read.ok ? [] : read.findings.map(({ line, key, message }) => `${line} ${key}| ${message}`)
}

test('what is no table where one belongs is one finding, and named', () => {
  assert.deepEqual(findings('chain = 3\nlocal_times = []\ncounters.c = "5"\nprovenance = true'), [
    '5 tests[0].chain| expected a table, found an integer',
    '6 tests[0].local_times| expected a table, found a list',
    '7 tests[0].counters.c| expected a table, found text',
    '8 tests[0].provenance| expected a table, found true or false',
  ])
})

test('a test that is wrong in several ways has a finding for each', () => {
  const read = parse('version = 1\n[[tests]]\nname = 1\nagent = 2\nexpect = { effect = "maybe" }\n')
  assert.deepEqual(read.ok ? [] : read.findings.map(({ key }) => key), [
    'tests[0].name',
    'tests[0].agent',
    'tests[0].expect.effect',
  ])
})

test('a file of tests that is no TOML is refused where it stops being one', () => {
  assert.deepEqual(parse('version = 1\nname = \n'), {
    ok: false,
    reason: 'policy_refused',
    findings: [
      {
        file: 't.toml',
        line: 2,
        column: 8,
        key: '',
        message: 'Invalid TOML document: invalid value',
      },
    ],
  })
})

test('the bundle of a tool is what the test says, else the first part of its id', () => {
  const bundle = (lines: string): string | undefined => {
    const read = parse(`[[tests]]\nname = "t"\nexpect.effect = "deny"\n${lines}\n`)
    assert.ok(read.ok)
    return read.value[0]?.facts.tool.bundle
  }
  assert.equal(bundle('tool = "shop.refund"'), 'shop')
  assert.equal(bundle('tool = "shop.refund"\nbundle = "crm"'), 'crm')
  assert.equal(bundle(''), 'test')
})

test('the order of the unknown facts does not matter to an expectation', () => {
  const policy = `version = 1
[[rules]]
id = "r"
priority = 1
effect = "allow"
match = { user = ["ann"], agent = ["bot"], roles = ["ops"] }
`
  const layers = joinLayers([compilePolicy(mustParse(policy), sha256)], sha256)
  const outcomes = ['"user", "roles", "agent"', '"agent", "roles", "user"', '"agent", "roles"'].map(
    (unknown) => {
      const read = parse(
        `[[tests]]\nname = "t"\nexpect = { effect = "deny", unknown = [${unknown}] }\n`,
      )
      assert.ok(read.ok)
      return runPolicyTests(layers, read.value)[0]?.ok
    },
  )
  assert.deepEqual(outcomes, [true, true, false])
})
