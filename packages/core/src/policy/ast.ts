/**
 * The policy language as data (spec/policy.md "File"): what a policy file says after parsing, before
 * compiling. Everything here is plain JSON-like data; nothing here evaluates.
 */
import type { Effect, Escalation, Money, Tier } from '@trustgw/protocol'

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
/** Local times of as many zones, and provenance of as many pointers, may be facts of a decision. */
export const ZONES_MAX = 16
export const PROVENANCE_POINTERS_MAX = 16
/** Each limit that a proposal may count in is a fact of its decision. */
export const LIMITS_MAX = 64
/** `each` and `any` inside each other. */
export const PREDICATE_MAX_DEPTH = 3
export const REGEX_MAX_CHARS = 512
export const WINDOW_MAX_MS = 2_678_400_000
export const LIMIT_COUNT_MAX = 1_000_000_000
export const GRANT_TTL_MAX_MS = 30_000
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
export const BOUNDS: readonly Bound[] = ['gt', 'gte', 'lt', 'lte']
export type Scalar = string | number | boolean

export type ValueType = 'string' | 'number' | 'integer' | 'boolean' | 'null' | 'array' | 'object'
export const VALUE_TYPES: readonly ValueType[] = [
  'string',
  'number',
  'integer',
  'boolean',
  'null',
  'array',
  'object',
]

export type Day = 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun'
export const DAYS: readonly Day[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']

/** Predicates that compare a text with names of one kind. */
export type NamesPredicate =
  | 'subpath_of'
  | 'host_in'
  | 'host_not_in'
  | 'scheme_in'
  | 'cidr_in'
  | 'email_domain_in'
  | 'email_domain_not_in'
  | 'keys_in'

/** One predicate on one value of the arguments. */
export type Predicate =
  | { readonly kind: 'eq'; readonly value: Scalar }
  | { readonly kind: 'in' | 'not_in'; readonly values: readonly Scalar[] }
  | { readonly kind: Bound; readonly value: number }
  | { readonly kind: 'glob'; readonly globs: readonly string[] }
  | { readonly kind: 'regex'; readonly pattern: string }
  | { readonly kind: 'max_length'; readonly value: number }
  | { readonly kind: 'type'; readonly any: readonly ValueType[] }
  | { readonly kind: 'exists'; readonly value: boolean }
  | { readonly kind: NamesPredicate; readonly names: readonly string[] }
  | { readonly kind: 'each' | 'any'; readonly predicates: readonly Predicate[] }

export interface AmountBound {
  readonly bound: Bound
  readonly money: Money
}

export interface NumberBound {
  readonly bound: Bound
  readonly value: number
}

/** Keys that hold when a name matches one of the globs. */
export type NameKey = 'tool' | 'agent' | 'tenant' | 'workspace' | 'user'
/** Keys that hold when one of the words is there; `scopes` when all are. */
export type WordKey =
  | 'operation'
  | 'category'
  | 'tags'
  | 'bundle'
  | 'source'
  | 'roles'
  | 'scopes'
  | 'skill_level'
  | 'auth_method'

/** `from` is inside, `to` is not; both are minutes of the local day. Null: not looked at. */
export interface TimeWindow {
  readonly tz: string
  readonly days: readonly Day[] | null
  readonly from: number | null
  readonly to: number | null
}

export interface ChainBounds {
  readonly depth: readonly NumberBound[]
  readonly repeats: readonly NumberBound[]
  readonly cycle: boolean | null
}

/** One line of a rule's match. All lines must hold. */
export type Condition =
  | { readonly kind: NameKey; readonly globs: readonly string[] }
  | { readonly kind: WordKey; readonly words: readonly string[] }
  | { readonly kind: 'auth_level'; readonly bounds: readonly NumberBound[] }
  | { readonly kind: 'amount'; readonly bounds: readonly AmountBound[] }
  | { readonly kind: 'args'; readonly pointer: string; readonly predicates: readonly Predicate[] }
  | { readonly kind: 'time'; readonly window: TimeWindow }
  | { readonly kind: 'chain'; readonly bounds: ChainBounds }
  | { readonly kind: 'provenance'; readonly pointer: string; readonly globs: readonly string[] }

/** Whom a rule or limit asks, and where they may say so. */
export interface RuleApprovers {
  /** Any of these roles; empty: every approver, or those of `in_order`. */
  readonly roles: readonly string[]
  readonly quorum: number
  readonly channels: readonly string[]
  /** One person of each role, in this order; empty: `roles` and `quorum` say who. */
  readonly in_order: readonly string[]
  readonly escalate: Escalation | null
}

export interface Rule extends Verdict {
  readonly id: string
  readonly priority: number
  readonly reason: string
  /** Present exactly when people decide: `require_approval` and `require_proof`. */
  readonly approvers: RuleApprovers | null
  /** How long what this rule lets pass may be stopped before it runs; 0: not at all. */
  readonly undo_ms: number
  readonly match: readonly Condition[]
}

/** What a counter is kept for: parts of the identity, or the value at `args:<pointer>`. */
export type LimitKey = 'tenant' | 'workspace' | 'agent' | 'user' | 'tool' | `args:${string}`

/** How much may happen within a sliding window before `on_exceed` stands. */
export interface Limit extends Verdict {
  readonly id: string
  readonly match: readonly Condition[]
  readonly key: readonly LimitKey[]
  readonly window_ms: number
  /** At least one of the two is there. */
  readonly max_count: number | null
  readonly max_amount: Money | null
  readonly reason: string
  readonly approvers: RuleApprovers | null
}

/** `none`: a layer without an opinion of what it does not match; every layer but `platform`. */
export interface PolicyDefaults {
  readonly effect: 'deny' | 'allow' | 'none'
  readonly grant_ttl_ms: number
  readonly approval_ttl_ms: number
}

export interface Policy {
  readonly version: 1
  readonly defaults: PolicyDefaults
  readonly rules: readonly Rule[]
  readonly limits: readonly Limit[]
}

/** From the widest to the narrowest (spec/policy.md "Layers"). */
export type LayerName = 'platform' | 'tenant' | 'workspace' | 'agent'
export const LAYERS: readonly LayerName[] = ['platform', 'tenant', 'workspace', 'agent']

/** Those of some kinds, in their order. */
export function ofKind<T extends { readonly kind: string }, K extends T['kind']>(
  all: readonly T[],
  ...kinds: readonly K[]
): readonly (T & { readonly kind: K })[] {
  return all.filter((one): one is T & { readonly kind: K } =>
    kinds.some((kind) => kind === one.kind),
  )
}

/** A permitting rule counts only when known true; a restricting one, as what waits is, unless known false. */
export function restrictsInDoubt({ effect, undo_ms }: Pick<Rule, 'effect' | 'undo_ms'>): boolean {
  return effect !== 'allow' || undo_ms > 0
}

/** From 0, least restrictive, to 4. */
export function strength({ effect, tier }: Verdict): number {
  if (effect === 'allow') return 0
  if (effect === 'require_approval') return tier === 1 ? 1 : 2
  return effect === 'require_proof' ? 3 : 4
}

/** Negative when `a` is less restrictive than `b`, positive when more, 0 when alike. */
export function compareVerdicts(a: Verdict, b: Verdict): number {
  return strength(a) - strength(b)
}
