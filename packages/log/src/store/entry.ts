import type { ChainProblem } from '@trustgw/core'
import {
  AUDIT_EVENT_MAX_BYTES,
  type AuditEvent,
  arrayShape,
  auditEventJson,
  auditEventShape,
  base64urlEncode,
  base64urlField,
  canonicalize,
  countField,
  type Hash,
  hashField,
  hashText,
  isJsonObject,
  type JsonObject,
  objectShape,
  ok,
  oneOfShape,
  optionalMember,
  parseJson,
  parseSubject,
  type Result,
  readShape,
  refuse,
  type Shape,
  stringShape,
  utf8Decode,
} from '@trustgw/protocol'
import { type StoredMessage, sha256 } from '@trustgw/runtime'
import { LINE_MAX_BYTES } from './line-reader.ts'
import type { LogName } from './log-files.ts'

/** Why a stored message is no event of its subject's tenant and component. */
export type Rejection =
  | 'event_too_large'
  | 'event_format'
  | 'event_not_canonical'
  | 'subject_format'
  | 'subject_disagrees'
  | 'tenant_unknown'

/** A well-formed event, with what was wrong with it in its writer's chain when it was recorded. */
export interface EventEntry {
  readonly kind: 'event'
  readonly stream_seq: number
  readonly event: AuditEvent
  readonly problems: readonly ChainProblem[]
}

/** A message that is no event: kept as it is (or its hash, when it is too large), never hidden. */
export interface RejectedEntry {
  readonly kind: 'rejected'
  readonly stream_seq: number
  readonly problem: Rejection
  readonly subject: string
  readonly body: { readonly raw: string } | { readonly sha256: Hash; readonly size: number }
}

/** One line of `entries.ndjson`; the sequence is that of the stream AUDIT. */
export type LogEntry = EventEntry | RejectedEntry

export type EntryRefusal = 'entry_format' | 'entry_not_canonical'

const SUBJECT_MAX_CHARS = 4_096
const PROBLEMS_MAX = 4

const CHAIN_PROBLEMS: Shape<ChainProblem> = oneOfShape(
  'event_missing',
  'event_out_of_order',
  'previous_hash_wrong',
  'key_unknown',
  'signature_wrong',
  'too_many_chains',
)

const eventEntryShape = objectShape({
  event: auditEventShape,
  problems: optionalMember(arrayShape(CHAIN_PROBLEMS, { max: PROBLEMS_MAX })),
  stream_seq: countField,
})

const rejectedHead = {
  problem: oneOfShape(
    'event_too_large',
    'event_format',
    'event_not_canonical',
    'subject_format',
    'subject_disagrees',
    'tenant_unknown',
  ),
  stream_seq: countField,
  subject: stringShape({ max: SUBJECT_MAX_CHARS, characters: 'any' }),
} as const

const RAW_MAX_CHARS: number = Math.ceil((AUDIT_EVENT_MAX_BYTES * 4) / 3)

const rejectedRawShape = objectShape({
  ...rejectedHead,
  raw: base64urlField({ min: 0, max: RAW_MAX_CHARS }),
})

const rejectedHashShape = objectShape({ ...rejectedHead, sha256: hashField, size: countField })

/**
 * What the log records of a message in the log `name`. NOT checked yet: signature and chain.
 */
export function readMessage(message: StoredMessage, name: LogName): LogEntry {
  const event = readEvent(message, name)
  const stream_seq = message.seq
  if (event.ok) return { kind: 'event', stream_seq, event: event.value, problems: [] }
  const { subject, data } = message
  const body =
    data.length > AUDIT_EVENT_MAX_BYTES
      ? { sha256: hashText(sha256, data), size: data.length }
      : { raw: base64urlEncode(data) }
  return {
    kind: 'rejected',
    stream_seq,
    problem: event.reason,
    subject: writable(subject),
    body,
  }
}

/** A subject may hold what I-JSON does not let pass: written as it is, the log could not be read again. */
function writable(subject: string): string {
  return subject
    .slice(0, SUBJECT_MAX_CHARS)
    .replaceAll(/[\p{Surrogate}\p{Noncharacter_Code_Point}]/gu, '\u{fffd}')
}

function readEvent(message: StoredMessage, name: LogName): Result<AuditEvent, Rejection> {
  const tokens = parseSubject('audit', message.subject)
  if (!tokens.ok) return refuse('subject_format')
  const { tenant, component, instance, event: type } = tokens.value
  if (tenant !== name) return refuse('tenant_unknown')
  if (message.data.length > AUDIT_EVENT_MAX_BYTES) return refuse('event_too_large')
  const text = utf8Decode(message.data)
  if (!text.ok) return refuse('event_format')
  const parsed = parseJson(text.value, { maxBytes: AUDIT_EVENT_MAX_BYTES })
  if (!parsed.ok) return refuse('event_format')
  const event = readShape(auditEventShape, parsed.value)
  if (!event.ok) return refuse('event_format')
  if (canonicalize(parsed.value) !== text.value) return refuse('event_not_canonical')
  const agrees =
    event.value.tenant === tenant &&
    event.value.type === type &&
    event.value.writer === `${component}/${instance}`
  return agrees ? ok(event.value) : refuse('subject_disagrees')
}

/** The component of a writer `<component>/<instance>`; empty when it has no instance. */
export function componentOf(writer: string): string {
  const slash = writer.indexOf('/')
  return slash === -1 || slash === writer.length - 1 ? '' : writer.slice(0, slash)
}

/** The line without its newline: canonical, and the bytes whose RFC 6962 leaf hash is the leaf. */
export function printEntry(entry: LogEntry): string {
  return canonicalize(entryJson(entry))
}

/** The form of `entries.ndjson`. */
export function entryJson(entry: LogEntry): JsonObject {
  const { stream_seq } = entry
  if (entry.kind === 'event') {
    const problems = entry.problems.length === 0 ? {} : { problems: entry.problems }
    return { event: auditEventJson(entry.event), ...problems, stream_seq }
  }
  return { problem: entry.problem, subject: entry.subject, stream_seq, ...entry.body }
}

/** Accepts exactly what {@link printEntry} writes. NOT checked: signature, chain, order. */
export function parseEntry(line: Uint8Array): Result<LogEntry, EntryRefusal> {
  const text = utf8Decode(line)
  if (!text.ok) return refuse('entry_format')
  const parsed = parseJson(text.value, { maxBytes: LINE_MAX_BYTES })
  if (!parsed.ok || !isJsonObject(parsed.value)) return refuse('entry_format')
  const entry = entryOf(parsed.value)
  if (entry === undefined) return refuse('entry_format')
  return canonicalize(parsed.value) === text.value ? ok(entry) : refuse('entry_not_canonical')
}

function entryOf(value: JsonObject): LogEntry | undefined {
  if (Object.hasOwn(value, 'event')) {
    const read = readShape(eventEntryShape, value)
    if (!read.ok || read.value.problems?.length === 0) return undefined
    const { event, stream_seq, problems = [] } = read.value
    return { kind: 'event', stream_seq, event, problems }
  }
  if (Object.hasOwn(value, 'raw')) {
    const read = readShape(rejectedRawShape, value)
    if (!read.ok) return undefined
    const { raw, ...head } = read.value
    return { kind: 'rejected', ...head, body: { raw } }
  }
  const read = readShape(rejectedHashShape, value)
  if (!read.ok) return undefined
  const { sha256: hash, size, ...head } = read.value
  return { kind: 'rejected', ...head, body: { sha256: hash, size } }
}

/** True when the entry is the record of this very message. */
export function isRecordOf(entry: LogEntry, message: StoredMessage, name: LogName): boolean {
  const fresh = readMessage(message, name)
  const bare = entry.kind === 'event' ? { ...entry, problems: [] } : entry
  return printEntry(fresh) === printEntry(bare)
}
