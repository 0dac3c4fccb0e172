import type { Evidence, Need } from '@trustgw/core'
import {
  APPROVAL_STATEMENT_MAX_BYTES,
  APPROVAL_STATEMENT_TYP,
  type ApprovalDecision,
  type ApprovalEvidence,
  type ApprovalStatement,
  approvalStatementJson,
  asObject,
  base64urlDecode,
  canonicalize,
  clausesAfter,
  countsThrough,
  hexEncode,
  type JwsExpectation,
  judgeApprover,
  parseJsonObject,
  preconditionHash,
  type Sha256,
  statementHash,
  verifyJws,
} from '@trustgw/protocol'
import type { Clock } from '@trustgw/runtime'
import type { ActionRecord } from '../action/action-record.ts'

export type DecisionRefusal =
  | 'not_pending'
  | 'evidence_missing'
  | 'evidence_kind'
  | 'approved_already'
  /** The rule does not let people approve there. */
  | 'channel_not_named'
  | 'approver_mismatch'
  | 'initiator_cannot_approve'
  | 'role_missing'
  /** Everybody whom this person could stand for has approved. */
  | 'approver_not_needed'
  /** Others are asked first. */
  | 'approver_not_yet'
  | 'deadline_mismatch'
  | 'statement_mismatch'

export interface JudgeDeps {
  readonly sha256: Sha256
  readonly hostKeyFor: JwsExpectation['keyFor']
  readonly clock: Pick<Clock, 'now'>
}

/**
 * Whether an approval fits the pending action. What only the executor can know (that the passkey is
 * pinned to that person, that its signature holds) is NOT checked here; what the gateway can know is,
 * so that a wrong approval fails while the approver still looks at it.
 */
export function judgeApproval(
  record: ActionRecord,
  decision: ApprovalDecision,
  deps: JudgeDeps,
): DecisionRefusal | undefined {
  const { state } = record
  const { evidence } = decision
  if (state.kind !== 'pending_approval') return 'not_pending'
  if (evidence === null) return 'evidence_missing'
  if (!countsThrough(record.decision, 'approve', decision.channel)) return 'channel_not_named'
  if (evidence.approver !== decision.approver) return 'approver_mismatch'
  if (state.evidence.some((given) => given.approver === evidence.approver))
    return 'approved_already'
  const unfit = unfitApprover(state, decision, deps.clock.now())
  if (unfit !== undefined) return unfit
  if (evidence.decide_by !== state.decide_by || evidence.run_by !== state.run_by)
    return 'deadline_mismatch'
  if (evidence.kind !== (state.need.tier === 1 ? 'host' : 'passkey')) return 'evidence_kind'
  const statement = statementOf(record, evidence, deps.sha256)
  return fits(statement, evidence, deps) ? undefined : 'statement_mismatch'
}

function unfitApprover(
  { need, evidence: counted }: { readonly need: Need; readonly evidence: readonly Evidence[] },
  { approver, roles }: ApprovalDecision,
  now: number,
): DecisionRefusal | undefined {
  if (approver === need.initiator) return 'initiator_cannot_approve'
  const clauses = clausesAfter(need.approvers, now - need.asked_at)
  const adds = judgeApprover(clauses, counted, roles)
  if (adds === 'counts') return undefined
  return adds === 'lacks_role' ? 'role_missing' : `approver_${adds}`
}

function statementOf(
  record: ActionRecord,
  evidence: ApprovalEvidence,
  sha256: Sha256,
): ApprovalStatement {
  const { decision } = record
  return {
    typ: 'trustgw/approval/1',
    action_id: decision.action_id,
    tenant: decision.tenant,
    workspace: decision.workspace,
    principal: decision.principal,
    on_behalf_of: decision.on_behalf_of,
    credential_ref: record.tool.credential_ref,
    tool_id: decision.tool_id,
    contract_hash: decision.contract_hash,
    input_hash: decision.input_hash,
    precondition_hash: preconditionHash(sha256, record.precondition),
    rule_id: decision.rule_id,
    policy_fingerprint: decision.policy_fingerprint,
    tier: decision.tier,
    verdict: 'approve',
    approver: evidence.approver,
    decide_by: evidence.decide_by,
    run_by: evidence.run_by,
    nonce: evidence.nonce,
  }
}

function fits(
  statement: ApprovalStatement,
  evidence: ApprovalEvidence,
  deps: { readonly sha256: Sha256; readonly hostKeyFor: JwsExpectation['keyFor'] },
): boolean {
  if (evidence.kind === 'passkey') {
    return (
      challengeOf(evidence.assertion.client_data_json) === statementHash(deps.sha256, statement)
    )
  }
  const verified = verifyJws(evidence.statement, {
    typ: APPROVAL_STATEMENT_TYP,
    maxBytes: APPROVAL_STATEMENT_MAX_BYTES,
    keyFor: deps.hostKeyFor,
  })
  return (
    verified.ok &&
    canonicalize(verified.value.payload) === canonicalize(approvalStatementJson(statement))
  )
}

/** The challenge that the browser says it signed, as `sha256:<hex>`. */
function challengeOf(clientDataJson: string): string | undefined {
  const bytes = base64urlDecode(clientDataJson)
  const json = bytes === undefined ? undefined : parseJsonObject(bytes)
  const challenge = json?.ok === true ? asObject(json.value)?.['challenge'] : undefined
  const raw = typeof challenge === 'string' ? base64urlDecode(challenge) : undefined
  return raw === undefined ? undefined : `sha256:${hexEncode(raw)}`
}
