/**
 * Facts as a decision looks at them: each is read once, when first asked for, and remembered for
 * the decision's record. A slot keeps what the decision with its stamp saw, and nothing else, so
 * that a decision allocates no table of its own; decisions do not overlap.
 */
import {
  type DecisionFact,
  type FactOrigin,
  formatMoney,
  isJsonArray,
  type Json,
} from '@trustgw/protocol'
import {
  type Amount,
  type Chain,
  type Counter,
  extractAmount,
  type LocalTime,
  type PolicyFacts,
  type ToolFacts,
} from './facts.ts'
import { pointerReader } from './pointer.ts'

/** Longest value that a decision's record repeats; longer ones stand in the arguments. */
export const FACT_VALUE_MAX_CHARS = 256

/** Thrown when a record is asked for a fact that it does not hold. */
export class FactNotRecorded extends Error {
  readonly code = 'fact_not_recorded'
  readonly fact: string
  constructor(fact: string) {
    super(`the record does not hold ${fact}`)
    this.name = 'FactNotRecorded'
    this.fact = fact
  }
}

/** One decision being made. */
export interface Look {
  readonly facts: PolicyFacts
  readonly stamp: number
  /** In the order first looked at. */
  readonly order: AnySlot[]
}

export interface AnySlot {
  readonly name: string
  /** Whether a condition of the decision could not judge it. */
  isDoubted(look: Look): boolean
  doubt(look: Look): void
  /** As the record holds it: null where there was no value. */
  fact(): DecisionFact
}

export class Slot<T> implements AnySlot {
  readonly name: string
  readonly origin: FactOrigin
  readonly read: (facts: PolicyFacts) => T | undefined
  readonly show: (value: T) => Json
  stamp = 0
  doubted = 0
  value: T | undefined
  shown: DecisionFact | undefined
  shownValue: T | undefined

  constructor(
    name: string,
    origin: FactOrigin,
    read: (facts: PolicyFacts) => T | undefined,
    show: (value: T) => Json,
  ) {
    this.name = name
    this.origin = origin
    this.read = read
    this.show = show
  }

  look(look: Look): T | undefined {
    if (this.stamp !== look.stamp) {
      this.stamp = look.stamp
      this.value = this.read(look.facts)
      look.order.push(this)
    }
    return this.value
  }

  doubt(look: Look): void {
    this.doubted = look.stamp
  }

  isDoubted(look: Look): boolean {
    return this.doubted === look.stamp
  }

  fact(): DecisionFact {
    if (this.shown !== undefined && this.shownValue === this.value) return this.shown
    const value = this.value === undefined ? null : this.show(this.value)
    const fact = { name: this.name, origin: this.origin, value }
    this.shown = fact
    this.shownValue = this.value
    return fact
  }
}

const asIs = (value: Json): Json => value

/**
 * An argument in a record. Scalars stand as they are; what could be taken for something else is
 * wrapped (`{json: null}` is a null that was there); what is long is named by kind and length only.
 */
export function showArgument(value: Json): Json {
  if (typeof value === 'string') {
    return value.length <= FACT_VALUE_MAX_CHARS
      ? value
      : { elided: { type: 'string', length: value.length } }
  }
  if (typeof value !== 'object') return value
  if (value === null) return { json: null }
  const length = isJsonArray(value) ? value.length : Object.keys(value).length
  if (length <= FACT_VALUE_MAX_CHARS && JSON.stringify(value).length <= FACT_VALUE_MAX_CHARS) {
    return { json: value }
  }
  return { elided: { type: isJsonArray(value) ? 'array' : 'object', length } }
}

function showAmount(amount: Amount): Json {
  if (amount.kind === 'money') return formatMoney(amount.money)
  return amount.kind === 'none' ? 'none' : null
}

const showCounter = ({ count, amount }: Counter): Json => ({
  count,
  amount: amount === null ? null : formatMoney(amount),
})

function readAmount(facts: PolicyFacts): Amount {
  if (facts.recorded === undefined) return extractAmount(facts.tool.amount, facts.args)
  if (facts.recorded.amount === null) throw new FactNotRecorded('amount')
  return facts.recorded.amount
}

function argumentReader(pointer: string): (facts: PolicyFacts) => Json | undefined {
  const read = pointerReader(pointer)
  return (facts) => {
    const { recorded } = facts
    if (recorded === undefined || recorded.values === null) return read(facts.args)
    if (!recorded.values.has(pointer)) throw new FactNotRecorded(`args:${pointer}`)
    return recorded.values.get(pointer)
  }
}

/** What a record does not hold of a contract is not known to be absent. */
function ofContract<T>(name: string, read: (tool: ToolFacts) => T): (facts: PolicyFacts) => T {
  return ({ tool, recorded }) => {
    if (recorded?.names?.has(name) === false) throw new FactNotRecorded(name)
    return read(tool)
  }
}

/** The facts of one compiled policy, each one slot. */
export class Slots {
  readonly tool: Slot<string> = word('tool', 'derived', ({ tool }) => tool.id)
  readonly amount: Slot<Amount> = new Slot('amount', 'derived', readAmount, showAmount)
  readonly auth_level: Slot<number> = new Slot<number>(
    'auth_level',
    'asserted',
    (facts) => facts.auth_level ?? undefined,
    asIs,
  )
  readonly words: Readonly<Record<WordSlot, Slot<string>>> = {
    operation: word(
      'operation',
      'derived',
      ofContract('operation', (tool) => tool.operation),
    ),
    category: word(
      'category',
      'derived',
      ofContract('category', (tool) => tool.category ?? undefined),
    ),
    bundle: word(
      'bundle',
      'derived',
      ofContract('bundle', (tool) => tool.bundle),
    ),
    source: word('source', 'asserted', ({ source }) => source ?? undefined),
    skill_level: word('skill_level', 'asserted', (facts) => facts.skill_level ?? undefined),
    auth_method: word('auth_method', 'asserted', (facts) => facts.auth_method ?? undefined),
    agent: word('agent', 'asserted', ({ agent }) => agent ?? undefined),
    tenant: word('tenant', 'derived', ({ tenant }) => tenant),
    workspace: word('workspace', 'derived', ({ workspace }) => workspace),
    user: word('user', 'asserted', ({ user }) => user ?? undefined),
  }
  readonly lists: Readonly<Record<ListSlot, Slot<readonly string[]>>> = {
    tags: words(
      'tags',
      'derived',
      ofContract('tags', (tool) => tool.tags),
    ),
    roles: words('roles', 'asserted', (facts) => facts.roles),
    scopes: words('scopes', 'asserted', (facts) => facts.scopes),
  }
  readonly #arguments = new Map<string, Slot<Json>>()
  readonly #times = new Map<string, Slot<LocalTime>>()
  readonly #origins = new Map<string, Slot<readonly string[]>>()
  #chain: Slot<Chain> | undefined

  get chain(): Slot<Chain> {
    this.#chain ??= new Slot<Chain>(
      'chain',
      'asserted',
      (facts) => facts.chain ?? undefined,
      ({ depth, repeats, cycle }) => ({ depth, repeats, cycle }),
    )
    return this.#chain
  }

  argument(pointer: string): Slot<Json> {
    return once(
      this.#arguments,
      pointer,
      () => new Slot(`args:${pointer}`, 'derived', argumentReader(pointer), showArgument),
    )
  }

  localTime(zone: string): Slot<LocalTime> {
    return once(
      this.#times,
      zone,
      () =>
        new Slot<LocalTime>(
          `time:${zone}`,
          'derived',
          (facts) => facts.local_times?.get(zone),
          ({ day, minute }) => ({ day, minute }),
        ),
    )
  }

  provenance(pointer: string): Slot<readonly string[]> {
    return once(this.#origins, pointer, () =>
      words(`provenance:${pointer}`, 'asserted', (facts) => facts.provenance?.get(pointer)),
    )
  }

  counter(name: string): Slot<Counter> {
    return new Slot<Counter>(
      `counter:${name}`,
      'asserted',
      (facts) => facts.counters?.get(name),
      showCounter,
    )
  }

  /** The zones whose local time a decision may ask for. */
  zones(): readonly string[] {
    return [...this.#times.keys()]
  }

  /** Whether a decision may ask for the chain of calls. */
  asksChain(): boolean {
    return this.#chain !== undefined
  }

  /** The pointers of the arguments that a decision may ask for. */
  argumentPointers(): readonly string[] {
    return [...this.#arguments.keys()]
  }

  /** The pointers whose provenance a decision may ask for. */
  provenancePointers(): readonly string[] {
    return [...this.#origins.keys()]
  }
}

export type WordSlot =
  | 'operation'
  | 'category'
  | 'bundle'
  | 'source'
  | 'skill_level'
  | 'auth_method'
  | 'agent'
  | 'tenant'
  | 'workspace'
  | 'user'
export type ListSlot = 'tags' | 'roles' | 'scopes'

function word(
  name: string,
  origin: FactOrigin,
  read: (facts: PolicyFacts) => string | undefined,
): Slot<string> {
  return new Slot<string>(name, origin, read, asIs)
}

function words(
  name: string,
  origin: FactOrigin,
  read: (facts: PolicyFacts) => readonly string[] | null | undefined,
): Slot<readonly string[]> {
  return new Slot<readonly string[]>(
    name,
    origin,
    (facts) => read(facts) ?? undefined,
    (list) => [...list],
  )
}

/** What stands at a key, made when it is first asked for. */
export function once<K, T>(known: Map<K, T>, key: K, make: () => T): T {
  let one = known.get(key)
  if (one === undefined) {
    one = make()
    known.set(key, one)
  }
  return one
}
