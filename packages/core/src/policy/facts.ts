/** What a rule may look at (spec/policy.md "Decision"). */
import {
  type AmountRule,
  type Json,
  type JsonObject,
  type Money,
  parseCurrency,
  parseDecimalAmount,
  parseMinorAmount,
  type Source,
  type ToolContract,
} from '@trustgw/protocol'
import type { Day } from './ast.ts'
import { valueAt } from './pointer.ts'

/** The part of a tool's contract that policy may look at: as declared, never guessed. */
export interface ToolFacts
  extends Pick<ToolContract, 'id' | 'operation' | 'category' | 'tags' | 'bundle' | 'amount'> {
  /** What callers are told of the arguments. No rule looks at it; left out, they are told nothing. */
  readonly input_schema?: JsonObject
}

/** The local time of the decision in one zone; `minute` counts from midnight. */
export interface LocalTime {
  readonly day: Day
  readonly minute: number
}

/** The chain of calls that the gateway itself recorded for the trace. */
export interface Chain {
  readonly depth: number
  readonly repeats: number
  readonly cycle: boolean
}

/** What a limit's counter held before this proposal, in flight included. */
export interface Counter {
  readonly count: number
  /** Null where an amount in the window is not known. */
  readonly amount: Money | null
}

/** Arguments as a decision's record has them: by pointer, undefined where there was none. */
export interface RecordedArguments {
  /** Null where the arguments are known whole, in `args`. */
  readonly values: ReadonlyMap<string, Json | undefined> | null
  readonly amount: Amount | null
  /** The facts recorded: of the contract nothing else is known. Left out where it is known whole. */
  readonly names?: ReadonlySet<string>
}

/**
 * The inputs of a decision. Null, or left out, is "not available", which makes every line about it
 * unknown. Tool, arguments, tenant and time are derived (the executor recomputes them); the rest is
 * the gateway's word (spec/protocol.md §3).
 */
export interface PolicyFacts {
  readonly tool: ToolFacts
  /** The frozen value that `parseJson` gave; every stage uses this one value. */
  readonly args: Json
  readonly tenant: string
  readonly workspace: string
  /** The authenticated subject of the principal, never a value that the caller sent. */
  readonly agent: string | null
  /** On whose behalf, where that is known. */
  readonly user: string | null
  readonly source: Source | null
  readonly auth_level: number | null
  readonly auth_method?: string | null
  readonly roles: readonly string[] | null
  readonly scopes?: readonly string[] | null
  readonly skill_level?: string | null
  /** Decision time, Unix milliseconds. */
  readonly time_ms: number
  /** `time_ms` as clocks show it, for every zone that the policy names. */
  readonly local_times?: ReadonlyMap<string, LocalTime>
  readonly chain?: Chain | null
  /** Where the value at a pointer came from: `agent`, `user`, `first_seen`, `tool_result:<tool>`. */
  readonly provenance?: ReadonlyMap<string, readonly string[]>
  /** By counter name: a limit's id, with its layer in front where that is not the platform. */
  readonly counters?: ReadonlyMap<string, Counter>
  /** Stands in place of `args` where only a record is left. */
  readonly recorded?: RecordedArguments
}

/** The amount that a call moves: none by contract, an exact one, or not to be had. */
export type Amount =
  | { readonly kind: 'none' }
  | { readonly kind: 'money'; readonly money: Money }
  | { readonly kind: 'unknown'; readonly why: string }

/** Extracts exactly as the contract says; whatever is missing, odd or negative is unknown. */
export function extractAmount(rule: AmountRule, args: Json): Amount {
  if (rule.kind === 'none') return { kind: 'none' }
  const written =
    rule.currency.kind === 'fixed' ? rule.currency.code : valueAt(args, rule.currency.pointer)
  const currency = typeof written === 'string' ? parseCurrency(written) : null
  if (currency === null || !currency.ok) return { kind: 'unknown', why: 'currency_unknown' }
  const value = valueAt(args, rule.pointer)
  if (value === undefined) return { kind: 'unknown', why: 'amount_missing' }
  const parse = rule.unit === 'minor' ? parseMinorAmount : parseDecimalAmount
  const money = parse(value, currency.value)
  return money.ok ? { kind: 'money', money: money.value } : { kind: 'unknown', why: money.reason }
}
