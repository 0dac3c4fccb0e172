import { type JsonObject, parseActionId } from '@trustgw/protocol'
import type { Context, Hono } from 'hono'
import type { ActionFeed } from '../actions/action-feed.ts'
import type { ApprovalDesk } from '../approvals/approval-desk.ts'
import type { Decider } from '../approvals/decider.ts'
import type { ApiEnv } from './api-env.ts'
import { approveBody, denyBody, emptyBody } from './api-shapes.ts'
import { readBody } from './body.ts'
import { type Refused, refused } from './problem.ts'
import type { Outcome } from './reply.ts'

type Handle = (c: Context<ApiEnv>, by: Decider) => Promise<Outcome>

interface ApprovalRoutesDeps {
  readonly approvals: ApprovalDesk
  readonly actions: ActionFeed
}

/** One approval: looked at and decided. Who may is judged by `asked`, and again by the desk. */
export function approvalRoutes(
  api: Hono<ApiEnv>,
  { approvals, actions }: ApprovalRoutesDeps,
  asked: (handle: Handle) => (c: Context<ApiEnv>) => Promise<Response>,
): void {
  api.get(
    '/approvals/:id',
    asked(async (c) => {
      const id = actionOf(c)
      if (!id.ok) return refused('unknown_action')
      return outcomeOf(await approvals.show(id.value, actions.find(id.value)))
    }),
  )
  api.get(
    '/approvals/:id/earlier',
    asked(async (c) => {
      const id = actionOf(c)
      if (!id.ok) return refused('unknown_action')
      return outcomeOf(await approvals.earlier(id.value, (one) => actions.find(one)))
    }),
  )
  api.post(
    '/approvals/:id/begin',
    asked(async (c, by) => {
      const id = actionOf(c)
      const body = await readBody(c.req.raw, emptyBody)
      if (!body.ok) return body
      return id.ok ? outcomeOf(await approvals.begin(by, id.value)) : refused('unknown_action')
    }),
  )
  api.post(
    '/approvals/:id/approve',
    asked(async (c, by) => {
      const id = actionOf(c)
      const body = await readBody(c.req.raw, approveBody)
      if (!body.ok) return body
      if (!id.ok) return refused('unknown_action')
      return outcomeOf(await approvals.approve(by, id.value, body.value))
    }),
  )
  api.post(
    '/approvals/:id/deny',
    asked(async (c, by) => {
      const id = actionOf(c)
      const body = await readBody(c.req.raw, denyBody)
      if (!body.ok) return body
      if (!id.ok) return refused('unknown_action')
      return outcomeOf(await approvals.deny(by, id.value, body.value.reason))
    }),
  )
}

type Answer = { readonly ok: true; readonly json: JsonObject } | Refused

function outcomeOf(answer: Answer): Outcome {
  return answer.ok ? { json: answer.json } : answer
}

function actionOf(c: Context<ApiEnv>): ReturnType<typeof parseActionId> {
  return parseActionId(c.req.param('id') ?? '')
}
