import {
  agentLimitsShape,
  hashField,
  labelsField,
  nameField,
  nullableShape,
  objectShape,
  onBehalfOfShape,
  type Shape,
  stringShape,
  titleField,
} from '@trustgw/protocol'
import type { Hono } from 'hono'
import type { AgentDesk, AgentWish } from '../agents/agent-desk.ts'
import type { ApiEnv } from './api-env.ts'
import { signedBody } from './api-shapes.ts'
import { readBody } from './body.ts'
import type { SignedIn } from './outcome-routes.ts'

const KEY_ID_CHARS = 16

const wishBody: Shape<AgentWish> = objectShape({
  key_id: stringShape({ min: KEY_ID_CHARS, max: KEY_ID_CHARS, characters: 'token' }),
  secret_hash: hashField,
  agent: nameField,
  title: titleField,
  on_behalf_of: onBehalfOfShape,
  roles: labelsField,
  scopes: labelsField,
  skill_level: nullableShape(nameField),
  limits: agentLimitsShape,
})

/** Everybody who is signed in sees agents; registering is admins', by their passkey. */
export function agentRoutes(api: Hono<ApiEnv>, desk: AgentDesk, signedIn: SignedIn): void {
  api.get(
    '/agents',
    signedIn(async () => ({ json: await desk.list() })),
  )
  api.post(
    '/agents/challenge',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, wishBody)
      if (!body.ok) return body
      const answer = await desk.begin(session, body.value)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
  api.post(
    '/agents/apply',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, signedBody)
      if (!body.ok) return body
      const answer = await desk.finish(session, body.value.nonce, body.value.assertion)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
}
