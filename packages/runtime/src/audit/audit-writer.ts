import type { ActionId, Actor, AuditEvent, AuditEventType, AuditPayload } from '@trustgw/protocol'

/** What a caller says about an event; the writer adds identity, order, time and signature. */
export interface AuditFields {
  readonly actor: Actor
  readonly action_id?: ActionId
  readonly trace?: string
  /** Hashes, ids, codes and counts; never arguments, results or secrets. */
  readonly payload?: AuditPayload
}

export interface AuditStored {
  readonly event: AuditEvent
  readonly stored: { readonly stream: string; readonly seq: number }
}

export type AuditFaultCode =
  /** An earlier event is not stored, so this one was not made: nothing may be done on it. */
  | 'audit_broken'
  /** This event's outcome is open; it stays in the chain and is stored before any later one. */
  | 'audit_not_stored'
  /** The event is larger than an audit event may be; it was not made. */
  | 'audit_too_large'
  /** The last stored event cannot be continued: not ours, not signed by us, or unreadable. */
  | 'audit_tail'

export class AuditFault extends Error {
  readonly code: AuditFaultCode
  constructor(code: AuditFaultCode, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options)
    this.name = 'AuditFault'
    this.code = code
  }
}

/**
 * The signed hash chain of one writer in one tenant (spec/protocol.md §7). Events get their place in
 * the order of the calls.
 */
export interface AuditWriter {
  /**
   * Resolves when the event is stored: durable as the stream is. Throws `AuditFault`; after
   * `audit_not_stored` the event may still come to be stored, so a caller that acts again writes a
   * new event.
   */
  append(type: AuditEventType, fields: AuditFields): Promise<AuditStored>
}
