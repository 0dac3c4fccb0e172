import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CheckFinding,
  checkPolicy,
  compilePolicy,
  type Explanation,
  explain,
  joinLayers,
  safeExplain,
  type ToolFacts,
} from '@trustgw/core'
import { repositoryFile, sha256 } from '../hashing.ts'
import { factsOf, type Given, mustParse } from './world.ts'

const CHECKS = JSON.parse(repositoryFile('vectors/policy/checks.json')) as {
  readonly cases: readonly {
    readonly name: string
    readonly policy: string
    readonly tools: readonly ToolFacts[]
    readonly findings: readonly CheckFinding[]
  }[]
}

for (const { name, policy, tools, findings } of CHECKS.cases) {
  test(`check: ${name}`, () => {
    assert.deepEqual(checkPolicy(compilePolicy(mustParse(policy), sha256), tools), findings)
  })
}

const EXPLAINED = JSON.parse(repositoryFile('vectors/policy/explained.json')) as {
  readonly policy: string
  readonly cases: readonly {
    readonly name: string
    readonly given: Given
    readonly rules: Explanation['rules']
    readonly change: Explanation['change']
    readonly safe: string
  }[]
}
const layers = joinLayers([compilePolicy(mustParse(EXPLAINED.policy), sha256)], sha256)

for (const { name, given, ...expected } of EXPLAINED.cases) {
  test(`explain: ${name}`, () => {
    const explained = explain(layers, factsOf(given))
    const { rules, change } = explained
    assert.deepEqual({ rules, change, safe: safeExplain(explained) }, expected)
  })
}

const ruleText = (id: string, priority: number, effect: string, match: string): string =>
  `[[rules]]\nid = "${id}"\npriority = ${priority}\neffect = "${effect}"\nmatch = { ${match} }\n`
const findingsOf = (...rules: readonly string[]): readonly CheckFinding[] =>
  checkPolicy(compilePolicy(mustParse(`version = 1\n${rules.join('')}`), sha256))

test('a rule behind one that asks for less is shadowed by that one alone', () => {
  assert.deepEqual(
    findingsOf(
      ruleText('other', 1, 'deny', 'args = { "/q" = { eq = 1 } }'),
      ruleText('less', 1, 'deny', 'args = { "/x" = { eq = 1 } }'),
      ruleText('more', 2, 'allow', 'args = { "/x" = { eq = 1 }, "/y" = { eq = 2 } }'),
    ),
    [{ kind: 'shadowed', rule: 'more', by: ['less'] }],
  )
})

test('a question of more lines than are compared is named as not asked', () => {
  const before = (count: number): readonly string[] =>
    Array.from({ length: count }, (_, at) =>
      ruleText(`r${at}`, 1, 'deny', `tool = ["t.*"], args = { "/a" = { eq = ${at} } }`),
    )
  const last = ruleText('last', 2, 'allow', 'tool = ["t.x"]')
  const asked = (count: number): readonly CheckFinding[] =>
    findingsOf(...before(count), last).filter((one) => 'rule' in one && one.rule === 'last')
  assert.deepEqual(asked(501), [{ kind: 'not_checked', rule: 'last', question: 'shadowed' }])
  assert.deepEqual(asked(20), [])
})

test('a rule that only a pattern could keep from deciding is neither shadowed nor in conflict', () => {
  const regex = (id: string, priority: number, effect: string, pattern: string): string =>
    ruleText(id, priority, effect, `args = { "/x" = { regex = "${pattern}" } }`)
  assert.deepEqual(findingsOf(regex('a', 1, 'deny', '^q$'), regex('b', 2, 'deny', '^qq?$')), [])
  assert.deepEqual(findingsOf(regex('a', 1, 'deny', '^q$'), regex('b', 2, 'deny', '^q$')), [
    { kind: 'shadowed', rule: 'b', by: ['a'] },
  ])
})

test('patterns inside each and any are looked at, those of limits and denials are not', () => {
  assert.deepEqual(
    findingsOf(
      ruleText('a', 1, 'allow', 'args = { "/x" = { each = { any = { regex = "a" } } } }'),
      ruleText('b', 2, 'deny', 'args = { "/y" = { regex = "a" } }'),
    ),
    [{ kind: 'unanchored_regex', rule: 'a', pattern: 'a' }],
  )
})
