import { approvalRequestJson, type JsonObject, parseActionId } from '@trustgw/protocol'
import type { KeySetView } from '@trustgw/runtime'
import { type Context, Hono } from 'hono'
import type { ActionFeed } from '../actions/action-feed.ts'
import type { AgentDesk } from '../agents/agent-desk.ts'
import type { ApprovalDesk } from '../approvals/approval-desk.ts'
import type { ApprovalPages } from '../approvals/approval-pages.ts'
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
import { emptyBody, enrolBeginBody, loginFinishBody, registrationBody } from './api-shapes.ts'
import { approvalRoutes } from './approval-routes.ts'
import type { AttemptLimit } from './attempt-limit.ts'
import { readBody } from './body.ts'
import { channelRoutes } from './channel-routes.ts'
import { type CookieSettings, readCookie, sessionCookieName } from './cookies.ts'
import { deviceRoutes } from './device-routes.ts'
import { freezeRoutes } from './freeze-routes.ts'
import { outcomeRoutes } from './outcome-routes.ts'
import { passkeyRoutes } from './passkey-routes.ts'
import { peopleRoutes } from './people-routes.ts'
import { type PolicyRoutesDeps, policyRoutes } from './policy-routes.ts'
import { type Refused, refused } from './problem.ts'
import { jsonResponse, type Outcome, problemResponse, type Reply } from './reply.ts'
import { bearerOf, objectionTo } from './route-access.ts'
import {
  noCookies,
  type SessionCookieDeps,
  sessionCookie,
  sessionReply,
} from './session-cookies.ts'
import { endedNews, ownSessionRoutes } from './session-routes.ts'
import { toolRoutes } from './tool-routes.ts'

/** Actions listed at once. */
export const ACTIONS_LISTED_MAX_COUNT = 2_000
/** Approvals listed at once: the most urgent ones. */
export const APPROVALS_LISTED_MAX_COUNT = 2_000
/** The most urgent of them, for a page that opens over a slow line. */
export const APPROVALS_URGENT_COUNT = 50

export interface ApiDeps {
  readonly sessions: SessionDesk
  readonly enrolments: EnrolmentDesk
  readonly logins: LoginDesk
  readonly devices: DeviceDesk
  readonly passkeys: PasskeyDesk
  readonly tell: PortalNews
  readonly approvals: ApprovalDesk
  readonly pages: ApprovalPages
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
  readonly keys: HostDeps['keys']
  readonly installationFile: string
  readonly view: () => HostView
}

type Handler = (c: Context<ApiEnv>) => Promise<Response>

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
  portalApprovals(api, deps)
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
  api.get(
    '/keys',
    signedIn(deps, () => Promise.resolve({ json: keysJson(deps.keys.view(deps.clock.now())) })),
  )
  return api
}

function keysJson({ keys, ...set }: KeySetView): JsonObject {
  return { ...set, keys: keys.map((key) => ({ ...key })) }
}

function sessionRoutes(api: Hono<ApiEnv>, deps: ApiDeps): void {
  const { cookies, sessions, logins } = deps
  api.get('/session', async (c) => {
    const session = await sessions.check(tokenOf(c, cookies))
    if (session === undefined) return problemResponse(refused('no_session'), noCookies(cookies))
    const { person, renewed: token } = session
    return jsonResponse(sessionReply(cookies, person, { ...session, token, replayed: 0 }))
  })
  api.delete('/session', async (c) => {
    const body = await readBody(c.req.raw, emptyBody)
    if (!body.ok) return problemResponse(body)
    const person = await sessions.end(tokenOf(c, cookies))
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
      if (recovered) {
        await sessions.endAll(person.person)
        deps.tell('sessions')
      }
      const session = await sessions.start(person, deviceOf(c))
      const reply = sessionReply(cookies, person, session)
      return jsonResponse({ ...reply, json: { ...reply.json, fingerprint } })
    }),
  )
}

/** What a terminal may do too: look, deny, and approve what takes no passkey. */
function portalApprovals(api: Hono<ApiEnv>, deps: ApiDeps): void {
  const listed = (maxCount: number): Promise<Reply> => {
    const approvals = deps.approvals.pending().slice(0, maxCount).map(approvalRequestJson)
    return Promise.resolve({ json: { approvals } })
  }
  api.get(
    '/approvals',
    signedInOrTerminal(deps, () => listed(APPROVALS_LISTED_MAX_COUNT)),
  )
  api.get(
    '/approvals/urgent',
    signedIn(deps, () => listed(APPROVALS_URGENT_COUNT)),
  )
  api.post(
    '/approvals/:id/page',
    signedIn(deps, async (c, session) => {
      const id = parseActionId(c.req.param('id') ?? '')
      const body = await readBody(c.req.raw, emptyBody)
      if (!body.ok) return body
      if (!id.ok) return refused('unknown_action')
      const address = deps.pages.address(session, id.value)
      return address === undefined ? refused('not_found') : { json: { address } }
    }),
  )
  approvalRoutes(api, deps, (handle) => signedInOrTerminal(deps, handle))
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
    const session = await deps.sessions.check(tokenOf(c, deps.cookies))
    if (session === undefined) return problemResponse(refused('no_session'))
    const { renewed } = session
    const cookies = renewed === undefined ? [] : [sessionCookie(deps.cookies, renewed)]
    const outcome = objectionTo(c, session.person) ?? (await handle(c, session))
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
    if (c.req.header('authorization') === undefined) return await signedIn(deps, handle)(c)
    const token = bearerOf(c)
    const session = token === undefined ? undefined : await deps.sessions.checkTerminal(token)
    if (session === undefined) return problemResponse(refused('no_session'))
    const outcome = objectionTo(c, session.person) ?? (await handle(c, session))
    return 'ok' in outcome ? problemResponse(outcome) : jsonResponse(outcome)
  }
}

/** Before a session there are few attempts. */
function attempted(deps: ApiDeps, handle: Handler): Handler {
  return async (c) =>
    deps.attempts.take(c.env.remoteAddress, deps.clock.now())
      ? await handle(c)
      : problemResponse(refused('too_many_attempts'))
}

type Answer = { readonly ok: true; readonly json: Reply['json'] } | Refused

function respond(answer: Answer): Response {
  return answer.ok ? jsonResponse({ json: answer.json }) : problemResponse(answer)
}

function deviceOf(c: Context<ApiEnv>): string {
  return deviceName(c.req.header('user-agent'))
}

function tokenOf(c: Context<ApiEnv>, settings: CookieSettings): string | undefined {
  return readCookie(c.req.header('cookie'), sessionCookieName(settings))
}
