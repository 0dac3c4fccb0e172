import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashJson, hashText, parseHash, parseJson } from '@trustgw/protocol'
import { sha256 } from './support.ts'

const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

test('a text is hashed as its UTF-8 bytes', () => {
  assert.equal(hashText(sha256, ''), EMPTY)
  assert.equal(hashText(sha256, 'é😀'), hashText(sha256, Buffer.from('é😀')))
})

test('equal values written differently have one hash [INV-08]', () => {
  const a = parseJson('{"b":1.0,"a":[1e2]}')
  const b = parseJson(' { "a" : [100], "b" : 1 } ')
  assert.ok(a.ok && b.ok)
  assert.equal(hashJson(sha256, a.value), hashJson(sha256, b.value))
  assert.equal(hashJson(sha256, a.value), hashText(sha256, '{"a":[100],"b":1}'))
})

test('a hash is read in its one written form only', () => {
  assert.deepEqual(parseHash(EMPTY), { ok: true, value: EMPTY })
  const wrong = ['', EMPTY.slice(7), EMPTY.toUpperCase(), `${EMPTY}0`, `${EMPTY}\n`, ` ${EMPTY}`]
  for (const text of [...wrong, EMPTY.replace('sha256', 'sha512'), EMPTY.slice(0, -1)]) {
    assert.deepEqual(parseHash(text), { ok: false, reason: 'hash_format' })
  }
})

test('a hash function that breaks its contract is a fault', () => {
  for (const bad of ['', 'A'.repeat(64), 'zz']) {
    assert.throws(() => hashText(() => bad, ''), { code: 'sha256_contract' })
  }
})
