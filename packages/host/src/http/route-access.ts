import type { Context } from 'hono'
import { routePath } from 'hono/route'
import type { ApiEnv } from './api-env.ts'
import { objectionToRoute } from './permissions.ts'
import type { Refused } from './problem.ts'

/** Where the API lies under an origin. */
export const API_PATH = '/api'

/** RFC 6750 §2.1 */
const BEARER = /^Bearer ([A-Za-z0-9._~+/-]+=*)$/

export function bearerOf(c: Context<ApiEnv>): string | undefined {
  return BEARER.exec(c.req.header('authorization') ?? '')?.[1]
}

/** Whether the roles of this moment reach this route. */
export function objectionTo(
  c: Context<ApiEnv>,
  { roles }: { readonly roles: readonly string[] },
): Refused | undefined {
  return objectionToRoute(`${c.req.method} ${routePath(c).slice(API_PATH.length)}`, roles)
}
