import type { ApprovalRequest, Sha256 } from '@trustgw/protocol'
import { type ReviewedRequest, reviewRequest } from './review.ts'

/** A request that was approved before, as the host tells of it. */
export interface EarlierApproval {
  readonly request: ApprovalRequest
  readonly approved_at: number
  readonly approvers: readonly string[]
  /** What became of it; null where the host has not heard. */
  readonly state: string | null
}

/** One that was hashed again here and fits; when and by whom is the host's word. */
export interface EarlierCall extends Omit<EarlierApproval, 'request'> {
  readonly reviewed: ReviewedRequest
}

export interface EarlierCalls {
  /** The newest first. */
  readonly calls: readonly EarlierCall[]
  /** Told by the host, and not what was proposed and decided: not compared with. */
  readonly dropped: number
}

/** Keeps of what the host told only what this browser finds to be so, and of the same tool. */
export function reviewEarlier(
  told: readonly EarlierApproval[],
  request: ApprovalRequest,
  sha256: Sha256,
): EarlierCalls {
  const calls: EarlierCall[] = []
  for (const { request: one, ...rest } of told) {
    const reviewed = reviewRequest(one, request.tenant, sha256)
    const isOther = one.action_id !== request.action_id
    if (reviewed.ok && isOther && one.contract.id === request.contract.id) {
      calls.push({ ...rest, reviewed: reviewed.value })
    }
  }
  return { calls, dropped: told.length - calls.length }
}
