import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reference } from './reference.ts'
import { DENY, policiesUpTo, RULES, run, strengthOf } from './small-policies.ts'

test('the engine decides as the reference does, over every policy of up to three rules', () => {
  let compared = 0
  for (const rules of policiesUpTo(3)) {
    assert.equal(strengthOf(run(rules, 'deny')), reference(rules, DENY), JSON.stringify(rules))
    compared++
  }
  assert.equal(compared, 1 + 45 + 45 ** 2 + 45 ** 3)
})

test('making a fact unknown never permits more, over every policy of up to three rules [INV-03]', () => {
  for (const rules of policiesUpTo(3)) {
    const known = rules.findIndex(({ truth }) => truth !== 'unknown')
    if (rules.length === 3 && known > 0) continue
    const before = strengthOf(run(rules, 'deny'))
    for (const [index, rule] of rules.entries()) {
      const doubted = rules.with(index, { ...rule, truth: 'unknown' })
      assert.ok(strengthOf(run(doubted, 'deny')) >= before, JSON.stringify([rules, index]))
    }
  }
})

test('adding a deny never permits more, over every policy of up to two rules [INV-02]', () => {
  const denials = RULES.filter(({ strength }) => strength === DENY)
  for (const rules of policiesUpTo(2)) {
    const before = strengthOf(run(rules, 'deny'))
    for (const denial of denials) {
      assert.ok(
        strengthOf(run([...rules, denial], 'deny')) >= before,
        JSON.stringify([rules, denial]),
      )
    }
  }
})
