import {
  type ExecutionResult,
  executionResultShape,
  hashJson,
  type JwsVerifier,
  type Profile,
  parseSubject,
  RESULT_MAX_BYTES,
  RESULT_TYP,
  readShape,
  type Sha256,
  verifyJws,
} from '@trustgw/protocol'

export type ResultRefusal = 'subject' | 'signature' | 'shape' | 'not_its_own'

/**
 * A stored result as the executor signed it. The subject's profile was stamped by the boundary; the
 * key must be that profile's, and document and subject must name the same action. NOT checked here:
 * that this action was granted to that profile.
 */
export function readResult(
  message: { readonly subject: string; readonly data: Uint8Array },
  deps: {
    readonly executorKeyFor: (profile: Profile, kid: string) => JwsVerifier | undefined
    readonly sha256: Sha256
  },
):
  | { readonly ok: true; readonly value: ExecutionResult }
  | { readonly ok: false; readonly reason: ResultRefusal } {
  const at = parseSubject('exec_result', message.subject)
  if (!at.ok) return { ok: false, reason: 'subject' }
  const verified = verifyJws(message.data, {
    typ: RESULT_TYP,
    maxBytes: RESULT_MAX_BYTES,
    keyFor: (kid) => deps.executorKeyFor(at.value.profile, kid),
  })
  if (!verified.ok) return { ok: false, reason: 'signature' }
  const read = readShape(executionResultShape, verified.value.payload)
  if (!read.ok) return { ok: false, reason: 'shape' }
  const { tenant_id, action_id, profile, output, result_hash } = read.value
  const own =
    tenant_id === at.value.tenant && action_id === at.value.action && profile === at.value.profile
  if (!own || hashJson(deps.sha256, output) !== result_hash)
    return { ok: false, reason: 'not_its_own' }
  return { ok: true, value: read.value }
}
