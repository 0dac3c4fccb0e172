/**
 * The policy language as data (spec/policy.md "File"): what a policy file says after parsing, before
 * compiling. Everything here is plain JSON-like data; nothing here evaluates.
 */
import {
  type ApproversClause,
  EFFECTS,
  type Effect,
  type Money,
  type Operation,
  type Source,
  type Tier,
} from '@trustgw/protocol'

/** Largest policy file, in UTF-16 code units of its text. */
export const POLICY_MAX_CHARS = 2_097_152
export const POLICY_MAX_RULES = 20_000
/** Longest list in a match line. */
export const LIST_MAX_ITEMS = 1_000
/** Longest text of a policy: a reason, a glob, a value compared with. */
export const TEXT_MAX_CHARS = 1_024
/** So that a reason with what was unknown still fits a decision record. */
export const REASON_MAX_CHARS = 300
/** Different argument pointers in one policy: each may become a fact of a decision. */
export const POINTERS_MAX = 200
export const POINTER_MAX_CHARS = 256
export const GRANT_TTL_MIN_MS = 1_000
export const GRANT_TTL_MAX_MS = 30_000
export const APPROVAL_TTL_MIN_MS = 1_000
export const APPROVAL_TTL_MAX_MS = 604_800_000
export const PRIORITY_MAX = 1_000_000
export const QUORUM_MAX = 16
/** The rule id that a decision names when no rule stood; no rule may carry it. */
export const DEFAULT_RULE_ID = 'default'

/** What stands for a rule or a default: the effect and, where people decide, the tier they decide at. */
export interface Verdict {
  readonly effect: Effect
  readonly tier: Tier
}

export type Bound = 'gt' | 'gte' | 'lt' | 'lte'
export type Scalar = string | number | boolean

/** One predicate on one value of the arguments. */
export type Predicate =
  | { readonly kind: 'eq'; readonly value: Scalar }
  | { readonly kind: 'in'; readonly values: readonly Scalar[] }
  | { readonly kind: Bound; readonly value: number }
  | { readonly kind: 'glob'; readonly globs: readonly string[] }

export interface AmountBound {
  readonly bound: Bound
  readonly money: Money
}

/** One line of a rule's match. All lines must hold. */
export type Condition =
  | { readonly kind: 'tool'; readonly globs: readonly string[] }
  | { readonly kind: 'operation'; readonly any: readonly Operation[] }
  | { readonly kind: 'source'; readonly any: readonly Source[] }
  | { readonly kind: 'agent'; readonly globs: readonly string[] }
  | { readonly kind: 'amount'; readonly bounds: readonly AmountBound[] }
  | { readonly kind: 'args'; readonly pointer: string; readonly predicates: readonly Predicate[] }

export interface Rule extends Verdict {
  readonly id: string
  readonly priority: number
  readonly reason: string
  /** Present exactly when people decide: `require_approval` and `require_proof`. */
  readonly approvers: ApproversClause | null
  readonly match: readonly Condition[]
}

export interface PolicyDefaults {
  readonly effect: 'deny' | 'allow'
  readonly grant_ttl_ms: number
  readonly approval_ttl_ms: number
}

export interface Policy {
  readonly version: 1
  readonly defaults: PolicyDefaults
  readonly rules: readonly Rule[]
}

/** A permitting rule counts only when known true; a restricting one unless known false. */
export function restricts(effect: Effect): boolean {
  return effect !== 'allow'
}

/** Negative when `a` is less restrictive than `b`, positive when more, 0 when alike. */
export function compareVerdicts(a: Verdict, b: Verdict): number {
  return EFFECTS.indexOf(a.effect) - EFFECTS.indexOf(b.effect) || a.tier - b.tier
}
