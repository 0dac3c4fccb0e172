import {
  APPROVAL_DECISION_MAX_BYTES,
  APPROVAL_DECISION_TYP,
  type ApprovalDecisionAnswer,
  approvalDecisionShape,
  canonicalize,
  OUTCOME_DECISION_MAX_BYTES,
  OUTCOME_DECISION_TYP,
  outcomeDecisionShape,
  parseSubject,
  readShape,
  type Shape,
  subjectPattern,
  type TenantId,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import type { Bus, BusRequest, BusSubscription, Logger, PublicKeys } from '@trustgw/runtime'
import type { Verdicts } from './verdicts.ts'

export interface AnswerHostDeps {
  readonly bus: Bus
  readonly verdicts: Verdicts
  readonly keys: PublicKeys
  readonly log: Logger
}

interface Kind<T> {
  readonly subject: 'approval_decision' | 'approval_outcome'
  readonly typ: string
  readonly maxBytes: number
  readonly shape: Shape<T>
  readonly take: (decision: T) => Promise<ApprovalDecisionAnswer>
}

/** Takes what people decided, as documents that the host signed, each on the subject of its tenant. */
export function answerHost(deps: AnswerHostDeps): readonly BusSubscription[] {
  const { verdicts } = deps
  return [
    respond(deps, {
      subject: 'approval_decision',
      typ: APPROVAL_DECISION_TYP,
      maxBytes: APPROVAL_DECISION_MAX_BYTES,
      shape: approvalDecisionShape,
      take: (decision) => verdicts.decided(decision),
    }),
    respond(deps, {
      subject: 'approval_outcome',
      typ: OUTCOME_DECISION_TYP,
      maxBytes: OUTCOME_DECISION_MAX_BYTES,
      shape: outcomeDecisionShape,
      take: (decision) => verdicts.settled(decision),
    }),
  ]
}

function respond<T extends { readonly tenant: TenantId }>(
  deps: AnswerHostDeps,
  kind: Kind<T>,
): BusSubscription {
  const to = subjectPattern(kind.subject)
  return deps.bus.respond(to, { queue: 'gateway' }, async (request) => {
    if (!request.replyExpected) return undefined
    return utf8Encode(canonicalize({ ...(await answer(deps, kind, request)) }))
  })
}

async function answer<T extends { readonly tenant: TenantId }>(
  { keys, log }: AnswerHostDeps,
  { subject, typ, maxBytes, shape, take }: Kind<T>,
  request: BusRequest,
): Promise<ApprovalDecisionAnswer> {
  const at = parseSubject(subject, request.subject)
  const keyFor = keys.keyFor({ role: 'host' })
  const verified = verifyJws(request.data, { typ, maxBytes, keyFor })
  const read = verified.ok ? readShape(shape, verified.value.payload) : verified
  if (at.ok && read.ok && read.value.tenant === at.value.tenant) return await take(read.value)
  log.warn(`${subject}_refused`, { reason: read.ok ? 'tenant' : read.reason })
  return { status: 'refused', code: 'decision_not_genuine' }
}
