import {
  type CompiledPolicy,
  compilePolicy,
  decide,
  type PolicyDecision,
  type Rule,
} from '@trustgw/core'
import { zeroHash } from '../hashing.ts'
import type { AbstractRule, Truth } from './reference.ts'
import { factsOf } from './world.ts'

const TRUTHS: readonly Truth[] = [true, false, 'unknown']
const VERDICTS = [
  { effect: 'allow', tier: 0 },
  { effect: 'require_approval', tier: 1 },
  { effect: 'require_approval', tier: 2 },
  { effect: 'require_proof', tier: 3 },
  { effect: 'deny', tier: 0 },
] as const
export const DENY = 4
const APPROVERS = { roles: [], quorum: 1, channels: ['portal'], in_order: [], escalate: null }

export const RULES: readonly AbstractRule[] = [1, 2, 3].flatMap((priority) =>
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
    undo_ms: 0,
    match: [{ kind: 'args', pointer: `/${index}`, predicates: [{ kind: 'eq', value: true }] }],
  }
}

/** What is true is a matter of the facts: policies that differ in that alone are one. */
const COMPILED = new Map<string, CompiledPolicy>()

function compiled(
  rules: readonly AbstractRule[],
  fallback: 'deny' | 'allow',
  reversed: boolean,
): CompiledPolicy {
  const parts = rules.map(({ priority, strength }) => `${priority}:${strength}`)
  const key = `${fallback} ${reversed} ${parts.join(' ')}`
  const made = COMPILED.get(key) ?? compile(rules, fallback, reversed)
  COMPILED.set(key, made)
  return made
}

function compile(
  rules: readonly AbstractRule[],
  fallback: 'deny' | 'allow',
  reversed: boolean,
): CompiledPolicy {
  const written = rules.map(concrete)
  if (reversed) written.reverse()
  const policy = {
    version: 1,
    defaults: { effect: fallback, grant_ttl_ms: 1_000, approval_ttl_ms: 1_000 },
    rules: written,
    limits: [],
  } as const
  return compilePolicy(policy, zeroHash)
}

export function run(
  rules: readonly AbstractRule[],
  fallback: 'deny' | 'allow',
  reversed = false,
): PolicyDecision {
  const known = rules.flatMap(({ truth }, index) => (truth === 'unknown' ? [] : [[index, truth]]))
  return decide(compiled(rules, fallback, reversed), factsOf({ args: Object.fromEntries(known) }))
}

export const strengthOf = ({ effect, tier }: PolicyDecision): number =>
  VERDICTS.findIndex((verdict) => verdict.effect === effect && verdict.tier === tier)

export function* policiesUpTo(size: number): Generator<readonly AbstractRule[]> {
  yield []
  if (size === 0) return
  for (const rest of policiesUpTo(size - 1)) {
    for (const rule of RULES) yield [rule, ...rest]
  }
}
