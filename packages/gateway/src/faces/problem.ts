import type { Json, JsonObject } from '@trustgw/protocol'
import type { CallRefusal } from '../gateway-api.ts'

/**
 * Every refusal of the HTTP faces and what stands for it on the wire: one exhaustive map, so that a
 * caller learns the safe reason and never which internal check it was (spec/protocol.md §8).
 */
export const PROBLEMS = {
  json_refused: { status: 400, title: 'The body is not strict JSON' },
  body_invalid: { status: 400, title: 'The body is not what this call takes' },
  query_invalid: { status: 400, title: 'The query is not what this call takes' },
  key_mismatch: { status: 400, title: 'Idempotency-Key and idempotency_key differ' },
  not_authenticated: { status: 401, title: 'A valid API key is needed' },
  origin_refused: { status: 403, title: 'The request comes from another origin' },
  tool_quarantined: {
    status: 403,
    title: 'The tool changed: a person has to look at it first',
  },
  not_found: { status: 404, title: 'There is nothing here' },
  unknown_tool: { status: 404, title: 'There is no such tool' },
  unknown_action: { status: 404, title: 'There is no such action' },
  session_unknown: { status: 404, title: 'The session is unknown or over: initialize again' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  body_timeout: { status: 408, title: 'The body came too slowly' },
  key_conflict: { status: 409, title: 'The key was used for another call' },
  arguments_too_large: { status: 413, title: 'The arguments are too large' },
  body_too_large: { status: 413, title: 'The body is too large' },
  content_type_refused: { status: 415, title: 'Content-Type must be application/json' },
  host_refused: { status: 421, title: 'The Host header does not name this service' },
  arguments_invalid: { status: 422, title: "The arguments do not fit the tool's schema" },
  too_many_requests: { status: 429, title: 'Too many requests: slow down' },
  too_many_pending: { status: 429, title: 'Too many of your actions wait for approval' },
  too_many_waiting: { status: 429, title: 'Too many requests at once with this key' },
  internal: { status: 500, title: 'The gateway failed' },
  busy: { status: 503, title: 'Too much waits already: try again later' },
  overloaded: { status: 503, title: 'The gateway is busy: try again' },
  unavailable: { status: 503, title: 'A part that must decide or record is not reachable' },
} as const

export type ProblemCode = keyof typeof PROBLEMS

/** When it makes sense to try again, in seconds. */
const RETRY_AFTER_S: { readonly [C in ProblemCode]?: number } = {
  too_many_requests: 1,
  too_many_pending: 60,
  too_many_waiting: 2,
  busy: 10,
  overloaded: 2,
  unavailable: 5,
}

/** When it makes sense to try again after this refusal, in seconds; undefined: not by itself. */
export function retryAfter(code: string): number | undefined {
  return isProblem(code) ? RETRY_AFTER_S[code] : undefined
}

function isProblem(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code)
}

/** An answer to an HTTP request; `body` is sent as JSON, `text` as it is. */
export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Json
  readonly text?: string
  /** An answer of the MCP face, streamed as it comes. */
  readonly web?: Response
  /** For the metrics: the stable code of a refusal, else `ok`. */
  readonly outcome: string
}

export const PROBLEM_TYPE = 'application/problem+json'

/** RFC 9457 problem details; `code` is stable, the rest is for people. `detail` quotes no input. */
export function problem(
  code: ProblemCode,
  detail?: string,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  const retry = RETRY_AFTER_S[code]
  return {
    status: PROBLEMS[code].status,
    headers: {
      'content-type': PROBLEM_TYPE,
      ...(retry === undefined ? {} : { 'retry-after': String(retry) }),
      ...headers,
    },
    body: problemBody(code, detail),
    outcome: code,
  }
}

export function problemBody(code: ProblemCode, detail?: string): JsonObject {
  const { status, title } = PROBLEMS[code]
  const body = { type: `urn:trustgw:problem:${code}`, title, status, code }
  return detail === undefined ? body : { ...body, detail }
}

export function jsonReply(
  status: number,
  body: Json,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  return {
    status,
    body,
    headers: { 'content-type': 'application/json', ...headers },
    outcome: 'ok',
  }
}

const CALL_PROBLEMS: { readonly [R in CallRefusal]: ProblemCode } = {
  unknown_tool: 'unknown_tool',
  tool_quarantined: 'tool_quarantined',
  arguments_invalid: 'arguments_invalid',
  arguments_too_large: 'arguments_too_large',
  key_conflict: 'key_conflict',
  too_many_pending: 'too_many_pending',
  busy: 'busy',
  unknown_action: 'unknown_action',
  unavailable: 'unavailable',
}

export function callProblem(reason: CallRefusal, detail?: string): Reply {
  return problem(CALL_PROBLEMS[reason], detail)
}
