import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Json, type JsonRefusal, parseJson, parseJsonObject } from '@trustgw/protocol'
import fc from 'fast-check'
import { vectorJson, vectorText } from './support.ts'

interface StrictRow {
  readonly text?: string
  readonly hex?: string
  readonly repeat?: readonly [string, number]
  readonly reason: string | null
}

function inputOf(row: StrictRow): string | Uint8Array {
  if (row.hex !== undefined) return Buffer.from(row.hex, 'hex')
  if (row.repeat !== undefined) return row.repeat[0].repeat(row.repeat[1])
  return row.text ?? ''
}

function reasonOf(text: string | Uint8Array): JsonRefusal | null {
  const parsed = parseJson(text)
  return parsed.ok ? null : parsed.reason
}

function assertDeepFrozen(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  assert.ok(Object.isFrozen(value))
  for (const member of Object.values(value)) assertDeepFrozen(member)
}

describe('JSONTestSuite', () => {
  interface Row {
    readonly name: string
    readonly rfc8259: 'accept' | 'reject' | 'either'
    readonly base64: string
  }
  const rows = vectorText('json/parsing.jsonl')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row)
  const strictly = new Set<string>([
    'json_duplicate_name',
    'json_lone_surrogate',
    'json_noncharacter',
    'json_number_not_exact',
    'json_too_deep',
  ])

  test('has every row', () => {
    assert.equal(rows.length, 318)
    assert.ok(rows.filter((row) => row.rfc8259 === 'reject').length > 180)
  })

  for (const row of rows) {
    const bytes = Buffer.from(row.base64, 'base64')
    test(`${row.rfc8259}: ${row.name}`, () => {
      const parsed = parseJson(new Uint8Array(bytes))
      if (row.rfc8259 === 'reject') assert.equal(parsed.ok, false)
      else if (parsed.ok) assert.deepEqual(parsed.value, JSON.parse(bytes.toString('utf8')))
      else if (row.rfc8259 === 'accept') {
        assert.ok(strictly.has(parsed.reason), `${parsed.reason} is no reason of I-JSON`)
      }
    })
  }
})

describe('strict JSON', () => {
  const rows = vectorJson('protocol/strict-json.json') as StrictRow[]

  for (const row of rows) {
    const input = inputOf(row)
    const shown = row.hex ?? JSON.stringify(row.text ?? row.repeat).slice(0, 60)
    test(`${row.reason ?? 'accepts'}: ${shown}`, () => {
      assert.equal(reasonOf(input), row.reason)
      if (typeof input === 'string') assert.equal(reasonOf(Buffer.from(input)), row.reason)
      if (row.reason !== null) return
      const parsed = parseJson(input)
      assert.ok(parsed.ok)
      assert.deepEqual(parsed.value, JSON.parse(Buffer.from(input).toString('utf8')))
      assertDeepFrozen(parsed.value)
    })
  }

  test('a text that carries a raw lone surrogate is refused', () => {
    assert.equal(reasonOf('"\ud800"'), 'json_lone_surrogate')
    assert.equal(reasonOf('"\udc00x"'), 'json_lone_surrogate')
    assert.equal(reasonOf('"\ud83d'), 'json_lone_surrogate')
  })

  test('a pair of one raw and one escaped surrogate is a pair', () => {
    const parsed = parseJson('"\ud83d\\ude00"')
    assert.deepEqual(parsed, { ok: true, value: '😀' })
  })

  test('bytes, not characters, are limited', () => {
    const limits = { maxBytes: 8 }
    assert.equal(parseJson('"abcdef"', limits).ok, true)
    assert.deepEqual(parseJson('"abcdefg"', limits), { ok: false, reason: 'json_too_large' })
    assert.equal(parseJson('"ééé"', limits).ok, true)
    assert.deepEqual(parseJson('"éééa"', limits), { ok: false, reason: 'json_too_large' })
    assert.deepEqual(parseJson(Buffer.from('"éééa"'), limits), {
      ok: false,
      reason: 'json_too_large',
    })
  })

  test('the default limit is 128 KiB', () => {
    assert.equal(parseJson(`"${'a'.repeat(131_070)}"`).ok, true)
    assert.equal(reasonOf(`"${'a'.repeat(131_071)}"`), 'json_too_large')
  })

  test('the depth can be limited further, and 100 000 levels do not overflow the stack', () => {
    assert.equal(parseJson('[[1]]', { maxDepth: 2 }).ok, true)
    const deep = parseJson('[[[1]]]', { maxDepth: 2 })
    assert.deepEqual(deep, { ok: false, reason: 'json_too_deep', detail: 'char 2' })
    for (const text of ['['.repeat(100_000), '{"a":'.repeat(20_000)]) {
      assert.equal(reasonOf(text), 'json_too_deep')
    }
  })

  test('a member named __proto__ is an own member and no prototype', () => {
    const parsed = parseJsonObject('{"__proto__":{"admin":true},"a":1}')
    assert.ok(parsed.ok)
    assert.equal(Object.getPrototypeOf(parsed.value), Object.prototype)
    assert.deepEqual(Object.keys(parsed.value), ['__proto__', 'a'])
    assert.equal(parsed.value['admin'], undefined)
  })

  test('a frozen value cannot be changed at any depth [INV-07]', () => {
    const parsed = parseJson('{"a":[{"b":1}]}')
    assert.ok(parsed.ok)
    const inner = (parsed.value as { a: [{ b: number }] }).a
    assert.throws(() => {
      inner[0].b = 2
    }, TypeError)
    assert.throws(() => inner.push({ b: 3 }), TypeError)
  })

  test('a refusal tells the offset and never the content', () => {
    const cases: [string | Uint8Array, string][] = [
      ['{"secret":tru}', 'char 10'],
      ['{"a":1,"b":{"x":1,"\\u0078":2}}', 'char 18'],
      ['{"a":"}\\"{", "b" : 1, "b":2}', 'char 22'],
      ['[1, 9007199254740993]', 'char 4'],
      ['["ok", "\\ud800"]', 'char 8'],
      ['[1] x', 'char 4'],
      [Buffer.from('22c3a9c328', 'hex'), 'byte 3'],
    ]
    for (const [text, detail] of cases) {
      const parsed = parseJson(text)
      assert.ok(!parsed.ok)
      assert.equal(parsed.detail, detail)
    }
  })

  test('an object is asked for by parseJsonObject', () => {
    for (const text of ['[]', 'null', '"a"', '1']) {
      assert.deepEqual(parseJsonObject(text), { ok: false, reason: 'json_not_object' })
    }
  })

  test('a polluted Object.prototype neither adds members nor hides duplicates', () => {
    const prototype = Object.prototype as unknown as Record<string, unknown>
    prototype['polluted'] = 1
    try {
      assert.equal(reasonOf('{"a":1,"a":2}'), 'json_duplicate_name')
      assert.equal(reasonOf('{"a":1}'), null)
    } finally {
      delete prototype['polluted']
    }
  })
})

describe('properties of parseJson', () => {
  const jsonText = fc.oneof(
    fc.json({ maxDepth: 8 }),
    fc.jsonValue({ maxDepth: 5 }).map((value) => JSON.stringify(value, undefined, 1)),
  )
  /** Valid documents with a few characters changed: near misses of the grammar. */
  const mangled = fc
    .tuple(
      jsonText,
      fc.array(fc.tuple(fc.nat(), fc.constantFrom(...Array.from('{}[]",:\\-0e.1u '))), {
        maxLength: 3,
      }),
    )
    .map(([text, changes]) => {
      let changed = text
      for (const [at, unit] of changes) {
        const index = at % (changed.length + 1)
        changed = changed.slice(0, index) + unit + changed.slice(index + (at % 2))
      }
      return changed
    })

  test('whatever it accepts, JSON.parse accepts with an equal value [INV-07]', () => {
    fc.assert(
      fc.property(fc.oneof(jsonText, mangled, fc.string()), (text) => {
        const parsed = parseJson(text)
        if (parsed.ok) assert.deepEqual(parsed.value, JSON.parse(text))
      }),
      { numRuns: 3000 },
    )
  })

  test('whatever JSON.parse refuses, it refuses as syntax or by a limit of its own', () => {
    fc.assert(
      fc.property(mangled, (text) => {
        let native: Json | undefined
        try {
          native = JSON.parse(text) as Json
        } catch {
          assert.equal(parseJson(text).ok, false)
          return
        }
        const parsed = parseJson(text)
        if (parsed.ok) assert.deepEqual(parsed.value, native)
        else assert.notEqual(parsed.reason, 'json_syntax')
      }),
      { numRuns: 3000 },
    )
  })

  test('arbitrary bytes never throw, and agree with a fatal TextDecoder', () => {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        let text: string | undefined
        try {
          text = decoder.decode(bytes)
        } catch {
          assert.equal(reasonOf(bytes), 'json_invalid_utf8')
          return
        }
        assert.equal(reasonOf(bytes), reasonOf(text))
      }),
      { numRuns: 2000 },
    )
  })

  test('the shortest text of every double is exact, and a digit more is not', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (double) => {
        fc.pre(double !== 0)
        assert.equal(reasonOf(String(double)), null)
        const [mantissa = '', exponent] = String(double).split('e')
        const longer = `${mantissa}${mantissa.includes('.') ? '' : '.'}${'0'.repeat(25)}1`
        const text = exponent === undefined ? longer : `${longer}e${exponent}`
        assert.equal(reasonOf(text), 'json_number_not_exact')
      }),
      { numRuns: 2000 },
    )
  })
})
