import {
  hashField,
  nameField,
  objectShape,
  oneOfShape,
  type Shape,
  stringShape,
} from '@trustgw/protocol'
import type { Hono } from 'hono'
import type { Order, ToolDesk } from '../tools/tool-desk.ts'
import type { ApiEnv } from './api-env.ts'
import { readBody } from './body.ts'
import type { SignedIn } from './outcome-routes.ts'
import { objectionToStale } from './permissions.ts'

const REASON_MAX_CHARS = 500

const orderBody: Shape<Order> = objectShape({
  tool_id: nameField,
  order: oneOfShape('release', 'quarantine'),
  contract_hash: hashField,
  reason: stringShape({ min: 1, max: REASON_MAX_CHARS }),
})

/** Everybody who is signed in sees the tools; ordering is admins', a release with a passkey used lately. */
export function toolRoutes(api: Hono<ApiEnv>, tools: ToolDesk, signedIn: SignedIn): void {
  api.get(
    '/tools',
    signedIn(async () => ({ json: await tools.list() })),
  )
  api.post(
    '/tools/order',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, orderBody)
      if (!body.ok) return body
      // A quarantine restricts: it must not wait for anything.
      const objection = body.value.order === 'release' ? objectionToStale(session) : undefined
      if (objection !== undefined) return objection
      const answer = await tools.order(session, body.value)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
}
