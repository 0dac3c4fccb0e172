import {
  ARGUMENTS_MAX_BYTES,
  CLEARANCE_OF_TIER,
  canonicalize,
  type DecisionRecord,
  decisionHash,
  EFFECT_OF_TIER,
  type GrantClaims,
  hashText,
  idempotencyKey,
  type JsonObject,
  noPreconditionHash,
  type Principal,
  parseJsonObject,
  principalText,
  type Sha256,
  type TenantId,
} from '@trustgw/protocol'
import { type Admission, type Refused, refused } from './reasons.ts'
import { makeStage, type StageToken } from './stage.ts'
import type { ServedTool, ServedTools } from './tool-index.ts'
import { openVerifiedGrant, type VerifiedGrant, type VerifiedGrantValue } from './verify-grant.ts'

/** Tool, credential, arguments and decision are what the grant names. Approvals come later. */
export type BoundAction = StageToken<'bound_action'>

export interface BoundActionValue extends VerifiedGrantValue {
  readonly tool: ServedTool
  readonly arguments: JsonObject
}

/** Which principals may act with which credential: this executor's own list. */
export interface CredentialList {
  allows(name: string, principal: Principal): boolean
}

export interface BindDeps {
  readonly tenants: readonly TenantId[]
  readonly tools: ServedTools
  readonly credentials: CredentialList
  readonly sha256: Sha256
}

const stage = makeStage<'bound_action', BoundActionValue>('bound_action')
export const openBoundAction: (token: BoundAction) => BoundActionValue = stage.open

/**
 * Step 2 of spec/protocol.md §4. The arguments are parsed here, once. NOT checked here: that the
 * policy gives this decision (step 3) and that it is on record, both next; what a precondition reads now (step 5).
 */
export function bindAction(verified: VerifiedGrant, deps: BindDeps): Admission<BoundAction> {
  const value = openVerifiedGrant(verified)
  const { claims, action } = value
  if (!deps.tenants.includes(claims.tenant_id)) return refused('tenant_not_served')
  const tool = deps.tools.find(claims.tool_name)
  if (tool === undefined) return refused('tool_unknown')
  if (tool.contract_hash !== claims.contract_hash) return refused('contract_changed')
  const problem =
    checkDecision(claims, action.decision, deps.sha256) ??
    checkBound(claims, tool, deps.sha256) ??
    checkCredential(claims, action.decision, { tool, deps })
  if (problem !== undefined) return problem
  const parsed = parseArguments(action.arguments, claims, { tool, deps })
  if (!parsed.ok) return parsed
  return { ok: true, value: stage.mint({ ...value, tool, arguments: parsed.value }) }
}

interface ToolContext {
  readonly tool: ServedTool
  readonly deps: BindDeps
}

function checkDecision(
  claims: GrantClaims,
  decision: DecisionRecord,
  sha256: Sha256,
): Refused | undefined {
  if (decisionHash(sha256, decision) !== claims.decision_hash) {
    return refused('decision_hash_differs')
  }
  const pairs = {
    action_id: [decision.action_id, claims.action_id],
    tenant: [decision.tenant, claims.tenant_id],
    principal_tenant: [decision.principal.tenant, claims.tenant_id],
    workspace: [decision.workspace, claims.workspace_id],
    principal: [principalText(decision.principal), claims.sub],
    tool_id: [decision.tool_id, claims.tool_name],
    contract_hash: [decision.contract_hash, claims.contract_hash],
    input_hash: [decision.input_hash, claims.input_hash],
    rule_id: [decision.rule_id, claims.rule_id],
    policy_fingerprint: [decision.policy_fingerprint, claims.policy_fingerprint],
    policy_epoch: [decision.policy_epoch, claims.policy_epoch],
  }
  const differing = Object.entries(pairs).find(([, [said, granted]]) => said !== granted)
  if (differing !== undefined) return refused('decision_disagrees', differing[0])
  if (decision.effect === 'deny') return refused('decision_forbids')
  if (decision.tier === 3 || claims.clearance === 'proof_verified') {
    return refused('tier_not_supported')
  }
  if (decision.effect !== EFFECT_OF_TIER[decision.tier]) return refused('decision_forbids', 'tier')
  if (claims.clearance !== CLEARANCE_OF_TIER[decision.tier]) return refused('clearance_differs')
  const key = idempotencyKey(sha256, claims.tenant_id, claims.action_id)
  return key === claims.idempotency_key ? undefined : refused('idempotency_key_differs')
}

/** A tool with a precondition is not run without one, nor one without under one. */
function checkBound(
  claims: GrantClaims,
  { contract }: ServedTool,
  sha256: Sha256,
): Refused | undefined {
  const isBound = claims.precondition_hash !== noPreconditionHash(sha256)
  return isBound === (contract.precondition !== null) ? undefined : refused('precondition_differs')
}

function checkCredential(
  claims: GrantClaims,
  decision: DecisionRecord,
  { tool, deps }: ToolContext,
): Refused | undefined {
  if (claims.credential_ref !== tool.contract.credential_ref) return refused('credential_differs')
  return deps.credentials.allows(claims.credential_ref, decision.principal)
    ? undefined
    : refused('credential_not_allowed')
}

function parseArguments(
  text: string,
  claims: GrantClaims,
  { tool, deps }: ToolContext,
): Admission<JsonObject> {
  const parsed = parseJsonObject(text, { maxBytes: ARGUMENTS_MAX_BYTES })
  if (!parsed.ok) return refused('arguments_malformed', parsed.reason)
  if (canonicalize(parsed.value) !== text) return refused('arguments_not_canonical')
  if (hashText(deps.sha256, text) !== claims.input_hash) return refused('input_hash_differs')
  const mismatch = tool.input.check(parsed.value)
  if (mismatch !== undefined) return refused('arguments_invalid', mismatch.keyword)
  return { ok: true, value: parsed.value }
}
