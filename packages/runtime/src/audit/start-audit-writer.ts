import {
  AUDIT_EVENT_MAX_BYTES,
  type AuditEvent,
  auditEventHash,
  auditEventShape,
  auditSigningInput,
  base64urlDecode,
  chainStart,
  type JwsVerifier,
  parseJson,
  readShape,
} from '@trustgw/protocol'
import type { StoredMessage } from '../store/stored-reader.ts'
import { AuditFault, type AuditWriter } from './audit-writer.ts'
import {
  auditWriterName,
  type ChainPlace,
  ChainWriter,
  type ChainWriterOptions,
  ownSubjects,
} from './chain-writer.ts'

export interface StartAuditWriterOptions extends ChainWriterOptions {
  /** Keys with which this writer signed at a time (Unix milliseconds), the present one among them. */
  readonly keyFor: (kid: string, at: number) => JwsVerifier | undefined
}

/**
 * Continues a writer's chain from what the stream holds, or begins it. Throws `AuditFault`
 * `audit_tail` when the last event of this writer is unreadable or not signed by a key of its own;
 * `BusFault` when the stream is out of reach.
 * NOT checked: the chain before the last event (that is the verifier's work), and that no other
 * process writes under the same name (the supervisor starts each once).
 */
export async function startAuditWriter(options: StartAuditWriterOptions): Promise<AuditWriter> {
  return new ChainWriter(options, await findPlace(options))
}

async function findPlace(options: StartAuditWriterOptions): Promise<ChainPlace> {
  const { reader, sha256 } = options
  const message = await reader.getLast(ownSubjects(options))
  if (message === undefined) return { seq: 1, prevHash: chainStart(sha256) }
  const event = readEvent(message)
  checkOwn(event, options)
  return { seq: event.seq + 1, prevHash: auditEventHash(sha256, event) }
}

function checkOwn(event: AuditEvent, options: StartAuditWriterOptions): void {
  const writer = auditWriterName(options.component, options.instance)
  if (event.tenant !== options.tenant) throw new AuditFault('audit_tail', 'another tenant')
  if (event.writer !== writer) throw new AuditFault('audit_tail', 'another writer')
  const verify = options.keyFor(event.kid, event.time)
  const signature = base64urlDecode(event.sig)
  if (verify === undefined || signature === undefined) {
    throw new AuditFault('audit_tail', `event ${event.seq}: unknown key`)
  }
  if (!verify(auditSigningInput(event), signature)) {
    throw new AuditFault('audit_tail', `event ${event.seq}: signature`)
  }
}

function readEvent(message: StoredMessage): AuditEvent {
  const parsed = parseJson(message.data, { maxBytes: AUDIT_EVENT_MAX_BYTES })
  const event = parsed.ok ? readShape(auditEventShape, parsed.value) : parsed
  if (!event.ok) throw new AuditFault('audit_tail', `stored message ${message.seq} is unreadable`)
  return event.value
}
