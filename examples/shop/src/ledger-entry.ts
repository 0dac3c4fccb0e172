import { isRecord } from './json.ts'
import type { Refund, RefundRefusal } from './refund.ts'
import { ShopError } from './shop-error.ts'

export type Outcome =
  | { readonly kind: 'refunded'; readonly refund: Refund }
  | { readonly kind: 'refused'; readonly code: RefundRefusal }

/** One final answer to one idempotency key; refund and key are one line, hence one write. */
export type Answer = {
  readonly kind: 'answer'
  readonly idempotency_key: string
  readonly request_hash: string
  readonly outcome: Outcome
}

export type LedgerEntry =
  | { readonly seq: number; readonly kind: 'opened'; readonly catalogue: string }
  | (Answer & { readonly seq: number })

/** Parses line `seq` (from 1) of the ledger. Throws ShopError `ledger_corrupt`. */
export function parseEntry(line: string, seq: number): LedgerEntry {
  const value = parseJson(line, seq)
  if (!isRecord(value) || value['seq'] !== seq) throw corrupt(seq)
  if (value['kind'] === 'opened') {
    return { seq, kind: 'opened', catalogue: text(value, 'catalogue', seq) }
  }
  if (value['kind'] !== 'answer') throw corrupt(seq)
  return {
    seq,
    kind: 'answer',
    idempotency_key: text(value, 'idempotency_key', seq),
    request_hash: text(value, 'request_hash', seq),
    outcome: parseOutcome(value['outcome'], seq),
  }
}

function parseOutcome(value: unknown, seq: number): Outcome {
  if (!isRecord(value)) throw corrupt(seq)
  if (value['kind'] === 'refused') return { kind: 'refused', code: parseCode(value['code'], seq) }
  if (value['kind'] !== 'refunded') throw corrupt(seq)
  return { kind: 'refunded', refund: parseRefund(value['refund'], seq) }
}

function parseRefund(value: unknown, seq: number): Refund {
  if (!isRecord(value)) throw corrupt(seq)
  const minor = value['amount_minor']
  if (typeof minor !== 'number' || !Number.isSafeInteger(minor) || minor <= 0) throw corrupt(seq)
  return {
    id: text(value, 'id', seq),
    order_id: text(value, 'order_id', seq),
    amount_minor: minor,
    currency: text(value, 'currency', seq),
    reason: text(value, 'reason', seq),
    created_at: text(value, 'created_at', seq),
  }
}

function parseCode(value: unknown, seq: number): RefundRefusal {
  switch (value) {
    case 'order_not_found':
    case 'currency_mismatch':
    case 'amount_exceeds_remaining':
      return value
    default:
      throw corrupt(seq)
  }
}

function parseJson(line: string, seq: number): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    throw corrupt(seq, error)
  }
}

function text(record: Readonly<Record<string, unknown>>, name: string, seq: number): string {
  const value = record[name]
  if (typeof value !== 'string') throw corrupt(seq)
  return value
}

function corrupt(seq: number, cause?: unknown): ShopError {
  return new ShopError('ledger_corrupt', `Line ${seq} of the ledger cannot be read.`, cause)
}
