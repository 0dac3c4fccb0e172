/** Recorded decisions made again under another policy (spec/policy.md "Commands", `replay`). */
import type { Json } from '@trustgw/protocol'
import { compareVerdicts } from './ast.ts'
import { type CompiledLayers, decideLayers, type PolicyDecision } from './decide.ts'
import type { LocalTime, PolicyFacts, ToolFacts } from './facts.ts'
import { factsFromRecord, guarded, type Recheck, type Recorded } from './record.ts'

/** What the gateway itself knew of the proposer, whether the decision looked at it or not. */
export type PastIdentity = Pick<PolicyFacts, 'agent' | 'user' | 'source' | 'auth_level'>

/** A proposal as it was. */
export interface PastProposal {
  readonly args: Json
  /** The contract of then; null where it is not to be had: what was recorded of it is used. */
  readonly tool: ToolFacts | null
  readonly identity?: PastIdentity
}

/** A decision of the past, with what is still known of the proposal. */
export interface PastDecision {
  readonly action_id: string
  readonly record: Recorded
  /** Null: only recorded facts are known. */
  readonly proposal: PastProposal | null
  /** Of the time of the decision, for every zone that the new policy names. */
  readonly local_times?: ReadonlyMap<string, LocalTime>
}

export interface Flip {
  readonly action_id: string
  readonly before: Pick<PolicyDecision, 'effect' | 'tier' | 'rule_id'>
  readonly after: Pick<PolicyDecision, 'effect' | 'tier' | 'rule_id' | 'unknown'>
  readonly direction: 'wider' | 'narrower'
}

export interface Replay {
  readonly decided: number
  readonly flips: readonly Flip[]
  /**
   * Actions for which the new policy asks for facts that the record does not hold. They count as
   * unknown, so the decision now named may be stricter than it would have been.
   */
  readonly uncertain: readonly { readonly action_id: string; readonly facts: readonly string[] }[]
  /** Actions that cannot be decided again, and why. */
  readonly undecidable: readonly { readonly action_id: string; readonly why: string }[]
}

/** The inputs of a past decision. Throws for a fact in no form that a decision writes. */
export function pastFacts({ record, proposal, local_times }: PastDecision): PolicyFacts {
  const { recorded, ...known } = factsFromRecord(record)
  const facts = local_times === undefined ? known : { ...known, local_times }
  if (proposal === null) return { ...facts, recorded }
  const { args, tool, identity } = proposal
  const whole = { ...facts, ...identity, args }
  return tool === null ? { ...whole, recorded: { ...recorded, values: null } } : { ...whole, tool }
}

const decideAgain = (layers: CompiledLayers, past: PastDecision): Recheck =>
  guarded(() => ({ ok: true, decision: decideLayers(layers, pastFacts(past)) }))

const side = ({ effect, tier, rule_id }: PolicyDecision): Flip['before'] => ({
  effect,
  tier,
  rule_id,
})

function flipOf(past: PastDecision, decision: PolicyDecision): Flip | null {
  const change = compareVerdicts(decision, past.record)
  const direction = change < 0 ? 'wider' : change > 0 ? 'narrower' : null
  if (direction === null) return null
  return {
    action_id: past.action_id,
    before: side(past.record),
    after: { ...side(decision), unknown: decision.unknown },
    direction,
  }
}

const OF_IDENTITY = ['agent', 'user', 'source', 'auth_level']

/** What an action that lacks them cannot be decided again without. */
const NEVER_MISSING = ['amount', 'category']

/** Unknown because nobody recorded it, not because it was not there. */
function unrecorded(
  { record, proposal }: PastDecision,
  { unknown }: PolicyDecision,
): readonly string[] {
  const known = new Set([...NEVER_MISSING, ...record.facts.map(({ name }) => name)])
  if (proposal?.identity !== undefined) for (const name of OF_IDENTITY) known.add(name)
  return unknown.filter((name) => !known.has(name) && !name.startsWith('args:'))
}

/** Every recorded decision that would be less or more restrictive under `layers`. */
export function replay(layers: CompiledLayers, past: readonly PastDecision[]): Replay {
  const flips: Flip[] = []
  const uncertain: Replay['uncertain'][number][] = []
  const undecidable: Replay['undecidable'][number][] = []
  for (const one of past) {
    const again = decideAgain(layers, one)
    if (!again.ok) {
      undecidable.push({ action_id: one.action_id, why: `${again.reason}: ${again.detail}` })
      continue
    }
    const facts = unrecorded(one, again.decision)
    if (facts.length > 0) uncertain.push({ action_id: one.action_id, facts })
    const flip = flipOf(one, again.decision)
    if (flip !== null) flips.push(flip)
  }
  return { decided: past.length - undecidable.length, flips, uncertain, undecidable }
}
