import { EVIDENCE_MAX } from './approvers.ts'
import { CHANNELS, type Channel } from './channel.ts'
import { contractJson, type ToolContract, toolContractShape } from './contract.ts'
import { type DecisionRecord, decisionJson, decisionRecordShape } from './decision.ts'
import {
  actionIdField,
  base64urlField,
  hashField,
  msField,
  nameField,
  reasonField,
  tenantField,
} from './fields.ts'
import { type Hash, hashJson, type Sha256 } from './hash.ts'
import type { ActionId } from './ids.ts'
import { ARGUMENTS_MAX_BYTES, type JsonObject } from './json.ts'
import { type CallChain, callChainShape, type Origins, originsShape } from './origins.ts'
import { type PreconditionValue, preconditionValueShape } from './precondition.ts'
import { type Source, sourceShape } from './principal.ts'
import {
  arrayShape,
  nullableShape,
  objectShape,
  oneOfShape,
  optionalMember,
  type Shape,
  stringShape,
  taggedShape,
} from './shape.ts'
import type { ApprovalStatement, Verdict } from './statement.ts'
import { nonceField } from './statement.ts'
import type { TenantId } from './subjects.ts'

/**
 * What the gateway asks people to decide (spec/protocol.md §3). The approver's browser re-hashes
 * `arguments`, `contract` and `precondition` and derives every displayed word from them.
 */
export interface ApprovalRequest {
  readonly v: 1
  readonly action_id: ActionId
  readonly tenant: TenantId
  readonly source: Source
  readonly contract: ToolContract
  /** The JCS text of the arguments. */
  readonly arguments: string
  /** What was read for people to see; null where the contract has no precondition. */
  readonly precondition: PreconditionValue | null
  readonly precondition_hash: Hash
  readonly decision: DecisionRecord
  readonly requested_at: number
  readonly decide_by: number
  readonly run_by: number
  /** The gateway's word, no part of the statement. Absent: it knows nothing of where values came from. */
  readonly origins?: Origins
  /** The gateway's word, no part of the statement. Absent: it knows no earlier call. */
  readonly chain?: CallChain
}

export const approvalRequestShape: Shape<ApprovalRequest> = objectShape({
  v: oneOfShape(1),
  action_id: actionIdField,
  tenant: tenantField,
  source: sourceShape,
  contract: toolContractShape,
  arguments: stringShape({ max: ARGUMENTS_MAX_BYTES, characters: 'any' }),
  precondition: nullableShape(preconditionValueShape),
  precondition_hash: hashField,
  decision: decisionRecordShape,
  requested_at: msField,
  decide_by: msField,
  run_by: msField,
  origins: optionalMember(originsShape),
  chain: optionalMember(callChainShape),
})

/** The hashes of what is shown, as whoever shows it computed them. */
export interface ComputedHashes {
  readonly contract_hash: Hash
  readonly input_hash: Hash
  readonly precondition_hash: Hash
}

/** What an approver adds to an action to make a statement of it. */
export interface ApproverChoice {
  readonly approver: string
  readonly verdict: Verdict
  readonly nonce: string
  readonly decide_by: number
  readonly run_by: number
}

/**
 * The statement for a request. The hashes are the ones that the caller computed itself from what it
 * shows, never copied from the request.
 */
export function approvalStatement(
  request: ApprovalRequest,
  computed: ComputedHashes,
  choice: ApproverChoice,
): ApprovalStatement {
  const { decision } = request
  return {
    typ: 'trustgw/approval/1',
    action_id: request.action_id,
    tenant: request.tenant,
    workspace: decision.workspace,
    principal: decision.principal,
    on_behalf_of: decision.on_behalf_of,
    credential_ref: request.contract.credential_ref,
    tool_id: request.contract.id,
    contract_hash: computed.contract_hash,
    input_hash: computed.input_hash,
    precondition_hash: computed.precondition_hash,
    rule_id: decision.rule_id,
    policy_fingerprint: decision.policy_fingerprint,
    tier: decision.tier,
    verdict: choice.verdict,
    approver: choice.approver,
    decide_by: choice.decide_by,
    run_by: choice.run_by,
    nonce: choice.nonce,
  }
}

/** A raw WebAuthn assertion (WebAuthn level 3 §5.2.2); every member base64url. */
export interface PasskeyAssertion {
  readonly credential_id: string
  readonly client_data_json: string
  readonly authenticator_data: string
  readonly signature: string
}

/**
 * What supports an approval: it supplies only who, nonce, deadlines and the proof; the executor
 * builds the statement itself (spec/protocol.md §4 step 4).
 */
export type ApprovalEvidence = {
  readonly approver: string
  readonly nonce: string
  readonly decide_by: number
  readonly run_by: number
} & (
  | { readonly kind: 'passkey'; readonly assertion: PasskeyAssertion }
  /** Tier 1: the host's JWS of `APPROVAL_STATEMENT_TYP` over the same statement. */
  | { readonly kind: 'host'; readonly statement: string }
)

export const APPROVAL_STATEMENT_TYP = 'approval-statement+jwt'
export const APPROVAL_STATEMENT_MAX_BYTES = 8_192

const evidenceMembers = {
  approver: nameField,
  nonce: nonceField,
  decide_by: msField,
  run_by: msField,
} as const

export const passkeyAssertionShape: Shape<PasskeyAssertion> = objectShape({
  credential_id: base64urlField({ min: 1, max: 1_400 }),
  client_data_json: base64urlField({ min: 1, max: 4_096 }),
  authenticator_data: base64urlField({ min: 49, max: 4_096 }),
  signature: base64urlField({ min: 1, max: 2_048 }),
})

export const approvalEvidenceShape: Shape<ApprovalEvidence> = taggedShape('kind', {
  passkey: objectShape({
    ...evidenceMembers,
    kind: oneOfShape('passkey'),
    assertion: passkeyAssertionShape,
  }),
  host: objectShape({
    ...evidenceMembers,
    kind: oneOfShape('host'),
    statement: stringShape({ min: 1, max: APPROVAL_STATEMENT_MAX_BYTES, characters: 'token' }),
  }),
})

export function evidenceJson(evidence: ApprovalEvidence): JsonObject {
  return evidence.kind === 'passkey'
    ? { ...evidence, assertion: { ...evidence.assertion } }
    : { ...evidence }
}

/** An element of the grant's `approvals`. */
export function evidenceHash(sha256: Sha256, evidence: ApprovalEvidence): Hash {
  return hashJson(sha256, evidenceJson(evidence))
}

export const approvalEvidencesShape: Shape<readonly ApprovalEvidence[]> = arrayShape(
  approvalEvidenceShape,
  { max: EVIDENCE_MAX },
)

/**
 * host → gateway: one person's verdict, as the payload of a JWS of `APPROVAL_DECISION_TYP` by the
 * host's key. An approval carries its evidence; a denial carries none and needs none.
 */
export interface ApprovalDecision {
  readonly v: 1
  readonly action_id: ActionId
  readonly tenant: TenantId
  readonly verdict: Verdict
  readonly approver: string
  readonly roles: readonly string[]
  /** Through which it was given: the host's word. */
  readonly channel: Channel
  readonly reason: string
  readonly decided_at: number
  readonly evidence: ApprovalEvidence | null
}

export const APPROVAL_DECISION_TYP = 'approval-decision+jwt'
export const APPROVAL_DECISION_MAX_BYTES = 65_536

export const approvalDecisionShape: Shape<ApprovalDecision> = objectShape({
  v: oneOfShape(1),
  action_id: actionIdField,
  tenant: tenantField,
  verdict: oneOfShape('approve', 'deny'),
  approver: nameField,
  roles: arrayShape(nameField, { max: 32 }),
  channel: oneOfShape(...CHANNELS),
  reason: reasonField,
  decided_at: msField,
  evidence: nullableShape(approvalEvidenceShape),
})

export function approvalDecisionJson(decision: ApprovalDecision): JsonObject {
  return {
    ...decision,
    roles: [...decision.roles],
    evidence: decision.evidence === null ? null : evidenceJson(decision.evidence),
  }
}

/** gateway → host, in answer to a decision. */
export type ApprovalDecisionAnswer =
  | { readonly status: 'accepted'; readonly state: string }
  /** `not_pending`: another verdict or the deadline came first. Final: do not send again. */
  | { readonly status: 'refused'; readonly code: string }

export const approvalDecisionAnswerShape: Shape<ApprovalDecisionAnswer> = taggedShape('status', {
  accepted: objectShape({ status: oneOfShape('accepted'), state: nameField }),
  refused: objectShape({ status: oneOfShape('refused'), code: nameField }),
})

export function approvalRequestJson(request: ApprovalRequest): JsonObject {
  const { origins, chain, ...asked } = request
  return {
    ...asked,
    contract: contractJson(request.contract),
    precondition: request.precondition === null ? null : { ...request.precondition },
    decision: decisionJson(request.decision),
    ...(origins && { origins: origins.map((one) => ({ ...one, origins: [...one.origins] })) }),
    ...(chain && { chain: { ...chain, tools: [...chain.tools] } }),
  }
}

/** host → gateway, in answer to a request. */
export type ApprovalRequestAnswer =
  | { readonly status: 'stored'; readonly action_id: ActionId }
  /** The host can never put it to a person; asking again changes nothing. */
  | { readonly status: 'refused'; readonly code: string }

export const approvalRequestAnswerShape: Shape<ApprovalRequestAnswer> = taggedShape('status', {
  stored: objectShape({ status: oneOfShape('stored'), action_id: actionIdField }),
  refused: objectShape({ status: oneOfShape('refused'), code: nameField }),
})
