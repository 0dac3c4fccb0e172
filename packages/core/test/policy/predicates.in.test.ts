import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicy } from '@trustgw/core'
import type { Json } from '@trustgw/protocol'
import { zeroHash } from '../hashing.ts'
import type { Truth } from './reference.ts'
import { factsOf, mustParse } from './world.ts'

function judge(predicates: string): (value: Json | undefined) => Truth {
  const text = `version = 1\n[[rules]]\nid = "r"\npriority = 1\neffect = "deny"\nmatch.args."/v" = ${predicates}\n`
  const compiled = compilePolicy(mustParse(text), zeroHash)
  const [line] = compiled.everyRule()[0]?.tests ?? []
  assert.ok(line !== undefined)
  return (value) =>
    line.judge(compiled.begin(factsOf({ args: value === undefined ? {} : { v: value } })))
}

/** The same text in another normal form. */
const DECOMPOSED = 'e\u0301'
const VALUES: readonly (Json | undefined)[] = [
  'a',
  'b',
  DECOMPOSED,
  1,
  2,
  true,
  null,
  [],
  undefined,
]

test('a list of one kind is false of another value of that kind, and unknown of all else', () => {
  const unknown = 'unknown'
  for (const [line, ...truths] of [
    ['["a"]', true, false, unknown, unknown, unknown, unknown, unknown, unknown, unknown],
    ['[1, 3]', unknown, unknown, unknown, true, false, unknown, unknown, unknown, unknown],
    ['[true]', unknown, unknown, unknown, unknown, unknown, true, unknown, unknown, unknown],
    ['["a", 1]', true, unknown, unknown, true, unknown, unknown, unknown, unknown, unknown],
  ] as const) {
    assert.deepEqual(VALUES.map(judge(`{ in = ${line} }`)), truths, line)
    const negated = truths.map((truth) => (truth === unknown ? unknown : !truth))
    assert.deepEqual(VALUES.map(judge(`{ not_in = ${line} }`)), negated, line)
  }
})

test('a bound is met by the number that it names only where it says so', () => {
  const truths = (bound: string): unknown => [1, 2, 3].map(judge(`{ ${bound} = 2 }`))
  assert.deepEqual(truths('gt'), [false, false, true])
  assert.deepEqual(truths('gte'), [false, true, true])
  assert.deepEqual(truths('lt'), [true, false, false])
  assert.deepEqual(truths('lte'), [true, true, false])
})
