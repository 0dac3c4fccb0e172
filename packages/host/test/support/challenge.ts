import {
  type ApprovalRequest,
  type ApprovalStatement,
  approvalStatement,
  contractHash,
  hashText,
  preconditionHash,
  statementHash,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import { type Answer, text } from './world.ts'

export interface Choice {
  readonly verdict?: 'approve' | 'deny'
  readonly change?: Partial<ApprovalStatement>
}

/** The challenge as a browser makes it: from what it shows and what `begin` gave. */
export function challengeFor(request: ApprovalRequest, begun: Answer, choice: Choice = {}): string {
  const hashes = {
    contract_hash: contractHash(sha256, request.contract),
    input_hash: hashText(sha256, request.arguments),
    precondition_hash: preconditionHash(sha256, request.precondition),
  }
  const statement = approvalStatement(request, hashes, {
    approver: text(begun.json, 'approver'),
    verdict: choice.verdict ?? 'approve',
    nonce: text(begun.json, 'nonce'),
    decide_by: Number(begun.json['decide_by']),
    run_by: Number(begun.json['run_by']),
  })
  const hash = statementHash(sha256, { ...statement, ...choice.change })
  return Buffer.from(hash.slice('sha256:'.length), 'hex').toString('base64url')
}
