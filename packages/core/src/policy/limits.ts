/** Limits: whether one is reached, and which counters a proposal would count in. */
import type { Money } from '@trustgw/protocol'
import type { LimitKey } from './ast.ts'
import type { CompiledLimit, CompiledPolicy } from './compile.ts'
import type { Amount, Counter, PolicyFacts } from './facts.ts'
import type { AnySlot, Look, Slots } from './slots.ts'

/** A counter that a proposal counts in, should it run. */
export interface Counting {
  /** The name under which `PolicyFacts.counters` has what was counted before. */
  readonly counter: string
  readonly window_ms: number
  /** Whose counter it is; null where a part is not known: those share one. */
  readonly key: readonly (readonly [part: LimitKey, value: string | null])[]
  readonly max_count: number | null
  readonly max_amount: Money | null
  /** What is to be added: null where the limit counts amounts and this one is not known. */
  readonly amount: Money | null
}

/** Whether the match of a limit may hold; the facts that left it open are doubted and named. */
function mayMatch({ tests }: CompiledLimit, look: Look, undecidedBy: string[]): boolean {
  const before = undecidedBy.length
  for (const { judge, slot } of tests) {
    const truth = judge(look)
    if (truth === true) continue
    if (truth === false) {
      while (undecidedBy.length > before) undecidedBy.pop()
      return false
    }
    slot.doubt(look)
    undecidedBy.push(slot.name)
  }
  return true
}

/** Over, or not, or which of the two is not known. */
type Exceeds = boolean | 'amount_unknown' | 'counter_unknown'

function exceedsAmount(max: Money, counter: Counter, amount: Amount | undefined): Exceeds {
  if (amount?.kind === 'none') return false
  if (amount?.kind !== 'money' || amount.money.currency !== max.currency) return 'amount_unknown'
  if (counter.amount?.currency !== max.currency) return 'counter_unknown'
  return counter.amount.minor + amount.money.minor > max.minor
}

/** Whether one more would be over: an unknown match counts, an unknown amount exceeds. */
function isExceeded(compiled: CompiledLimit, look: Look, slots: Slots, names: string[]): boolean {
  const before = names.length
  if (!mayMatch(compiled, look, names)) return false
  const { limit, counter: slot } = compiled
  const counter = slot.look(look)
  if (counter === undefined) return leaveOpen(slot, look, names)
  if (limit.max_count !== null && counter.count + 1 > limit.max_count) return true
  const over =
    limit.max_amount !== null && exceedsAmount(limit.max_amount, counter, slots.amount.look(look))
  if (over === 'amount_unknown') return leaveOpen(slots.amount, look, names)
  if (over === 'counter_unknown') return leaveOpen(slot, look, names)
  if (!over) names.length = before
  return over
}

/** A limit of which this is not known counts as exceeded, and the decision says why. */
function leaveOpen(slot: AnySlot, look: Look, names: string[]): true {
  slot.doubt(look)
  names.push(slot.name)
  return true
}

/** The limits that this proposal would exceed, in the order of the file. */
export function exceededLimits(
  { limits, slots }: CompiledPolicy,
  look: Look,
  undecidedBy: string[],
): readonly CompiledLimit[] {
  return limits.filter((limit) => isExceeded(limit, look, slots, undecidedBy))
}

function keyPart(part: LimitKey, compiled: CompiledPolicy, look: Look): string | null {
  const { slots } = compiled
  if (part === 'tool') return look.facts.tool.id
  if (part === 'tenant' || part === 'workspace' || part === 'agent' || part === 'user') {
    return slots.words[part].look(look) ?? null
  }
  const value = slots.argument(part.slice('args:'.length)).look(look)
  return value === undefined || (typeof value === 'object' && value !== null)
    ? null
    : JSON.stringify(value)
}

/**
 * The counters in which a proposal counts under one layer, whatever its decision. Read what each
 * holds, give that to `decide` as `counters`, and count in each before the action is let go.
 */
export function countingsOf(compiled: CompiledPolicy, facts: PolicyFacts): readonly Counting[] {
  const look = compiled.begin(facts)
  return compiled.limits
    .filter((limit) => mayMatch(limit, look, []))
    .map(({ limit, counterName }) => ({
      counter: counterName,
      window_ms: limit.window_ms,
      key: limit.key.map((part) => [part, keyPart(part, compiled, look)] as const),
      max_count: limit.max_count,
      max_amount: limit.max_amount,
      amount: amountToCount(limit.max_amount, compiled, look),
    }))
}

/** What a call adds to a sum: nothing where its contract says that it moves nothing. */
function amountToCount(max: Money | null, { slots }: CompiledPolicy, look: Look): Money | null {
  if (max === null) return null
  const amount = slots.amount.look(look)
  if (amount?.kind === 'money') return amount.money
  return amount?.kind === 'none' ? { minor: 0n, currency: max.currency } : null
}
