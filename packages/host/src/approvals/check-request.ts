import {
  type ApprovalRequest,
  approvalRequestShape,
  type ComputedHashes,
  canonicalize,
  contractHash,
  fitsPrecondition,
  hashText,
  ok,
  parseJsonObject,
  preconditionHash,
  type Result,
  readShape,
  refuse,
  type TenantId,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'

/** Longest request that is looked at: arguments of 128 KiB as a JSON string, and a contract. */
export const APPROVAL_REQUEST_MAX_BYTES: number = 512 * 1024
/** The highest tier that this host can prove. */
export const TIER_MAX = 2

/** Why the host takes no responsibility for a request. */
export type RequestRefusal =
  | 'request_malformed'
  | 'tenant_differs'
  | 'action_differs'
  | 'tool_differs'
  | 'arguments_not_canonical'
  | 'input_hash_differs'
  | 'contract_hash_differs'
  | 'precondition_differs'
  | 'not_an_approval'
  | 'tier_unsupported'
  | 'deadlines_differ'
  | 'too_late'

/** Parses a request as the gateway sent it; one text is parsed once. */
export function readRequest(data: Uint8Array): Result<ApprovalRequest, 'request_malformed'> {
  const parsed = parseJsonObject(data, { maxBytes: APPROVAL_REQUEST_MAX_BYTES })
  if (!parsed.ok) return refuse('request_malformed', parsed.reason)
  const read = readShape(approvalRequestShape, parsed.value)
  return read.ok ? read : refuse('request_malformed', read.detail)
}

/**
 * Hashes arguments, contract and precondition again and compares everything that a request says twice. Whether
 * the gateway decided rightly is NOT checked: that is the executor's and the approver's to judge.
 */
export function checkRequest(
  request: ApprovalRequest,
  tenant: TenantId,
  now: number,
): Result<ComputedHashes, RequestRefusal> {
  const { decision, contract } = request
  const tenants = [request.tenant, decision.tenant, decision.principal.tenant]
  if (tenants.some((named) => named !== tenant)) return refuse('tenant_differs')
  if (decision.action_id !== request.action_id) return refuse('action_differs')
  if (decision.tool_id !== contract.id) return refuse('tool_differs')
  const input = parseJsonObject(request.arguments)
  if (!input.ok || canonicalize(input.value) !== request.arguments) {
    return refuse('arguments_not_canonical')
  }
  const input_hash = hashText(sha256, request.arguments)
  if (input_hash !== decision.input_hash) return refuse('input_hash_differs')
  const contract_hash = contractHash(sha256, contract)
  if (contract_hash !== decision.contract_hash) return refuse('contract_hash_differs')
  const precondition_hash = preconditionHash(sha256, request.precondition)
  const isItsOwn = fitsPrecondition(contract.precondition, input.value, request.precondition)
  if (!isItsOwn || precondition_hash !== request.precondition_hash)
    return refuse('precondition_differs')
  const policy = checkPolicy(request, now)
  return policy.ok ? ok({ contract_hash, input_hash, precondition_hash }) : policy
}

function checkPolicy(request: ApprovalRequest, now: number): Result<null, RequestRefusal> {
  const { decision } = request
  const asks = decision.effect === 'require_approval' && decision.tier >= 1
  // What runs by itself unless somebody stops it is shown, too.
  const isTold = decision.effect === 'allow' && decision.obligations.undo_ms !== undefined
  if (!asks && !isTold) return refuse('not_an_approval')
  if (decision.tier > TIER_MAX) return refuse('tier_unsupported')
  if (request.run_by < request.decide_by || request.decide_by <= request.requested_at) {
    return refuse('deadlines_differ')
  }
  return now < request.decide_by ? ok(null) : refuse('too_late')
}
