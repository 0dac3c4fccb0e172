import { BusFault } from '../bus/bus.ts'

/** An answer of the stream server, as far as it is read here. */
export interface ApiAnswer {
  readonly [member: string]: unknown
}

/** Why the stream server refused; `code` is its `err_code`. */
export interface ApiRefusal {
  readonly code: number
  readonly description: string
}

/** The write expected another last sequence. */
export const WRONG_LAST_SEQUENCE = 10071
/** Another write to this subject is being decided (replicated streams). */
export const WRITE_IN_FLIGHT = 10164
/**
 * This very message, by its id, is being decided (replicated streams): a repeat came before the first one
 * was stored. After a node's death a server can hand one request to a stream twice.
 */
export const SAME_WRITE_IN_FLIGHT = 10158
/** A stored limit was met: "per subject" on an insert-only stream, else the stream is full. */
export const STREAM_LIMIT = 10077
/** No such message. */
export const NO_MESSAGE_FOUND = 10037
const UNAVAILABLE: ReadonlySet<number> = new Set([10008, 10009, 10023, 10028, 10039, 10076])

/** Whether a refusal only says that the stream is not there to decide: worth another try. */
export function isUnavailable(refusal: ApiRefusal): boolean {
  return UNAVAILABLE.has(refusal.code)
}

/** Whether an insert-only stream says that the subject is used already. */
export function isSubjectTaken(refusal: ApiRefusal): boolean {
  if (refusal.code === WRONG_LAST_SEQUENCE || refusal.code === WRITE_IN_FLIGHT) return true
  return refusal.code === STREAM_LIMIT && refusal.description.includes('per subject')
}

/** Reads an answer of the stream server; `BusFault` `store_malformed` when it is not an object. */
export function parseApiAnswer(data: Uint8Array): ApiAnswer {
  const answer = asRecord(parse(data))
  if (answer === undefined) throw malformed('answer')
  return answer
}

export function apiRefusal(answer: ApiAnswer): ApiRefusal | undefined {
  const error = asRecord(answer['error'])
  if (error === undefined) return undefined
  const code = error['err_code'] ?? error['code']
  const description = error['description']
  return {
    code: typeof code === 'number' ? code : 0,
    description: typeof description === 'string' ? description : '',
  }
}

export function asRecord(value: unknown): ApiAnswer | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return Object.fromEntries(Object.entries(value))
}

/** A stream sequence: a positive safe integer, else `store_malformed`. */
export function sequenceOf(value: unknown): number {
  const sequence = typeof value === 'string' ? Number(value) : value
  if (typeof sequence !== 'number' || !Number.isSafeInteger(sequence) || sequence < 1) {
    throw malformed('sequence')
  }
  return sequence
}

export function malformed(what: string): BusFault {
  return new BusFault('store_malformed', what)
}

function parse(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString('utf8'))
  } catch {
    throw malformed('answer is not JSON')
  }
}
