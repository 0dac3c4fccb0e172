import { type CompiledLayers, decideLayers, type Evaluation, type PolicyFacts } from '@trustgw/core'
import type { DecisionRecord, Json, Proposal } from '@trustgw/protocol'
import type { Actor } from '../agents/agent-directory.ts'
import type { RegisteredTool } from '../registry/tool-directory.ts'

/** How long after its release an action may still start, in milliseconds. */
export const RUN_WITHIN_MS = 300_000

/** The policies in force of a tenant and their place in the order of policies. */
export interface PolicyInForce {
  readonly epoch: number
  /** The platform's layer and those of the tenant, workspace and agent that there are. */
  layersFor(of: { readonly workspace: string; readonly agent: string }): CompiledLayers
}

/** What is decided, under what. */
export interface Question {
  readonly proposal: Proposal
  readonly tool: RegisteredTool
  /** The arguments of the proposal as the value that they were parsed to. */
  readonly args: Json
  readonly actor: Actor
  readonly layers: CompiledLayers
  readonly epoch: number
}

/** Facts that somebody has to gather; what the policy does not ask for may be left out. */
export type Gathered = Pick<PolicyFacts, 'local_times' | 'chain' | 'provenance' | 'counters'>

/** How an agent proved who it is, in the words of policy. */
const AUTH_METHODS: ReadonlyMap<string, string> = new Map([
  ['api-key', 'api_key'],
  ['nats', 'nkey'],
])

/** All facts of a decision at `now`. */
export function policyFacts(question: Question, now: number, gathered: Gathered): PolicyFacts {
  const { proposal, actor, args } = question
  const { contract } = question.tool
  return {
    tool: {
      id: contract.id,
      operation: contract.operation,
      category: contract.category,
      tags: contract.tags,
      bundle: contract.bundle,
      amount: contract.amount,
      input_schema: contract.input_schema,
    },
    args,
    tenant: proposal.tenant,
    workspace: proposal.workspace,
    agent: proposal.principal.subject,
    user: proposal.on_behalf_of,
    source: proposal.source,
    auth_level: proposal.auth_level,
    auth_method: AUTH_METHODS.get(proposal.principal.issuer) ?? null,
    roles: actor.roles,
    scopes: actor.scopes,
    skill_level: actor.skill_level,
    time_ms: now,
    ...gathered,
  }
}

/** What policy says of a proposal, as the record that anyone can decide again from. */
export function evaluate(question: Question, facts: PolicyFacts): DecisionRecord {
  const { proposal, tool, layers, epoch } = question
  const decision = decideLayers(layers, facts)
  return {
    typ: 'trustgw/decision/1',
    action_id: proposal.action_id,
    tenant: proposal.tenant,
    workspace: proposal.workspace,
    principal: proposal.principal,
    on_behalf_of: proposal.on_behalf_of,
    tool_id: tool.contract.id,
    contract_hash: tool.contract_hash,
    input_hash: proposal.input_hash,
    effect: decision.effect,
    tier: decision.tier,
    rule_id: decision.rule_id,
    reason: decision.reason,
    obligations: decision.obligations,
    policy_fingerprint: decision.policy_fingerprint,
    policy_epoch: epoch,
    facts: decision.facts,
    unknown: decision.unknown,
    decided_at: facts.time_ms,
  }
}

/** How long the precondition of an action may take to be read, from its decision on. */
const PREPARE_WITHIN_MS = 30_000

/**
 * What comes of a decision that was just made: where the tool has a precondition, what policy lets go
 * on waits for its being read. The decision itself does not depend on it.
 */
export function firstEvaluation(record: DecisionRecord, prepares: boolean): Evaluation {
  const evaluation = evaluationOf(record)
  const goesOn = evaluation.outcome === 'allow' || evaluation.outcome === 'pending'
  return goesOn && prepares
    ? { outcome: 'prepare', prepare_by: record.decided_at + PREPARE_WITHIN_MS }
    : evaluation
}

/** The decision as far as the life of the action is concerned. */
export function evaluationOf(record: DecisionRecord): Evaluation {
  const { effect, tier, obligations, decided_at } = record
  const { undo_ms = 0 } = obligations
  if (effect === 'deny') return { outcome: 'deny', reason: record.reason }
  if (effect === 'require_proof' || tier === 3) return { outcome: 'proof' }
  if (effect === 'allow' && tier === 0)
    return { outcome: 'allow', run_by: decided_at + undo_ms + RUN_WITHIN_MS }
  const { approvers } = obligations
  if (effect !== 'require_approval' || tier === 0 || approvers.length === 0)
    return { outcome: 'deny', reason: 'inconsistent decision' }
  const decide_by = decided_at + obligations.approval_ttl_ms
  const initiator = record.on_behalf_of ?? record.principal.subject
  return {
    outcome: 'pending',
    decide_by,
    run_by: decide_by + undo_ms + RUN_WITHIN_MS,
    need: { tier, approvers, initiator, asked_at: decided_at },
  }
}
