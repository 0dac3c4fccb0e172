import type { IncomingMessage } from 'node:http'
import { type Order, orderTotal } from './catalogue.ts'
import { type FaultPlan, readFault } from './faults.ts'
import { printAmount } from './money.ts'
import { type Page, readPage } from './page.ts'
import { readRefundRequest, showRefund } from './refund.ts'
import { problem, type Reply, success } from './reply.ts'
import { readJsonBody } from './request-body.ts'
import type { KeyedRefund, RefundAnswer, Till } from './till.ts'

const KEY_SHAPE = /^[\x21-\x7e]{1,200}$/

export type Shop = { readonly till: Till; readonly faults: FaultPlan }

export type Call = {
  readonly shop: Shop
  readonly request: IncomingMessage
  readonly parameter: string
  readonly query: URLSearchParams
}

export type Route = {
  readonly method: 'GET' | 'POST'
  readonly path: RegExp
  readonly open?: true
  readonly handle: (call: Call) => Promise<Reply> | Reply
}

const ID = '([A-Za-z0-9_]{1,64})'

/** The whole surface; what is not listed does not exist. Only `open` routes need no key. */
export const ROUTES: readonly Route[] = [
  { method: 'GET', path: /^\/health$/, open: true, handle: () => success(200, { status: 'ok' }) },
  { method: 'GET', path: /^\/v1\/orders$/, handle: listOrders },
  { method: 'GET', path: new RegExp(`^/v1/orders/${ID}$`), handle: getOrder },
  { method: 'GET', path: new RegExp(`^/v1/customers/${ID}$`), handle: getCustomer },
  { method: 'GET', path: /^\/v1\/refunds$/, handle: listRefunds },
  { method: 'POST', path: /^\/v1\/refunds$/, handle: postRefund },
  { method: 'GET', path: /^\/v1\/refunds\/by-key\/([^/]{1,600})$/, handle: getRefundByKey },
  { method: 'POST', path: /^\/admin\/faults$/, handle: postFault },
]

function listOrders({ shop, query }: Call): Reply {
  const page = readPage(query, 'customer_id')
  if (page === undefined) return problem('query_invalid')
  const wanted = shop.till
    .orders()
    .filter((order) => page.filter === undefined || order.customer_id === page.filter)
  return paged(wanted, page, (order) => showOrder(shop.till, order))
}

function getOrder({ shop, parameter }: Call): Reply {
  const order = shop.till.order(parameter)
  return order === undefined ? problem('not_found') : success(200, showOrder(shop.till, order))
}

function getCustomer({ shop, parameter }: Call): Reply {
  const customer = shop.till.customer(parameter)
  return customer === undefined ? problem('not_found') : success(200, customer)
}

function listRefunds({ shop, query }: Call): Reply {
  const page = readPage(query, 'order_id')
  if (page === undefined) return problem('query_invalid')
  const wanted = shop.till
    .refunds()
    .filter(({ refund }) => page.filter === undefined || refund.order_id === page.filter)
  return paged(wanted, page, show)
}

function getRefundByKey({ shop, parameter }: Call): Reply {
  const key = decodeKey(parameter)
  if (key === undefined) return problem('idempotency_key_invalid')
  const found = shop.till.refundByKey(key)
  return found === undefined ? problem('not_found') : success(200, show(found))
}

async function postRefund({ shop, request }: Call): Promise<Reply> {
  // Joined by Node when sent twice, and the comma with a space then fails the shape.
  const key = request.headers['idempotency-key']
  if (typeof key !== 'string' || !KEY_SHAPE.test(key)) return problem('idempotency_key_invalid')
  const body = await readJsonBody(request)
  if (!body.ok) return problem(body.reason)
  const read = readRefundRequest(body.value)
  if (!read.ok) return problem(read.reason, read.detail)
  return answerRefund(key, await shop.till.refund(key, read.request))
}

function answerRefund(key: string, answer: RefundAnswer): Reply {
  if (answer.kind === 'busy') return problem('busy')
  if (answer.kind === 'key_reused') return problem('idempotency_key_reused')
  const headers = { 'idempotency-replayed': String(answer.replayed) }
  if (answer.outcome.kind === 'refused') return problem(answer.outcome.code, undefined, headers)
  return success(201, showRefund(answer.outcome.refund, key), headers)
}

async function postFault({ shop, request }: Call): Promise<Reply> {
  const body = await readJsonBody(request)
  if (!body.ok) return problem(body.reason)
  const read = readFault(body.value)
  if (!read.ok) return problem('fault_invalid', `Member: ${read.member}.`)
  shop.faults.set(read.fault)
  return success(200, read.fault)
}

function showOrder(till: Till, order: Order): Record<string, unknown> {
  const total = orderTotal(order)
  const refunded = till.refundedMinor(order.id)
  const print = (minor: number): string => printAmount(minor, order.currency)
  return {
    id: order.id,
    customer_id: order.customer_id,
    placed_at: order.placed_at,
    status: order.status,
    currency: order.currency,
    total: print(total),
    refunded: print(refunded),
    remaining: print(total - refunded),
    items: order.items.map(({ sku, name, quantity, unit_minor }) => ({
      sku,
      name,
      quantity,
      unit_price: print(unit_minor),
    })),
  }
}

function show({ refund, idempotency_key }: KeyedRefund): Record<string, string> {
  return showRefund(refund, idempotency_key)
}

function paged<T>(items: readonly T[], page: Page, print: (item: T) => unknown): Reply {
  const data = items.slice(page.offset, page.offset + page.limit).map(print)
  return success(200, { data, total: items.length, offset: page.offset, limit: page.limit })
}

function decodeKey(encoded: string): string | undefined {
  try {
    const key = decodeURIComponent(encoded)
    return KEY_SHAPE.test(key) ? key : undefined
  } catch {
    return undefined
  }
}
