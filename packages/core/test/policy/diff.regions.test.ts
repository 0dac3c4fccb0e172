import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CompiledPolicy,
  compilePolicy,
  type DiffBounds,
  diffPolicies,
  type LayerName,
  type PolicyDiff,
  parsePolicy,
} from '@trustgw/core'
import { sha256 } from '../hashing.ts'

function compile(text: string, layer: LayerName = 'platform'): CompiledPolicy {
  const parsed = parsePolicy(`version = 1\n${text}`, {
    file: 'policy.toml',
    layer,
    development: true,
  })
  assert.ok(parsed.ok, parsed.ok ? '' : JSON.stringify(parsed.findings))
  return compilePolicy(parsed.value, sha256, { layer })
}

const rule = (id: string, priority: number, effect: string, match: string): string =>
  `[[rules]]\nid = "${id}"\npriority = ${priority}\neffect = "${effect}"\nmatch = { ${match} }\n`

const diffOf = (
  old: readonly string[],
  next: readonly string[],
  layer: LayerName = 'platform',
): PolicyDiff => diffPolicies(compile(old.join(''), layer), compile(next.join(''), layer))

const linesOf = ({ widens }: PolicyDiff): readonly string[] =>
  (widens[0]?.lines ?? []).map(({ line, truth }) => `${line} ${truth}`)

const allDoubts = ({ doubts }: PolicyDiff): readonly string[] => doubts.map(({ why }) => why)

const ALL = 'tool = ["**"]'

test('of regions of one kind the first of the smallest examples is kept', () => {
  const next = [
    rule('r', 1, 'allow', 'user = ["ann", "bob"]'),
    rule('s', 2, 'allow', 'user = ["ann"]'),
  ]
  assert.deepEqual(diffOf([rule('s', 2, 'allow', 'user = ["zoe"]')], next).widens[0]?.example, {
    user: 'ann',
  })
})

test('an example of fewer facts is smaller, however long its values are', () => {
  const long = 'a-name-that-is-longer-than-all-else-in-any-other-example-of-the-region'
  const except = rule('s', 1, 'deny', 'user = ["ann"], source = ["mcp"]')
  const { widens } = diffOf([except], [except, rule('r', 2, 'allow', `user = ["ann", "${long}"]`)])
  assert.deepEqual(
    widens.map(({ example }) => example),
    [{ user: long }],
  )
})

test('what differs is named before what is only in the way', () => {
  const first = rule('first', 1, 'allow', 'user = ["ann"]')
  const more = diffOf(
    [first, rule('second', 2, 'allow', 'tool = ["a"]')],
    [first, rule('second', 2, 'allow', 'tool = ["a", "b"]')],
  )
  assert.deepEqual(linesOf(more), [
    'tool = ["a","b"] true',
    'tool = ["a"] false',
    'user = ["ann"] false',
  ])
  const denial = rule('denial', 1, 'deny', 'user = ["ann"]')
  const gone = diffOf([denial, rule('gone', 2, 'deny', 'tool = ["a"]')], [denial], 'tenant')
  assert.deepEqual(linesOf(gone), ['tool = ["a"] true', 'user = ["ann"] false'])
})

test('of lines about one fact those come first that hold, then those in doubt', () => {
  const known = [
    rule('three', 1, 'allow', 'args = { "/v" = { eq = 3 } }'),
    rule('text', 2, 'allow', 'args = { "/v" = { glob = "a*" } }'),
  ]
  const more = diffOf(known, [
    ...known,
    rule('any', 3, 'allow', 'args = { "/v" = { exists = true } }'),
  ])
  assert.deepEqual(linesOf(more), [
    'args = {"/v":{"exists":true}} true',
    'args = {"/v":{"glob":["a*"]}} unknown',
    'args = {"/v":{"eq":3}} false',
  ])
})

test('of lines that hold those that fewer values fulfil stand for the others', () => {
  const staff = rule('staff', 1, 'allow', 'args = { "/n" = { gt = 1 } }, roles = ["x"]')
  const more = diffOf([staff], [staff, rule('all', 2, 'allow', 'args = { "/n" = { gt = 5 } }')])
  assert.deepEqual(linesOf(more), ['args = {"/n":{"gt":5}} true', 'roles = ["x"] false'])
})

test('a doubt names every reason and the first choice that led to it', () => {
  const pattern = (pointer: string, text: string): string =>
    `"${pointer}" = { regex = '^\\Q${text}.\\E$' }`
  const diff = diffOf(
    [rule('r', 1, 'allow', `args = { ${pattern('/a', 'zq')}, ${pattern('/b', 'zq')} }`)],
    [rule('r', 1, 'allow', `args = { ${pattern('/a', 'zr')}, ${pattern('/b', 'zr')} }`)],
  )
  assert.equal(diff.verdict, 'may_widen')
  assert.deepEqual(allDoubts(diff), [
    'args:/a: a regex is not taken apart; args:/b: a regex is not taken apart',
  ])
  assert.deepEqual(
    diff.doubts[0]?.lines.map(({ line, truth }) => `${line} ${truth}`),
    [
      'args = {"/a":{"regex":"^\\\\Qzr.\\\\E$"}} true',
      'args = {"/b":{"regex":"^\\\\Qzr.\\\\E$"}} true',
      'args = {"/a":{"regex":"^\\\\Qzq.\\\\E$"}} true',
      'args = {"/b":{"regex":"^\\\\Qzq.\\\\E$"}} false',
    ],
  )
})

const capped = (max: number): string => `[[limits]]
id = "cap"
match = { tool = ["pay.*"] }
key = ["tenant"]
window = "1h"
max_amount = "${max} EUR"
on_exceed = "deny"
`

test('what a limit refuses before and after does not widen for certain', () => {
  const upTo = (max: number): string =>
    rule('r', 1, 'allow', `tool = ["pay.*"], amount = { lte = "${max} EUR" }`)
  const past = diffOf([capped(100), upTo(150)], [capped(100), upTo(200)])
  assert.equal(past.verdict, 'may_widen')
  assert.deepEqual(allDoubts(past), ['a limit stands in the way of the example'])
  const below = diffOf([capped(151), upTo(150)], [capped(151), upTo(200)])
  assert.deepEqual(
    below.widens.map(({ example }) => example),
    [{ tool: 'pay.', amount: '150.01 EUR' }],
  )
})

test('a doubt names a regex and the limit that stands in the way of the text found for it', () => {
  const over = (pattern: string): string =>
    rule(
      'r',
      1,
      'allow',
      `amount = { gt = "150 EUR" }, args = { "/to" = { regex = '${pattern}' } }`,
    )
  const all = capped(100).replace('pay.*', '**')
  assert.deepEqual(allDoubts(diffOf([all, over('^a$')], [all, over('^b$')])), [
    'args:/to: a regex is not taken apart; a limit stands in the way of the example',
    'args:/to: a regex is not taken apart',
  ])
})

test('a limit on amounts is not in the way of what moves none', () => {
  const { verdict, widens } = diffOf(
    [capped(100), rule('r', 1, 'allow', 'tool = ["pay.*"], user = ["ann"]')],
    [capped(100), rule('r', 1, 'allow', 'tool = ["pay.*"]')],
  )
  assert.equal(verdict, 'widens')
  assert.deepEqual(widens[0]?.after, { effect: 'allow', tier: 0, rule_id: 'r' })
})

test('a default that allows widens all that no rule decides', () => {
  const denial = rule('no', 1, 'deny', 'tool = ["a"]')
  const diff = diffOf([denial], ['[defaults]\neffect = "allow"\n', denial])
  assert.deepEqual(diff.widens, [
    {
      before: { effect: 'deny', tier: 0, rule_id: 'default' },
      after: { effect: 'allow', tier: 0, rule_id: 'default' },
      lines: [{ line: 'tool = ["a"]', truth: false }],
      example: { tool: 'x' },
    },
  ])
  assert.equal(diffOf(['[defaults]\neffect = "allow"\n', denial], [denial]).verdict, 'narrower')
  const covered = rule('all', 1, 'deny', ALL)
  assert.equal(diffOf([covered], ['[defaults]\neffect = "allow"\n', covered]).verdict, 'same')
})

test('a limit gone and a longer lifetime are doubts about no line', () => {
  const all = rule('all', 1, 'allow', ALL)
  assert.deepEqual(diffOf([all, capped(1)], [all]).doubts, [
    { why: 'limit cap is gone or changed', lines: [] },
  ])
  assert.deepEqual(diffOf([all], ['[defaults]\napproval_ttl = "1h"\n', all]).doubts, [
    { why: 'approval_ttl_ms is longer: 900000 to 3600000', lines: [] },
  ])
})

const WIDE: DiffBounds = { workMax: 1_000, factLinesMax: 100, regionsMax: 100 }

function within(
  bounds: Partial<DiffBounds>,
  [old, next]: readonly [old: readonly string[], next: readonly string[]],
): readonly [PolicyDiff['verdict'], ...string[]] {
  const diff = diffPolicies(compile(old.join('')), compile(next.join('')), { ...WIDE, ...bounds })
  return [diff.verdict, ...allDoubts(diff)]
}

const TOO_MANY = ['may_widen', 'more cases than are looked at'] as const

test('work ends at its limit: what is not looked at by then may widen', () => {
  const stricter = [
    [rule('r', 1, 'allow', 'tool = ["a"]')],
    [
      rule('maybe', 1, 'require_proof', 'tool = ["a"], roles = ["x"]'),
      rule('no', 1, 'deny', 'tool = ["a"]'),
    ],
  ] as const
  // One and two rules, and the question itself: for the whole, for the tool and for any other.
  assert.deepEqual(within({ workMax: 12 }, stricter), ['narrower'])
  assert.deepEqual(within({ workMax: 11 }, stricter), TOO_MANY)
})

test('what denies throughout on both sides is not taken apart', () => {
  const denials = [
    [rule('r', 1, 'deny', 'user = ["ann"], roles = ["x"]')],
    [rule('r', 1, 'deny', 'user = ["bob"], roles = ["y"]')],
  ] as const
  assert.deepEqual(within({ workMax: 3 }, denials), ['same'])
  assert.deepEqual(within({ workMax: 2 }, denials), TOO_MANY)
})

test('rules that say the same from there on are not taken apart', () => {
  const same = rule('r', 1, 'allow', 'user = ["ann"], roles = ["x"]')
  const renamed = same.replace('"r"', '"s"')
  assert.deepEqual(within({ workMax: 3 }, [[same], [renamed]]), ['same'])
  assert.deepEqual(within({ workMax: 2 }, [[same], [renamed]]), TOO_MANY)
})

test('lines about one fact are compared up to a number of different ones', () => {
  const two = [
    [rule('r', 1, 'allow', 'user = ["ann"]')],
    [rule('r', 1, 'allow', 'user = ["bob"]')],
  ] as const
  assert.equal(within({ factLinesMax: 2 }, two)[0], 'widens')
  assert.deepEqual(within({ factLinesMax: 1 }, two), [
    'may_widen',
    'more than 1 different lines about one fact',
  ])
  const apart = [
    [rule('r', 1, 'allow', 'args = { "/a" = { eq = 1 }, "/b" = { eq = 1 } }')],
    [rule('r', 1, 'allow', 'args = { "/a" = { eq = 1 } }, user = ["ann"]')],
  ] as const
  assert.equal(within({ factLinesMax: 1 }, apart)[0], 'widens')
})

test('regions are named up to a number', () => {
  const none: readonly string[] = []
  const many = [1, 2, 3].map((n) => rule(`r${n}`, 1, 'allow', `tool = ["t${n}"]`))
  const named = (regionsMax: number): number =>
    diffPolicies(compile(none.join('')), compile(many.join('')), { ...WIDE, regionsMax }).widens
      .length
  assert.deepEqual([named(2), named(3), named(4)], [2, 3, 3])
})
