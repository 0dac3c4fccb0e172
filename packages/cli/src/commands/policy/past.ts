import {
  type CompiledLayers,
  type PastDecision,
  type PolicyFacts,
  pastFacts,
  zonesOf,
} from '@trustgw/core'
import { type ActionRecord, argumentsOf } from '@trustgw/gateway/action-records'
import { contractHash, type Hash, type ToolContract } from '@trustgw/protocol'
import { localTimesOf, sha256 } from '@trustgw/runtime'
import { factsOfTool } from './tools.ts'

/** Contracts by tool, with the hash of each: an action names its contract by hash. */
export type Contracts = ReadonlyMap<
  string,
  { readonly contract: ToolContract; readonly hash: Hash }
>

export const contractsOf = (tools: readonly ToolContract[]): Contracts =>
  new Map(
    tools.map((contract) => [contract.id, { contract, hash: contractHash(sha256, contract) }]),
  )

export interface Past {
  readonly past: PastDecision
  /** `same`: as it was then. `changed`: as it is now. `gone`: only what was recorded of it. */
  readonly contract: 'same' | 'changed' | 'gone'
}

/** A stored action as `replay` takes it, with all that is known of its proposal. */
export function pastOf(record: ActionRecord, contracts: Contracts, layers: CompiledLayers): Past {
  const { proposal, decision } = record
  const known = contracts.get(proposal.tool_id)
  const past: PastDecision = {
    action_id: proposal.action_id,
    record: decision,
    proposal: {
      args: argumentsOf(proposal),
      tool: known === undefined ? null : factsOfTool(known.contract),
      identity: {
        agent: proposal.principal.subject,
        user: proposal.on_behalf_of,
        source: proposal.source,
        auth_level: proposal.auth_level,
      },
    },
    local_times: localTimesOf(zonesOf(layers), decision.decided_at),
  }
  if (known === undefined) return { past, contract: 'gone' }
  return { past, contract: known.hash === decision.contract_hash ? 'same' : 'changed' }
}

/** The inputs of its decision, to be explained. */
export const factsOfPast = ({ past }: Past): PolicyFacts => pastFacts(past)
