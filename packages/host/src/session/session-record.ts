import {
  canonicalize,
  type Id,
  integerShape,
  nullableShape,
  objectShape,
  oneOfShape,
  parsedShape,
  parseId,
  parseJsonObject,
  readShape,
  type Shape,
  stringShape,
  utf8Encode,
} from '@trustgw/protocol'
import { type PersonId, personIdField, timeField } from '../people/person.ts'

const SESSION_RECORD_MAX_BYTES = 2_048
const DEVICE_MAX_CHARS = 80

export type SessionId = Id<'session'>

export const sessionIdField: Shape<SessionId> = parsedShape(
  stringShape({ max: 40, characters: 'token' }),
  'session_id',
  (text) => parseId('session', text),
)
export const SESSION_KINDS = ['portal', 'terminal'] as const
/** `portal`: a cookie of a browser; `terminal`: a bearer of the command line, which may do less. */
export type SessionKind = (typeof SESSION_KINDS)[number]

export const generationField: Shape<number> = integerShape({ min: 1, max: 1_000_000 })

/** What lies in the bucket `sessions` while a session is not signed out. Times in milliseconds. */
export interface SessionRecord {
  readonly v: 1
  readonly sid: SessionId
  readonly kind: SessionKind
  readonly person: PersonId
  /** `replayed`: ended because an older token came back; kept so that the person is told. */
  readonly state: 'open' | 'replayed'
  readonly generation: number
  readonly created_at: number
  /** When the token was last replaced, which stands for the last use. */
  readonly renewed_at: number
  /** When the newest token came back first; null: whoever it was sent to may never have had it. */
  readonly taken_at: number | null
  /** When a passkey was last used for this session. */
  readonly auth_time: number
  readonly ends_at: number
  readonly device: string
}

const recordShape: Shape<SessionRecord> = objectShape({
  v: oneOfShape(1),
  sid: sessionIdField,
  kind: oneOfShape(...SESSION_KINDS),
  person: personIdField,
  state: oneOfShape('open', 'replayed'),
  generation: generationField,
  created_at: timeField,
  renewed_at: timeField,
  taken_at: nullableShape(timeField),
  auth_time: timeField,
  ends_at: timeField,
  device: stringShape({ min: 1, max: DEVICE_MAX_CHARS }),
})

export function encodeSession(record: SessionRecord): Uint8Array {
  return utf8Encode(canonicalize({ ...record }))
}

/** `undefined`: nothing that the host acts on, so nobody is signed in by it. */
export function decodeSession(value: Uint8Array): SessionRecord | undefined {
  const parsed = parseJsonObject(value, { maxBytes: SESSION_RECORD_MAX_BYTES })
  if (!parsed.ok) return undefined
  const read = readShape(recordShape, parsed.value)
  return read.ok ? read.value : undefined
}
