import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Json, parseJson } from '@trustgw/protocol'
import { AjvSchemaCompiler, type SchemaValidator } from '../../src/index.ts'

const compiler = new AjvSchemaCompiler()

function compiled(schema: Json): SchemaValidator {
  const outcome = compiler.compile(schema)
  assert.ok(outcome.ok, JSON.stringify(outcome))
  return outcome.value
}

function reasonOf(schema: Json): string | undefined {
  const outcome = compiler.compile(schema)
  return outcome.ok ? undefined : outcome.reason
}

test('two patterns in one schema are two patterns', () => {
  const schema = compiled({
    type: 'object',
    properties: { a: { pattern: '^a+$' }, b: { pattern: '^b+$' } },
    patternProperties: { '^x-': { type: 'string' } },
  })
  assert.equal(schema.check({ a: 'aa', b: 'bb', 'x-1': 'ok' }), undefined)
  assert.deepEqual(schema.check({ a: 'aa', b: 'aa' }), { pointer: '/b', keyword: 'pattern' })
  assert.deepEqual(schema.check({ 'x-1': 5 }), { pointer: '/x-1', keyword: 'type' })
})

test('the mismatch names the place and the keyword, never the value', () => {
  const schema = compiled({
    type: 'object',
    properties: { card: { maxLength: 3 } },
    additionalProperties: false,
  })
  const found = schema.check({ card: '4111111111111111' })
  assert.deepEqual(found, { pointer: '/card', keyword: 'maxLength' })
  assert.deepEqual(schema.check({ extra: 1 }), { pointer: '', keyword: 'additionalProperties' })
})

test('a pattern outside RE2 refuses the schema', () => {
  assert.equal(reasonOf({ pattern: '(a)\\1' }), 'schema_pattern')
  assert.equal(reasonOf({ patternProperties: { '(?=a)a(?!b)\\1': {} } }), 'schema_pattern')
  assert.equal(reasonOf({ pattern: 'a'.repeat(2000) }), 'schema_pattern')
})

test('a pattern that would explode elsewhere is quick', () => {
  const schema = compiled({ type: 'string', pattern: '^(a+)+$' })
  assert.notEqual(schema.check(`${'a'.repeat(20_000)}!`), undefined)
})

test('a reference to another document refuses the schema', () => {
  assert.equal(reasonOf({ $ref: 'https://example.com/x.json' }), 'schema_remote_ref')
  assert.equal(reasonOf({ allOf: [{ $ref: 'other.json#/a' }] }), 'schema_remote_ref')
  assert.equal(reasonOf({ $defs: { a: { type: 'string' } }, $ref: '#/$defs/a' }), undefined)
})

test('draft-07 and 2020-12 are read as what they are, other dialects refused', () => {
  const tuple = compiled({
    $schema: 'http://json-schema.org/draft-07/schema#',
    items: [{ type: 'string' }],
    additionalItems: false,
  })
  assert.equal(tuple.check(['a']), undefined)
  assert.equal(tuple.check(['a', 1])?.keyword, 'additionalItems')
  const prefix = compiled({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    prefixItems: [{ type: 'string' }],
    items: false,
  })
  assert.equal(prefix.check(['a', 1])?.keyword, 'items')
  assert.equal(reasonOf({ $schema: 'http://json-schema.org/draft-04/schema#' }), 'schema_dialect')
})

test('what is not a schema or too large is refused', () => {
  assert.equal(reasonOf(5), 'schema_invalid')
  assert.equal(reasonOf({ type: 'strnig' }), 'schema_invalid')
  assert.equal(reasonOf({ description: 'x'.repeat(70_000) }), 'schema_too_large')
})

test('unique items are compared by canonical form, in linear time', () => {
  const schema = compiled({ type: 'array', uniqueItems: true })
  assert.equal(schema.check([{ a: 1, b: 2 }, { a: 1 }]), undefined)
  assert.equal(
    schema.check([
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ])?.keyword,
    'uniqueItems',
  )
  const many = Array.from({ length: 30_000 }, (_, index) => [index])
  assert.equal(schema.check(many), undefined)
})

test('an own member named __proto__ is judged like any other', () => {
  const schema = compiled({ type: 'object', properties: {}, additionalProperties: false })
  const hostile: Json = JSON.parse('{"__proto__":{"a":1}}')
  assert.equal(schema.check(hostile)?.keyword, 'additionalProperties')
})

test('a name that every object inherits is a member only where the arguments have it', () => {
  const judged = (schema: Json, text: string): string | undefined => {
    const value = parseJson(text)
    assert.ok(value.ok)
    return compiled(schema).check(value.value)?.keyword
  }
  for (const name of ['toString', 'constructor', 'valueOf', 'hasOwnProperty']) {
    assert.equal(judged({ required: [name] }, '{}'), 'required')
    assert.equal(judged({ required: [name] }, `{"${name}":1}`), undefined)
    assert.equal(judged({ properties: { [name]: { type: 'string' } } }, '{}'), undefined)
    assert.equal(judged({ properties: { [name]: { type: 'string' } } }, `{"${name}":1}`), 'type')
    assert.equal(judged({ dependentRequired: { a: [name] } }, '{"a":1}'), 'dependentRequired')
    const nested = { properties: { a: { anyOf: [{ required: [name] }] } } }
    assert.notEqual(judged(nested, '{"a":{}}'), undefined)
    assert.equal(judged({ additionalProperties: false }, `{"${name}":1}`), 'additionalProperties')
  }
})

test('neither defaults nor coercion change what was signed', () => {
  const schema = compiled({ properties: { n: { type: 'number', default: 5 } } })
  const value = Object.freeze({ n: '5' })
  assert.equal(schema.check(value)?.keyword, 'type')
  const empty = {}
  assert.equal(schema.check(empty), undefined)
  assert.deepEqual(empty, {})
})

test('a text too long for the size of its pattern does not match it', () => {
  const large = compiled({ type: 'string', pattern: '(a?){500}a{500}' })
  assert.equal(large.check('a'.repeat(700)), undefined)
  assert.deepEqual(large.check('a'.repeat(2_000)), { pointer: '', keyword: 'pattern' })
  const small = compiled({ type: 'string', pattern: '^a+$' })
  assert.equal(small.check('a'.repeat(100_000)), undefined)
})

test('the longest text is counted in characters, not in UTF-16 units', () => {
  const schema = compiled({ type: 'string', maxLength: 3 })
  assert.equal(schema.check('😀😀😀'), undefined)
  assert.equal(schema.check('e\u0301x'), undefined)
  assert.deepEqual(schema.check('😀😀😀😀'), { pointer: '', keyword: 'maxLength' })
  assert.deepEqual(schema.check('abcd'), { pointer: '', keyword: 'maxLength' })
})
