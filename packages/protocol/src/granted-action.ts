import { type ApprovalEvidence, approvalEvidencesShape, evidenceJson } from './approval.ts'
import { type DecisionRecord, decisionJson, decisionRecordShape } from './decision.ts'
import { countField, nameField } from './fields.ts'
import { GRANT_MAX_BYTES } from './grant.ts'
import { ARGUMENTS_MAX_BYTES, type JsonObject } from './json.ts'
import { objectShape, oneOfShape, type Shape, stringShape, taggedShape } from './shape.ts'

/** Largest `GrantedAction` as JSON text, in bytes. */
export const GRANTED_ACTION_MAX_BYTES = 524_288

/** gateway → executor (spec/protocol.md §3): a grant and everything needed to verify it alone. */
export interface GrantedAction {
  readonly v: 1
  readonly grant: string
  /** The JCS text of the arguments. */
  readonly arguments: string
  readonly decision: DecisionRecord
  /** Where the stored audit event of the decision stands. */
  readonly decision_event: { readonly seq: number; readonly event_id: string }
  readonly approvals: readonly ApprovalEvidence[]
}

export const grantedActionShape: Shape<GrantedAction> = objectShape({
  v: oneOfShape(1),
  grant: stringShape({ min: 1, max: GRANT_MAX_BYTES, characters: 'any' }),
  arguments: stringShape({ max: ARGUMENTS_MAX_BYTES, characters: 'any' }),
  decision: decisionRecordShape,
  decision_event: objectShape({ seq: countField, event_id: nameField }),
  approvals: approvalEvidencesShape,
})

export function grantedActionJson(action: GrantedAction): JsonObject {
  return {
    ...action,
    decision: decisionJson(action.decision),
    decision_event: { ...action.decision_event },
    approvals: action.approvals.map(evidenceJson),
  }
}

/** executor → gateway, at once: the result itself comes stored, later. */
export type InvokeAnswer =
  | { readonly status: 'claimed' }
  /** `retryable`: nothing was claimed, and the action may come again, under this grant or another. */
  | { readonly status: 'refused'; readonly reason: string; readonly retryable: boolean }

export const invokeAnswerShape: Shape<InvokeAnswer> = taggedShape('status', {
  claimed: objectShape({ status: oneOfShape('claimed') }),
  refused: objectShape({
    status: oneOfShape('refused'),
    reason: nameField,
    retryable: oneOfShape(true, false),
  }),
})
