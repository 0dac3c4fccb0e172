/** A rule as the engine reads it, and what stands when it holds. */
import type { Asked } from './approvers.ts'
import type { Rule, Verdict } from './ast.ts'
import type { Test } from './conditions.ts'

/** What makes a decision at least as strict as it says: a rule, a reached limit, the default. */
export interface Standing extends Verdict {
  /** Of the rule or limit, with the layer in front where that is not the platform. */
  readonly id: string
  readonly reason: string
  readonly asked: Asked | null
  /** Of a rule that lets pass after a while. */
  readonly undo_ms: number
}

export interface CompiledRule {
  readonly rule: Rule
  /** Place in the order of reading: by priority, then id, so that lines may stand in any order. */
  readonly rank: number
  /** Lines that the index answers, but for `tool`: operation, source and tenant. */
  readonly indexed: readonly Test[]
  readonly tests: readonly Test[]
  readonly standing: Standing
}
