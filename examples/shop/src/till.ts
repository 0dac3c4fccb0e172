import { CUSTOMERS, type Customer, ORDERS, type Order, orderTotal } from './catalogue.ts'
import type { Ledger } from './ledger.ts'
import type { LedgerEntry, Outcome } from './ledger-entry.ts'
import { hashRequest, type Refund, type RefundRefusal, type RefundRequest } from './refund.ts'

const MAX_WAITING_WRITES = 1_000

export type KeyedRefund = { readonly refund: Refund; readonly idempotency_key: string }

export type RefundAnswer =
  | { readonly kind: 'answered'; readonly outcome: Outcome; readonly replayed: boolean }
  | { readonly kind: 'key_reused' }
  | { readonly kind: 'busy' }

/** What the shop knows: the catalogue, and what the ledger says about it. */
export class Till {
  readonly #ledger: Ledger
  readonly #now: () => Date
  readonly #orders: ReadonlyMap<string, Order> = new Map(ORDERS.map((order) => [order.id, order]))
  readonly #customers: ReadonlyMap<string, Customer> = new Map(CUSTOMERS.map((c) => [c.id, c]))
  readonly #answers = new Map<string, { readonly hash: string; readonly outcome: Outcome }>()
  readonly #refunds: KeyedRefund[] = []
  readonly #refundedMinor = new Map<string, number>()
  #tail: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(ledger: Ledger, now: () => Date) {
    this.#ledger = ledger
    this.#now = now
    for (const entry of ledger.entries()) this.#apply(entry)
  }

  order(id: string): Order | undefined {
    return this.#orders.get(id)
  }

  orders(): readonly Order[] {
    return [...this.#orders.values()]
  }

  customer(id: string): Customer | undefined {
    return this.#customers.get(id)
  }

  refunds(): readonly KeyedRefund[] {
    return this.#refunds
  }

  refundedMinor(orderId: string): number {
    return this.#refundedMinor.get(orderId) ?? 0
  }

  /** The refund made under this key; undefined when the key is unused or was refused. */
  refundByKey(key: string): KeyedRefund | undefined {
    const outcome = this.#answers.get(key)?.outcome
    if (outcome?.kind !== 'refunded') return undefined
    return { refund: outcome.refund, idempotency_key: key }
  }

  /**
   * Answers once per key, and the same ever after. Requests run one after another, so that two
   * of one key, or two that together exceed an order, cannot both pass. Resolves only when the
   * answer is on disk; rejects with ShopError `ledger_failed` when that is unknown.
   */
  async refund(key: string, request: RefundRequest): Promise<RefundAnswer> {
    if (this.#waiting >= MAX_WAITING_WRITES) return { kind: 'busy' }
    this.#waiting += 1
    const turn = this.#tail.then(async () => this.#settle(key, request))
    this.#tail = turn.catch(() => undefined)
    try {
      return await turn
    } finally {
      this.#waiting -= 1
    }
  }

  /** Resolves when every refund under way has been answered. */
  async idle(): Promise<void> {
    await this.#tail
  }

  async #settle(key: string, request: RefundRequest): Promise<RefundAnswer> {
    const hash = hashRequest(request)
    const earlier = this.#answers.get(key)
    if (earlier !== undefined) {
      if (earlier.hash !== hash) return { kind: 'key_reused' }
      return { kind: 'answered', outcome: earlier.outcome, replayed: true }
    }
    const outcome = this.#decide(request)
    const answer = { kind: 'answer', idempotency_key: key, request_hash: hash, outcome } as const
    await this.#ledger.append(answer)
    this.#apply({ seq: this.#ledger.entries().length, ...answer })
    return { kind: 'answered', outcome, replayed: false }
  }

  #decide(request: RefundRequest): Outcome {
    const code = this.#refuse(request)
    if (code !== undefined) return { kind: 'refused', code }
    const id = `ref_${String(this.#refunds.length + 1).padStart(6, '0')}`
    const created_at = this.#now().toISOString()
    return { kind: 'refunded', refund: { id, ...request, created_at } }
  }

  #refuse(request: RefundRequest): RefundRefusal | undefined {
    const order = this.#orders.get(request.order_id)
    if (order === undefined) return 'order_not_found'
    if (order.currency !== request.currency) return 'currency_mismatch'
    const remaining = orderTotal(order) - this.refundedMinor(order.id)
    return request.amount_minor > remaining ? 'amount_exceeds_remaining' : undefined
  }

  #apply(entry: LedgerEntry): void {
    if (entry.kind === 'opened') return
    const { idempotency_key, request_hash, outcome } = entry
    this.#answers.set(idempotency_key, { hash: request_hash, outcome })
    if (outcome.kind === 'refused') return
    const { refund } = outcome
    this.#refunds.push({ refund, idempotency_key })
    const before = this.refundedMinor(refund.order_id)
    this.#refundedMinor.set(refund.order_id, before + refund.amount_minor)
  }
}
