import { canonicalize, type JsonObject } from '@trustgw/protocol'
import { PROBLEMS, problemBody, type Refused } from './problem.ts'

/** An answer in JSON; cookies are whole Set-Cookie values. */
export interface Reply {
  readonly json: JsonObject
  readonly cookies?: readonly string[]
}

export type Outcome = Reply | Refused

export function jsonResponse(reply: Reply): Response {
  const response = new Response(canonicalize(reply.json), {
    status: 200,
    headers: { 'Content-Type': 'application/json' },
  })
  for (const cookie of reply.cookies ?? []) response.headers.append('Set-Cookie', cookie)
  return response
}

export function problemResponse(
  refusal: Omit<Refused, 'ok'>,
  cookies: readonly string[] = [],
): Response {
  const response = new Response(canonicalize(problemBody(refusal.reason, refusal.detail)), {
    status: PROBLEMS[refusal.reason].status,
    headers: { 'Content-Type': 'application/problem+json' },
  })
  for (const cookie of cookies) response.headers.append('Set-Cookie', cookie)
  return response
}
