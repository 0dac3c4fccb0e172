/** A proposal of the past as the host lists it, ready to be decided again. */
import type { LocalTime, PastDecision, Recorded, ToolFacts } from '@trustgw/core'
import type { DecisionFact, DecisionRecord, Json, Source } from '@trustgw/protocol'

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

const asserted = (name: string, value: Json): DecisionFact => ({ name, origin: 'asserted', value })

type LocalTimes = ReadonlyMap<string, LocalTime>

/** What the gateway knew of the proposal, also where its policy did not look. */
function knownFacts(
  { source, auth_level, decision }: RecordedProposal,
  localTimes: LocalTimes,
): readonly DecisionFact[] {
  return [
    asserted('source', source),
    asserted('agent', decision.principal.subject),
    asserted('user', decision.on_behalf_of),
    asserted('auth_level', auth_level),
    ...[...localTimes].map(
      ([zone, time]): DecisionFact => ({
        name: `time:${zone}`,
        origin: 'derived',
        value: { ...time },
      }),
    ),
  ]
}

/**
 * The record with what is known beside it; what it holds itself stays as it is. `localTimes`: the
 * moment of the decision in the zones that are asked for now.
 */
export function wholeRecord(recorded: RecordedProposal, localTimes: LocalTimes): Recorded {
  const { decision } = recorded
  const names = new Set(decision.facts.map(({ name }) => name))
  const more = knownFacts(recorded, localTimes).filter(({ name }) => !names.has(name))
  return { ...decision, facts: [...decision.facts, ...more] }
}

export function pastOf(recorded: RecordedProposal, localTimes: LocalTimes): PastDecision {
  const { action_id, tool } = recorded
  const proposal = tool === null ? null : { tool, args: recorded.arguments }
  return { action_id, record: wholeRecord(recorded, localTimes), proposal }
}
