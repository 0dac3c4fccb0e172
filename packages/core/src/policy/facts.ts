/** What a rule may look at, and the record of what one decision did look at. */
import {
  type AmountRule,
  type DecisionFact,
  type FactOrigin,
  isJsonArray,
  type Json,
  type Money,
  parseCurrency,
  parseDecimalAmount,
  parseMinorAmount,
  type Source,
  type ToolContract,
} from '@trustgw/protocol'
import { valueAt } from './pointer.ts'

/** The part of a tool's contract that policy may look at: as declared, never guessed. */
export type ToolFacts = Pick<
  ToolContract,
  'id' | 'operation' | 'category' | 'tags' | 'bundle' | 'amount'
>

/**
 * The inputs of a decision. Null is "not available", which makes every line about it unknown.
 * Tool, arguments, tenant and time are derived (the executor recomputes them); the rest is the
 * gateway's word (spec/protocol.md §3).
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
  readonly roles: readonly string[] | null
  /** Decision time, Unix milliseconds. */
  readonly time_ms: number
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

/** Longest text that a decision's record repeats; longer ones stand in the arguments. */
const FACT_TEXT_MAX_CHARS = 256

function brief(value: Json): Json {
  if (typeof value === 'string' && value.length > FACT_TEXT_MAX_CHARS) {
    return { type: 'string', length: value.length }
  }
  if (typeof value !== 'object' || value === null) return value
  return isJsonArray(value)
    ? { type: 'array', length: value.length }
    : { type: 'object', length: Object.keys(value).length }
}

/** Remembers every fact that a decision looked at; one per decision. */
export class Look {
  readonly facts: PolicyFacts
  readonly #seen = new Map<string, DecisionFact>()
  readonly #unknown = new Set<string>()
  #amount: Amount | undefined

  constructor(facts: PolicyFacts) {
    this.facts = facts
  }

  /** Call before judging a fact. An absent value is unknown. */
  see(name: string, origin: FactOrigin, value: Json | undefined): void {
    if (this.#seen.has(name)) return
    this.#seen.set(name, { name, origin, value: value === undefined ? null : brief(value) })
    if (value === undefined) this.#unknown.add(name)
  }

  /** The fact is there and a condition could not judge it (another type, not NFC, too long). */
  doubt(name: string): void {
    this.#unknown.add(name)
  }

  amount(): Amount {
    this.#amount ??= extractAmount(this.facts.tool.amount, this.facts.args)
    return this.#amount
  }

  /** In the order first looked at. What is unknown has no value. */
  seen(): readonly DecisionFact[] {
    return [...this.#seen.values()].map((fact) =>
      this.#unknown.has(fact.name) ? { ...fact, value: null } : fact,
    )
  }

  unknown(): readonly string[] {
    return [...this.#seen.keys()].filter((name) => this.#unknown.has(name))
  }
}
