import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { kvSubject, parseTenantId, storedKey } from '@trustgw/protocol'
import fc from 'fast-check'
import { sha256, vectorJson } from './support.ts'

describe('stored keys', () => {
  for (const row of vectorJson('protocol/stored-key.json') as { parts: string[]; key: string }[]) {
    test(`${JSON.stringify(row.parts).slice(0, 40)} is ${row.key.slice(0, 40)}`, () => {
      assert.equal(storedKey(sha256, ...row.parts), row.key)
    })
  }

  test('no part and an empty part are faults', () => {
    for (const parts of [[], [''], ['a', ''], ['', 'a']]) {
      assert.throws(() => storedKey(sha256, ...parts), { code: 'stored_key_empty' })
    }
    assert.throws(() => storedKey(sha256, '\ud800'), { code: 'text_not_well_formed' })
  })

  /** Texts that come close to the encoding's own marks, and to the length where it hashes. */
  const part = fc.oneof(
    fc.string({
      unit: fc.constantFrom(...Array.from('a_-5fs.*> é😀')),
      minLength: 1,
      maxLength: 6,
    }),
    fc.string({ unit: 'binary', minLength: 1 }),
    fc.integer({ min: 120, max: 136 }).map((length) => 'a'.repeat(length)),
    fc.integer({ min: 40, max: 46 }).map((length) => '_'.repeat(length)),
    fc.integer({ min: 129, max: 136 }).map((length) => sha256('a'.repeat(length))),
    fc.integer({ min: 129, max: 136 }).map((length) => `-s${sha256('a'.repeat(length))}`),
  )
  const parts = fc.array(part, { minLength: 1, maxLength: 4 })

  test('different lists of parts have different keys [INV-09]', () => {
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b)
        assert.equal(storedKey(sha256, ...a) === storedKey(sha256, ...b), same)
      }),
      { numRuns: 5000 },
    )
  })

  test('across many generated lists no key occurs twice', () => {
    const seen = new Map<string, string>()
    fc.assert(
      fc.property(parts, (given) => {
        const key = storedKey(sha256, ...given)
        const text = JSON.stringify(given)
        assert.equal(seen.get(key) ?? text, text)
        seen.set(key, text)
      }),
      { numRuns: 5000 },
    )
  })

  test('a key is safe as one token of a subject, and bounded [INV-09]', () => {
    fc.assert(
      fc.property(parts, (given) => {
        const key = storedKey(sha256, ...given)
        assert.match(key, /^[A-Za-z0-9_-]+$/)
        assert.ok(key.length <= given.length * 129)
      }),
    )
  })

  test('a subject of a bucket has the tenant as a token of its own', () => {
    const tenant = parseTenantId('acme')
    assert.ok(tenant.ok)
    const key = storedKey(sha256, 'act_1', 'x.y')
    assert.equal(kvSubject('actions', tenant.value, key), '$KV.actions.acme.act-5f1_x-2ey')
    for (const bucket of ['', 'a.b', '*', '>', 'A']) {
      assert.throws(() => kvSubject(bucket, tenant.value, key), { code: 'bucket_name' })
    }
  })
})
