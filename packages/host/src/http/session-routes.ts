import { booleanShape, objectShape, POLICY_ADMIN_ROLE, type Shape } from '@trustgw/protocol'
import type { Hono } from 'hono'
import type { LoginDesk } from '../ceremony/login-desk.ts'
import type { HostDeps } from '../deps.ts'
import { personIdField } from '../people/person.ts'
import type { Session, SessionDesk } from '../session/session-desk.ts'
import { sessionIdField } from '../session/session-record.ts'
import type { ApiEnv } from './api-env.ts'
import { emptyBody, loginFinishBody } from './api-shapes.ts'
import { readBody } from './body.ts'
import type { SignedIn } from './outcome-routes.ts'
import { type Refused, refused } from './problem.ts'

interface SessionRoutesDeps {
  readonly sessions: SessionDesk
  readonly logins: LoginDesk
  readonly audit: HostDeps['audit']
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
  const { sessions } = deps
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
      await tellEnded(deps, session, person, 1)
      return { json: { ended: 1 } }
    }),
  )
  api.delete(
    '/sessions',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, everywhereBody)
      if (!body.ok) return body
      const { person } = session.person
      const ended = await sessions.endAll(person, body.value.keep_this ? session.sid : undefined)
      await tellEnded(deps, session, person, ended)
      return { json: { ended } }
    }),
  )
  api.delete(
    '/people/:person/sessions',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, emptyBody)
      if (!body.ok) return body
      const person = personIdField.read(c.req.param('person') ?? '')
      if (!person.ok) return refused('not_found')
      const objection = mayActOnOthers(session)
      if (objection !== undefined) return objection
      const ended = await sessions.endAll(person.value)
      await tellEnded(deps, session, person.value, ended)
      return { json: { ended } }
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

/** What touches other people takes an admin who used a passkey lately. */
function mayActOnOthers({ authLevel, person }: Session): Refused | undefined {
  if (!person.roles.includes(POLICY_ADMIN_ROLE)) return refused('role_missing')
  return authLevel < 5 ? refused('step_up_required') : undefined
}

async function tellEnded(
  { audit }: SessionRoutesDeps,
  session: Session,
  person: string,
  count: number,
): Promise<void> {
  await audit.append('session_ended', {
    actor: { kind: 'human', id: session.person.person },
    payload: { person, count },
  })
}
