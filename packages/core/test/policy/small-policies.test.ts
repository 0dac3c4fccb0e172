import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePolicy, decide, type PolicyDecision, type Rule } from '@trustgw/core'
import { zeroHash } from '../hashing.ts'
import { type AbstractRule, reference, type Truth } from './reference.ts'
import { factsOf } from './world.ts'

const TRUTHS: readonly Truth[] = [true, false, 'unknown']
const VERDICTS = [
  { effect: 'allow', tier: 0 },
  { effect: 'require_approval', tier: 1 },
  { effect: 'require_approval', tier: 2 },
  { effect: 'require_proof', tier: 3 },
  { effect: 'deny', tier: 0 },
] as const
const DENY = 4
const APPROVERS = { roles: [], quorum: 1, channels: ['portal'] }

const RULES: readonly AbstractRule[] = [1, 2, 3].flatMap((priority) =>
  TRUTHS.flatMap((truth) => VERDICTS.map((_, strength) => ({ priority, truth, strength }))),
)

/** Rule i looks at argument i: true there makes it true, false false, nothing unknown. */
function concrete(rule: AbstractRule, index: number): Rule {
  const verdict = VERDICTS[rule.strength] ?? VERDICTS[DENY]
  return {
    id: `r${index}`,
    priority: rule.priority,
    ...verdict,
    reason: 'r',
    approvers: rule.strength === 0 || rule.strength === DENY ? null : APPROVERS,
    match: [{ kind: 'args', pointer: `/${index}`, predicates: [{ kind: 'eq', value: true }] }],
  }
}

function run(
  rules: readonly AbstractRule[],
  fallback: 'deny' | 'allow',
  reversed = false,
): PolicyDecision {
  const written = rules.map(concrete)
  if (reversed) written.reverse()
  const policy = {
    version: 1,
    defaults: { effect: fallback, grant_ttl_ms: 1_000, approval_ttl_ms: 1_000 },
    rules: written,
    limits: [],
  } as const
  const known = rules.flatMap(({ truth }, index) => (truth === 'unknown' ? [] : [[index, truth]]))
  return decide(compilePolicy(policy, zeroHash), factsOf({ args: Object.fromEntries(known) }))
}

const strengthOf = ({ effect, tier }: PolicyDecision): number =>
  VERDICTS.findIndex((verdict) => verdict.effect === effect && verdict.tier === tier)

function* policiesUpTo(size: number): Generator<readonly AbstractRule[]> {
  yield []
  if (size === 0) return
  for (const rest of policiesUpTo(size - 1)) {
    for (const rule of RULES) yield [rule, ...rest]
  }
}

test('the engine decides as the reference does, over every policy of up to three rules', () => {
  let compared = 0
  for (const rules of policiesUpTo(3)) {
    assert.equal(strengthOf(run(rules, 'deny')), reference(rules, DENY), JSON.stringify(rules))
    compared++
  }
  assert.equal(compared, 1 + 45 + 45 ** 2 + 45 ** 3)
})

test('the engine decides as the reference does where development lets through what nothing matches', () => {
  for (const rules of policiesUpTo(2)) {
    assert.equal(strengthOf(run(rules, 'allow')), reference(rules, 0), JSON.stringify(rules))
  }
})

test('default_deny', () => {
  for (const rules of policiesUpTo(2)) {
    if (rules.some(({ truth }) => truth === true)) continue
    const decision = run(rules, 'deny')
    assert.equal(decision.effect, 'deny')
  }
})

test('adding_a_deny_never_permits_more', () => {
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

test('making_a_fact_unknown_never_permits_more', () => {
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

test('order_of_lines_does_not_matter', () => {
  for (const rules of policiesUpTo(2)) {
    assert.deepEqual(run(rules, 'deny', true), run(rules, 'deny'))
  }
})
