import {
  type ApprovalDecision,
  type ApprovalRequest,
  type Approver,
  type ApproversClause,
  approvalDecisionJson,
  approvalDecisionShape,
  approvalRequestJson,
  approvalRequestShape,
  arrayShape,
  clausesAfter,
  EVIDENCE_MAX,
  type JsonObject,
  judgeApprover,
  judgeApprovers,
  nullableShape,
  objectShape,
  ok,
  oneOfShape,
  type Result,
  refuse,
  type Shape,
  stringShape,
} from '@trustgw/protocol'

/**
 * `waiting`: stored, and sent until the gateway answers. `accepted`, `refused`: its answer.
 * `abandoned`: the action's time ran out before there was one.
 */
export type Delivery = 'waiting' | 'accepted' | 'refused' | 'abandoned'

/** One person's verdict, and what became of it. */
export interface GivenDecision {
  readonly decision: ApprovalDecision
  readonly delivery: Delivery
  /** The action's state or the code of refusal in the gateway's answer. */
  readonly answer: string | null
}

/**
 * What the host knows of an approval: the payload of a JWS by the host in the bucket `approvals`.
 * `pending`: people are missing. `approved`, `denied`: decided here. `closed`: it ended elsewhere
 * (expired, cancelled, or the gateway refused what was decided).
 */
export interface ApprovalRecord {
  readonly v: 1
  readonly request: ApprovalRequest
  readonly state: 'pending' | 'approved' | 'denied' | 'closed'
  readonly closed_by: string | null
  readonly decisions: readonly GivenDecision[]
}

/** Decisions on one action: the approvals that it may carry, and a denial. */
export const DECISIONS_MAX_COUNT: number = EVIDENCE_MAX + 1

export const approvalRecordShape: Shape<ApprovalRecord> = objectShape({
  v: oneOfShape(1),
  request: approvalRequestShape,
  state: oneOfShape('pending', 'approved', 'denied', 'closed'),
  closed_by: nullableShape(stringShape({ min: 1, max: 128, characters: 'token' })),
  decisions: arrayShape(
    objectShape({
      decision: approvalDecisionShape,
      delivery: oneOfShape('waiting', 'accepted', 'refused', 'abandoned'),
      answer: nullableShape(stringShape({ min: 1, max: 128, characters: 'token' })),
    }),
    { max: DECISIONS_MAX_COUNT },
  ),
})

export function recordJson(record: ApprovalRecord): JsonObject {
  return {
    ...record,
    request: approvalRequestJson(record.request),
    decisions: record.decisions.map((given) => ({
      ...given,
      decision: approvalDecisionJson(given.decision),
    })),
  }
}

export function openRecord(request: ApprovalRequest): ApprovalRecord {
  return { v: 1, request, state: 'pending', closed_by: null, decisions: [] }
}

export type DecideRefusal =
  | 'not_pending'
  | 'too_late'
  | 'role_missing'
  | 'approver_not_needed'
  | 'approver_not_yet'

/** Approved, and inside its undo window as far as the host can know: the gateway knows. */
export function mayBeStopped({ request, state }: ApprovalRecord): boolean {
  return state === 'approved' && request.decision.obligations.undo_ms !== undefined
}

/** Whether nobody was asked: it runs by itself unless somebody stops it. */
export function runsByItself({ decision }: ApprovalRequest): boolean {
  return decision.effect === 'allow'
}

/** Who counts at a time: an escalation asks more people later. */
export function clausesAt(
  { decision, requested_at }: ApprovalRequest,
  now: number,
): readonly ApproversClause[] {
  return clausesAfter(decision.obligations.approvers, now - requested_at)
}

/**
 * The record with one verdict more. The first denial ends it; approvals count by person, and what
 * meets every clause ends it too.
 */
export function withDecision(
  record: ApprovalRecord,
  decision: ApprovalDecision,
): Result<ApprovalRecord, DecideRefusal> {
  const { request } = record
  const isStop = decision.verdict === 'deny' && mayBeStopped(record)
  if (record.state !== 'pending' && !isStop) return refuse('not_pending')
  if (!isStop && decision.decided_at >= request.decide_by) return refuse('too_late')
  if (decision.verdict === 'deny')
    return ok({ ...record, decisions: beside(record, decision), state: 'denied' })
  return withApproval(record, decision)
}

function withApproval(
  record: ApprovalRecord,
  decision: ApprovalDecision,
): Result<ApprovalRecord, DecideRefusal> {
  const { request } = record
  const again = record.decisions.some((given) => given.decision.approver === decision.approver)
  if (again) return refuse('not_pending', 'you approved already')
  if (runsByItself(request)) return refuse('not_pending', 'nobody has to approve it')
  const approvers = clausesAt(request, decision.decided_at)
  const given = givenOf(record)
  const adds = judgeApprover(approvers, given, decision.roles)
  if (adds !== 'counts') {
    return refuse(adds === 'lacks_role' ? 'role_missing' : `approver_${adds}`)
  }
  const isMet = judgeApprovers(approvers, [...given, decision]) === 'met'
  const state = isMet ? 'approved' : 'pending'
  return ok({ ...record, decisions: beside(record, decision), state })
}

const beside = (
  { decisions }: ApprovalRecord,
  decision: ApprovalDecision,
): readonly GivenDecision[] => [...decisions, { decision, delivery: 'waiting', answer: null }]

/** The approvals given so far. */
export function givenOf({ decisions }: ApprovalRecord): readonly Approver[] {
  return decisions
    .filter(({ decision }) => decision.verdict === 'approve')
    .map(({ decision: { approver, roles } }) => ({ approver, roles }))
}

/** Which decision: a person gives at most one approval and one denial. */
export interface DecisionName {
  readonly approver: string
  readonly verdict: 'approve' | 'deny'
  readonly decidedAt: number
}

export function nameOf(decision: ApprovalDecision): DecisionName {
  const { approver, verdict, decided_at: decidedAt } = decision
  return { approver, verdict, decidedAt }
}

export function isNamed(given: GivenDecision, name: DecisionName): boolean {
  const { approver, verdict, decided_at: decidedAt } = given.decision
  return approver === name.approver && verdict === name.verdict && decidedAt === name.decidedAt
}

function isApproved(record: ApprovalRecord): boolean {
  const { request } = record
  if (runsByItself(request)) return false
  const { approvers } = request.decision.obligations
  const clauses = clausesAfter(approvers, Number.POSITIVE_INFINITY)
  return judgeApprovers(clauses, givenOf(record)) === 'met'
}

/** The record after the gateway's answer to one decision, or after giving up on it. */
export function withDelivery(
  record: ApprovalRecord,
  name: DecisionName,
  end: { readonly delivery: Delivery; readonly answer: string | null },
): ApprovalRecord {
  // A later request may have taken this one's place, and its decisions with it.
  if (!record.decisions.some((given) => isNamed(given, name))) return record
  const decisions = record.decisions.map((given) =>
    isNamed(given, name) ? { ...given, ...end } : given,
  )
  if (end.delivery === 'accepted') return { ...record, decisions }
  // A stop that came too late leaves it approved.
  if (name.verdict === 'deny' && isApproved(record))
    return { ...record, decisions, state: 'approved' }
  const closed_by = end.answer ?? 'expired'
  return { ...record, decisions, state: 'closed', closed_by }
}
