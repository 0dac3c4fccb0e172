import { booleanShape, objectShape, type Shape } from '@trustgw/protocol'
import type { Hono } from 'hono'
import type { LoginDesk } from '../ceremony/login-desk.ts'
import type { HostDeps } from '../deps.ts'
import type { PortalNews } from '../freezes/tell-portals.ts'
import { personIdField } from '../people/person.ts'
import type { Session, SessionDesk } from '../session/session-desk.ts'
import { sessionIdField } from '../session/session-record.ts'
import type { ApiEnv } from './api-env.ts'
import { emptyBody, loginFinishBody } from './api-shapes.ts'
import { readBody } from './body.ts'
import type { SignedIn } from './outcome-routes.ts'
import { objectionToStale } from './permissions.ts'
import { refused } from './problem.ts'

interface SessionRoutesDeps {
  readonly sessions: SessionDesk
  readonly logins: LoginDesk
  readonly ended: EndedNews
}

const everywhereBody: Shape<{ readonly keep_this: boolean }> = objectShape({
  keep_this: booleanShape(),
})

/** A person's own sessions, the passkey asked for again, and an admin who signs somebody out. */
export function ownSessionRoutes(
  api: Hono<ApiEnv>,
  deps: SessionRoutesDeps,
  signedIn: SignedIn,
): void {
  const { sessions, ended } = deps
  api.get(
    '/sessions',
    signedIn(async (_, session) => ({ json: { sessions: [...(await sessions.list(session))] } })),
  )
  api.delete(
    '/sessions/:sid',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, emptyBody)
      if (!body.ok) return body
      const sid = sessionIdField.read(c.req.param('sid') ?? '')
      const { person } = session.person
      if (!sid.ok || !(await sessions.endOne(person, sid.value))) return refused('unknown_session')
      await ended(session, person, 1)
      return { json: { ended: 1 } }
    }),
  )
  api.delete(
    '/sessions',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, everywhereBody)
      if (!body.ok) return body
      const { person } = session.person
      const count = await sessions.endAll(person, body.value.keep_this ? session.sid : undefined)
      await ended(session, person, count)
      return { json: { ended: count } }
    }),
  )
  api.delete(
    '/people/:person/sessions',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, emptyBody)
      if (!body.ok) return body
      const person = personIdField.read(c.req.param('person') ?? '')
      if (!person.ok) return refused('not_found')
      const objection = objectionToStale(session)
      if (objection !== undefined) return objection
      const count = await sessions.endAll(person.value)
      await ended(session, person.value, count)
      return { json: { ended: count } }
    }),
  )
  stepUpRoutes(api, deps, signedIn)
}

function stepUpRoutes(
  api: Hono<ApiEnv>,
  { logins, sessions }: SessionRoutesDeps,
  signedIn: SignedIn,
): void {
  api.post(
    '/step-up/begin',
    signedIn(async (c) => {
      const body = await readBody(c.req.raw, emptyBody)
      return body.ok ? { json: await logins.begin() } : body
    }),
  )
  api.post(
    '/step-up/finish',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, loginFinishBody)
      if (!body.ok) return body
      const { ceremony, response } = body.value
      const outcome = await logins.finish(ceremony, response, session.person.person)
      if (!outcome.ok) return outcome
      return (await sessions.stepUp(session)) ? { json: {} } : refused('no_session')
    }),
  )
}

/** Puts ended sessions on record and tells portals to look whether theirs still holds. */
export type EndedNews = (session: Session, person: string, count: number) => Promise<void>

export function endedNews(audit: HostDeps['audit'], tell: PortalNews): EndedNews {
  return async (session, person, count) => {
    if (count === 0) return
    tell('sessions')
    await audit.append('session_ended', {
      actor: { kind: 'human', id: session.person.person },
      payload: { person, count },
    })
  }
}
