import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  arrayShape,
  booleanShape,
  describeShape,
  integerShape,
  type Json,
  jsonObjectShape,
  jsonShape,
  mapShape,
  nullableShape,
  objectShape,
  oneOfShape,
  optionalMember,
  parsedShape,
  parseJson,
  parseTenantId,
  readShape,
  type Shape,
  type ShapeOf,
  stringShape,
  taggedShape,
} from '@trustgw/protocol'

const orderShape = objectShape({
  id: stringShape({ min: 1, max: 8, characters: 'token' }),
  count: integerShape({ min: 1, max: 10 }),
  state: oneOfShape('open', 'closed'),
  urgent: booleanShape(),
  tags: arrayShape(stringShape({ max: 4 }), { max: 2 }),
  note: optionalMember(stringShape({ max: 10, characters: 'any' })),
  parent: nullableShape(stringShape({ max: 8 })),
})

interface Order {
  readonly id: string
  readonly count: number
  readonly state: 'open' | 'closed'
  readonly urgent: boolean
  readonly tags: readonly string[]
  readonly note?: string
  readonly parent: string | null
}
// The inferred type and the written one are the same, both ways.
const written: Shape<Order> = orderShape
type Inferred = ShapeOf<typeof orderShape>
const same = (order: Order): Inferred => order

const GOOD = { id: 'o1', count: 1, state: 'open', urgent: false, tags: ['a'], parent: null }

function detailOf<T>(shape: Shape<T>, value: Json): string | undefined {
  const read = readShape(shape, value)
  assert.ok(!read.ok)
  assert.equal(read.reason, 'shape')
  return read.detail
}

describe('objectShape', () => {
  test('reads a value into a new frozen one with the declared members', () => {
    const read = readShape(written, GOOD)
    assert.ok(read.ok)
    assert.deepEqual(same(read.value), GOOD)
    assert.notEqual(read.value, GOOD)
    assert.ok(Object.isFrozen(read.value) && Object.isFrozen(read.value.tags))
    assert.equal('note' in read.value, false)
    const noted = readShape(orderShape, { ...GOOD, note: 'a\nb' })
    assert.equal(noted.ok && noted.value.note, 'a\nb')
  })

  const cases: [string, Json, string][] = [
    ['another type', [], '#: type'],
    ['null', null, '#: type'],
    ['an unknown member', { ...GOOD, extra: 1 }, '#: unknown_member'],
    ['a text too long', { ...GOOD, id: 'x'.repeat(9) }, '#/id: length'],
    ['a text too short', { ...GOOD, id: '' }, '#/id: length'],
    ['a space in a token', { ...GOOD, id: 'a b' }, '#/id: characters'],
    ['a control character in a line', { ...GOOD, tags: ['a\n'] }, '#/tags/0: characters'],
    ['a fraction', { ...GOOD, count: 1.5 }, '#/count: type'],
    ['a number as text', { ...GOOD, count: '1' }, '#/count: type'],
    ['a number out of range', { ...GOOD, count: 11 }, '#/count: range'],
    ['an unknown choice', { ...GOOD, state: 'OPEN' }, '#/state: value'],
    ['too many items', { ...GOOD, tags: ['a', 'b', 'c'] }, '#/tags: length'],
    ['null for an optional member', { ...GOOD, note: null }, '#/note: type'],
    ['a truthy number for a boolean', { ...GOOD, urgent: 1 }, '#/urgent: type'],
  ]
  for (const [name, value, detail] of cases) {
    test(`refuses ${name}`, () => assert.equal(detailOf(orderShape, value), detail))
  }

  test('refuses each missing member', () => {
    for (const name of Object.keys(GOOD)) {
      const { [name as keyof typeof GOOD]: _, ...rest } = GOOD
      assert.equal(detailOf(orderShape, rest), `#/${name}: missing`)
    }
  })

  test('takes no member from a prototype', () => {
    const parsed = parseJson('{"__proto__":{"a":1}}')
    assert.ok(parsed.ok)
    assert.equal(
      detailOf(objectShape({ a: integerShape({ min: 0, max: 9 }) }), parsed.value),
      '#/a: missing',
    )
    assert.equal(detailOf(objectShape({ toString: jsonShape() }), {}), '#/toString: missing')
    assert.equal(detailOf(objectShape({}), parsed.value), '#: unknown_member')
  })

  test('reads each member once', () => {
    let reads = 0
    const value = Object.defineProperty({}, 'a', {
      enumerable: true,
      get: () => ++reads,
    }) as Json
    const read = readShape(objectShape({ a: integerShape({ min: 1, max: 9 }) }), value)
    assert.deepEqual(read, { ok: true, value: { a: 1 } })
    assert.equal(reads, 1)
  })
})

describe('other shapes', () => {
  test('a tagged shape is chosen by its tag alone', () => {
    const shape = taggedShape('kind', {
      a: objectShape({ kind: oneOfShape('a'), x: integerShape({ min: 0, max: 1 }) }),
      b: objectShape({ kind: oneOfShape('b') }),
    })
    assert.deepEqual(readShape(shape, { kind: 'b' }), { ok: true, value: { kind: 'b' } })
    assert.equal(detailOf(shape, { kind: 'a', x: 2 }), '#/x: range')
    assert.equal(detailOf(shape, { kind: 'constructor' }), '#/kind: value')
    assert.equal(detailOf(shape, {}), '#/kind: missing')
    assert.equal(detailOf(shape, 'a'), '#: type')
  })

  test('a map bounds its names and values, and keeps __proto__ an own name', () => {
    const shape = mapShape(booleanShape(), { max: 2, nameMax: 9 })
    const parsed = parseJson('{"__proto__":true,"a":false}')
    assert.ok(parsed.ok)
    const read = readShape(shape, parsed.value)
    assert.ok(read.ok)
    assert.deepEqual(Object.keys(read.value), ['__proto__', 'a'])
    assert.equal(Object.getPrototypeOf(read.value), Object.prototype)
    assert.equal(detailOf(shape, { a: true, b: true, c: true }), '#: length')
    assert.equal(detailOf(shape, { abcdefghij: true }), '#: unknown_member')
    assert.equal(detailOf(shape, { 'a/~': 1 }), '#/a~1~0: type')
  })

  test('a parsed shape gives what its parser makes', () => {
    const shape = parsedShape(stringShape({ max: 31 }), 'tenant', parseTenantId)
    assert.deepEqual(readShape(shape, 'acme'), { ok: true, value: 'acme' })
    assert.equal(detailOf(shape, 'Acme'), '#: value')
    assert.equal(detailOf(shape, 1), '#: type')
  })

  test('any JSON is kept as it is', () => {
    const value = { a: [1] }
    const read = readShape(jsonShape(), value)
    assert.equal(read.ok && read.value, value)
    assert.equal(detailOf(jsonObjectShape(), [1]), '#: type')
  })
})

test('a shape describes itself in the words of JSON Schema', () => {
  const described = describeShape(orderShape)
  assert.deepEqual(described['required'], ['id', 'count', 'state', 'urgent', 'tags', 'parent'])
  assert.equal(described['additionalProperties'], false)
  assert.deepEqual(described['properties'], {
    id: { type: 'string', minLength: 1, maxLength: 8, characters: 'token' },
    count: { type: 'integer', minimum: 1, maximum: 10 },
    state: { enum: ['open', 'closed'] },
    urgent: { type: 'boolean' },
    tags: {
      type: 'array',
      items: { type: 'string', minLength: 0, maxLength: 4, characters: 'line' },
      minItems: 0,
      maxItems: 2,
    },
    note: { type: 'string', minLength: 0, maxLength: 10, characters: 'any' },
    parent: {
      anyOf: [{ type: 'string', minLength: 0, maxLength: 8, characters: 'line' }, { type: 'null' }],
    },
  })
})
