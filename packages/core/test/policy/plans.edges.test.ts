import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CompiledPolicy, compilePolicy, decide, decideNaively } from '@trustgw/core'
import { entryIndex, nextRow, rowCount } from '../../src/policy/plan.ts'
import { sha256 } from '../hashing.ts'
import { factsOf, type Given, mustParse } from './world.ts'

const id = (at: number): string => `r${String(at).padStart(2, '0')}`
/** More than judging every rule is worth. */
const MANY = 20

function compile(count: number, line: (at: number) => string): CompiledPolicy {
  const rules = Array.from(
    { length: count },
    (_, at) =>
      `[[rules]]\nid = "${id(at)}"\npriority = 1\neffect = "deny"\nmatch = { ${line(at)} }\n`,
  )
  return compilePolicy(mustParse(`version = 1\n${rules.join('')}`), sha256)
}

/** The rules that no number tells to be false of a proposal. */
function possible(compiled: CompiledPolicy, given: Given): readonly string[] {
  const look = compiled.begin(factsOf(given))
  const plan = compiled.plan(look)
  const found: string[] = []
  for (let row = nextRow(plan, look, 0); row < rowCount(plan); row = nextRow(plan, look, row + 1)) {
    found.push(plan.entries[entryIndex(plan, row)]?.rule.rule.id ?? assert.fail())
  }
  return found
}

function decidesAsOneByOne(compiled: CompiledPolicy, given: Given): void {
  const [found, wanted] = [decide, decideNaively].map((by) => {
    const { effect, rule_id, unknown } = by(compiled, factsOf(given))
    return { effect, rule_id, unknown: unknown.toSorted() }
  })
  assert.deepEqual(found, wanted)
}

const value = (predicates: string): string => `args = { "/v" = { ${predicates} } }`
const named = (...at: readonly number[]): readonly string[] => at.map(id)

test('what no line can judge of a fact is not told to be false, but left in doubt', () => {
  for (const [line, given] of [
    [(at: number) => `agent = ["n${at}"]`, { agent: 'e\u0301' }],
    [(at: number) => `skill_level = ["n${at}"]`, { skill_level: null }],
    [(at: number) => value(`eq = ${at}`), { args: { v: 'x' } }],
    [(at: number) => value(`in = ["n${at}", 3]`), { args: { v: 'x' } }],
    [(at: number) => value(`in = ["n${at}", 3]`), { args: { v: 4 } }],
    [(at: number) => value(`max_length = ${at}`), { args: { v: 50 } }],
    [
      (at: number) => `amount = { gte = "${at + 5} USD" }`,
      { args: { amount: '1', currency: 'EUR' } },
    ],
  ] as const) {
    const compiled = compile(MANY, line)
    assert.equal(possible(compiled, given).length, MANY, line(1))
    const decided = decide(compiled, factsOf(given))
    assert.equal(decided.unknown.length, 1, line(1))
    decidesAsOneByOne(compiled, given)
  }
})

test('a name may be met by a glob beside names that it is not', () => {
  const compiled = compile(MANY, (at) => `agent = ["n${at}", "m${at}*"]`)
  assert.equal(decide(compiled, factsOf({ agent: 'm7.x' })).rule_id, 'default')
  assert.equal(decide(compiled, factsOf({ agent: 'm7x' })).rule_id, 'r07')
  assert.equal(decide(compiled, factsOf({ agent: 'n7' })).rule_id, 'r07')
})

test('amounts in two currencies are told apart in each, and one in a third is in doubt', () => {
  const compiled = compile(MANY, (at) => {
    const currency = at % 2 === 0 ? 'EUR' : 'USD'
    return `amount = { gte = "${100 + at} ${currency}" }`
  })
  const even = named(0, 2, 4, 6, 8, 10, 12, 14, 16, 18)
  const odd = named(1, 3, 5, 7, 9, 11, 13, 15, 17, 19)
  for (const [amount, currency, ids] of [
    ['1', 'EUR', odd],
    ['102', 'EUR', ['r00', 'r01', 'r02', ...odd.slice(1)]],
    ['1', 'USD', even],
    ['1', 'CHF', [...even, ...odd].toSorted()],
  ] as const) {
    const given = { args: { amount, currency } }
    assert.deepEqual(possible(compiled, given), ids, `${amount} ${currency}`)
    decidesAsOneByOne(compiled, given)
  }
})

test('bounds are told apart in whatever order they are written', () => {
  const compiled = compile(MANY, (at) => value(`gt = ${(at * 7) % MANY}`))
  for (const v of [-1, 0, 0.5, 3, 10, 19, 25]) {
    const ids = Array.from({ length: MANY }, (_, at) => at).filter((at) => v > (at * 7) % MANY)
    assert.deepEqual(possible(compiled, { args: { v } }), named(...ids), String(v))
  }
  const amounts = compile(MANY, (at) => `amount = { lt = "${(at * 7) % MANY} EUR" }`)
  const below = named(
    ...Array.from({ length: MANY }, (_, at) => at).filter((at) => (at * 7) % MANY > 17),
  )
  assert.deepEqual(possible(amounts, { args: { amount: '17', currency: 'EUR' } }), below)
})

test('a tool without an amount is within no bound', () => {
  const compiled = compile(MANY, (at) => `amount = { lt = "${at + 1} EUR" }`)
  assert.deepEqual(possible(compiled, { amount: { kind: 'none' } }), [])
  decidesAsOneByOne(compiled, { amount: { kind: 'none' } })
})

test('texts that several rules name, in any order, are told apart', () => {
  const texts = ['a', 'b', 'a', 'c', 'b', 'd']
  const compiled = compile(MANY, (at) => value(`eq = "${texts[at % texts.length]}"`))
  assert.deepEqual(possible(compiled, { args: { v: 'a' } }), named(0, 2, 6, 8, 12, 14, 18))
  assert.deepEqual(possible(compiled, { args: { v: 'd' } }), named(5, 11, 17))
  assert.deepEqual(possible(compiled, { args: { v: 'e' } }), [])
})

test('a bound tells a rule from others behind a line that cannot', () => {
  const compiled = compile(
    MANY,
    (at) => `args = { "/a" = { type = "string" }, "/v" = { gt = ${at} } }`,
  )
  assert.deepEqual(possible(compiled, { args: { a: 'x', v: 2 } }), named(0, 1))
})

test('rules that no number tells from others are always judged, in their order', () => {
  const lines = [value('gt = 5'), value('regex = "^a$"'), value('eq = "x"')]
  const compiled = compile(MANY, (at) => lines[at % 3] ?? '')
  const patterns = named(1, 4, 7, 10, 13, 16, 19)
  assert.deepEqual(possible(compiled, { args: { v: 'y' } }), [
    ...Array.from({ length: MANY }, (_, at) => at)
      .filter((at) => at % 3 !== 2)
      .map(id),
  ])
  assert.deepEqual(
    possible(compiled, { args: { v: 3 } }).filter((one) => Number(one.slice(1)) % 3 === 1),
    patterns,
  )
  const whole = compile(MANY, () => 'tool = ["**"]')
  assert.equal(possible(whole, {}).length, MANY)
})

test('sixteen rules are told apart by numbers, fifteen are judged', () => {
  const possibleOf = (count: number): number =>
    possible(
      compile(count, (at) => value(`eq = "v${at}"`)),
      { args: { v: 'v3' } },
    ).length
  assert.equal(possibleOf(15), 15)
  assert.equal(possibleOf(16), 1)
})

test('eight texts of one line tell a rule from others, nine do not', () => {
  const possibleOf = (count: number): number => {
    const texts = (at: number): string =>
      Array.from({ length: count }, (_, one) => `"v${at}.${one}"`).join()
    return possible(
      compile(MANY, (at) => value(`in = [${texts(at)}]`)),
      { args: { v: 'v3.0' } },
    ).length
  }
  assert.equal(possibleOf(8), 1)
  assert.equal(possibleOf(9), MANY)
})

test('a decision numbers each fact once, whichever number that is', () => {
  const compiled = compile(MANY, (at) => `${value(`eq = "v${at}"`)}, operation = ["transfer"]`)
  let reads = 0
  for (const { hint } of compiled.rules.flatMap(({ tests }) => tests)) {
    if (hint?.kind !== 'texts') continue
    const { read } = hint
    Object.assign(hint, {
      read: (look: Parameters<typeof read>[0]) => {
        reads += 1
        return read(look)
      },
    })
  }
  for (let at = 0; at < MANY; at++) {
    assert.deepEqual(possible(compiled, { args: { v: `v${at}` } }), [id(at)])
    assert.equal(reads, at + 1)
  }
})
