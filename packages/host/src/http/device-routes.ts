import { objectShape, oneOfShape, type Shape, stringShape } from '@trustgw/protocol'
import type { Context, Hono } from 'hono'
import type { DeviceDesk } from '../ceremony/device-desk.ts'
import type { HostDeps } from '../deps.ts'
import { tokenField } from '../people/person.ts'
import { deviceName } from '../session/device-name.ts'
import type { SessionDesk } from '../session/session-desk.ts'
import type { ApiEnv } from './api-env.ts'
import { emptyBody } from './api-shapes.ts'
import { readBody } from './body.ts'
import type { SignedIn } from './outcome-routes.ts'
import { objectionToStale } from './permissions.ts'
import { type Refused, refused } from './problem.ts'
import { jsonResponse, problemResponse, type Reply } from './reply.ts'

const USER_CODE_MAX_CHARS = 32

type Handler = (c: Context<ApiEnv>) => Promise<Response>

interface DeviceRoutesDeps {
  readonly devices: DeviceDesk
  readonly sessions: SessionDesk
  readonly audit: HostDeps['audit']
}

/** Who comes through: somebody unknown, within the limit of attempts; a browser; a terminal too. */
interface Doors {
  readonly attempted: (handle: Handler) => Handler
  readonly signedIn: SignedIn
  readonly signedInOrTerminal: SignedIn
}

const userCodeField = stringShape({ min: 1, max: USER_CODE_MAX_CHARS })
const tokenBody: Shape<{ readonly device_code: string }> = objectShape({ device_code: tokenField })
const lookBody: Shape<{ readonly user_code: string }> = objectShape({ user_code: userCodeField })
const decideBody: Shape<{ readonly user_code: string; readonly verdict: 'allow' | 'refuse' }> =
  objectShape({ user_code: userCodeField, verdict: oneOfShape('allow', 'refuse') })

/** Signing a terminal in and out (spec/protocol.md §8). Letting one in takes level 5. */
export function deviceRoutes(
  api: Hono<ApiEnv>,
  { devices, sessions, audit }: DeviceRoutesDeps,
  { attempted, signedIn, signedInOrTerminal }: Doors,
): void {
  api.post(
    '/device/begin',
    attempted(async (c) => {
      const body = await readBody(c.req.raw, emptyBody)
      return respond(body.ok ? devices.begin(deviceName(c.req.header('user-agent'))) : body)
    }),
  )
  api.post(
    '/device/token',
    attempted(async (c) => {
      const body = await readBody(c.req.raw, tokenBody)
      return respond(body.ok ? await devices.token(body.value.device_code) : body)
    }),
  )
  api.post(
    '/device/look',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, lookBody)
      return outcomeOf(body.ok ? devices.look(session, body.value.user_code) : body)
    }),
  )
  api.post(
    '/device/decide',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, decideBody)
      if (!body.ok) return body
      const { user_code, verdict } = body.value
      const objection = verdict === 'allow' ? objectionToStale(session) : undefined
      return outcomeOf(objection ?? (await devices.decide(session, user_code, verdict)))
    }),
  )
  api.delete(
    '/device/session',
    signedInOrTerminal(async (c, session) => {
      const body = await readBody(c.req.raw, emptyBody)
      if (!body.ok) return body
      if (session.kind !== 'terminal') return refused('not_found')
      const { person } = session.person
      if (await sessions.endOne(person, session.sid)) {
        await audit.append('signed_out', { actor: { kind: 'human', id: person } })
      }
      return { json: {} }
    }),
  )
}

type Answer = { readonly ok: true; readonly json: Reply['json'] } | Refused

function outcomeOf(answer: Answer): Reply | Refused {
  return answer.ok ? { json: answer.json } : answer
}

function respond(answer: Answer): Response {
  return answer.ok ? jsonResponse({ json: answer.json }) : problemResponse(answer)
}
