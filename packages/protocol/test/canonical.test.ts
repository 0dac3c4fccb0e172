import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { canonicalize, type Json, parseJson } from '@trustgw/protocol'
import fc from 'fast-check'
import { vectorBytes, vectorJson, vectorText } from './support.ts'

const NAMES = ['arrays', 'french', 'structures', 'unicode', 'values', 'weird']

describe('RFC 8785 vectors', () => {
  for (const name of NAMES) {
    test(`${name}: text and bytes`, () => {
      const value = JSON.parse(vectorText(`jcs/input/${name}.json`)) as Json
      const expected = vectorBytes(`jcs/output/${name}.json`)
      const hex = vectorText(`jcs/outhex/${name}.txt`).replaceAll(/\s/g, '')
      const actual = Buffer.from(canonicalize(value))
      assert.equal(actual.toString('hex'), expected.toString('hex'))
      assert.equal(actual.toString('hex'), hex)
    })

    test(`${name}: the strict parser takes the input but for numbers that are not exact`, () => {
      const parsed = parseJson(vectorBytes(`jcs/input/${name}.json`))
      if (name === 'values') assert.equal(parsed.ok ? '' : parsed.reason, 'json_number_not_exact')
      else
        assert.equal(parsed.ok && canonicalize(parsed.value), vectorText(`jcs/output/${name}.json`))
    })
  }

  for (const { bits, text } of vectorJson('jcs/numbers.json') as {
    bits: string
    text: string | null
  }[]) {
    test(`the double ${bits} is ${text ?? 'no JSON'}`, () => {
      const double = Buffer.from(bits, 'hex').readDoubleBE()
      if (text === null) assert.throws(() => canonicalize(double), TypeError)
      else assert.equal(canonicalize(double), text)
    })
  }
})

describe('canonicalize', () => {
  test('members are ordered by UTF-16 code units, also when there are many', () => {
    assert.equal(canonicalize({ '\ufb33': 1, '\u{1f600}': 2 }), '{"\u{1f600}":2,"\ufb33":1}')
    assert.equal(canonicalize({ 10: 1, 9: 2, a: 3 }), '{"10":1,"9":2,"a":3}')
    const names = Array.from({ length: 40 }, (_, i) => `k${(i * 7) % 40}`)
    const many = Object.fromEntries(names.map((name) => [name, 0]))
    const expected = names.toSorted().map((name) => `"${name}":0`)
    assert.equal(canonicalize(many), `{${expected.join(',')}}`)
  })

  test('a member named __proto__ or toJSON is part of the text', () => {
    const parsed = parseJson('{"toJSON":1,"__proto__":{"x":1}}')
    assert.ok(parsed.ok)
    assert.equal(canonicalize(parsed.value), '{"__proto__":{"x":1},"toJSON":1}')
  })

  test('minus zero is written as zero', () => {
    assert.equal(canonicalize([-0]), '[0]')
  })

  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  const holed: number[] = []
  holed.length = 1
  class Sample {
    readonly a = 1
  }
  const misuse: [string, unknown][] = [
    ['undefined', undefined],
    ['a member undefined', { a: undefined }],
    ['a hole in an array', holed],
    ['a function', { a: () => 1 }],
    ['a symbol', Symbol('a')],
    ['a bigint', 1n],
    ['NaN', [Number.NaN]],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['a Date', new Date(0)],
    ['a Map', new Map()],
    ['a class instance', new Sample()],
    ['a lone surrogate', '\ud800'],
    ['a lone surrogate in a name', { '\udc00': 1 }],
    ['a lone surrogate in a long text', `${'a'.repeat(100)}\ud800`],
    ['a cycle', cyclic],
  ]
  for (const [name, value] of misuse) {
    test(`${name} is a TypeError, never left out of the text`, () => {
      assert.throws(() => canonicalize(value as Json), TypeError)
    })
  }
})

function hasOnlyCharacters(text: string): boolean {
  return !/\p{Noncharacter_Code_Point}|\p{Surrogate}/u.test(text)
}

function withoutMinusZero(given: unknown): Json {
  return JSON.parse(JSON.stringify(given)) as Json
}

describe('properties of canonicalize', () => {
  const keyOrValue = fc.oneof(fc.string(), fc.string({ unit: 'binary' })).filter(hasOnlyCharacters)
  const value = fc.jsonValue({ maxDepth: 6, stringUnit: 'grapheme' }).map(withoutMinusZero)
  const odd = fc.dictionary(
    keyOrValue,
    fc.oneof(
      keyOrValue,
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
    ),
  )
  const json = fc.oneof(value, odd)

  test('parsing a canonical text gives the value back', () => {
    fc.assert(
      fc.property(json, (given) => {
        const parsed = parseJson(canonicalize(given))
        assert.ok(parsed.ok, parsed.ok ? '' : parsed.reason)
        assert.deepEqual(parsed.value, withoutMinusZero(given))
      }),
      { numRuns: 1000 },
    )
  })

  test('a canonical text is its own canonical text', () => {
    fc.assert(
      fc.property(json, (given) => {
        const text = canonicalize(given)
        assert.equal(canonicalize(JSON.parse(text) as Json), text)
      }),
    )
  })

  test('the order in which members were added does not matter', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.integer(), { maxKeys: 40 }), (given) => {
        const reversed = Object.fromEntries(Object.entries(given).toReversed())
        assert.equal(canonicalize(reversed), canonicalize(given))
      }),
    )
  })
})
