import type { JsonObject, TenantId } from '@trustgw/protocol'
import { type Context, Hono } from 'hono'
import type { ApprovalPages, OpenedPage } from '../approvals/approval-pages.ts'
import type { HostDeps } from '../deps.ts'
import type { ApiDeps } from './api.ts'
import type { ApiEnv } from './api-env.ts'
import { pageOpenBody } from './api-shapes.ts'
import { faultAnswer } from './app.ts'
import { approvalRoutes } from './approval-routes.ts'
import { readBody } from './body.ts'
import { refused } from './problem.ts'
import { jsonResponse, problemResponse } from './reply.ts'
import { API_PATH, bearerOf, objectionTo } from './route-access.ts'
import type { StaticFiles } from './static-files.ts'
import { approvalPageFile, staticResponse } from './static-response.ts'

export interface ApprovalPageDeps
  extends Pick<ApiDeps, 'approvals' | 'actions' | 'attempts' | 'clock'> {
  readonly tenant: TenantId
  readonly pages: ApprovalPages
  readonly files: StaticFiles
  readonly log: HostDeps['log']
  /** Where a person goes back to. */
  readonly portal: string
}

/** All that the origin of approvals answers: one page, and what it asks of the approval it is for. */
export function buildApprovalPage(deps: ApprovalPageDeps): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>()
  const api = new Hono<ApiEnv>()
  api.post('/page', async (c) => {
    if (!deps.attempts.take(c.env.remoteAddress, deps.clock.now())) {
      return problemResponse(refused('too_many_attempts'))
    }
    const body = await readBody(c.req.raw, pageOpenBody)
    if (!body.ok) return problemResponse(body)
    const opened = await deps.pages.open(body.value.code)
    return opened === undefined
      ? problemResponse(refused('ceremony_unknown'))
      : jsonResponse({ json: pageJson(deps, opened) })
  })
  approvalRoutes(api, deps, (handle) => async (c) => {
    const opened = await openedFor(c, deps.pages)
    if (opened === undefined) return problemResponse(refused('no_session'))
    const { by } = opened
    const outcome = objectionTo(c, by.person) ?? (await handle(c, by))
    return 'ok' in outcome ? problemResponse(outcome) : jsonResponse(outcome)
  })
  app.route(API_PATH, api)
  app.get('*', (c) =>
    staticResponse(deps.files, {
      path: approvalPageFile(new URL(c.req.url).pathname),
      ifNoneMatch: c.req.header('if-none-match') ?? null,
      acceptEncoding: c.req.header('accept-encoding') ?? null,
    }),
  )
  app.notFound(() => problemResponse(refused('not_found')))
  app.onError(faultAnswer(deps.log))
  return app
}

/** A ticket is good for the one action that the page was opened for. */
async function openedFor(
  c: Context<ApiEnv>,
  pages: ApprovalPages,
): Promise<OpenedPage | undefined> {
  const ticket = bearerOf(c)
  const opened = ticket === undefined ? undefined : await pages.check(ticket)
  return opened?.actionId === c.req.param('id') ? opened : undefined
}

function pageJson(
  { clock, portal, tenant }: ApprovalPageDeps,
  { actionId, by, ticket }: OpenedPage & { readonly ticket: string },
): JsonObject {
  const { person, name, roles } = by.person
  return {
    action_id: actionId,
    ticket,
    person: { id: person, name, roles: [...roles] },
    tenant,
    portal,
    now: clock.now(),
  }
}
