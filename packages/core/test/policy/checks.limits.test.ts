import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ToolFacts } from '@trustgw/core'
import { type CheckFinding, checkPolicy } from '../../src/policy/check.ts'
import { compilePolicy } from '../../src/policy/compile.ts'
import { sha256 } from '../hashing.ts'
import { mustParse } from './world.ts'

const AMPLE = { questionWork: 1_000, checkWork: 10_000, questionLines: 100, conflicts: 100 }
type Limits = typeof AMPLE

const rule = (id: string, priority: number, effect: string, match: string): string =>
  `[[rules]]\nid = "${id}"\npriority = ${priority}\neffect = "${effect}"\nmatch = { ${match} }\n`
const is = (name: string, predicate: string): string => `args = { "/${name}" = { ${predicate} } }`

const compiled = (rules: readonly string[]): ReturnType<typeof compilePolicy> =>
  compilePolicy(mustParse(`version = 1\n${rules.join('')}`), sha256)

const findings = (
  rules: readonly string[],
  limits: Partial<Limits> = {},
  tools: readonly ToolFacts[] = [],
): readonly CheckFinding[] => checkPolicy(compiled(rules), tools, { ...AMPLE, ...limits })

const notChecked = (id: string, question: 'shadowed' | 'conflict'): CheckFinding => ({
  kind: 'not_checked',
  rule: id,
  question,
})

const WIDER = [rule('a', 1, 'deny', is('x', 'gt = 3')), rule('b', 2, 'allow', is('x', 'gt = 5'))]

test('a question is answered while each of its steps can look at every rule, else it stays open', () => {
  // Of /x: no number, up to 3, up to 5, above 5. With the first, each step looks at both rules.
  assert.deepEqual(findings(WIDER, { questionWork: 10 }), [
    { kind: 'shadowed', rule: 'b', by: ['a'] },
  ])
  assert.deepEqual(findings(WIDER, { questionWork: 9 }), [notChecked('b', 'shadowed')])
  assert.deepEqual(findings(WIDER, { questionWork: 0 }), [
    notChecked('a', 'shadowed'),
    notChecked('b', 'shadowed'),
  ])
})

test('what one question takes is not there for the next', () => {
  const open = (checkWork: number): readonly string[] =>
    findings([...WIDER, rule('c', 3, 'deny', is('y', 'eq = 1'))], { checkWork }).map((one) =>
      'rule' in one ? `${one.rule} ${one.kind}` : one.kind,
    )
  const [first, second] = [1 / 8 + 4, 1 / 32 + 4 / 8]
  assert.deepEqual(open(1 / 8), ['b not_checked', 'c not_checked'])
  assert.deepEqual(open(0.1), ['a not_checked', 'b not_checked', 'c not_checked'])
  assert.deepEqual(open(first + second), ['b shadowed', 'c not_checked'])
  assert.deepEqual(open(first + second - 0.001), ['b not_checked', 'c not_checked'])
  assert.deepEqual(open(first + 1 / 32 - 0.001), ['b not_checked', 'c not_checked'])
  const third = 2 / 32 + 9 / 8
  assert.deepEqual(open(first + second + 10 + third), ['b shadowed'])
  assert.deepEqual(open(first + second + 10 + third - 0.001), ['b shadowed', 'c not_checked'])
})

test('many rules over other tools are looked at, though not asked about', () => {
  const others = Array.from({ length: 64 }, (_, at) =>
    rule(`o${String(at).padStart(2, '0')}`, 1, 'deny', `tool = ["t${at}"]`),
  )
  const last = rule('last', 2, 'allow', 'tool = ["own"]')
  const open = (checkWork: number): readonly CheckFinding[] =>
    findings([...others, last], { checkWork }).filter((one) => 'rule' in one && one.rule === 'last')
  // Each of the others: one line, and the steps of naming a tool.
  const before = 64 * (1 / 8 + 2)
  assert.deepEqual(open(before + 64 / 32 + 1 / 8), [])
  assert.deepEqual(open(before + 64 / 32 + 1 / 8 - 0.001), [notChecked('last', 'shadowed')])
  assert.deepEqual(open(before + 64 / 32 - 0.001), [notChecked('last', 'shadowed')])
})

test('as many lines as a question may have are asked about, one more is not', () => {
  const rules = [
    rule('a', 1, 'deny', `${is('x', 'eq = 1')}, tool = ["t.*"]`),
    rule('b', 2, 'deny', `${is('y', 'eq = 1')}, agent = ["q"]`),
    rule('elsewhere', 2, 'deny', 'tool = ["z"], source = ["mcp"], user = ["u"]'),
    rule('c', 3, 'deny', `${is('z', 'eq = 1')}, tool = ["t.x"]`),
    rule('d', 3, 'allow', 'source = ["mcp"]'),
  ]
  const open = (questionLines: number): readonly CheckFinding[] =>
    findings(rules, { questionLines }).filter(({ kind }) => kind === 'not_checked')
  const ofD = [notChecked('d', 'shadowed')]
  assert.deepEqual(open(8), [])
  // Over the tools of both there are two rules before them, with four lines beside their three.
  assert.deepEqual(open(7), ofD)
  assert.deepEqual(open(6), [...ofD, notChecked('c', 'conflict')])
  assert.deepEqual(open(5), [notChecked('c', 'shadowed'), ...ofD, notChecked('c', 'conflict')])
})

test('two rules of which one implies a rule before them are not in conflict, without a step', () => {
  const rules = [
    rule('z', 1, 'deny', is('x', 'eq = 1')),
    rule('a', 2, 'allow', 'args = { "/x" = { eq = 1 }, "/y" = { eq = 2 } }'),
    rule('b', 2, 'deny', is('y', 'eq = 2')),
  ]
  assert.deepEqual(findings(rules, { questionWork: 0 }), [
    notChecked('z', 'shadowed'),
    { kind: 'shadowed', rule: 'a', by: ['z'] },
    notChecked('b', 'shadowed'),
  ])
})

test('a rule whose own question stays open is asked about conflicts all the same', () => {
  const rules = [rule('a', 1, 'allow', is('x', 'eq = 1')), rule('b', 1, 'deny', is('y', 'eq = 1'))]
  assert.deepEqual(findings(rules, { questionWork: 0 }), [
    notChecked('a', 'shadowed'),
    notChecked('b', 'shadowed'),
    notChecked('a', 'conflict'),
  ])
})

const THREE = [
  rule('a', 1, 'allow', `${is('x', 'eq = 1')}, tool = ["t"]`),
  rule('b', 1, 'deny', 'operation = ["read"]'),
  rule('c', 1, 'require_proof', 'category = ["x"]'),
  rule('d', 2, 'allow', `${is('x', 'eq = 1')}, tool = ["u"]`),
  rule('e', 2, 'deny', 'operation = ["delete"], tool = ["u"]'),
]
const pairs = (limits: Partial<Limits>): readonly string[] =>
  findings(THREE, limits).map((one) =>
    one.kind === 'conflict' ? `${one.rule} ${one.other}` : one.kind,
  )

test('as many conflicts as may be named are named, and rules with others are not checked', () => {
  assert.deepEqual(pairs({ conflicts: 4 }), ['a b', 'a c', 'b c', 'd e'])
  assert.deepEqual(pairs({ conflicts: 3 }), ['a b', 'a c', 'b c', 'not_checked'])
  assert.deepEqual(pairs({ conflicts: 2 }), ['a b', 'a c', 'not_checked', 'not_checked'])
  assert.deepEqual(pairs({ conflicts: 0 }), ['not_checked', 'not_checked', 'not_checked'])
  assert.deepEqual(findings(THREE, { conflicts: 2 }).slice(-2), [
    notChecked('b', 'conflict'),
    notChecked('d', 'conflict'),
  ])
})

test('each pair of one priority costs a step, even where the two do the same', () => {
  const alike = ['a', 'b', 'c'].map((id) => rule(id, 1, 'deny', 'tool = ["t"]'))
  const own = 3 * (1 / 8 + 2)
  assert.deepEqual(findings(alike, { checkWork: own + 3 }), [])
  assert.deepEqual(findings(alike, { checkWork: own + 2.9 }), [notChecked('b', 'conflict')])
  assert.deepEqual(findings(alike, { checkWork: own + 1.9 }), [
    notChecked('a', 'conflict'),
    notChecked('b', 'conflict'),
  ])
})

test('rules that do not meet in any tool, or say the same, are not in conflict', () => {
  assert.deepEqual(
    findings([
      rule('a', 1, 'allow', 'tool = ["t"], source = ["mcp"], amount = { lt = "1 EUR" }'),
      rule('b', 1, 'deny', 'tool = ["u"], source = ["mcp"], amount = { lt = "1 EUR" }'),
      rule('c', 2, 'deny', 'tool = ["t"]'),
      rule('d', 2, 'deny', 'tool = ["t"]'),
    ]),
    [],
  )
})

test('rules that leave no value of a fact together shadow one that does not ask for it', () => {
  const rules = [
    rule('a', 1, 'deny', is('x', 'exists = true')),
    rule('b', 1, 'deny', is('x', 'exists = false')),
    rule('other', 1, 'deny', 'tool = ["u"]'),
    rule('c', 2, 'allow', 'tool = ["t"], amount = { lt = "1 EUR" }'),
  ]
  assert.deepEqual(findings(rules), [{ kind: 'shadowed', rule: 'c', by: ['a', 'b'] }])
  assert.deepEqual(findings(rules.slice(1)), [])
  assert.deepEqual(findings([rules[0] ?? '', ...rules.slice(2)]), [])
})

test('of many rules that shadow one together thirty-two are named', () => {
  const values = Array.from({ length: 40 }, (_, at) => at)
  const id = (at: number): string => `r${String(at).padStart(2, '0')}`
  const rules = values.map((at) => rule(id(at), 1, 'deny', is('x', `eq = ${at}`)))
  const last = rule('last', 2, 'allow', is('x', `in = [${values.join()}]`))
  assert.deepEqual(findings([...rules, last], { checkWork: 100_000, questionWork: 10_000 }), [
    { kind: 'shadowed', rule: 'last', by: values.slice(0, 32).map(id) },
  ])
})

const toolOf = (facts: Partial<ToolFacts>): ToolFacts => ({
  id: 't.x',
  operation: 'read',
  category: null,
  tags: [],
  bundle: 'b',
  amount: { kind: 'none' },
  ...facts,
})

test('a tool is covered by rules over what its contract says, and only a registered one is asked about', () => {
  for (const [line, facts, covered] of [
    ['tool = ["t.*"]', {}, true],
    ['tool = ["u.*"]', {}, false],
    ['operation = ["read"]', {}, true],
    ['operation = ["delete"]', {}, false],
    ['category = ["c"]', { category: 'c' }, true],
    ['category = ["c"]', { category: 'd' }, false],
    ['category = ["c"]', {}, true],
    ['tags = ["g"]', { tags: ['g'] }, true],
    ['tags = ["g"]', {}, false],
    ['bundle = ["b"]', {}, true],
    ['bundle = ["c"]', {}, false],
    ['tool = ["t.*"], source = ["mcp"], roles = ["r"], amount = { gt = "1 EUR" }', {}, true],
  ] as const) {
    const found = findings([rule('a', 1, 'deny', line)], {}, [toolOf(facts)])
    assert.deepEqual(
      found,
      covered ? [] : [{ kind: 'uncovered_tool', tool: 't.x' }],
      `${line} ${JSON.stringify(facts)}`,
    )
  }
  assert.deepEqual(checkPolicy(compiled([])), [])
})

test('no limit is met by the policies that people write', () => {
  const rules = Array.from({ length: 60 }, (_, at) =>
    rule(`r${at}`, at, at % 2 === 0 ? 'allow' : 'deny', `${is('x', `eq = ${at}`)}, tool = ["t.*"]`),
  )
  assert.deepEqual(checkPolicy(compiled(rules)), [])
})
