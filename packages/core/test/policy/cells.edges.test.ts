import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '@trustgw/protocol'
import type { Condition } from '../../src/policy/ast.ts'
import { BLANK_FACTS, conditionKey, type Variable, variablesOf } from '../../src/policy/cells.ts'
import { unions } from '../../src/policy/cells-args.ts'
import { exampleTexts } from '../../src/policy/cells-text.ts'
import { exampleOf, NOTHING_CHOSEN } from '../../src/policy/search.ts'
import { mustParse } from './world.ts'

function conditionsOf(lines: readonly string[]): readonly Condition[] {
  const rules = lines.map(
    (line, at) => `[[rules]]\nid = "r${at}"\npriority = 1\neffect = "deny"\nmatch = { ${line} }\n`,
  )
  return mustParse(`version = 1\n${rules.join('')}`).rules.flatMap(({ match }) => match)
}

function only(...lines: readonly string[]): Variable {
  const [variable, ...others] = new Set(variablesOf(conditionsOf(lines)).values())
  assert.deepEqual(others, [])
  return variable ?? assert.fail()
}

/** The example of the one way in which all lines are judged so. */
function shownAs(truths: readonly unknown[], ...lines: readonly string[]): Json | undefined {
  const variable = only(...lines)
  assert.equal(variable.gap, null)
  const judged = variable.cells.find((cell) => [...cell.truths.values()].join() === truths.join())
  return judged?.shown
}

const value = (predicates: string): string => `args = { "/v" = { ${predicates} } }`
const gapOf = (...lines: readonly string[]): string | null | undefined =>
  [...variablesOf(conditionsOf(lines)).values()][0]?.gap

test('a proposal of which nothing is chosen is by nobody, about nothing, and at no known time', () => {
  assert.deepEqual(exampleOf(NOTHING_CHOSEN)?.facts, {
    tool: {
      id: 'x',
      operation: 'transfer',
      category: null,
      tags: [],
      bundle: 'x',
      amount: { kind: 'none' },
    },
    args: {},
    tenant: 'x',
    workspace: 'x',
    agent: null,
    user: null,
    source: null,
    auth_level: null,
    roles: null,
    time_ms: 0,
    recorded: { values: new Map(), amount: { kind: 'unknown', why: 'blank' } },
  })
})

test('the value of each cell sets its own fact and leaves all others', () => {
  const set = (line: string, truth: boolean): object => {
    const cell = only(line).cells.find(({ truths }) => [...truths.values()][0] === truth)
    return cell?.set?.(BLANK_FACTS) ?? assert.fail(line)
  }
  const { tool } = BLANK_FACTS
  for (const [line, truth, expected] of [
    ['tool = ["a.b"]', true, { tool: { ...tool, id: 'a.b' } }],
    ['tags = ["a"]', true, { tool: { ...tool, tags: ['a'] } }],
    ['category = ["c"]', true, { tool: { ...tool, category: 'c' } }],
    ['bundle = ["b"]', true, { tool: { ...tool, bundle: 'b' } }],
    ['operation = ["read"]', true, { tool: { ...tool, operation: 'read' } }],
    ['agent = ["a"]', true, { agent: 'a' }],
    ['roles = ["a"]', true, { roles: ['a'] }],
    ['scopes = ["a"]', true, { scopes: ['a'] }],
    ['skill_level = ["a"]', true, { skill_level: 'a' }],
    ['auth_level = { gte = 3 }', true, { auth_level: 3 }],
    ['source = ["mcp"]', true, { source: 'mcp' }],
    ['chain = { depth = { gt = 0 } }', true, { chain: { depth: 1, repeats: 0, cycle: true } }],
    [
      'time = { days = ["sat"], tz = "UTC" }',
      true,
      { local_times: new Map([['UTC', { day: 'sat', minute: 0 }]]) },
    ],
    ['provenance = { "/v" = ["user"] }', true, { provenance: new Map([['/v', ['user']]]) }],
    [
      value('eq = 1'),
      true,
      { recorded: { ...BLANK_FACTS.recorded, values: new Map([['/v', 1]]) } },
    ],
    [
      'amount = { lte = "0 EUR" }',
      false,
      { recorded: { values: new Map(), amount: { kind: 'none' } } },
    ],
  ] as const) {
    assert.deepEqual(set(line, truth), { ...BLANK_FACTS, ...expected }, line)
  }
})

test('facts of several zones, values and origins are set beside each other', () => {
  const conditions = conditionsOf([
    `${value('eq = 1')}, provenance = { "/v" = ["user"], "/w" = ["agent"] }, amount = { gt = "1 EUR" }`,
    'time = { days = ["sat"], tz = "UTC" }',
    'time = { days = ["sun"], tz = "Europe/Vienna" }',
    'args = { "/w" = { eq = 2 } }',
  ])
  let facts = BLANK_FACTS
  for (const variable of variablesOf(conditions).values()) {
    const cell = variable.cells.find(({ truths }) => [...truths.values()][0] === true)
    facts = cell?.set?.(facts) ?? assert.fail()
  }
  assert.deepEqual(
    [facts.recorded.values, facts.recorded.amount, facts.local_times, facts.provenance],
    [
      new Map([
        ['/v', 1],
        ['/w', 2],
      ]),
      { kind: 'money', money: { minor: 101n, currency: 'EUR' } },
      new Map([
        ['UTC', { day: 'sat', minute: 0 }],
        ['Europe/Vienna', { day: 'sun', minute: 0 }],
      ]),
      new Map([
        ['/v', ['user']],
        ['/w', ['agent']],
      ]),
    ],
  )
})

test('a line that is not taken apart may be true, false or unknown, each without a value', () => {
  const variables = variablesOf(conditionsOf([value('regex = "a"'), value('regex = "b"')]))
  assert.deepEqual(
    [...variables].map(([key, { fact, cells }]) => [key, fact, cells]),
    ['a', 'b'].map((pattern) => {
      const key = `args = {"/v":{"regex":"${pattern}"}}`
      const cells = [true, false, 'unknown'].map((truth) => ({
        truths: new Map([[key, truth]]),
        set: null,
        shown: null,
      }))
      return [key, 'args:/v', cells]
    }),
  )
})

test('a condition that no key writes is a fault, not a key', () => {
  assert.throws(() => conditionKey({ kind: 'other' } as never), /a condition that no key writes/)
})

test('between, below and above any numbers there are whole numbers and others', () => {
  const whole = (truth: boolean, bounds: string): readonly [boolean, string] => [
    truth,
    `${bounds}, type = "integer"`,
  ]
  for (const bounds of [
    'gt = 1.3, lt = 4',
    'gt = 1.3',
    'lt = -1.3',
    'lt = -7',
    'gt = 7',
    'gt = 2.5, lt = 3.5',
    'gt = 100.5, lt = 200.5',
    'gt = 1e16',
    'gt = 1e16, lt = 1e17',
    'lt = -1e16',
    'gt = 1e300',
  ]) {
    const [truth, line] = whole(true, bounds)
    assert.notEqual(shownAs([truth], value(line)), undefined, line)
  }
  for (const bounds of [
    'gt = 1, lt = 2',
    'gt = 7',
    'lt = -7',
    'gt = 1, lt = 5',
    'gt = 1.2, lt = 1.4',
  ]) {
    const lines = [value(bounds), value('type = "integer"')]
    assert.notEqual(shownAs([true, false], ...lines), undefined, bounds)
  }
  assert.equal(shownAs([true], value('gt = 1, lt = 2, type = "integer"')), undefined)
  // In whatever order they are written.
  assert.notEqual(
    shownAs([true, true, false], value('gt = 1'), value('gt = 7'), value('gt = 40')),
    undefined,
  )
  assert.equal(shownAs([false, true], value('gt = 2.5'), value('gt = 2, lt = 2.5')), 2.25)
})

test('beside and below named hosts there are others, whatever the names begin with', () => {
  for (const [named, all] of [
    ['"x.a.example", "*.x.a.example"', '"*.a.example"'],
    ['"x.x.a.example", "xx.a.example"', '"*.a.example"'],
  ] as const) {
    const lines = [value(`host_in = [${named}]`), value(`host_in = [${all}]`)]
    assert.notEqual(shownAs([false, true], ...lines), undefined, named)
    const domains = [value(`email_domain_in = [${named}]`), value(`email_domain_in = [${all}]`)]
    assert.notEqual(shownAs([false, true], ...domains), undefined, named)
  }
})

test('a host may be reached by every scheme that has one', () => {
  const schemes = ['http', 'https', 'ws', 'wss', 'ftp']
  for (const left of schemes) {
    const others = schemes.filter((scheme) => scheme !== left).map((scheme) => `"${scheme}"`)
    const lines = [value(`scheme_in = [${others.join()}]`), value('host_in = ["a.example"]')]
    assert.equal(shownAs([false, true], ...lines), `${left}://a.example`)
    assert.equal(shownAs([false, 'unknown'], ...lines), `x:x`)
  }
})

test('private addresses that no line names are judged as what is no host', () => {
  const lines = [value('host_in = ["10.9.8.7"]'), value('host_not_in = ["8.8.8.8", "*.a.example"]')]
  const ways = only(...lines).cells.map(({ truths }) => [...truths.values()].join())
  assert.deepEqual(ways.sort(), ['false,false', 'false,true', 'true,unknown', 'unknown,unknown'])
})

test('ranges that meet, nest, or end with the last address are told apart by their first addresses', () => {
  const lines = ['::/1', '8000::/1', '10.0.0.0/8', '10.0.0.0/9', '10.128.0.0/9'].map((range) =>
    value(`cidr_in = "${range}"`),
  )
  const ways = only(...lines).cells.map(({ truths }) => [...truths.values()].join())
  assert.deepEqual(ways.sort(), [
    'false,true,false,false,false',
    'true,false,false,false,false',
    'true,false,true,false,true',
    'true,false,true,true,false',
    'unknown,unknown,unknown,unknown,unknown',
  ])
  assert.equal(
    shownAs([true, false], value('cidr_in = "::/0"'), value('cidr_in = "0.0.0.0/0"')),
    '0:0:0:0:0:0:0:0',
  )
})

test('an example that a line of its own names leaves a gap', () => {
  for (const [line, text, family] of [
    ['max_length = 1', '"xx"', 'max_length'],
    ['subpath_of = "/srv"', '"/srv"', 'subpath_of'],
    ['subpath_of = "/srv"', '"/"', 'subpath_of'],
    ['cidr_in = "10.0.0.0/8"', '"8.8.8.8"', 'cidr_in'],
    ['scheme_in = "a"', '"a:x"', 'host_in and scheme_in'],
    ['host_in = "a.example"', '"ws://a.example"', 'host_in and scheme_in'],
  ] as const) {
    const gap = gapOf(value(line), value(`in = [${text}]`))
    assert.equal(gap, `${family} and a text of its own on one value`, line)
  }
  assert.equal(gapOf(value('max_length = 1'), value('in = ["x", "abc"]')), null)
})

test('a pattern for capitals, digits or white space has an example', () => {
  for (const [pattern, example] of [
    ['^[a-c]$', 'a'],
    ['^[A-Z]$', 'A'],
    ['^[0-9]$', '0'],
    ['^[a-z][0-9]$', 'x1'],
    ['^ $', ' '],
  ] as const) {
    const [variable] = variablesOf(conditionsOf([value(`regex = "${pattern}"`)])).values()
    const matched = variable?.real.find(({ truths }) => [...truths.values()][0] === true)
    assert.equal(matched?.shown, example)
  }
})

test('lists judged by their length alone are empty or one item too long', () => {
  const lines = [value('max_length = 0'), value('max_length = 2'), value('type = "array"')]
  assert.deepEqual(shownAs([true, true, true], ...lines), { json: [] })
  assert.deepEqual(shownAs([false, true, true], ...lines), { json: [0] })
  assert.deepEqual(shownAs([false, false, true], ...lines), { json: [0, 0, 0] })
})

test('objects are only empty where no line lists their keys', () => {
  assert.deepEqual(shownAs([true], value('type = "object"')), { json: {} })
  assert.deepEqual(shownAs([false, true], value('keys_in = ["a"]'), value('type = "object"')), {
    json: { x: 0 },
  })
})

test('as many ways to judge keys together as are taken apart are taken apart, more leave a gap', () => {
  const allBut = (count: number): readonly string[] =>
    Array.from({ length: count }, (_, left) => {
      const names = Array.from({ length: count }, (__, at) => `"k${at}"`)
      return value(`keys_in = [${names.filter((_name, at) => at !== left).join()}]`)
    })
  assert.equal(only(...allBut(8)).gap, null)
  const [variable] = variablesOf(conditionsOf(allBut(9))).values()
  assert.equal(variable?.gap, 'more keys than are taken apart')
  assert.deepEqual(
    variable?.real
      .map(({ shown }) => shown)
      .filter((shown) => JSON.stringify(shown).includes('k3')),
    [{ json: { k3: 0 } }],
  )
})

test('three hundred unions are found, one more is too many', () => {
  const items = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at)
  const judge = (list: readonly number[]): string => String(Math.max(...list))
  assert.deepEqual(
    unions(items(300), judge),
    items(300).map((item) => [item]),
  )
  assert.equal(unions(items(301), judge), null)
  // Together they are judged in a way in which none of them is.
  assert.deepEqual(
    unions([1, 2], (list) => [1, 2].filter((item) => list.includes(item)).join()),
    [[1], [2], [1, 2]],
  )
})

const runs = (char: string, count: number): string => `**${char}`.repeat(count)

test('four thousand states of globs together are walked, one more is not', () => {
  const globs = [runs('a', 49), runs('b', 79)]
  const found = exampleTexts({ globs, texts: ['c'], separator: '.' })
  assert.deepEqual(
    found?.map((text) => text.length),
    [0, 1, 49, 79],
  )
  assert.equal(exampleTexts({ globs, texts: ['c', 'd'], separator: '.' }), null)
})

test('a million steps of globs together are walked, no more', () => {
  const globs = [runs('a', 12), runs('b', 30)]
  const walked = (others: number): number | undefined =>
    exampleTexts({ globs, texts: Array.from({ length: others }, () => 'c'), separator: '.' })
      ?.length
  assert.equal(walked(498), 4)
  assert.equal(walked(499), undefined)
})

test('globs that end on different letters are each met by a text of their own', () => {
  assert.deepEqual(exampleTexts({ globs: ['a*', 'b*'], separator: '.', isName: true }), [
    'x',
    'a',
    'b',
  ])
})

test('where patterns mention every letter another one stands for all the rest', () => {
  const letters = 'xabcdefghijklmnopqrstuvwyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_'
  const texts = exampleTexts({ globs: [`${letters}*`], separator: '.', isName: true })
  assert.deepEqual(texts, ['\u00e6', letters])
  assert.deepEqual(exampleTexts({ globs: ['x*'], separator: '.', isName: true }), ['a', 'x'])
})
