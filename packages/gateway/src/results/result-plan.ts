import type { ActionEvent } from '@trustgw/core'
import { type ExecutionResult, grantHash, type Sha256 } from '@trustgw/protocol'
import type { ActionRecord } from '../action/action-record.ts'
import type { Planned } from '../action/planned.ts'

const LEFT_OUT = '[left out: the output is too long to be kept beside the arguments]'

/**
 * Whether a result is for this action: the signer is one that was granted to (spec/protocol.md §3),
 * for this input, under a grant that was given out.
 */
export function resultBelongs(
  { state, proposal, grant, granted_to }: ActionRecord,
  result: ExecutionResult,
  sha256: Sha256,
): boolean {
  if (proposal.input_hash !== result.input_hash) return false
  if (!granted_to.includes(result.profile)) return false
  if (grant !== null && grantHash(sha256, grant) === result.grant_hash) return true
  // An earlier grant of the same action, claimed late: the state knows every id it gave out.
  return 'issued' in state && state.issued.includes(result.jti)
}

/** A result as an event of its action, and what of it the proposer may read; `whole`: with its output. */
export function resultPlan(result: ExecutionResult, whole: boolean): Planned {
  const { outcome, reason, result_hash, provider_reference, started_at } = result
  const output = whole ? result.output : LEFT_OUT
  return {
    event: resultEvent(result),
    change: (before) => ({
      ...before,
      result: { outcome, reason, output, result_hash, provider_reference },
      entered_at: started_at,
    }),
  }
}

function resultEvent({ jti, outcome, reason, result_hash }: ExecutionResult): ActionEvent {
  const result = { result_hash, reason }
  switch (outcome) {
    case 'succeeded':
      return { kind: 'result_succeeded', jti, result }
    case 'failed':
      return { kind: 'result_failed', jti, result }
    case 'refused':
      return { kind: 'executor_refused', jti, reason: reason ?? 'refused' }
    case 'unknown_outcome':
      return { kind: 'result_unknown', jti, reason: reason ?? 'unknown_outcome' }
  }
}
