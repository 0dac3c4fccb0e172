import { objectShape, oneOfShape, type Shape } from '@trustgw/protocol'
import type { Hono } from 'hono'
import type { NewPasskey, PasskeyDesk } from '../ceremony/passkey-desk.ts'
import { registrationResponseShape } from '../ceremony/passkey-response.ts'
import { type PasskeyPurpose, personNameField, tokenField } from '../people/person.ts'
import type { SessionDesk } from '../session/session-desk.ts'
import type { ApiEnv } from './api-env.ts'
import { emptyBody } from './api-shapes.ts'
import { readBody } from './body.ts'
import type { SignedIn } from './outcome-routes.ts'
import { objectionToStale } from './permissions.ts'
import { refused } from './problem.ts'
import type { EndedNews } from './session-routes.ts'

interface PasskeyRoutesDeps {
  readonly passkeys: PasskeyDesk
  readonly sessions: SessionDesk
  readonly ended: EndedNews
}

const beginBody: Shape<{ readonly purpose: PasskeyPurpose }> = objectShape({
  purpose: oneOfShape('login', 'approval'),
})
const finishBody: Shape<NewPasskey> = objectShape({
  ceremony: tokenField,
  name: personNameField,
  response: registrationResponseShape,
})
const renameBody: Shape<{ readonly name: string }> = objectShape({ name: personNameField })

/** A person's own passkeys: what adds or removes one takes level 5, and so a fresh ceremony. */
export function passkeyRoutes(
  api: Hono<ApiEnv>,
  { passkeys, sessions, ended }: PasskeyRoutesDeps,
  signedIn: SignedIn,
): void {
  api.get(
    '/passkeys',
    signedIn((_, session) => Promise.resolve({ json: passkeys.list(session) })),
  )
  api.post(
    '/passkeys/begin',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, beginBody)
      if (!body.ok) return body
      const answer = objectionToStale(session) ?? passkeys.begin(session, body.value.purpose)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
  api.post(
    '/passkeys/finish',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, finishBody)
      if (!body.ok) return body
      // The ceremony was begun at level 5, in this session, at most five minutes ago.
      const answer = await passkeys.finish(session, body.value)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
  api.post(
    '/passkeys/:id/name',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, renameBody)
      if (!body.ok) return body
      const id = tokenField.read(c.req.param('id') ?? '')
      if (!id.ok) return refused('unknown_credential')
      const answer = await passkeys.rename(session, id.value, body.value.name)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
  api.delete(
    '/passkeys/:id',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, emptyBody)
      if (!body.ok) return body
      const id = tokenField.read(c.req.param('id') ?? '')
      if (!id.ok) return refused('unknown_credential')
      const removed = objectionToStale(session) ?? (await passkeys.remove(session, id.value))
      if (!removed.ok) return removed
      if (removed.purpose === 'approval') return { json: { ended: 0 } }
      // Whoever holds the removed passkey may be signed in by it.
      const { person } = session.person
      const count = await sessions.endAll(person, session.sid)
      await ended(session, person, count)
      return { json: { ended: count } }
    }),
  )
}
