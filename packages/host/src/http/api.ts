import { approvalRequestJson, parseActionId } from '@trustgw/protocol'
import { type Context, Hono } from 'hono'
import { routePath } from 'hono/route'
import type { ActionFeed } from '../actions/action-feed.ts'
import type { AgentDesk } from '../agents/agent-desk.ts'
import type { ApprovalDesk } from '../approvals/approval-desk.ts'
import type { DeviceDesk } from '../ceremony/device-desk.ts'
import type { EnrolmentDesk } from '../ceremony/enrolment-desk.ts'
import type { LoginDesk } from '../ceremony/login-desk.ts'
import type { PasskeyDesk } from '../ceremony/passkey-desk.ts'
import type { Channels } from '../channels/channels.ts'
import type { HostDeps } from '../deps.ts'
import type { FreezeDesk } from '../freezes/freeze-desk.ts'
import type { PortalNews } from '../freezes/tell-portals.ts'
import { describeInstallation, type HostView } from '../installation.ts'
import type { OutcomeDesk } from '../outcomes/outcome-desk.ts'
import type { PersonDesk } from '../people/person-desk.ts'
import type { PinDesk } from '../pins/pin-desk.ts'
import { deviceName } from '../session/device-name.ts'
import type { Session, SessionDesk } from '../session/session-desk.ts'
import type { ToolDesk } from '../tools/tool-desk.ts'
import { agentRoutes } from './agent-routes.ts'
import type { ApiEnv } from './api-env.ts'
import {
  approveBody,
  denyBody,
  emptyBody,
  enrolBeginBody,
  loginFinishBody,
  registrationBody,
} from './api-shapes.ts'
import type { AttemptLimit } from './attempt-limit.ts'
import { readBody } from './body.ts'
import { channelRoutes } from './channel-routes.ts'
import { readCookie, SESSION_COOKIE } from './cookies.ts'
import { deviceRoutes } from './device-routes.ts'
import { freezeRoutes } from './freeze-routes.ts'
import { outcomeRoutes } from './outcome-routes.ts'
import { passkeyRoutes } from './passkey-routes.ts'
import { peopleRoutes } from './people-routes.ts'
import { objectionToRoute } from './permissions.ts'
import { type PolicyRoutesDeps, policyRoutes } from './policy-routes.ts'
import { type Refused, refused } from './problem.ts'
import { jsonResponse, problemResponse, type Reply } from './reply.ts'
import {
  noCookies,
  type SessionCookieDeps,
  sessionCookie,
  sessionReply,
} from './session-cookies.ts'
import { endedNews, ownSessionRoutes } from './session-routes.ts'
import { toolRoutes } from './tool-routes.ts'

/** Where the API lies under the origin. */
export const API_PATH = '/api'
/** Actions listed at once. */
export const ACTIONS_LISTED_MAX_COUNT = 2_000
/** Approvals listed at once: the most urgent ones. */
export const APPROVALS_LISTED_MAX_COUNT = 2_000

/** RFC 6750 §2.1 */
const BEARER = /^Bearer ([A-Za-z0-9._~+/-]+=*)$/

export interface ApiDeps {
  readonly sessions: SessionDesk
  readonly enrolments: EnrolmentDesk
  readonly logins: LoginDesk
  readonly devices: DeviceDesk
  readonly passkeys: PasskeyDesk
  readonly tell: PortalNews
  readonly approvals: ApprovalDesk
  readonly outcomes: OutcomeDesk
  readonly tools: ToolDesk
  readonly freezes: FreezeDesk
  readonly pins: PinDesk
  readonly agents: AgentDesk
  readonly persons: PersonDesk
  readonly channels: Channels
  readonly actions: ActionFeed
  readonly policy: Omit<PolicyRoutesDeps, 'approvals'>
  readonly attempts: AttemptLimit
  readonly cookies: SessionCookieDeps
  readonly audit: HostDeps['audit']
  readonly clock: HostDeps['clock']
  readonly installationFile: string
  readonly view: () => HostView
}

type Handler = (c: Context<ApiEnv>) => Promise<Response>
type Outcome = Reply | Refused

/** All calls of the API. The guard has judged the head of each request before it comes here. */
export function buildApi(deps: ApiDeps): Hono<ApiEnv> {
  const api = new Hono<ApiEnv>()
  sessionRoutes(api, deps)
  const ended = endedNews(deps.audit, deps.tell)
  ownSessionRoutes(api, { ...deps, ended }, (handle) => signedIn(deps, handle))
  passkeyRoutes(api, { ...deps, ended }, (handle) => signedIn(deps, handle))
  enrolmentRoutes(api, deps)
  deviceRoutes(api, deps, {
    attempted: (handle) => attempted(deps, handle),
    signedIn: (handle) => signedIn(deps, handle),
    signedInOrTerminal: (handle) => signedInOrTerminal(deps, handle),
  })
  approvalRoutes(api, deps)
  outcomeRoutes(api, deps.outcomes, (handle) => signedIn(deps, handle))
  toolRoutes(api, deps.tools, (handle) => signedIn(deps, handle))
  freezeRoutes(api, deps.freezes, (handle) => signedIn(deps, handle))
  peopleRoutes(api, deps, (handle) => signedIn(deps, handle))
  agentRoutes(api, deps.agents, (handle) => signedIn(deps, handle))
  channelRoutes(api, deps, (handle) => signedIn(deps, handle))
  policyRoutes(api, { ...deps.policy, approvals: deps.approvals }, (handle) =>
    signedIn(deps, handle),
  )
  api.get(
    '/actions',
    signedIn(deps, () => Promise.resolve(listActions(deps))),
  )
  api.get(
    '/installation',
    signedIn(deps, async () => ({
      json: await describeInstallation(deps.installationFile, deps.view()),
    })),
  )
  return api
}

function sessionRoutes(api: Hono<ApiEnv>, deps: ApiDeps): void {
  const { cookies, sessions, logins } = deps
  api.get('/session', async (c) => {
    const session = await sessions.check(tokenOf(c))
    if (session === undefined) return problemResponse(refused('no_session'), noCookies(cookies))
    const { person, renewed: token } = session
    return jsonResponse(sessionReply(cookies, person, { ...session, token, replayed: 0 }))
  })
  api.delete('/session', async (c) => {
    const body = await readBody(c.req.raw, emptyBody)
    if (!body.ok) return problemResponse(body)
    const person = await sessions.end(tokenOf(c))
    if (person !== undefined) {
      await deps.audit.append('signed_out', { actor: { kind: 'human', id: person } })
    }
    return jsonResponse({ json: {}, cookies: noCookies(cookies) })
  })
  api.post(
    '/login/begin',
    attempted(deps, async (c) => {
      const body = await readBody(c.req.raw, emptyBody)
      return body.ok ? jsonResponse({ json: await logins.begin() }) : problemResponse(body)
    }),
  )
  api.post(
    '/login/finish',
    attempted(deps, async (c) => {
      const body = await readBody(c.req.raw, loginFinishBody)
      if (!body.ok) return problemResponse(body)
      const outcome = await logins.finish(body.value.ceremony, body.value.response)
      if (!outcome.ok) return problemResponse(outcome)
      const session = await sessions.start(outcome.person, deviceOf(c))
      return jsonResponse(sessionReply(cookies, outcome.person, session))
    }),
  )
}

function enrolmentRoutes(api: Hono<ApiEnv>, deps: ApiDeps): void {
  const { cookies, enrolments, sessions } = deps
  api.post(
    '/enrolment/begin',
    attempted(deps, async (c) => {
      const body = await readBody(c.req.raw, enrolBeginBody)
      if (!body.ok) return problemResponse(body)
      return respond(await enrolments.begin(body.value.token, body.value.name))
    }),
  )
  api.post(
    '/enrolment/login',
    attempted(deps, async (c) => {
      const body = await readBody(c.req.raw, registrationBody)
      if (!body.ok) return problemResponse(body)
      return respond(await enrolments.login(body.value.ceremony, body.value.response))
    }),
  )
  api.post(
    '/enrolment/finish',
    attempted(deps, async (c) => {
      const body = await readBody(c.req.raw, registrationBody)
      if (!body.ok) return problemResponse(body)
      const outcome = await enrolments.finish(body.value.ceremony, body.value.response)
      if (!outcome.ok) return problemResponse(outcome)
      const { person, fingerprint, recovered } = outcome
      // Whoever holds one of the lost passkeys may be signed in by it.
      if (recovered) await sessions.endAll(person.person)
      const session = await sessions.start(person, deviceOf(c))
      const reply = sessionReply(cookies, person, session)
      return jsonResponse({ ...reply, json: { ...reply.json, fingerprint } })
    }),
  )
}

/** What a terminal may do too: look, deny, and approve what takes no passkey. */
function approvalRoutes(api: Hono<ApiEnv>, deps: ApiDeps): void {
  const { approvals } = deps
  api.get(
    '/approvals',
    signedInOrTerminal(deps, () =>
      Promise.resolve({
        json: {
          approvals: approvals
            .pending()
            .slice(0, APPROVALS_LISTED_MAX_COUNT)
            .map(approvalRequestJson),
        },
      }),
    ),
  )
  api.get(
    '/approvals/:id',
    signedInOrTerminal(deps, async (c) => {
      const id = parseActionId(c.req.param('id') ?? '')
      if (!id.ok) return refused('unknown_action')
      return outcomeOf(await approvals.show(id.value, deps.actions.find(id.value)))
    }),
  )
  api.get(
    '/approvals/:id/earlier',
    signedInOrTerminal(deps, async (c) => {
      const id = parseActionId(c.req.param('id') ?? '')
      if (!id.ok) return refused('unknown_action')
      return outcomeOf(await approvals.earlier(id.value, (one) => deps.actions.find(one)))
    }),
  )
  api.post(
    '/approvals/:id/begin',
    signedInOrTerminal(deps, async (c, session) => {
      const id = parseActionId(c.req.param('id') ?? '')
      const body = await readBody(c.req.raw, emptyBody)
      if (!body.ok) return body
      return id.ok ? outcomeOf(await approvals.begin(session, id.value)) : refused('unknown_action')
    }),
  )
  api.post(
    '/approvals/:id/approve',
    signedInOrTerminal(deps, async (c, session) => {
      const id = parseActionId(c.req.param('id') ?? '')
      const body = await readBody(c.req.raw, approveBody)
      if (!body.ok) return body
      if (!id.ok) return refused('unknown_action')
      return outcomeOf(await approvals.approve(session, id.value, body.value))
    }),
  )
  api.post(
    '/approvals/:id/deny',
    signedInOrTerminal(deps, async (c, session) => {
      const id = parseActionId(c.req.param('id') ?? '')
      const body = await readBody(c.req.raw, denyBody)
      if (!body.ok) return body
      if (!id.ok) return refused('unknown_action')
      return outcomeOf(await approvals.deny(session, id.value, body.value.reason))
    }),
  )
}

function listActions(deps: ApiDeps): Reply {
  const events = deps.actions.newest(ACTIONS_LISTED_MAX_COUNT)
  const { isWhole } = deps.actions
  return { json: { actions: events.map((event) => ({ ...event })), whole: isWhole } }
}

/** Only with a session and a role for this route. A session renewed by this call sends its new cookie. */
function signedIn(
  deps: ApiDeps,
  handle: (c: Context<ApiEnv>, session: Session) => Promise<Outcome>,
): Handler {
  return async (c) => {
    const session = await deps.sessions.check(tokenOf(c))
    if (session === undefined) return problemResponse(refused('no_session'))
    const { renewed } = session
    const cookies = renewed === undefined ? [] : [sessionCookie(deps.cookies, renewed)]
    const outcome = objectionTo(c, session) ?? (await handle(c, session))
    return 'ok' in outcome
      ? problemResponse(outcome, cookies)
      : jsonResponse({ ...outcome, cookies })
  }
}

/** A bearer is a terminal's, and where one is sent no cookie makes up for it. */
function signedInOrTerminal(
  deps: ApiDeps,
  handle: (c: Context<ApiEnv>, session: Session) => Promise<Outcome>,
): Handler {
  return async (c) => {
    const header = c.req.header('authorization')
    if (header === undefined) return await signedIn(deps, handle)(c)
    const token = BEARER.exec(header)?.[1]
    const session = token === undefined ? undefined : await deps.sessions.checkTerminal(token)
    if (session === undefined) return problemResponse(refused('no_session'))
    const outcome = objectionTo(c, session) ?? (await handle(c, session))
    return 'ok' in outcome ? problemResponse(outcome) : jsonResponse(outcome)
  }
}

/** Whether the roles of this moment reach this route. */
function objectionTo(c: Context<ApiEnv>, { person }: Session): Refused | undefined {
  const route = `${c.req.method} ${routePath(c).slice(API_PATH.length)}`
  return objectionToRoute(route, person.roles)
}

/** Before a session there are few attempts. */
function attempted(deps: ApiDeps, handle: Handler): Handler {
  return async (c) =>
    deps.attempts.take(c.env.remoteAddress, deps.clock.now())
      ? await handle(c)
      : problemResponse(refused('too_many_attempts'))
}

type Answer = { readonly ok: true; readonly json: Reply['json'] } | Refused

function outcomeOf(answer: Answer): Outcome {
  return answer.ok ? { json: answer.json } : answer
}

function respond(answer: Answer): Response {
  return answer.ok ? jsonResponse({ json: answer.json }) : problemResponse(answer)
}

function deviceOf(c: Context<ApiEnv>): string {
  return deviceName(c.req.header('user-agent'))
}

function tokenOf(c: Context<ApiEnv>): string | undefined {
  return readCookie(c.req.header('cookie'), SESSION_COOKIE)
}
