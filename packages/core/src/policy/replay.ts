/** Recorded decisions made again under another policy (spec/policy.md "Commands", `replay`). */
import type { Json } from '@trustgw/protocol'
import { strength } from './ast.ts'
import { type CompiledLayers, decideLayers, type PolicyDecision } from './decide.ts'
import type { LocalTime, PolicyFacts, ToolFacts } from './facts.ts'
import { factsFromRecord, type Recorded, redecide } from './record.ts'

/** A decision of the past, with what is still known of the proposal. */
export interface PastDecision {
  readonly action_id: string
  readonly record: Recorded
  /** The arguments and the tool as they were; without them only recorded facts are known. */
  readonly proposal: { readonly tool: ToolFacts; readonly args: Json } | null
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

type Again =
  | { readonly ok: true; readonly decision: PolicyDecision }
  | { readonly ok: false; readonly why: string }

function decideAgain(layers: CompiledLayers, past: PastDecision): Again {
  const { record, proposal } = past
  if (proposal === null) {
    const again = redecide(layers, record)
    return again.ok ? again : { ok: false, why: `${again.reason}: ${again.detail}` }
  }
  const again = redecide(layers, record)
  if (!again.ok && again.reason === 'record_malformed') {
    return { ok: false, why: `${again.reason}: ${again.detail}` }
  }
  const { recorded: _, ...known } = factsFromRecord(record)
  const facts: PolicyFacts = { ...known, tool: proposal.tool, args: proposal.args }
  const times = past.local_times ?? known.local_times
  const decision = decideLayers(
    layers,
    times === undefined ? facts : { ...facts, local_times: times },
  )
  return { ok: true, decision }
}

const side = ({ effect, tier, rule_id }: PolicyDecision): Flip['before'] => ({
  effect,
  tier,
  rule_id,
})

function flipOf(past: PastDecision, decision: PolicyDecision): Flip | null {
  const [was, is] = [strength(past.record), strength(decision)]
  if (was === is) return null
  return {
    action_id: past.action_id,
    before: side(past.record),
    after: { ...side(decision), unknown: decision.unknown },
    direction: is < was ? 'wider' : 'narrower',
  }
}

/** Arguments and what follows from them are known where the proposal is. */
function unrecorded(
  { record, proposal }: PastDecision,
  { unknown }: PolicyDecision,
): readonly string[] {
  const known = new Set(record.facts.map(({ name }) => name))
  const isDerived = (name: string): boolean =>
    proposal !== null && (name === 'amount' || name.startsWith('args:'))
  return unknown.filter((name) => !known.has(name) && !isDerived(name))
}

/** Every recorded decision that would be less or more restrictive under `layers`. */
export function replay(layers: CompiledLayers, past: readonly PastDecision[]): Replay {
  const flips: Flip[] = []
  const uncertain: Replay['uncertain'][number][] = []
  const undecidable: Replay['undecidable'][number][] = []
  for (const one of past) {
    const again = decideAgain(layers, one)
    if (!again.ok) {
      undecidable.push({ action_id: one.action_id, why: again.why })
      continue
    }
    const facts = unrecorded(one, again.decision)
    if (facts.length > 0) uncertain.push({ action_id: one.action_id, facts })
    const flip = flipOf(one, again.decision)
    if (flip !== null) flips.push(flip)
  }
  return { decided: past.length - undecidable.length, flips, uncertain, undecidable }
}
