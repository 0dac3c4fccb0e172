import type { IncomingMessage } from 'node:http'
import { BusFault } from '@trustgw/runtime'
import { Hono } from 'hono'
import type { HostDeps } from '../deps.ts'
import { type ApiDeps, buildApi } from './api.ts'
import type { ApiEnv } from './api-env.ts'
import { type Refused, refused } from './problem.ts'
import { jsonResponse, problemResponse } from './reply.ts'
import { type GuardSettings, guardRequest } from './request-guard.ts'
import { API_PATH } from './route-access.ts'
import type { StaticFiles } from './static-files.ts'
import { portalFile, staticResponse } from './static-response.ts'

export interface AppDeps {
  readonly api: ApiDeps
  readonly files: StaticFiles
  readonly log: HostDeps['log']
}

/** Everything behind the guard: health, the API, and the portal's files. */
export function buildApp(deps: AppDeps): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>()
  app.get('/health', () => jsonResponse({ json: { status: 'ok' } }))
  // Providers of chats: their own secret or signature is what counts here, not an Origin.
  app.post(
    '/channels/:name',
    async (c) => await deps.api.channels.hook(c.req.param('name'), c.req.raw),
  )
  app.route(API_PATH, buildApi(deps.api))
  app.all('/api/*', () => problemResponse(refused('not_found')))
  app.get('*', (c) => {
    const path = new URL(c.req.url).pathname
    return staticResponse(deps.files, {
      path: portalFile(path),
      ifNoneMatch: c.req.header('if-none-match') ?? null,
      acceptEncoding: c.req.header('accept-encoding') ?? null,
    })
  })
  app.notFound(() => problemResponse(refused('not_found')))
  app.onError(faultAnswer(deps.log))
  return app
}

/** What is answered where something failed: whether trying again can help, nothing of the fault. */
export function faultAnswer(log: HostDeps['log']): (error: Error) => Response {
  return (error) => {
    const code = codeOf(error)
    log.error('request_failed', { code })
    return problemResponse(refused(isOutage(error) ? 'bus_unavailable' : 'internal'))
  }
}

/** The bus or the record of events is out of reach: nothing was done, or it can be tried again. */
function isOutage(error: Error): boolean {
  return error instanceof BusFault || codeOf(error).startsWith('audit_')
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : 'fault'
}

/** Judges the head of a request as it came in, before a URL was made of it, by the name it asks for. */
export function guardOf(
  portal: GuardSettings,
  approvalPage: GuardSettings | undefined,
): (incoming: IncomingMessage) => Refused | undefined {
  return (incoming) => {
    const hosts = incoming.rawHeaders.filter(
      (name, index) => index % 2 === 0 && name.toLowerCase() === 'host',
    )
    const [path = ''] = (incoming.url ?? '').split('?')
    const host = hosts.length === 1 ? incoming.headers.host?.toLowerCase() : undefined
    const isPage = approvalPage !== undefined && host === approvalPage.authority
    return guardRequest(
      {
        method: incoming.method ?? '',
        path,
        host,
        header: (name) => oneOf(incoming.headers[name]),
      },
      isPage ? approvalPage : portal,
    )
  }
}

function oneOf(value: string | readonly string[] | undefined): string | null {
  return typeof value === 'string' ? value : null
}
