import {
  AUDIT_EVENT_MAX_BYTES,
  type AuditEvent,
  auditEventShape,
  auditSigningInput,
  base64urlDecode,
  type JwsVerifier,
  parseJson,
  parseSubject,
  readShape,
  type TenantId,
} from '@trustgw/protocol'
import { BusFault, type StoredReader } from '@trustgw/runtime'
import type { BoundActionValue } from './bind-action.ts'
import { openRedecidedAction, type RedecidedAction } from './check-policy.ts'
import { type Admission, type Refused, refused } from './reasons.ts'
import { makeStage, type StageToken } from './stage.ts'

/** The decision is recorded: its event is in the audit stream, signed by the gateway. */
export type RecordedAction = StageToken<'recorded_action'>

export interface DecisionEventDeps {
  /** The stream AUDIT. */
  readonly audit: StoredReader
  /** The gateway's keys of role `audit`. */
  readonly auditKeyFor: (kid: string) => JwsVerifier | undefined
}

const stage = makeStage<'recorded_action', BoundActionValue>('recorded_action')
export const openRecordedAction: (token: RecordedAction) => BoundActionValue = stage.open

const GATEWAY_WRITER = 'gateway/'

/** "No grant without a recorded decision" (spec/protocol.md §1, §7), seen by the executor itself. */
export async function checkDecisionEvent(
  redecided: RedecidedAction,
  deps: DecisionEventDeps,
): Promise<Admission<RecordedAction>> {
  const value = openRedecidedAction(redecided)
  const { seq, event_id } = value.action.decision_event
  if (seq < 1) return refused('decision_event_missing')
  let message: Awaited<ReturnType<StoredReader['getBySeq']>>
  try {
    message = await deps.audit.getBySeq(seq)
  } catch (error) {
    if (error instanceof BusFault) return refused('store_unreachable', error.code)
    throw error
  }
  if (message === undefined) return refused('decision_event_missing')
  const parsed = parseJson(message.data, { maxBytes: AUDIT_EVENT_MAX_BYTES })
  const event = parsed.ok ? readShape(auditEventShape, parsed.value) : parsed
  if (!event.ok) return refused('decision_event_malformed', event.detail)
  if (!isDecisionSubject(message.subject, value.claims.tenant_id))
    return refused('decision_event_differs', 'subject')
  const problem = checkEvent(event.value, event_id, { value, deps })
  return problem ?? { ok: true, value: stage.mint(value) }
}

/** Of whichever of the tenant's gateways. */
function isDecisionSubject(text: string, tenant: TenantId): boolean {
  const at = parseSubject('audit', text)
  if (!at.ok) return false
  const { component, event } = at.value
  return at.value.tenant === tenant && component === 'gateway' && event === 'evaluated'
}

function checkEvent(
  event: AuditEvent,
  eventId: string,
  context: { readonly value: BoundActionValue; readonly deps: DecisionEventDeps },
): Refused | undefined {
  const { claims } = context.value
  const verify = context.deps.auditKeyFor(event.kid)
  const signature = base64urlDecode(event.sig)
  if (verify === undefined || signature === undefined) return refused('decision_event_signature')
  if (!verify(auditSigningInput(event), signature)) return refused('decision_event_signature')
  const holds =
    event.type === 'evaluated' &&
    event.event_id === eventId &&
    event.tenant === claims.tenant_id &&
    event.writer.startsWith(GATEWAY_WRITER) &&
    event.action_id === claims.action_id &&
    Object.hasOwn(event.payload, 'decision_hash') &&
    event.payload['decision_hash'] === claims.decision_hash
  return holds ? undefined : refused('decision_event_differs')
}
