import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Memo } from '../../src/policy/memo.ts'

test('a value is made once, until there would be more than may be remembered', () => {
  const made: string[] = []
  const memo = new Memo(2, (name) => {
    made.push(name)
    return { name }
  })
  const first = memo.get('a')
  assert.deepEqual(first, { name: 'a' })
  memo.get('b')
  assert.equal(memo.get('a'), first)
  assert.deepEqual(made, ['a', 'b'])
  memo.get('c')
  assert.deepEqual(made, ['a', 'b', 'c'])
  memo.get('c')
  memo.get('a')
  assert.deepEqual(made, ['a', 'b', 'c', 'a'])
  memo.clear()
  assert.notEqual(memo.get('a'), first)
  assert.deepEqual(made, ['a', 'b', 'c', 'a', 'a'])
})
