import { parseJsonObject } from '@trustgw/protocol'
import { BusFault } from '../bus/bus.ts'
import type { Claim, ClaimEntry } from './claim-store.ts'

const ATTEMPT = /^[A-Za-z0-9_-]{16,64}$/
const NOTE_MAX_CHARS = 4096

/** The bytes of an entry; `TypeError` on an attempt id that could not be told from another. */
export function encodeClaim(claim: Claim): Uint8Array {
  if (!ATTEMPT.test(claim.attempt)) throw new TypeError('attempt: 16 to 64 of [A-Za-z0-9_-]')
  if ((claim.note?.length ?? 0) > NOTE_MAX_CHARS) throw new TypeError('note too long')
  const entry = {
    attempt: claim.attempt,
    ...(claim.note === undefined ? {} : { note: claim.note }),
  }
  return new Uint8Array(Buffer.from(JSON.stringify(entry)))
}

/** Reads an entry; an unreadable one is a `BusFault`, never "free". */
export function decodeClaim(data: Uint8Array, seq: number): ClaimEntry {
  const parsed = parseJsonObject(data)
  if (!parsed.ok) throw new BusFault('store_malformed', 'claim entry')
  const { attempt, note, ...rest } = parsed.value
  if (typeof attempt !== 'string' || Object.keys(rest).length > 0) {
    throw new BusFault('store_malformed', 'claim entry')
  }
  if (note !== undefined && typeof note !== 'string') {
    throw new BusFault('store_malformed', 'claim note')
  }
  return { attempt, seq, ...(note === undefined ? {} : { note }) }
}
