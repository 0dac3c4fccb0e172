import {
  type ApprovalRequest,
  type ApprovalStatement,
  actionCode,
  approvalStatement,
  canonicalize,
  contractHash,
  fitsPrecondition,
  type Hash,
  hashText,
  type JsonObject,
  ok,
  parseJsonObject,
  preconditionHash,
  type Result,
  refuse,
  type Sha256,
} from '@trustgw/protocol'
import { type AmountView, amountOf } from './amount.ts'
import { type ArgumentRow, argumentRows } from './arguments.ts'
import { challengeOf } from './challenge.ts'

/** Why a request is not what was proposed and decided; then there is nothing to approve. */
export type ReviewRefusal =
  | 'arguments_unreadable'
  | 'arguments_not_canonical'
  | 'input_hash_differs'
  | 'contract_hash_differs'
  | 'tool_differs'
  | 'action_differs'
  | 'tenant_differs'
  | 'precondition_differs'
  | 'not_an_approval'

/**
 * A request whose arguments and contract were hashed here, in this browser, and are the ones that
 * the decision names. Not checked yet: the deadline, and whether this person may approve.
 */
export interface ReviewedRequest {
  readonly request: ApprovalRequest
  readonly input: JsonObject
  readonly rows: readonly ArgumentRow[]
  readonly amount: AmountView
  readonly inputHash: Hash
  readonly contractHash: Hash
  readonly preconditionHash: Hash
  /** What must still be so when the action runs; null where nothing is bound. */
  readonly bound: BoundValues | null
  /** Short string of the action for comparison over a second channel. */
  readonly code: string
}

/** Values that were read, and what they are. */
export interface BoundValues {
  readonly title: string
  /** By which tool. */
  readonly tool: string
  readonly rows: readonly ArgumentRow[]
}

function boundOf({ contract, precondition: read }: ApprovalRequest): BoundValues | null {
  const rule = contract.precondition
  if (rule === null || read === null) return null
  const rows = Object.entries(read.values).flatMap(([pointer, value]) =>
    argumentRows(value).map((row) => ({ ...row, pointer: `${pointer}${row.pointer}` })),
  )
  return { title: rule.title, tool: read.tool, rows }
}

/** Judges a request for a person of `tenant` (spec/protocol.md §3: on a mismatch no button). */
export function reviewRequest(
  request: ApprovalRequest,
  tenant: string,
  sha256: Sha256,
): Result<ReviewedRequest, ReviewRefusal> {
  const { decision, contract } = request
  const parsed = parseJsonObject(request.arguments)
  if (!parsed.ok) return refuse('arguments_unreadable', parsed.reason)
  if (canonicalize(parsed.value) !== request.arguments) return refuse('arguments_not_canonical')
  const inputHash = hashText(sha256, request.arguments)
  if (inputHash !== decision.input_hash) return refuse('input_hash_differs')
  const contractOwn = contractHash(sha256, contract)
  if (contractOwn !== decision.contract_hash) return refuse('contract_hash_differs')
  const preconditionOwn = preconditionHash(sha256, request.precondition)
  const isItsOwn = fitsPrecondition(contract.precondition, parsed.value, request.precondition)
  if (!isItsOwn || preconditionOwn !== request.precondition_hash)
    return refuse('precondition_differs')
  const refusal = misfit(request, tenant)
  if (refusal !== undefined) return refuse(refusal)
  return ok({
    request,
    input: parsed.value,
    rows: argumentRows(parsed.value),
    amount: amountOf(contract.amount, parsed.value),
    inputHash,
    contractHash: contractOwn,
    preconditionHash: preconditionOwn,
    bound: boundOf(request),
    code: actionCode(sha256, {
      action_id: request.action_id,
      tenant: request.tenant,
      tool_id: contract.id,
      contract_hash: contractOwn,
      input_hash: inputHash,
      precondition_hash: preconditionOwn,
    }),
  })
}

function misfit(request: ApprovalRequest, tenant: string): ReviewRefusal | undefined {
  const { decision, contract } = request
  if (decision.tool_id !== contract.id) return 'tool_differs'
  if (decision.action_id !== request.action_id) return 'action_differs'
  const tenants = [request.tenant, decision.tenant, decision.principal.tenant]
  if (tenants.some((named) => named !== tenant)) return 'tenant_differs'
  const asks =
    decision.effect === 'require_approval'
      ? decision.tier > 0
      : decision.effect === 'allow' && decision.obligations.undo_ms !== undefined
  return asks ? undefined : 'not_an_approval'
}

/** What `begin` gives for one ceremony. */
export interface Ceremony {
  readonly approver: string
  readonly nonce: string
  readonly decide_by: number
  readonly run_by: number
}

export type StatementRefusal = 'approver_differs' | 'deadline_differs'

/** What the passkey signs: a statement and its challenge. */
export interface Signable {
  readonly statement: ApprovalStatement
  /** base64url of the SHA-256 of the statement's canonical form. */
  readonly challenge: string
}

/**
 * The approval statement of what is on screen, from hashes computed here. The ceremony supplies
 * only who, nonce and deadlines, and may neither name somebody else nor move a deadline that the
 * card shows.
 */
export function signableApproval(
  reviewed: ReviewedRequest,
  ceremony: Ceremony,
  person: string,
  sha256: Sha256,
): Result<Signable, StatementRefusal> {
  const { request } = reviewed
  if (ceremony.approver !== person) return refuse('approver_differs')
  const moved = ceremony.decide_by !== request.decide_by || ceremony.run_by !== request.run_by
  if (moved) return refuse('deadline_differs')
  const statement = approvalStatement(
    request,
    {
      contract_hash: reviewed.contractHash,
      input_hash: reviewed.inputHash,
      precondition_hash: reviewed.preconditionHash,
    },
    { ...ceremony, verdict: 'approve' },
  )
  return ok({ statement, challenge: challengeOf(statement, sha256) })
}
