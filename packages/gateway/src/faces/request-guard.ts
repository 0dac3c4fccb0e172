import type { IncomingHttpHeaders } from 'node:http'
import type { ProblemCode } from './problem.ts'

export interface GuardSettings {
  /** `host` or `host:port` of the Host header that are answered; without a port, on every port. */
  readonly allowedHosts: readonly string[]
  /** Origins of web pages that may call; other clients send none. */
  readonly allowedOrigins: readonly string[]
}

const AUTHORITY = /^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/

/**
 * Against pages that rebind a name to this machine: the Host must be one of ours, and an Origin, when
 * there is one, must be allowed; `null` never is.
 */
export function guardProblem(
  headers: IncomingHttpHeaders,
  settings: GuardSettings,
): ProblemCode | undefined {
  const [, host] = AUTHORITY.exec(headers.host ?? '') ?? []
  const named = [host, headers.host].map((name) => name?.toLowerCase())
  if (host === undefined || !settings.allowedHosts.some((allowed) => named.includes(allowed))) {
    return 'host_refused'
  }
  const { origin } = headers
  if (origin !== undefined && !settings.allowedOrigins.includes(origin)) return 'origin_refused'
  return undefined
}

const BEARER = /^Bearer +([\x21-\x7e]{1,256})$/i

/** The API key of a request: from the Authorization header and nowhere else. */
export function bearerKey(headers: IncomingHttpHeaders): string | undefined {
  return BEARER.exec(headers.authorization ?? '')?.[1]
}

/** On every answer: nothing here is a page. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}
