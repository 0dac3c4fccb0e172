import { objectShape, type Shape, stringShape } from '@trustgw/protocol'
import type { Hono } from 'hono'
import { personIdField, tokenField } from '../people/person.ts'
import type { PinDesk, PinWish } from '../pins/pin-desk.ts'
import type { ApiEnv } from './api-env.ts'
import { signedBody } from './api-shapes.ts'
import { readBody } from './body.ts'
import type { SignedIn } from './outcome-routes.ts'

const FINGERPRINT_CHARS = 39

const wishBody: Shape<PinWish> = objectShape({
  person: personIdField,
  credential_id: tokenField,
  fingerprint: stringShape({ min: FINGERPRINT_CHARS, max: FINGERPRINT_CHARS }),
})

/** Everybody who is signed in sees people and fingerprints, to compare them; pinning is admins'. */
export function peopleRoutes(api: Hono<ApiEnv>, desk: PinDesk, signedIn: SignedIn): void {
  api.get(
    '/people',
    signedIn(async () => ({ json: await desk.list() })),
  )
  api.post(
    '/people/pin/challenge',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, wishBody)
      if (!body.ok) return body
      const answer = await desk.begin(session, body.value)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
  api.post(
    '/people/pin/apply',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, signedBody)
      if (!body.ok) return body
      const answer = await desk.finish(session, body.value.nonce, body.value.assertion)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
}
