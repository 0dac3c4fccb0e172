import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CompiledLayers,
  compilePolicy,
  explain,
  findingText,
  joinLayers,
  type Rule,
  safeHint,
} from '@trustgw/core'
import type { Cell, RealCell, Variable } from '../../src/policy/cells.ts'
import {
  type Choice,
  choose,
  distinctCells,
  exampleOf,
  type KeyedRule,
  keyed,
  type Left,
  mayShareTool,
  NOTHING_CHOSEN,
  openVariable,
  remaining,
  spaceOf,
  standing,
  statusOf,
  strengthRange,
  Work,
} from '../../src/policy/search.ts'
import { sha256 } from '../hashing.ts'
import { factsOf, mustParse } from './world.ts'

const VERDICTS = {
  allow: 'effect = "allow"',
  click: 'effect = "require_approval"\ntier = 1\napprovers = { roles = ["a", "b"] }',
  passkey: 'effect = "require_approval"\ntier = 2\napprovers = { roles = ["b", "c"], quorum = 2 }',
  stranger: 'effect = "require_approval"\ntier = 1\napprovers = { roles = ["z"] }',
  crowd: 'effect = "require_approval"\ntier = 1\napprovers = { roles = ["p"], quorum = 16 }',
  proof: 'effect = "require_proof"',
  deny: 'effect = "deny"',
} as const
type Verdict = keyof typeof VERDICTS

const ruleText = (id: string, priority: number, verdict: Verdict, match: string): string =>
  `[[rules]]\nid = "${id}"\npriority = ${priority}\n${VERDICTS[verdict]}\nmatch = { ${match} }\n`
const rulesOf = (...texts: readonly string[]): readonly Rule[] =>
  mustParse(`version = 1\n${texts.join('')}`).rules
const flag = (...names: readonly string[]): string =>
  `args = { ${names.map((name) => `"/${name}" = { eq = true }`).join()} }`

function over(tools: readonly string[] | null): Rule {
  const match = tools === null ? flag('x') : `tool = [${tools.map((tool) => `"${tool}"`).join()}]`
  const [rule] = rulesOf(ruleText('r', 1, 'deny', match))
  return rule ?? assert.fail()
}

test('rules may be over one tool unless their globs begin differently', () => {
  for (const [a, b, may] of [
    [['a.b'], ['a.b'], true],
    [['a.b'], ['a.c'], false],
    [['a.b'], ['a.bc'], false],
    [['a.*'], ['a.b'], true],
    [['a.b'], ['a.*'], true],
    [['a.*'], ['b.*'], false],
    [['a.*'], ['a.b*'], true],
    [['*.x'], ['a.y'], true],
    [['a.b*'], ['a.c'], false],
    [['a.b'], ['a.c*'], false],
    [['a*'], ['ab'], true],
    [['ab'], ['a*'], true],
    [['q', 'a.b'], ['z', 'a.b'], true],
    [['q', 'a.b'], ['z', 'a.c'], false],
    [null, ['a'], true],
    [['a'], null, true],
    [null, null, true],
  ] as const) {
    assert.equal(mayShareTool(over(a), over(b)), may, JSON.stringify([a, b]))
  }
})

const RULES = rulesOf(
  ruleText('first', 1, 'deny', flag('a', 'b')),
  ruleText('second', 2, 'click', flag('c')),
  ruleText('third', 2, 'allow', flag('d')),
  ruleText('last', 3, 'passkey', flag('e')),
)
const KEYED = keyed(RULES)
const SPACE = spaceOf(RULES)
const ruleAt = (at: number): KeyedRule => KEYED[at] ?? assert.fail()

function chosen(choices: Readonly<Record<string, string>>): Choice {
  let choice = NOTHING_CHOSEN
  for (const [name, truth] of Object.entries(choices)) {
    const key = `args = {"/${name}":{"eq":true}}`
    const variable = SPACE.variableOf.get(key) ?? assert.fail(key)
    const cell = variable.cells.find(({ truths }) => String(truths.get(key)) === truth)
    choice = choose(choice, variable, cell ?? assert.fail(truth))
  }
  return choice
}

test('a rule is true, false or unknown as soon as its chosen lines say so, else open', () => {
  for (const [choices, status] of [
    [{}, 'open'],
    [{ a: 'true' }, 'open'],
    [{ a: 'false' }, 'false'],
    [{ b: 'false' }, 'false'],
    [{ a: 'unknown' }, 'open'],
    [{ b: 'unknown' }, 'open'],
    [{ a: 'unknown', b: 'false' }, 'false'],
    [{ a: 'unknown', b: 'true' }, 'unknown'],
    [{ a: 'true', b: 'unknown' }, 'unknown'],
    [{ a: 'unknown', b: 'unknown' }, 'unknown'],
    [{ a: 'true', b: 'true' }, 'true'],
  ] as const) {
    assert.equal(statusOf(ruleAt(0), chosen(choices)), status, JSON.stringify(choices))
  }
})

test('the next fact to choose is the first of a line that is not chosen', () => {
  const fact = (choices: Readonly<Record<string, string>>): string | undefined =>
    openVariable(ruleAt(0), chosen(choices), SPACE)?.fact
  assert.equal(fact({}), 'args:/a')
  assert.equal(fact({ a: 'true' }), 'args:/b')
  assert.equal(fact({ b: 'true' }), 'args:/a')
  assert.equal(openVariable(ruleAt(0), chosen({ a: 'true', b: 'false' }), SPACE), null)
})

const leftIds = (choices: Readonly<Record<string, string>>): readonly string[] =>
  remaining(KEYED, chosen(choices)).map(({ keyed: { rule }, status }) => `${rule.id} ${status}`)

test('the rules left are those that may still stand', () => {
  assert.deepEqual(leftIds({}), ['first open', 'second open', 'third open', 'last open'])
  assert.deepEqual(leftIds({ a: 'false' }), ['second open', 'third open', 'last open'])
  assert.deepEqual(leftIds({ a: 'unknown' }), [
    'first open',
    'second open',
    'third open',
    'last open',
  ])
  assert.deepEqual(leftIds({ a: 'true', b: 'true' }), ['first true'])
  assert.deepEqual(leftIds({ a: 'false', c: 'true' }), ['second true', 'third open'])
  assert.deepEqual(leftIds({ a: 'false', c: 'false', d: 'unknown' }), ['last open'])
  assert.deepEqual(leftIds({ a: 'false', c: 'unknown', d: 'true' }), [
    'second unknown',
    'third true',
  ])
})

test('rules left have one form exactly when they do the same from there on', () => {
  const forms = (choices: Readonly<Record<string, string>>): readonly string[] =>
    remaining(KEYED, chosen(choices)).map(({ form }) => form)
  assert.equal(new Set(forms({})).size, 4)
  assert.notDeepEqual(forms({}), forms({ a: 'unknown' }))
  assert.notDeepEqual(forms({ a: 'unknown' }), forms({ b: 'unknown' }))
  const renamed = keyed(RULES.map((rule) => ({ ...rule, id: `x${rule.id}`, reason: 'other' })))
  assert.deepEqual(
    remaining(renamed, NOTHING_CHOSEN).map(({ form }) => form),
    forms({}),
  )
  const later = keyed(RULES.map((rule) => ({ ...rule, priority: rule.priority * 7 })))
  assert.deepEqual(
    remaining(later, NOTHING_CHOSEN).map(({ form }) => form),
    forms({}),
  )
})

const left = (...stands: readonly (readonly [Verdict, Left['status']])[]): readonly Left[] =>
  stands.map(([verdict, status], at) => {
    const [rule] = keyed(rulesOf(ruleText(`${verdict}${at}`, 1, verdict, flag('x'))))
    return { keyed: rule ?? assert.fail(), status, form: '' }
  })

test('rules beside each other and one behind the other have other forms', () => {
  const formsOf = (...priorities: readonly number[]): readonly string[] =>
    remaining(
      keyed(priorities.flatMap((at) => rulesOf(ruleText('r', at, 'deny', flag('a'))))),
      NOTHING_CHOSEN,
    ).map(({ form }) => form)
  assert.deepEqual(formsOf(1, 2), formsOf(3, 9))
  assert.deepEqual(formsOf(2, 2), formsOf(1, 1))
  assert.notDeepEqual(formsOf(1, 1), formsOf(1, 2))
})

test('lines have one form in any order, and what is in doubt another than what is left out', () => {
  const formOf = (choice: Choice, ...names: readonly string[]): string | undefined =>
    remaining(keyed(rulesOf(ruleText('r', 1, 'deny', flag(...names)))), choice)[0]?.form
  assert.equal(formOf(NOTHING_CHOSEN, 'a', 'b'), formOf(NOTHING_CHOSEN, 'b', 'a'))
  const doubt = chosen({ a: 'unknown' })
  assert.notEqual(formOf(doubt, 'a', 'b'), formOf(doubt, 'b'))
})

test('a rule that permits is left out as soon as one of its lines is unknown', () => {
  const permits = keyed(rulesOf(ruleText('r', 1, 'allow', flag('a', 'b'))))
  assert.deepEqual(remaining(permits, chosen({ a: 'unknown' })), [])
  assert.equal(remaining(permits, chosen({ a: 'true' })).length, 1)
})

test('what stands is the strictest of what matched and of what is in doubt', () => {
  for (const [given, fallback, strength] of [
    [left(), 'deny', 4],
    [left(), 'allow', 0],
    [left(), 'none', -1],
    [left(['allow', 'true']), 'deny', 0],
    [left(['click', 'true'], ['allow', 'true']), 'deny', 1],
    [left(['click', 'true'], ['passkey', 'true']), 'deny', 2],
    [left(['click', 'unknown'], ['allow', 'true']), 'deny', 1],
    [left(['click', 'unknown']), 'deny', 4],
    [left(['click', 'unknown']), 'allow', 1],
    [left(['click', 'unknown']), 'none', 1],
    [left(['proof', 'true'], ['deny', 'unknown']), 'allow', 4],
    [left(['proof', 'true']), 'allow', 3],
    [left(['click', 'true'], ['stranger', 'true']), 'allow', 1],
    [left(['click', 'true'], ['stranger', 'unknown']), 'allow', 1],
    [left(['passkey', 'true'], ['stranger', 'true']), 'allow', 2],
  ] as const) {
    assert.equal(standing(given, fallback).strength, strength)
  }
})

test('whoever stands with the strictest is asked too, whoever matched below it is not', () => {
  const both = standing(left(['click', 'unknown'], ['passkey', 'true']), 'deny')
  assert.deepEqual(both.asked, {
    channels: ['portal'],
    approvers: [
      { roles: ['a', 'b'], quorum: 1 },
      { roles: ['b', 'c'], quorum: 2 },
    ],
  })
  const strictest = standing(left(['passkey', 'true'], ['click', 'true']), 'deny')
  assert.deepEqual(strictest.asked.approvers, [{ roles: ['b', 'c'], quorum: 2 }])
  const nobody = { approvers: [], channels: [] }
  const denied = standing(left(['deny', 'true'], ['click', 'unknown']), 'allow')
  assert.deepEqual(denied.asked, nobody)
  assert.deepEqual(standing(left(['allow', 'true']), 'deny').asked, nobody)
  assert.deepEqual(standing(left(), 'none').asked, nobody)
})

test('what nobody could approve is denied', () => {
  const nobody = { strength: 4, asked: { approvers: [], channels: [] }, undo_ms: 0 }
  assert.deepEqual(standing(left(['crowd', 'true'], ['click', 'true']), 'allow'), nobody)
  assert.deepEqual(standing(left(['crowd', 'unknown'], ['passkey', 'true']), 'allow'), nobody)
  assert.equal(standing(left(['crowd', 'true']), 'allow').strength, 1)
})

test('the bounds of what may stand hold whatever the open rules turn out to be', () => {
  for (const [given, fallback, least, most] of [
    [left(), 'deny', 4, 4],
    [left(), 'allow', 0, 0],
    [left(), 'none', -1, -1],
    [left(['allow', 'true']), 'deny', 0, 0],
    [left(['allow', 'open']), 'deny', 0, 4],
    [left(['deny', 'open']), 'allow', 0, 4],
    [left(['deny', 'open'], ['deny', 'true']), 'allow', 4, 4],
    [left(['deny', 'unknown'], ['allow', 'true']), 'deny', 0, 4],
    [left(['click', 'true']), 'deny', 1, 4],
    [left(['click', 'open'], ['allow', 'true']), 'deny', 0, 4],
    [left(['proof', 'true']), 'deny', 3, 4],
    [left(['deny', 'unknown']), 'deny', 4, 4],
    [left(['click', 'unknown']), 'deny', 4, 4],
    [left(['click', 'unknown'], ['deny', 'true']), 'allow', 4, 4],
    [left(['deny', 'unknown'], ['click', 'true']), 'allow', 1, 4],
  ] as const) {
    assert.deepEqual(strengthRange(given, fallback), { least, most })
  }
})

test('of cells that say the same of the rules at hand the one with the smallest value is kept', () => {
  const cell = (x: boolean, y: boolean, shown: string): RealCell => ({
    truths: new Map([
      ['x', x],
      ['y', y],
    ]),
    set: (facts) => facts,
    shown,
  })
  const cells = [cell(true, true, 'long'), cell(true, false, 's'), cell(false, true, 'other')]
  const variable: Variable = { fact: 'f', cells, gap: null, real: cells }
  const rule = (...keys: readonly string[]): KeyedRule => ({ rule: RULES[0] as Rule, keys })
  const kept = (...rules: readonly KeyedRule[]): readonly unknown[] =>
    distinctCells(variable, rules).map(({ shown }) => shown)
  assert.deepEqual(kept(rule('x', 'y')), ['long', 's', 'other'])
  assert.deepEqual(kept(rule('x')), ['s', 'other'])
  assert.deepEqual(kept(rule('y'), rule('q')), ['long', 's'])
  assert.deepEqual(kept(rule('x'), rule('y')), ['long', 's', 'other'])
  assert.deepEqual(kept(rule('q')), ['s'])
  const alike = { ...variable, cells: [cell(true, true, 'first'), cell(true, false, 'other')] }
  assert.deepEqual(distinctCells(alike, [rule('x')])[0]?.shown, 'first')
})

test('an example sets every chosen fact once', () => {
  const example = exampleOf(chosen({ a: 'true', c: 'false' })) ?? assert.fail()
  assert.deepEqual(
    [...example.shown],
    [
      ['args:/a', true],
      ['args:/c', false],
    ],
  )
  assert.deepEqual(
    [...(example.facts.recorded?.values ?? [])],
    [
      ['/a', true],
      ['/c', false],
    ],
  )
  const patterns = rulesOf(
    ruleText('r', 1, 'deny', 'args = { "/v" = { regex = "^a$" } }'),
    ruleText('s', 1, 'deny', 'args = { "/v" = { regex = "^zz$" } }'),
  )
  const space = spaceOf(patterns)
  const [first = assert.fail(), second = assert.fail()] = [...space.variableOf.values()]
  const pick = (variable: Variable, truth: boolean): Cell =>
    variable.cells.find(({ truths }) => [...truths.values()][0] === truth) ?? assert.fail()
  const found = choose(NOTHING_CHOSEN, first, pick(first, true))
  assert.deepEqual([...(exampleOf(found)?.shown ?? [])], [['args:/v', 'a']])
  const neither = choose(found, second, pick(second, false))
  assert.deepEqual([...(exampleOf(neither)?.shown ?? [])], [['args:/v', 'a']])
  assert.equal(exampleOf(choose(found, second, pick(second, true))), null)
})

test('work is spent to its last unit and no further', () => {
  const work = new Work(5)
  assert.equal(work.spend(3), true)
  assert.equal(work.spend(2), true)
  assert.equal(work.left, 0)
  assert.equal(work.spend(1), false)
})

test('a finding is one line: place, message, and the nearest name where there is one', () => {
  const finding = { file: 'a.toml', line: 3, column: 7, key: 'k', message: 'wrong' }
  assert.equal(findingText(finding), 'a.toml:3:7: wrong')
  assert.equal(
    findingText({ ...finding, nearest: 'tool' }),
    'a.toml:3:7: wrong (did you mean tool?)',
  )
})

const LIMITED = `version = 1
${ruleText('small', 1, 'allow', 'amount = { lte = "50 EUR" }')}${ruleText('big', 2, 'click', 'tool = ["**"]')}
[[limits]]
id = "l"
match = { tool = ["shop.*"], user = ["ann"] }
key = ["tenant"]
window = "1h"
max_count = 3
max_amount = "100 EUR"
on_exceed = "deny"
[[limits]]
id = "elsewhere"
match = { tool = ["mail.*"] }
key = ["tenant"]
window = "1h"
max_count = 3
on_exceed = "require_approval"
tier = 2
`
const layers: CompiledLayers = joinLayers([compilePolicy(mustParse(LIMITED), sha256)], sha256)

test('a hint says what would be allowed, within the proposals and lines that may be looked at', () => {
  const counters = { l: { count: 0, amount: '0 EUR' } }
  const facts = factsOf({ counters, args: { amount: '80', currency: 'EUR' } })
  const hint = (triesMax: number, linesMax = 100): string | null =>
    safeHint(layers, facts, { triesMax, linesMax })
  assert.equal(hint(100), 'It would be allowed if /amount were "50.00".')
  assert.equal(hint(0), null)
  assert.equal(hint(100, 0), null)
})

test('explain tells of each limit over the tool whether it counts and whether it is reached', () => {
  const limitsOf = (given: Parameters<typeof factsOf>[0]) =>
    explain(layers, factsOf({ args: { amount: '40', currency: 'EUR' }, ...given })).limits
  const [limit, ...others] = limitsOf({
    user: 'ann',
    counters: { l: { count: 1, amount: '70 EUR' } },
  })
  assert.deepEqual(others, [])
  assert.deepEqual(limit, {
    layer: 'platform',
    id: 'l',
    effect: 'deny',
    tier: 0,
    truth: true,
    is_exceeded: true,
    lines: [
      { line: 'tool = ["shop.*"]', fact: 'tool', value: 'shop.refund_order', truth: true },
      { line: 'user = ["ann"]', fact: 'user', value: 'ann', truth: true },
    ],
    counter: { count: 1, amount: '70.00 EUR' },
    max_count: 3,
    max_amount: '100.00 EUR',
  })
  const [room] = limitsOf({ counters: { l: { count: 1, amount: '60 EUR' } } })
  assert.deepEqual([room?.truth, room?.is_exceeded], ['unknown', false])
  const [other] = limitsOf({ user: 'bob', counters: {} })
  assert.deepEqual([other?.truth, other?.is_exceeded, other?.counter], [false, false, null])
  const [mail] = limitsOf({ tool: 'mail.send', counters: {} })
  assert.deepEqual([mail?.id, mail?.max_amount, mail?.is_exceeded], ['elsewhere', null, true])
})
