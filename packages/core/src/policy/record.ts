/**
 * A decision made again from its record (spec/protocol.md §4, check 3): asserted facts come from
 * the record, derived ones from whoever checks, or from the record where nothing else is left.
 */
import {
  asObject,
  type DecisionFact,
  isJsonArray,
  type Json,
  OPERATIONS,
  parseMoney,
  SOURCES,
} from '@trustgw/protocol'
import { DAYS } from './ast.ts'
import { type CompiledLayers, decideLayers, type PolicyDecision } from './decide.ts'
import type {
  Amount,
  Chain,
  Counter,
  LocalTime,
  PolicyFacts,
  RecordedArguments,
  ToolFacts,
} from './facts.ts'
import { FactNotRecorded } from './slots.ts'

/** What of a decision record this file needs; a whole DecisionRecord will do. */
export interface Recorded extends PolicyDecision {
  readonly tool_id: string
  readonly tenant: string
  readonly workspace: string
  readonly decided_at: number
}

/**
 * What an executor works out for itself. `agent` and `user` stay the gateway's word, but the one
 * word that principal and grant are bound to: no decision may be made for somebody else.
 */
export interface DerivedFacts {
  readonly tool: ToolFacts
  readonly args: Json
  readonly tenant: string
  readonly workspace: string
  /** Subject of the record's principal. */
  readonly agent: string | null
  /** The record's `on_behalf_of`. */
  readonly user: string | null
  readonly time_ms: number
  /** For every zone that the policy names; see `zonesOf`. */
  readonly local_times?: ReadonlyMap<string, LocalTime>
}

export type RecheckRefusal =
  /** A fact is in no form that a decision writes. */
  | 'record_malformed'
  /** The decision needs a value that the record names by its length only. */
  | 'fact_not_recorded'
  /** Deciding again gives something else; `detail` names the first member that differs. */
  | 'decision_differs'

export type Recheck =
  | { readonly ok: true; readonly decision: PolicyDecision }
  | { readonly ok: false; readonly reason: RecheckRefusal; readonly detail: string }

type ByName = ReadonlyMap<string, Json>

class Malformed extends Error {}

function textOrNull(facts: ByName, name: string): string | null {
  const value = facts.get(name) ?? null
  if (value === null || typeof value === 'string') return value
  throw new Malformed(name)
}

function textsOf(value: Json, name: string): readonly string[] {
  if (!isJsonArray(value)) throw new Malformed(name)
  const texts = value.filter((item) => typeof item === 'string')
  if (texts.length !== value.length) throw new Malformed(name)
  return texts
}

function textsOrNull(facts: ByName, name: string): readonly string[] | null {
  const value = facts.get(name) ?? null
  return value === null ? null : textsOf(value, name)
}

function countOf(value: Json | undefined, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw new Malformed(name)
}

function readChain(value: Json): Chain | null {
  if (value === null) return null
  const members = asObject(value) ?? {}
  const cycle = members['cycle']
  if (typeof cycle !== 'boolean') throw new Malformed('chain')
  return {
    depth: countOf(members['depth'], 'chain'),
    repeats: countOf(members['repeats'], 'chain'),
    cycle,
  }
}

function readCounter(value: Json, name: string): Counter {
  const members = asObject(value) ?? {}
  const amount = members['amount']
  const count = countOf(members['count'], name)
  if (amount === null) return { count, amount: null }
  const money = typeof amount === 'string' ? parseMoney(amount) : null
  if (money === null || !money.ok) throw new Malformed(name)
  return { count, amount: money.value }
}

function readLocalTime(value: Json, name: string): LocalTime {
  const members = asObject(value) ?? {}
  const day = DAYS.find((one) => one === members['day'])
  if (day === undefined) throw new Malformed(name)
  return { day, minute: countOf(members['minute'], name) }
}

/** An argument as {@link showArgument} wrote it; null when it was left out for its length. */
function readArgument(value: Json): { readonly value: Json | undefined } | null {
  if (value === null) return { value: undefined }
  const members = asObject(value)
  if (members === undefined) return { value }
  return Object.hasOwn(members, 'json') ? { value: members['json'] } : null
}

function readAmount(value: Json): Amount {
  if (value === null) return { kind: 'unknown', why: 'recorded_unknown' }
  if (value === 'none') return { kind: 'none' }
  const money = typeof value === 'string' ? parseMoney(value) : null
  if (money === null || !money.ok) throw new Malformed('amount')
  return { kind: 'money', money: money.value }
}

function under<T>(
  facts: ByName,
  prefix: string,
  read: (value: Json, name: string) => T,
): ReadonlyMap<string, T> {
  const found = new Map<string, T>()
  for (const [name, value] of facts) {
    if (name.startsWith(prefix) && value !== null) {
      found.set(name.slice(prefix.length), read(value, name))
    }
  }
  return found
}

type Asserted = Omit<PolicyFacts, keyof DerivedFacts | 'recorded'>

function assertedFacts(facts: ByName): Asserted {
  const source = textOrNull(facts, 'source')
  const level = facts.get('auth_level') ?? null
  return {
    source:
      source === null ? null : (SOURCES.find((known) => known === source) ?? malformed('source')),
    auth_level: level === null ? null : countOf(level, 'auth_level'),
    auth_method: textOrNull(facts, 'auth_method'),
    roles: textsOrNull(facts, 'roles'),
    scopes: textsOrNull(facts, 'scopes'),
    skill_level: textOrNull(facts, 'skill_level'),
    chain: readChain(facts.get('chain') ?? null),
    provenance: under(facts, 'provenance:', textsOf),
    counters: under(facts, 'counter:', readCounter),
  }
}

function malformed(name: string): never {
  throw new Malformed(name)
}

const byName = (facts: readonly DecisionFact[]): ByName =>
  new Map(facts.map(({ name, value }) => [name, value]))

function recordedTool(record: Recorded, facts: ByName): ToolFacts {
  const operation = textOrNull(facts, 'operation')
  return {
    id: record.tool_id,
    operation:
      operation === null
        ? 'transfer'
        : (OPERATIONS.find((known) => known === operation) ?? malformed('operation')),
    category: textOrNull(facts, 'category'),
    tags: textsOrNull(facts, 'tags') ?? [],
    bundle: textOrNull(facts, 'bundle') ?? '',
    amount: { kind: 'none' },
  }
}

/**
 * The inputs of a decision as its record has them. Enough to decide again under the policy of the
 * record; under another one whatever the first did not look at is missing. Throws for a fact in no
 * form that a decision writes; {@link redecide} does not.
 */
export function factsFromRecord(
  record: Recorded,
): PolicyFacts & { readonly recorded: RecordedArguments } {
  const facts = byName(record.facts)
  const values = new Map<string, Json | undefined>()
  for (const [name, value] of facts) {
    if (!name.startsWith('args:')) continue
    const read = readArgument(value)
    if (read !== null) values.set(name.slice('args:'.length), read.value)
  }
  const amount = facts.get('amount')
  return {
    ...assertedFacts(facts),
    agent: textOrNull(facts, 'agent'),
    user: textOrNull(facts, 'user'),
    tool: recordedTool(record, facts),
    args: {},
    tenant: record.tenant,
    workspace: record.workspace,
    time_ms: record.decided_at,
    local_times: under(facts, 'time:', readLocalTime),
    recorded: {
      values,
      amount: amount === undefined ? null : readAmount(amount),
      names: new Set(facts.keys()),
    },
  }
}

/** Makes a decision of recorded facts; what the record lacks, or has in no known form, refuses. */
export function guarded(decide: () => Recheck): Recheck {
  try {
    return decide()
  } catch (error) {
    if (error instanceof Malformed) {
      return { ok: false, reason: 'record_malformed', detail: error.message }
    }
    if (error instanceof FactNotRecorded) {
      return { ok: false, reason: 'fact_not_recorded', detail: error.fact }
    }
    throw error
  }
}

/** Decides from the record alone, under the same policy or another. Does not compare. */
export function redecide(layers: CompiledLayers, record: Recorded): Recheck {
  return guarded(() => ({ ok: true, decision: decideLayers(layers, factsFromRecord(record)) }))
}

const COMPARED = [
  'policy_fingerprint',
  'effect',
  'tier',
  'rule_id',
  'reason',
  'obligations',
  'facts',
  'unknown',
] as const

/** Equal as JSON: members in any order, as a record has them after any transport. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const others = new Map<string, unknown>(Object.entries(b))
  const members = Object.entries(a)
  return (
    members.length === others.size &&
    members.every(([name, value]) => others.has(name) && isSame(value, others.get(name)))
  )
}

/**
 * Decides again with the checker's own derived facts and the record's asserted ones, and compares
 * every member of the decision. Works whatever the record leaves out for its length. NOT checked:
 * that the asserted facts are true, that the record is bound to anything.
 */
export function recheckDecision(
  layers: CompiledLayers,
  record: Recorded,
  derived: DerivedFacts,
): Recheck {
  return guarded(() => {
    const facts: PolicyFacts = { ...assertedFacts(byName(record.facts)), ...derived }
    const decision = decideLayers(layers, facts)
    const differs = COMPARED.find((name) => !isSame(decision[name], record[name]))
    return differs === undefined
      ? { ok: true, decision }
      : { ok: false, reason: 'decision_differs', detail: differs }
  })
}

/** The zones whose local time the layers ask for. */
export function zonesOf({ layers }: CompiledLayers): readonly string[] {
  return [...new Set(layers.flatMap(({ slots }) => slots.zones()))].sort()
}

/** Which facts that somebody has to gather the layers may ask for; what is not here costs nothing. */
export interface Asks {
  readonly zones: readonly string[]
  readonly chain: boolean
  /** Pointers, sorted. */
  readonly provenance: readonly string[]
  /** Whether any layer has limits, whose counters are read and counted in. */
  readonly limits: boolean
}

export function asksOf(layers: CompiledLayers): Asks {
  const all = layers.layers
  return {
    zones: zonesOf(layers),
    chain: all.some(({ slots }) => slots.asksChain()),
    provenance: [...new Set(all.flatMap(({ slots }) => slots.provenancePointers()))].sort(),
    limits: all.some(({ limits }) => limits.length > 0),
  }
}
