import { type ApprovalDecision, evidenceHash, type Sha256 } from '@trustgw/protocol'
import type { ActionRecord } from '../action/action-record.ts'
import type { Planned } from '../action/planned.ts'
import { type DecisionRefusal, type JudgeDeps, judgeApproval } from './judge-decision.ts'

/** What became of a verdict when it was given to the action. */
export interface Heard {
  refusal: DecisionRefusal
  counted: boolean
}

/**
 * One person's verdict as an event of the action. An approval is judged against what is stored when
 * it is counted, not against what was there when it came.
 */
export function verdictPlan(decision: ApprovalDecision, heard: Heard, deps: JudgeDeps): Planned {
  const { approver, roles, evidence, reason } = decision
  if (decision.verdict === 'deny')
    return { event: { kind: 'approval_denied', by: approver, reason } }
  const tier = evidence?.kind === 'passkey' ? 2 : 1
  const ref = evidence === null ? '' : evidenceHash(deps.sha256, evidence)
  return {
    event: { kind: 'approval_granted', evidence: { ref, approver, roles, tier } },
    fits: (record) => {
      const refusal = judgeApproval(record, decision, deps)
      heard.refusal = refusal ?? heard.refusal
      return refusal === undefined
    },
    change: (before, next) => {
      const counted = 'evidence' in next && next.evidence.some((given) => given.ref === ref)
      if (!counted || evidence === null) return before
      heard.counted = true
      return { ...before, evidence: [...before.evidence, evidence] }
    },
  }
}

function isEndedBy(state: ActionRecord['state'], person: string): boolean {
  const isStopped = state.kind === 'cancelled' && state.stopped_for !== undefined
  return (state.kind === 'denied' || isStopped) && state.by === person
}

/** Whether this very decision is stored already: a repeat of it gets the same answer. */
export function heardBefore(
  { state, evidence }: ActionRecord,
  decision: ApprovalDecision,
  sha256: Sha256,
): boolean {
  if (decision.verdict === 'deny') return isEndedBy(state, decision.approver)
  if (decision.evidence === null) return false
  const ref = evidenceHash(sha256, decision.evidence)
  return evidence.some((given) => evidenceHash(sha256, given) === ref)
}
