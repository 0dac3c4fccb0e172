/** The engine without its index: what the index must agree with, and be quicker than. */
import type { CompiledPolicy } from './compile.ts'
import { decide, type PolicyDecision } from './decide.ts'
import type { PolicyFacts } from './facts.ts'
import type { Plan } from './plan.ts'

/** Judges every rule in the order of reading, line by line; the decision is that of `decide`. */
export function decideNaively(compiled: CompiledPolicy, facts: PolicyFacts): PolicyDecision {
  const tests = compiled.everyRule()
  const plan: Plan = { entries: tests, rows: null }
  return decide({ ...compiled, plan: () => plan }, facts)
}
