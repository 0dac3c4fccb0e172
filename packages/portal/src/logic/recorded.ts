/** A proposal of the past as the host lists it, ready to be decided again. */
import type { LocalTime, PastDecision, ToolFacts } from '@trustgw/core'
import type { DecisionRecord, Json, Source } from '@trustgw/protocol'

export interface RecordedProposal {
  readonly action_id: string
  /** Unix milliseconds at which it was proposed. */
  readonly at: number
  readonly source: Source
  readonly auth_level: number
  readonly amount: string | null
  readonly arguments: Json
  readonly decision: DecisionRecord
  /** Null: the tool changed since, so only recorded facts are known of it. */
  readonly tool: ToolFacts | null
}

/** `localTimes`: the moment of the decision in the zones that are asked for now. */
export function pastOf(
  recorded: RecordedProposal,
  localTimes: ReadonlyMap<string, LocalTime>,
): PastDecision {
  const { action_id, arguments: args, tool, source, auth_level, decision } = recorded
  const identity = {
    agent: decision.principal.subject,
    user: decision.on_behalf_of,
    source,
    auth_level,
  }
  const proposal = { args, tool, identity }
  return { action_id, record: decision, proposal, local_times: localTimes }
}
