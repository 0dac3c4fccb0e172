import type { ActionEvent } from '@trustgw/core'
import type { ExecutionResult } from '@trustgw/protocol'

/** What a result means for the life of its action. */
export function resultEvent(result: ExecutionResult): ActionEvent {
  const { jti, result_hash, reason } = result
  const summary = { result_hash, reason }
  switch (result.outcome) {
    case 'succeeded':
      return { kind: 'result_succeeded', jti, result: summary }
    case 'failed':
      return { kind: 'result_failed', jti, result: summary }
    case 'refused':
      return { kind: 'executor_refused', jti, reason: reason ?? 'refused' }
    case 'unknown_outcome':
      return { kind: 'result_unknown', jti, reason: reason ?? 'unknown_outcome' }
  }
}
