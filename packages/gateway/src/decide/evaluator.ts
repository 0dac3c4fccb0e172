import { type CompiledPolicy, decide, type Evaluation, type PolicyFacts } from '@trustgw/core'
import { type DecisionRecord, type Json, type Proposal } from '@trustgw/protocol'
import type { RegisteredTool } from '../registry/tool-directory.ts'

/** How long after its release an action may still start, in milliseconds. */
export const RUN_WITHIN_MS = 300_000

/** The policy in force and its place in the order of policies. */
export interface PolicyInForce {
  readonly compiled: CompiledPolicy
  readonly epoch: number
}

/** What policy says of a proposal, as the record that anyone can decide again from. */
export function evaluate(
  policy: PolicyInForce,
  proposal: Proposal,
  input: { readonly tool: RegisteredTool; readonly args: Json; readonly now: number },
): DecisionRecord {
  const { contract, contract_hash } = input.tool
  const decision = decide(policy.compiled, policyFacts(proposal, input))
  return {
    typ: 'trustgw/decision/1',
    action_id: proposal.action_id,
    tenant: proposal.tenant,
    workspace: proposal.workspace,
    principal: proposal.principal,
    on_behalf_of: proposal.on_behalf_of,
    tool_id: contract.id,
    contract_hash,
    input_hash: proposal.input_hash,
    effect: decision.effect,
    tier: decision.tier,
    rule_id: decision.rule_id,
    reason: decision.reason,
    obligations: decision.obligations,
    policy_fingerprint: decision.policy_fingerprint,
    policy_epoch: policy.epoch,
    facts: decision.facts,
    unknown: decision.unknown,
    decided_at: input.now,
  }
}

/** The decision as far as the life of the action is concerned. */
export function evaluationOf(record: DecisionRecord): Evaluation {
  const { effect, tier, obligations, decided_at } = record
  if (effect === 'deny') return { outcome: 'deny', reason: record.reason }
  if (effect === 'require_proof' || tier === 3) return { outcome: 'proof' }
  if (effect === 'allow' && tier === 0)
    return { outcome: 'allow', run_by: decided_at + RUN_WITHIN_MS }
  if (effect !== 'require_approval' || tier === 0)
    return { outcome: 'deny', reason: 'inconsistent decision' }
  const decide_by = decided_at + obligations.approval_ttl_ms
  const initiator = record.on_behalf_of ?? record.principal.subject
  return {
    outcome: 'pending',
    decide_by,
    run_by: decide_by + RUN_WITHIN_MS,
    need: { tier, quorum: obligations.approvers.quorum, initiator },
  }
}

function policyFacts(
  proposal: Proposal,
  input: { readonly tool: RegisteredTool; readonly args: Json; readonly now: number },
): PolicyFacts {
  const { contract } = input.tool
  return {
    tool: {
      id: contract.id,
      operation: contract.operation,
      category: contract.category,
      tags: contract.tags,
      bundle: contract.bundle,
      amount: contract.amount,
    },
    args: input.args,
    tenant: proposal.tenant,
    workspace: proposal.workspace,
    agent: proposal.principal.subject,
    user: proposal.on_behalf_of,
    source: proposal.source,
    auth_level: proposal.auth_level,
    roles: null,
    time_ms: input.now,
  }
}
