import { type Asks, type Chain, factsFromRecord } from '@trustgw/core'
import type { Json, Proposal } from '@trustgw/protocol'
import type { ActionRecord } from '../action/action-record.ts'
import type { TraceView } from './call-log.ts'
import type { Earlier, Origins } from './origins.ts'
import { callsBefore, chainOf } from './trace.ts'

/** What the gateway itself saw before a call; what is null or missing is unknown. */
export interface Past {
  readonly chain?: Chain | null
  readonly provenance?: ReadonlyMap<string, readonly string[]>
}

export interface PastQuestion {
  readonly proposal: Proposal
  readonly args: Json
  readonly asks: Asks
}

/**
 * The past of a call as policy asks for it. It is that of the moment at which the call came: a later
 * decision takes it from the earlier one's record, since the trace forgets and waiting must not make a
 * call look harmless. What that record does not have is worked out while the trace still has the call.
 */
export async function pastOf(
  { proposal, args, asks }: PastQuestion,
  from: {
    readonly view: TraceView
    readonly before: ActionRecord | null
    readonly origins: Origins
  },
): Promise<Past> {
  const { before, origins } = from
  const recorded = before === null ? undefined : factsFromRecord(before.decision)
  const earlier = earlierOf(proposal, from)
  const chain = asks.chain ? { chain: recorded?.chain ?? freshChain(proposal, earlier) } : {}
  if (asks.provenance.length === 0) return chain
  const kept = recorded?.provenance ?? new Map<string, readonly string[]>()
  const values = origins
    .traceable(asks.provenance, args, proposal.tool_id)
    .filter(({ pointer }) => !kept.has(pointer))
  const found = earlier === null ? [] : await origins.find(proposal.tenant, values, earlier)
  return { ...chain, provenance: new Map([...kept, ...found]) }
}

/** The calls before this one; null where the trace cannot be read or has forgotten this one. */
function earlierOf(
  { action_id }: Proposal,
  { view, before }: { readonly view: TraceView; readonly before: ActionRecord | null },
): Earlier | null {
  const { trace } = view
  if (trace === undefined) return null
  const isThere = trace.calls.some(({ action }) => action === action_id)
  if (before !== null && !isThere) return null
  return { calls: callsBefore(trace, action_id), complete: trace.dropped_at === null }
}

function freshChain({ tool_id, input_hash }: Proposal, earlier: Earlier | null): Chain | null {
  return earlier === null ? null : chainOf(earlier.calls, { tool: tool_id, input_hash })
}
