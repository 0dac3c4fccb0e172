import { headers, type NatsConnection } from '@nats-io/transport-node'
import { BusFault } from '../bus/bus.ts'
import { natsFault } from '../bus/nats-fault.ts'
import {
  type ApiRefusal,
  apiRefusal,
  isUnavailable,
  malformed,
  parseApiAnswer,
  SAME_WRITE_IN_FLIGHT,
  sequenceOf,
  WRITE_IN_FLIGHT,
} from './js-api.ts'
import {
  PUBLISH_STORED_BUDGET_MS,
  PUBLISH_STORED_PAUSE_MS,
  PUBLISH_STORED_TRY_MS,
  type Stored,
} from './stored-publisher.ts'

export interface AckedWrite {
  readonly subject: string
  readonly data: Uint8Array
  readonly msgId: string
  /** The stream that must acknowledge. */
  readonly stream: string
  readonly expectLastSubjectSeq?: number
  readonly budgetMs?: number
  /** Writes the marker that other KV clients read as "removed". */
  readonly tombstone?: boolean
}

/** `refused`: the stream decided against it; `ambiguous` tells that an earlier try may be stored. */
export type AckedOutcome =
  | { readonly kind: 'stored'; readonly stored: Stored }
  | { readonly kind: 'refused'; readonly refusal: ApiRefusal; readonly ambiguous: boolean }

type TryOutcome =
  | { readonly kind: 'stored'; readonly stored: Stored }
  | { readonly kind: 'refused'; readonly refusal: ApiRefusal }
  | {
      readonly kind: 'again'
      readonly ambiguous: boolean
      /** The answer is a matter of moments. */
      readonly soon?: boolean
      readonly fault: BusFault
    }

/**
 * One write into a stream, repeated with the same `msgId` while its outcome is open. The stream
 * recognises the repeat as a duplicate, so it is stored once. Throws `BusFault` `store_ambiguous`
 * or `store_unreachable` when the budget ends, `bus_permission`, `bus_closed`, `bus_too_large`.
 */
export async function ackedWrite(nc: NatsConnection, write: AckedWrite): Promise<AckedOutcome> {
  checkSize(nc, write)
  const deadline = performance.now() + (write.budgetMs ?? PUBLISH_STORED_BUDGET_MS)
  let ambiguous = false
  for (;;) {
    const left = deadline - performance.now()
    const outcome = await tryWrite(nc, write, Math.max(1, Math.min(PUBLISH_STORED_TRY_MS, left)))
    if (outcome.kind === 'stored') return outcome
    if (outcome.kind === 'refused') return { ...outcome, ambiguous }
    ambiguous ||= outcome.ambiguous
    const pause = outcome.soon === true ? SAME_WRITE_PAUSE_MS : PUBLISH_STORED_PAUSE_MS
    if (performance.now() + pause >= deadline) {
      const code = ambiguous ? 'store_ambiguous' : 'store_unreachable'
      throw new BusFault(code, write.subject, { cause: outcome.fault })
    }
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
}

async function tryWrite(
  nc: NatsConnection,
  write: AckedWrite,
  timeout: number,
): Promise<TryOutcome> {
  try {
    const answer = await nc.request(write.subject, write.data, {
      timeout,
      headers: writeHeaders(write),
    })
    return judgeAck(write, answer.data)
  } catch (error) {
    const fault = natsFault(error, write.subject)
    if (fault.code === 'bus_no_responders') return { kind: 'again', ambiguous: false, fault }
    if (fault.code === 'bus_timeout' || fault.code === 'bus_unreachable') {
      return { kind: 'again', ambiguous: true, fault }
    }
    throw fault
  }
}

function writeHeaders(write: AckedWrite): ReturnType<typeof headers> {
  const made = headers()
  made.set('Nats-Msg-Id', write.msgId)
  if (write.expectLastSubjectSeq !== undefined) {
    made.set('Nats-Expected-Last-Subject-Sequence', String(write.expectLastSubjectSeq))
  }
  if (write.tombstone === true) made.set('KV-Operation', 'DEL')
  return made
}

function judgeAck(write: AckedWrite, data: Uint8Array): TryOutcome {
  const answer = parseApiAnswer(data)
  const refusal = apiRefusal(answer)
  if (refusal !== undefined) {
    const fault = new BusFault('store_refused', `${write.subject}: ${refusal.code}`)
    if (refusal.code === SAME_WRITE_IN_FLIGHT) {
      return { kind: 'again', ambiguous: true, soon: true, fault }
    }
    if (isUnavailable(refusal) || refusal.code === WRITE_IN_FLIGHT) {
      return { kind: 'again', ambiguous: false, fault }
    }
    return { kind: 'refused', refusal }
  }
  if (answer['stream'] !== write.stream) throw malformed('acknowledged by another stream')
  const seq = sequenceOf(answer['seq'])
  const duplicate = answer['duplicate'] === true
  return { kind: 'stored', stored: { stream: write.stream, seq, duplicate } }
}

function checkSize(nc: NatsConnection, write: AckedWrite): void {
  const limit = nc.info?.max_payload
  const size = write.data.length + write.msgId.length + HEADER_ALLOWANCE_BYTES
  if (limit !== undefined && size > limit) {
    throw new BusFault('bus_too_large', `${write.subject}: ${write.data.length} bytes`)
  }
}

/** A replicated stream has decided about a message within this, as a rule. */
const SAME_WRITE_PAUSE_MS = 10
/** Headers count towards the server's maximum message. */
const HEADER_ALLOWANCE_BYTES = 256
