import { createHash } from 'node:crypto'
import { printAmount, readAmount } from './money.ts'

const MAX_REASON_CHARS = 500
const MAX_ID_CHARS = 64
const MEMBERS: readonly string[] = ['order_id', 'amount', 'currency', 'reason']

export type RefundRequest = {
  readonly order_id: string
  /** Minor units, positive. */
  readonly amount_minor: number
  readonly currency: string
  readonly reason: string
}

export type Refund = RefundRequest & { readonly id: string; readonly created_at: string }

export type RefundRefusal = 'order_not_found' | 'currency_mismatch' | 'amount_exceeds_remaining'

export type RequestReading =
  | { readonly ok: true; readonly request: RefundRequest }
  | { readonly ok: false; readonly reason: RequestReason; readonly detail: string }

export type RequestReason =
  | 'member_missing'
  | 'member_unknown'
  | 'member_malformed'
  | 'currency_unknown'
  | 'amount_malformed'
  | 'amount_out_of_range'

/**
 * Reads `{order_id, amount: "250.00", currency: "EUR", reason}`: exactly these members, all
 * strings. Not checked here: whether the order exists, its currency, what remains of it.
 */
export function readRefundRequest(body: Readonly<Record<string, unknown>>): RequestReading {
  const unknown = Object.keys(body).find((name) => !MEMBERS.includes(name))
  if (unknown !== undefined) {
    return refuse('member_unknown', 'The body holds a member that this resource does not know.')
  }
  const missing = MEMBERS.find((name) => body[name] === undefined)
  if (missing !== undefined) return refuse('member_missing', `The member ${missing} is missing.`)
  const { order_id, amount, currency, reason } = body
  if (!isText(order_id, MAX_ID_CHARS)) return malformed('order_id')
  if (!isText(amount, MAX_ID_CHARS)) return malformed('amount')
  if (!isText(currency, MAX_ID_CHARS)) return malformed('currency')
  if (!isText(reason, MAX_REASON_CHARS)) return malformed('reason')
  const read = readAmount(amount, currency)
  if (!read.ok) {
    return refuse(read.reason, 'The amount is a decimal string with the digits of its currency.')
  }
  return { ok: true, request: { order_id, amount_minor: read.minor, currency, reason } }
}

/** SHA-256 (base64url) over the request's members: one key stands for one request. */
export function hashRequest(request: RefundRequest): string {
  const members = [request.order_id, request.amount_minor, request.currency, request.reason]
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}

/** The refund as clients see it, amount as a decimal string. */
export function showRefund(refund: Refund, idempotencyKey: string): Record<string, string> {
  return {
    id: refund.id,
    order_id: refund.order_id,
    amount: printAmount(refund.amount_minor, refund.currency),
    currency: refund.currency,
    reason: refund.reason,
    status: 'succeeded',
    created_at: refund.created_at,
    idempotency_key: idempotencyKey,
  }
}

function isText(value: unknown, maxChars: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= maxChars
}

function malformed(member: string): RequestReading {
  return refuse('member_malformed', `The member ${member} is not a string of an allowed length.`)
}

function refuse(reason: RequestReason, detail: string): RequestReading {
  return { ok: false, reason, detail }
}
