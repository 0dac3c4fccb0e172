import {
  freezeScopeShape,
  hashField,
  objectShape,
  oneOfShape,
  optionalMember,
  type Shape,
  stringShape,
  taggedShape,
} from '@trustgw/protocol'
import type { Hono } from 'hono'
import type { FreezeDesk, FreezeWish } from '../freezes/freeze-desk.ts'
import type { ApiEnv } from './api-env.ts'
import { signedBody } from './api-shapes.ts'
import { readBody } from './body.ts'
import type { SignedIn } from './outcome-routes.ts'

const REASON_MAX_CHARS = 500

const reason = stringShape({ min: 1, max: REASON_MAX_CHARS })

const wishBody: Shape<FreezeWish> = taggedShape('order', {
  freeze: objectShape({
    order: oneOfShape('freeze'),
    scope: freezeScopeShape,
    reason,
    final: optionalMember(oneOfShape(true)),
  }),
  thaw: objectShape({ order: oneOfShape('thaw'), freeze: hashField, reason }),
})

/** Everybody who is signed in sees what stands still and may stop more; who may thaw is judged each time. */
export function freezeRoutes(api: Hono<ApiEnv>, desk: FreezeDesk, signedIn: SignedIn): void {
  api.get(
    '/freezes',
    signedIn(() => Promise.resolve({ json: desk.list() })),
  )
  api.post(
    '/freezes/challenge',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, wishBody)
      if (!body.ok) return body
      const answer = desk.begin(session, body.value)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
  api.post(
    '/freezes/apply',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, signedBody)
      if (!body.ok) return body
      const answer = await desk.finish(session, body.value.nonce, body.value.assertion)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
}
