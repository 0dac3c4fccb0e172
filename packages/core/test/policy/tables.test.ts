import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  compilePolicy,
  joinLayers,
  type PolicyTest,
  parsePolicyTests,
  runPolicyTests,
} from '@trustgw/core'
import { sha256 } from '../hashing.ts'
import { mustParse } from './world.ts'

const WHOLE = `version = 1
[[tests]]
name = "everything"
tool = "shop.eu.refund"
operation = "update"
category = "crm"
tags = ["pii", "x"]
bundle = "shop"
amount = { pointer = "/cents", unit = "minor", currency = "EUR" }
tenant = "acme"
workspace = "main"
agent = "bot"
user = "ann"
source = "mcp"
auth_level = 5
auth_method = "passkey"
roles = ["a", "b"]
scopes = []
skill_level = "expert"
expect = { effect = "require_approval", tier = 2, rule = "r", unknown = ["x"] }
[tests.args]
text = "x"
count = 3
part = 1.5
yes = true
list = [1, "a", [false], {}]
table = { a = { b = [] } }
[tests.local_times]
UTC = { day = "sun", at = "23:59" }
"Europe/Vienna" = { day = "mon", at = "00:00" }
[tests.chain]
depth = 2
repeats = 1
cycle = true
[tests.provenance]
"/to" = "user"
"/cc" = ["agent", "first_seen"]
[tests.counters]
"tenant:l" = { count = 3, amount = "12.50 EUR" }
m = { count = 1 }
n = {}
[[tests]]
name = "nothing"
expect = { effect = "deny" }
`

function parse(text: string): readonly PolicyTest[] {
  const tests = parsePolicyTests(text, { file: 'a.tests.toml' })
  assert.ok(tests.ok, JSON.stringify(tests))
  return tests.value
}

test('a test says every fact of a proposal; what it leaves out is not available', () => {
  const [everything, nothing] = parse(WHOLE)
  assert.deepEqual(everything, {
    name: 'everything',
    facts: {
      tool: {
        id: 'shop.eu.refund',
        operation: 'update',
        category: 'crm',
        tags: ['pii', 'x'],
        bundle: 'shop',
        amount: {
          kind: 'pointer',
          pointer: '/cents',
          unit: 'minor',
          currency: { kind: 'fixed', code: 'EUR' },
        },
      },
      args: {
        text: 'x',
        count: 3,
        part: 1.5,
        yes: true,
        list: [1, 'a', [false], {}],
        table: { a: { b: [] } },
      },
      tenant: 'acme',
      workspace: 'main',
      agent: 'bot',
      user: 'ann',
      source: 'mcp',
      auth_level: 5,
      auth_method: 'passkey',
      roles: ['a', 'b'],
      scopes: [],
      skill_level: 'expert',
      time_ms: 0,
      local_times: new Map([
        ['UTC', { day: 'sun', minute: 1439 }],
        ['Europe/Vienna', { day: 'mon', minute: 0 }],
      ]),
      chain: { depth: 2, repeats: 1, cycle: true },
      provenance: new Map([
        ['/to', ['user']],
        ['/cc', ['agent', 'first_seen']],
      ]),
      counters: new Map([
        ['tenant:l', { count: 3, amount: { minor: 1250n, currency: 'EUR' } }],
        ['m', { count: 1, amount: null }],
        ['n', { count: 0, amount: null }],
      ]),
    },
    expect: { effect: 'require_approval', tier: 2, rule: 'r', unknown: ['x'] },
  })
  assert.deepEqual(nothing, {
    name: 'nothing',
    facts: {
      tool: {
        id: 'test.tool',
        operation: 'transfer',
        category: null,
        tags: [],
        bundle: 'test',
        amount: { kind: 'none' },
      },
      args: {},
      tenant: 'test',
      workspace: 'default',
      agent: null,
      user: null,
      source: null,
      auth_level: null,
      auth_method: null,
      roles: null,
      scopes: null,
      skill_level: null,
      time_ms: 0,
      local_times: new Map(),
      chain: null,
      provenance: new Map(),
      counters: new Map(),
    },
    expect: { effect: 'deny', tier: null, rule: null, unknown: null },
  })
})

test('a bundle is the first part of the tool, an amount in decimals unless said otherwise', () => {
  const [given] = parse(
    WHOLE.replace('bundle = "shop"\n', '')
      .replace('unit = "minor", ', '')
      .replace('currency = "EUR"', 'currency_pointer = "/code"')
      .replace('depth = 2\nrepeats = 1\ncycle = true', ''),
  )
  assert.equal(given?.facts.tool.bundle, 'shop')
  assert.deepEqual(given?.facts.tool.amount, {
    kind: 'pointer',
    pointer: '/cents',
    unit: 'decimal',
    currency: { kind: 'pointer', pointer: '/code' },
  })
  assert.deepEqual(given.facts.chain, { depth: 0, repeats: 0, cycle: false })
  const [none] = parse(WHOLE.replace(/amount = \{.*\}\n/, 'amount = "none"\n'))
  assert.deepEqual(none?.facts.tool.amount, { kind: 'none' })
})

/** One change each, and the finding it gives: `line:column key| message`. */
const REFUSED: readonly (readonly [from: string, to: string, finding: string])[] = [
  [
    'version = 1\n',
    'versoin = 1\n',
    '1:1 versoin| "versoin" is not a key that means anything here [version]',
  ],
  ['tool = "shop.eu.refund"', 'tool = 1', '4:8 tests[0].tool| expected text, found an integer'],
  [
    'operation = "update"',
    'operation = "updte"',
    '5:13 tests[0].operation| "updte" is none of read, create, update, delete, transfer [update]',
  ],
  [
    'tags = ["pii", "x"]',
    'tags = ["pii", 1]',
    '7:16 tests[0].tags[1]| expected text, found an integer',
  ],
  ['tags = ["pii", "x"]', 'tags = "pii"', '7:8 tests[0].tags| expected a list, found text'],
  ['pointer = "/cents", ', '', '9:10 tests[0].amount| expected a pointer'],
  [', currency = "EUR"', '', '9:10 tests[0].amount| expected currency or currency_pointer'],
  [
    'unit = "minor"',
    'unit = "cents"',
    '9:39 tests[0].amount.unit| "cents" is none of minor, decimal',
  ],
  [
    '{ pointer = "/cents", unit = "minor", currency = "EUR" }',
    '1',
    '9:10 tests[0].amount| expected a table, found an integer',
  ],
  ['auth_level = 5', 'auth_level = 6', '15:14 tests[0].auth_level| expected 1 to 5'],
  ['auth_level = 5', 'auth_level = 0', '15:14 tests[0].auth_level| expected 1 to 5'],
  [
    'source = "mcp"',
    'source = "pigeon"',
    '14:10 tests[0].source| "pigeon" is none of mcp, rest, nats, webhook, cron, telegram, agent, peer',
  ],
  ['tier = 2', 'tier = 4', '20:48 tests[0].expect.tier| expected 0 to 3'],
  [
    'tier = 2',
    'teir = 2',
    '20:41 tests[0].expect.teir| "teir" is not a key that means anything here [tier]',
  ],
  [
    'effect = "require_approval"',
    'effect = "ask"',
    '20:21 tests[0].expect.effect| "ask" is none of allow, require_approval, require_proof, deny',
  ],
  ['effect = "require_approval", ', '', '20:1 tests[0].expect.effect| "effect" is missing'],
  [
    'expect = { effect = "deny" }',
    'expect = 1',
    '44:10 tests[1].expect| expected a table, found an integer',
  ],
  ['expect = { effect = "deny" }', '', '42:1 tests[1].expect| "expect" is missing'],
  ['name = "nothing"', '', '42:1 tests[1].name| "name" is missing'],
  ['name = "nothing"', 'name = 1', '43:8 tests[1].name| expected text, found an integer'],
  ['yes = true', 'yes = 1979-05-27', '25:7 tests[0].args.yes| JSON has no such value'],
  ['list = [1, ', 'list = [1e400, ', '26:9 tests[0].args.list[0]| expected a finite number'],
  ['b = []', 'b = [inf]', '27:22 tests[0].args.table.a.b[0]| expected a finite number'],
  ['day = "sun", ', '', '29:7 tests[0].local_times.UTC| expected { day, at }'],
  [', at = "23:59"', '', '29:7 tests[0].local_times.UTC| expected { day, at }'],
  [
    'UTC = { day = "sun", at = "23:59" }',
    'UTC = 1',
    '29:7 tests[0].local_times.UTC| expected a table, found an integer',
  ],
  [
    'at = "23:59" }',
    'at = "23:59", on = 1 }',
    '29:36 tests[0].local_times.UTC.on| "on" is not a key that means anything here',
  ],
  ['depth = 2', 'depth = -1', '32:9 tests[0].chain.depth| expected 0 to 1000000000'],
  [
    'repeats = 1',
    'repeat = 1',
    '33:1 tests[0].chain.repeat| "repeat" is not a key that means anything here [repeats]',
  ],
  ['cycle = true', 'cycle = 1', '34:9 tests[0].chain.cycle| expected true or false'],
  [
    '"/to" = "user"',
    '"/to" = 1',
    '36:9 tests[0].provenance."/to"| expected text, found an integer',
  ],
  [
    'count = 3, ',
    'count = 1000000001, ',
    '39:24 tests[0].counters."tenant:l".count| expected 0 to 1000000000',
  ],
  [
    'count = 3, ',
    'cuont = 3, ',
    '39:16 tests[0].counters."tenant:l".cuont| "cuont" is not a key that means anything here [count]',
  ],
  ['m = { count = 1 }', 'm = 1', '40:5 tests[0].counters.m| expected a table, found an integer'],
]

for (const [from, to, finding] of REFUSED) {
  test(`tests are refused, with the place: ${finding.split('|')[0] ?? ''} by ${to || 'nothing'}`, () => {
    const refused = parsePolicyTests(WHOLE.replace(from, to), { file: 'a.tests.toml' })
    assert.ok(!refused.ok)
    const said = refused.findings.map(
      ({ line, column, key, message, nearest }) =>
        `${line}:${column} ${key}| ${message}${nearest === undefined ? '' : ` [${nearest}]`}`,
    )
    assert.ok(said.includes(finding), said.join('\n'))
    assert.ok(refused.findings.every(({ file }) => file === 'a.tests.toml'))
  })
}

test('a file that is no table of tests, or of too many, is refused as a whole', () => {
  const messages = (text: string): readonly string[] => {
    const refused = parsePolicyTests(text, { file: 'a' })
    return refused.ok ? [] : refused.findings.map(({ message }) => message)
  }
  assert.deepEqual(messages(''), ['expected [[tests]] tables'])
  assert.deepEqual(messages('tests = 1\n'), ['expected [[tests]] tables'])
  assert.deepEqual(messages('tests = { a = 1 }\n'), ['expected [[tests]] tables'])
  assert.deepEqual(messages('tests = [1]\n'), ['expected a table, found an integer'])
  assert.deepEqual(messages('[[tests]]\n'.repeat(10_001)), ['more than 10000 tests'])
  assert.equal(messages('[[tests]]\n'.repeat(10_000)).length, 100)
  assert.deepEqual(messages(`#${'x'.repeat(2_097_152)}`), ['more than 2097152 characters'])
  assert.deepEqual(messages(`tests = []#${'x'.repeat(2_097_141)}`), [])
})

test('an expectation fails by what it says only', () => {
  const policy =
    'version = 1\n[[rules]]\nid = "r"\npriority = 1\neffect = "allow"\nmatch = { agent = ["a"], user = ["b"] }\n'
  const layers = joinLayers([compilePolicy(mustParse(policy), sha256)], sha256)
  const outcome = (expect: string): boolean | undefined => {
    const text = `[[tests]]\nname = "t"\nexpect = { effect = "deny"${expect} }\n`
    const [result] = runPolicyTests(layers, parse(text))
    assert.equal(result?.name, 't')
    assert.equal(result.decision.effect, 'deny')
    assert.equal(result.expected.effect, 'deny')
    return result.ok
  }
  for (const [expect, ok] of [
    ['', true],
    [', tier = 0', true],
    [', tier = 1', false],
    [', rule = "default"', true],
    [', rule = "r"', false],
    [', unknown = ["user", "agent"]', true],
    [', unknown = ["agent", "user"]', true],
    [', unknown = ["agent"]', false],
    [', unknown = []', false],
  ] as const) {
    assert.equal(outcome(expect), ok, expect)
  }
})
