import type { ServerResponse } from 'node:http'

/** Every code that a client can be told. */
export type ProblemCode =
  | 'unauthorized'
  | 'not_found'
  | 'method_not_allowed'
  | 'body_too_large'
  | 'content_type_unsupported'
  | 'json_malformed'
  | 'json_not_flat'
  | 'json_duplicate'
  | 'query_invalid'
  | 'fault_invalid'
  | 'idempotency_key_invalid'
  | 'idempotency_key_reused'
  | 'member_missing'
  | 'member_unknown'
  | 'member_malformed'
  | 'currency_unknown'
  | 'amount_malformed'
  | 'amount_out_of_range'
  | 'order_not_found'
  | 'currency_mismatch'
  | 'amount_exceeds_remaining'
  | 'request_malformed'
  | 'internal'
  | 'storage_failed'
  | 'busy'
  | 'fault_injected'

/** Each code with its status and its title for people. */
const PROBLEMS: Readonly<Record<ProblemCode, readonly [number, string]>> = {
  unauthorized: [401, 'A valid bearer key is required'],
  not_found: [404, 'There is nothing here'],
  method_not_allowed: [405, 'This resource does not take that method'],
  body_too_large: [413, 'The body is too large'],
  content_type_unsupported: [415, 'The body must be application/json'],
  json_malformed: [400, 'The body is not JSON'],
  json_not_flat: [400, 'The body must be one object of plain values'],
  json_duplicate: [400, 'The body names a member twice'],
  query_invalid: [400, 'A query parameter is unknown or malformed'],
  fault_invalid: [400, 'The fault cannot be set like this'],
  idempotency_key_invalid: [400, 'Idempotency-Key must be 1 to 200 visible ASCII characters'],
  idempotency_key_reused: [409, 'Idempotency-Key was used for another request'],
  member_missing: [400, 'A member is missing'],
  member_unknown: [400, 'A member is unknown'],
  member_malformed: [400, 'A member is malformed'],
  currency_unknown: [422, 'The currency is unknown'],
  amount_malformed: [422, 'The amount is malformed'],
  amount_out_of_range: [422, 'The amount is out of range'],
  order_not_found: [422, 'There is no such order'],
  currency_mismatch: [422, 'The order is in another currency'],
  amount_exceeds_remaining: [422, 'The amount exceeds what remains of the order'],
  request_malformed: [400, 'The request is not HTTP as understood here'],
  internal: [500, 'The shop failed'],
  storage_failed: [503, 'The outcome could not be stored; ask again after a restart'],
  busy: [503, 'Too many refunds are waiting'],
  fault_injected: [503, 'The shop was told to fail'],
}

export type Reply = {
  readonly status: number
  readonly type: 'application/json' | 'application/problem+json'
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

export function success(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  return { status, type: 'application/json', headers, body }
}

/** RFC 9457 problem details; `code` is stable, title and detail are for people. */
export function problem(
  code: ProblemCode,
  detail?: string,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  const [status, title] = PROBLEMS[code]
  const body = { type: 'about:blank', title, status, code, ...(detail !== undefined && { detail }) }
  return { status, type: 'application/problem+json', headers, body }
}

export function send(response: ServerResponse, reply: Reply): void {
  if (response.destroyed || response.headersSent) return
  const body = Buffer.from(`${JSON.stringify(reply.body)}\n`, 'utf8')
  response.writeHead(reply.status, {
    ...reply.headers,
    'content-type': reply.type,
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  response.end(body)
}

/** A whole response for a connection whose request could not even be parsed. */
export function rawProblem(code: ProblemCode): string {
  const { status, body } = problem(code)
  const text = `${JSON.stringify(body)}\n`
  return `HTTP/1.1 ${status} ${PROBLEMS[code][1]}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`
}
