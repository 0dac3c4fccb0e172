import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AmountRule, type Json, pointerReader, valueAt } from '@trustgw/protocol'
import { type Amount, extractAmount } from '../../src/policy/facts.ts'
import { nearestName } from '../../src/policy/findings.ts'
import { compileRegex, isAnchored } from '../../src/policy/regex.ts'
import { allOf, anyOf, not, type Truth } from '../../src/policy/truth.ts'

test('truths are joined and negated as the tables say', () => {
  const all: readonly Truth[] = [true, false, 'unknown']
  for (const a of all) {
    assert.equal(allOf([a]), a)
    assert.equal(anyOf([a]), a)
    assert.equal(not(a), a === 'unknown' ? 'unknown' : !a)
    for (const b of all) {
      const isUnknown = a === 'unknown' || b === 'unknown'
      assert.equal(allOf([a, b]), a === false || b === false ? false : isUnknown ? 'unknown' : true)
      assert.equal(anyOf([a, b]), a === true || b === true ? true : isUnknown ? 'unknown' : false)
    }
  }
  assert.equal(allOf([]), true)
  assert.equal(anyOf([]), false)
})

/** RFC 6901 §5, and what is no index. */
const DOCUMENT: Json = {
  foo: ['bar', 'baz', ...Array.from({ length: 10 }, (_, at) => at)],
  '': 0,
  'a/b': 1,
  'c%d': 2,
  'm~n': 8,
  '~1': 9,
  nothing: null,
  deep: { list: [{ x: 1 }] },
}
const POINTERS: readonly (readonly [string, Json | undefined])[] = [
  ['', DOCUMENT],
  ['/foo/0', 'bar'],
  ['/foo/1', 'baz'],
  ['/foo/11', 9],
  ['/', 0],
  ['/a~1b', 1],
  ['/c%d', 2],
  ['/m~0n', 8],
  ['/~01', 9],
  ['/nothing', null],
  ['/deep/list/0/x', 1],
  ['/foo/12', undefined],
  ['/foo/00', undefined],
  ['/foo/01', undefined],
  ['/foo/-1', undefined],
  ['/foo/-', undefined],
  ['/foo/1e0', undefined],
  ['/foo/0x1', undefined],
  ['/foo/x0', undefined],
  ['/foo/', undefined],
  ['/foo/length', undefined],
  ['/nothing/x', undefined],
  ['/foo/0/length', undefined],
  ['/deep/toString', undefined],
  ['/__proto__', undefined],
  ['/bar', undefined],
]

test('a pointer leads to exactly one value or to none', () => {
  for (const [pointer, value] of POINTERS) {
    assert.deepEqual(valueAt(DOCUMENT, pointer), value, pointer)
    assert.deepEqual(pointerReader(pointer)(DOCUMENT), value, pointer)
  }
  for (const scalar of ['x', 1, true, null]) {
    assert.equal(valueAt(scalar, '/length'), undefined)
    assert.equal(valueAt(scalar, ''), scalar)
  }
})

test('pointers mean the same however many were asked for before', () => {
  for (let index = 0; index < 3_000; index++) {
    assert.equal(valueAt({ [`k${index}`]: index }, `/k${index}`), index)
    assert.equal(valueAt({ k0: 'first' }, '/k0'), 'first')
  }
})

test('the nearest name is one that few letters make of what was written', () => {
  const names = ['tool', 'tools', 'amount', 'operation', 'id']
  for (const [written, nearest] of [
    ['tol', 'tool'],
    ['tool', 'tool'],
    ['TOOL', 'tool'],
    ['toolx', 'tool'],
    ['toolss', 'tools'],
    ['amout', 'amount'],
    ['aomunt', 'amount'],
    ['amo', undefined],
    ['amou', 'amount'],
    ['am', undefined],
    ['ixd', 'id'],
    ['x', undefined],
    ['i', 'id'],
    ['operations_of', undefined],
    ['oeratn', 'operation'],
    ['', undefined],
  ] as const) {
    assert.equal(nearestName(written, names), nearest, written)
  }
  const long = 'n'.repeat(64)
  assert.equal(nearestName(long, [long]), long)
  assert.equal(nearestName(`${long}n`, [long]), undefined)
})

test('a pattern that RE2 does not have is none, one that it has is searched for', () => {
  for (const pattern of [
    '(?=a)',
    '(?!a)',
    '(?<=a)',
    '(a)\\1',
    'a{1001}',
    '(',
    '[',
    '*',
    'a**',
    '\\p{Nope}',
  ]) {
    assert.equal(compileRegex(pattern), null, pattern)
  }
  const regex = compileRegex('b+')
  assert.equal(regex?.find('abbc'), true)
  assert.equal(regex?.find('ac'), false)
})

test('only a pattern that judges the whole text is anchored', () => {
  for (const pattern of [
    '^a$',
    '\\Aa\\z',
    '^a\\z',
    '^(a|b)$',
    '^a[|]b$',
    '^a\\|b$',
    '^[)|(]$',
    '^$',
    '^a\\\\|b$',
    '^(a)(b)$',
  ]) {
    assert.equal(isAnchored(pattern), pattern !== '^a\\\\|b$', pattern)
  }
  for (const pattern of [
    'a',
    '^a',
    'a$',
    'a^$',
    '^a$b',
    '^a|b$',
    '^(a)|(b)$',
    '(^a$)',
    '^a\\$',
    'x\\Aa$',
    '^a\\zb',
    '|^a$',
    '^\\(a|b$',
  ]) {
    assert.equal(isAnchored(pattern), false, pattern)
  }
})

test('an amount is extracted exactly as the contract says, or is unknown and says why', () => {
  const fixed: AmountRule = {
    kind: 'pointer',
    pointer: '/a',
    unit: 'decimal',
    currency: { kind: 'fixed', code: 'EUR' },
  }
  const minor: AmountRule = { ...fixed, unit: 'minor' }
  const named: AmountRule = { ...fixed, currency: { kind: 'pointer', pointer: '/c' } }
  const euros = (cents: bigint): Amount => ({
    kind: 'money',
    money: { minor: cents, currency: 'EUR' as never },
  })
  const unknown = (why: string): Amount => ({ kind: 'unknown', why })
  for (const [rule, args, amount] of [
    [{ kind: 'none' }, { a: '1' }, { kind: 'none' }],
    [fixed, { a: '1.5' }, euros(150n)],
    [fixed, { a: 0.29 }, euros(29n)],
    [minor, { a: 150 }, euros(150n)],
    [minor, { a: '150' }, euros(150n)],
    [minor, { a: 1.5 }, unknown('amount_too_many_decimals')],
    [fixed, { a: '1.555' }, unknown('amount_too_many_decimals')],
    [fixed, { a: '-1' }, unknown('amount_negative')],
    [fixed, { a: '1e3' }, unknown('amount_format')],
    [fixed, { a: '1,000.00' }, unknown('amount_format')],
    [fixed, { a: null }, unknown('amount_format')],
    [fixed, {}, unknown('amount_missing')],
    [fixed, [], unknown('amount_missing')],
    [named, { a: '1', c: 'EUR' }, euros(100n)],
    [named, { a: '1', c: 'eur' }, unknown('currency_unknown')],
    [named, { a: '1', c: 978 }, unknown('currency_unknown')],
    [named, { a: '1' }, unknown('currency_unknown')],
  ] as const) {
    assert.deepEqual(extractAmount(rule, args), amount, JSON.stringify(args))
  }
})
