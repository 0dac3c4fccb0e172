import {
  grantIdField,
  objectShape,
  oneOfShape,
  parseActionId,
  type Shape,
  stringShape,
} from '@trustgw/protocol'
import type { Context, Hono } from 'hono'
import type { Finding, OutcomeDesk } from '../outcomes/outcome-desk.ts'
import type { Session } from '../session/session-desk.ts'
import type { ApiEnv } from './api-env.ts'
import { readBody } from './body.ts'
import { type Refused, refused } from './problem.ts'
import type { Reply } from './reply.ts'

const REASON_MAX_CHARS = 500

/** A handler that is called with a session only. */
export type SignedIn = (
  handle: (c: Context<ApiEnv>, session: Session) => Promise<Reply | Refused>,
) => (c: Context<ApiEnv>) => Promise<Response>

const settleBody: Shape<Finding> = objectShape({
  jti: grantIdField,
  outcome: oneOfShape('succeeded', 'failed'),
  reason: stringShape({ min: 1, max: REASON_MAX_CHARS }),
})

/** Everybody who is signed in sees what nobody saw the end of; who may settle it is judged each time. */
export function outcomeRoutes(api: Hono<ApiEnv>, outcomes: OutcomeDesk, signedIn: SignedIn): void {
  api.get(
    '/outcomes',
    signedIn(async () => ({ json: await outcomes.list() })),
  )
  api.post(
    '/outcomes/:id',
    signedIn(async (c, session) => {
      const id = parseActionId(c.req.param('id') ?? '')
      const body = await readBody(c.req.raw, settleBody)
      if (!body.ok) return body
      if (!id.ok) return refused('unknown_action')
      const answer = await outcomes.settle(session, id.value, body.value)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
}
