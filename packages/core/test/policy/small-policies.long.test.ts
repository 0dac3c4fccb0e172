import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AbstractRule, reference } from './reference.ts'
import { DENY, policiesUpTo, run, strengthOf } from './small-policies.ts'

/** Over four million policies; the order of rules in the file is tested elsewhere. */
function* ordered(size: number): Generator<readonly AbstractRule[]> {
  for (const rules of policiesUpTo(size)) {
    if (
      rules.every(
        (rule, index) => index === 0 || (rules[index - 1]?.priority ?? 0) <= rule.priority,
      )
    ) {
      yield rules
    }
  }
}

test('the engine decides as the reference does, over every policy of up to four rules', () => {
  let compared = 0
  for (const rules of ordered(4)) {
    if (strengthOf(run(rules, 'deny')) !== reference(rules, DENY)) {
      assert.fail(JSON.stringify(rules))
    }
    compared++
  }
  // Non-decreasing choices of 3 priorities, each with 15 truths and verdicts.
  assert.equal(compared, 1 + 3 * 15 + 6 * 15 ** 2 + 10 * 15 ** 3 + 15 * 15 ** 4)
})
