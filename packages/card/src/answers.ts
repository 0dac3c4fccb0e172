import {
  type ApprovalRequest,
  type Approver,
  approvalRequestShape,
  arrayShape,
  EVIDENCE_MAX,
  integerShape,
  isJsonObject,
  nullableShape,
  pickedShape,
  type Shape,
  stringShape,
} from '@trustgw/protocol'
import type { EarlierApproval } from './earlier.ts'

const TEXT_MAX_CHARS = 2_000
const LIST_MAX = 4_096
const EARLIER_MAX = 20

const text = stringShape({ max: TEXT_MAX_CHARS })
const whole = integerShape({ min: 0, max: Number.MAX_SAFE_INTEGER })

/** What the host answers of requests (spec/protocol.md §8); nothing of it is believed before a review. */
export const approvalsShape: Shape<{ readonly approvals: readonly ApprovalRequest[] }> =
  pickedShape({
    approvals: arrayShape(approvalRequestShape, { max: LIST_MAX }),
  })

/** One request with the state of its action beside it, and who approved so far. */
export interface ShownApproval {
  readonly request: ApprovalRequest
  readonly state: string
  readonly given: readonly Approver[]
}

interface BesideRequest {
  readonly state: string
  readonly given: readonly Approver[]
}

const besideRequest: Shape<BesideRequest> = pickedShape({
  state: text,
  given: arrayShape(pickedShape({ approver: text, roles: arrayShape(text, { max: 32 }) }), {
    max: EVIDENCE_MAX,
  }),
})

export const approvalShape: Shape<ShownApproval> = {
  description: approvalRequestShape.description,
  read: (value) => {
    const beside = besideRequest.read(value)
    if (!beside.ok || !isJsonObject(value)) return { ok: false, reason: 'shape', detail: '#/state' }
    const { state: _, given: __, ...rest } = value
    const request = approvalRequestShape.read(rest)
    if (!request.ok) return request
    return { ok: true, value: { request: request.value, ...beside.value } }
  },
}

/** What was approved of the same tool before, as the host tells of it. */
export interface EarlierAnswer {
  readonly earlier: readonly EarlierApproval[]
  readonly left_out: number
}

export const earlierShape: Shape<EarlierAnswer> = pickedShape({
  earlier: arrayShape(
    pickedShape({
      request: approvalRequestShape,
      approved_at: whole,
      approvers: arrayShape(text, { max: EVIDENCE_MAX }),
      state: nullableShape(text),
    }),
    { max: EARLIER_MAX },
  ),
  left_out: whole,
})
