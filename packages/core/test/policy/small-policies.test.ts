import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reference } from './reference.ts'
import { DENY, policiesUpTo, RULES, run, strengthOf } from './small-policies.ts'

test('the engine decides as the reference does, over every policy of up to two rules', () => {
  for (const rules of policiesUpTo(2)) {
    assert.equal(strengthOf(run(rules, 'deny')), reference(rules, DENY), JSON.stringify(rules))
  }
})

test('the engine decides as the reference does where development lets through what nothing matches', () => {
  for (const rules of policiesUpTo(2)) {
    assert.equal(strengthOf(run(rules, 'allow')), reference(rules, 0), JSON.stringify(rules))
  }
})

test('default_deny [INV-01]', () => {
  for (const rules of policiesUpTo(2)) {
    if (rules.some(({ truth }) => truth === true)) continue
    const decision = run(rules, 'deny')
    assert.equal(decision.effect, 'deny')
  }
})

test('adding_a_deny_never_permits_more [INV-02]', () => {
  const denials = RULES.filter(({ strength }) => strength === DENY)
  for (const rules of policiesUpTo(1)) {
    const before = strengthOf(run(rules, 'deny'))
    for (const denial of denials) {
      assert.ok(
        strengthOf(run([...rules, denial], 'deny')) >= before,
        JSON.stringify([rules, denial]),
      )
    }
  }
})

test('making_a_fact_unknown_never_permits_more [INV-03]', () => {
  for (const rules of policiesUpTo(2)) {
    const before = strengthOf(run(rules, 'deny'))
    for (const [index, rule] of rules.entries()) {
      const doubted = rules.with(index, { ...rule, truth: 'unknown' })
      assert.ok(strengthOf(run(doubted, 'deny')) >= before, JSON.stringify([rules, index]))
    }
  }
})

test('order_of_lines_does_not_matter', () => {
  for (const rules of policiesUpTo(2)) {
    assert.deepEqual(run(rules, 'deny', true), run(rules, 'deny'))
  }
})
