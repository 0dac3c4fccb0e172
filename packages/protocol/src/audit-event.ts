import { canonicalize } from './canonical.ts'
import {
  actionIdField,
  base64urlField,
  countField,
  hashField,
  msField,
  nameField,
  reasonField,
  tenantField,
} from './fields.ts'
import { type Hash, hashText, type Sha256 } from './hash.ts'
import { type ActionId, type AuditEventId, parseAuditEventId } from './ids.ts'
import type { JsonObject } from './json.ts'
import {
  mapShape,
  nullableShape,
  objectShape,
  oneOfShape,
  parsedShape,
  type Shape,
  stringShape,
} from './shape.ts'
import type { TenantId } from './subjects.ts'

/** Who did it: a person, an agent, or a part of this system. */
export interface Actor {
  readonly kind: 'human' | 'agent' | 'system'
  readonly id: string
}

export const AUDIT_EVENT_TYPES: readonly AuditEventType[] = [
  'proposed',
  'evaluated',
  'approval_requested',
  'approved',
  'denied',
  'expired',
  'cancelled',
  'grant_issued',
  'admission_refused',
  'started',
  'finished',
  'succeeded',
  'failed',
  'refused',
  'unknown_outcome',
  'reconciled',
  'approval_counted',
  'scheduled',
  'sent_back',
  'grant_lapsed',
  'claim_found',
  'claimed',
  'needs_human',
  'cancel_requested',
  'preparing',
  'prepared',
  'proposal_refused',
  'person_enrolled',
  'person_invited',
  'person_recovery_given',
  'person_roles_changed',
  'person_removed',
  'enrolment_refused',
  'signed_in',
  'sign_in_refused',
  'signed_out',
  'stepped_up',
  'terminal_allowed',
  'terminal_refused',
  'session_ended',
  'session_replayed',
  'passkey_added',
  'passkey_renamed',
  'passkey_removed',
  'channel_linked',
  'channel_unlinked',
  'approval_given',
  'approval_refused',
  'denial_given',
  'outcome_given',
  'tool_quarantined',
  'tool_released',
  'tool_ordered',
  'registry_changed',
  'registry_refused',
  'policy_loaded',
  'policy_pinned',
  'policy_refused',
  'policy_sealed',
  'policy_applied',
  'policy_seal_refused',
  'key_set_taken',
  'key_set_refused',
  'key_revoked',
  'frozen',
  'thawed',
  'freeze_refused',
  'freeze_given',
  'thaw_given',
  'pin_added',
  'pin_revoked',
  'pin_refused',
  'pin_given',
  'agent_registered',
  'agent_admitted',
  'agent_refused',
  'service_started',
  'service_stopped',
]

/** What happened. `approved` and `denied` are the gateway's; `approval_given` is the host's. */
export type AuditEventType =
  | 'proposed'
  | 'evaluated'
  | 'approval_requested'
  | 'approved'
  | 'denied'
  | 'expired'
  | 'cancelled'
  | 'grant_issued'
  | 'admission_refused'
  | 'started'
  | 'finished'
  | 'succeeded'
  | 'failed'
  | 'refused'
  | 'unknown_outcome'
  | 'reconciled'
  | 'approval_counted'
  | 'scheduled'
  | 'sent_back'
  | 'grant_lapsed'
  | 'claim_found'
  | 'claimed'
  | 'needs_human'
  | 'cancel_requested'
  | 'preparing'
  | 'prepared'
  | 'proposal_refused'
  | 'person_enrolled'
  | 'person_invited'
  | 'person_recovery_given'
  | 'person_roles_changed'
  | 'person_removed'
  | 'enrolment_refused'
  | 'signed_in'
  | 'sign_in_refused'
  | 'signed_out'
  | 'stepped_up'
  | 'terminal_allowed'
  | 'terminal_refused'
  | 'session_ended'
  | 'session_replayed'
  | 'passkey_added'
  | 'passkey_renamed'
  | 'passkey_removed'
  | 'channel_linked'
  | 'channel_unlinked'
  | 'approval_given'
  | 'approval_refused'
  | 'denial_given'
  | 'outcome_given'
  | 'tool_quarantined'
  | 'tool_released'
  | 'tool_ordered'
  | 'registry_changed'
  | 'registry_refused'
  | 'policy_loaded'
  | 'policy_pinned'
  | 'policy_refused'
  | 'policy_sealed'
  | 'policy_applied'
  | 'policy_seal_refused'
  | 'key_set_taken'
  | 'key_set_refused'
  | 'key_revoked'
  | 'frozen'
  | 'thawed'
  | 'freeze_refused'
  | 'freeze_given'
  | 'thaw_given'
  | 'pin_added'
  | 'pin_revoked'
  | 'pin_refused'
  | 'pin_given'
  | 'agent_registered'
  | 'agent_admitted'
  | 'agent_refused'
  | 'service_started'
  | 'service_stopped'

/** Values of a payload: hashes, ids, codes, counts. Never arguments, results or secrets. */
export type AuditPayload = { readonly [name: string]: string | number | boolean | null }

/**
 * One entry of a writer's chain (spec/protocol.md §7). `prev_hash` is {@link auditEventHash} of the
 * writer's event before, {@link chainStart} for the first; `sig` is Ed25519 over
 * {@link auditSigningInput}.
 */
export interface AuditEvent {
  readonly v: 1
  readonly event_id: AuditEventId
  readonly type: AuditEventType
  readonly time: number
  readonly tenant: TenantId
  /** `<component>/<instance>`: one chain per tenant and writer. */
  readonly writer: string
  readonly kid: string
  readonly seq: number
  readonly prev_hash: Hash
  readonly actor: Actor
  readonly action_id: ActionId | null
  readonly trace: string | null
  readonly payload: AuditPayload
  readonly sig: string
}

/** An event before it is signed. */
export type UnsignedAuditEvent = Omit<AuditEvent, 'sig'>

export const AUDIT_EVENT_MAX_BYTES = 16_384
/** Ed25519 over this context and the canonical form: a signature made for anything else never fits. */
const AUDIT_CONTEXT = 'trustgw/audit-event/1\n'

export function chainStart(sha256: Sha256): Hash {
  return hashText(sha256, 'trustgw/audit-chain/1\n')
}

const payloadValue: Shape<string | number | boolean | null> = {
  description: { type: ['string', 'number', 'boolean', 'null'], maxLength: 512 },
  read: (value) =>
    value === null || typeof value === 'boolean' || typeof value === 'number'
      ? { ok: true, value }
      : stringShape({ max: 512 }).read(value),
}

export const auditEventShape: Shape<AuditEvent> = objectShape({
  v: oneOfShape(1),
  event_id: parsedShape(
    stringShape({ max: 30, characters: 'token' }),
    'event-id',
    parseAuditEventId,
  ),
  type: oneOfShape(...AUDIT_EVENT_TYPES),
  time: msField,
  tenant: tenantField,
  writer: nameField,
  kid: nameField,
  seq: countField,
  prev_hash: hashField,
  actor: objectShape({ kind: oneOfShape('human', 'agent', 'system'), id: reasonField }),
  action_id: nullableShape(actionIdField),
  trace: nullableShape(nameField),
  payload: mapShape(payloadValue, { max: 32, nameMax: 64 }),
  sig: base64urlField({ min: 86, max: 86 }),
})

export function auditEventJson(event: UnsignedAuditEvent | AuditEvent): JsonObject {
  return { ...event, actor: { ...event.actor }, payload: { ...event.payload } }
}

/** What a writer signs: everything but the signature. */
export function auditSigningInput(event: UnsignedAuditEvent): string {
  const {
    v,
    event_id,
    type,
    time,
    tenant,
    writer,
    kid,
    seq,
    prev_hash,
    actor,
    action_id,
    trace,
    payload,
  } = event
  return (
    AUDIT_CONTEXT +
    canonicalize(
      auditEventJson({
        v,
        event_id,
        type,
        time,
        tenant,
        writer,
        kid,
        seq,
        prev_hash,
        actor,
        action_id,
        trace,
        payload,
      }),
    )
  )
}

/** Hash of the whole signed event in canonical form: the next one's `prev_hash`. */
export function auditEventHash(sha256: Sha256, event: AuditEvent): Hash {
  return hashText(sha256, canonicalize(auditEventJson(event)))
}
