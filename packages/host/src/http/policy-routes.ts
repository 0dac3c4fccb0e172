import {
  arrayShape,
  nullableShape,
  objectShape,
  oneOfShape,
  POLICY_BUNDLE_MAX_LAYERS,
  type Shape,
  stringShape,
} from '@trustgw/protocol'
import type { Hono } from 'hono'
import type { ApprovalDesk } from '../approvals/approval-desk.ts'
import type { PolicyDesk } from '../policy/policy-desk.ts'
import { type PolicyText, type PolicyView, toolFacts, toolsOf } from '../policy/policy-view.ts'
import { RECORDED_MAX_COUNT, type RecordedActions } from '../policy/recorded-actions.ts'
import type { ApiEnv } from './api-env.ts'
import { signedBody } from './api-shapes.ts'
import { readBody } from './body.ts'
import type { SignedIn } from './outcome-routes.ts'
import { refused } from './problem.ts'

/** A draft of several layers as JSON text; what fits a bundle once deflated is less than this. */
export const POLICY_DRAFT_MAX_BYTES: number = 8 * 1024 * 1024
/** A policy file's own limit (spec/policy.md "Bad policies never load"). */
const POLICY_TEXT_MAX_CHARS = 2_097_152

export interface PolicyRoutesDeps {
  readonly view: PolicyView
  readonly desk: PolicyDesk
  readonly recorded: RecordedActions
  readonly approvals: ApprovalDesk
}

const draftBody: Shape<{ readonly policies: readonly PolicyText[] }> = objectShape({
  policies: arrayShape(
    objectShape({
      layer: oneOfShape('platform', 'tenant', 'workspace', 'agent'),
      scope: nullableShape(stringShape({ min: 1, max: 128, characters: 'token' })),
      file: stringShape({ min: 1, max: 300 }),
      text: stringShape({ max: POLICY_TEXT_MAX_CHARS, characters: 'any' }),
    }),
    { min: 1, max: POLICY_BUNDLE_MAX_LAYERS },
  ),
})

/** Everybody who is signed in sees the policy; what agents proposed and applying are admins'. */
export function policyRoutes(api: Hono<ApiEnv>, deps: PolicyRoutesDeps, signedIn: SignedIn): void {
  const { view, desk, recorded, approvals } = deps
  api.get(
    '/policy',
    signedIn(async () => ({ json: await view.whole() })),
  )
  api.get(
    '/policy/status',
    signedIn(async () => ({ json: await view.status() })),
  )
  api.get(
    '/policy/recorded',
    signedIn(async (c) => {
      const limit = limitOf(c.req.query('limit'))
      if (limit === undefined) return refused('body_invalid', 'limit')
      const json = await recorded.list(limit, {
        served: toolsOf(await view.registries()),
        approved: async (id) => await approvals.contractOf(id),
        facts: toolFacts,
      })
      return { json }
    }),
  )
  api.post(
    '/policy/challenge',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, draftBody, POLICY_DRAFT_MAX_BYTES)
      if (!body.ok) return body
      const answer = await desk.begin(session, body.value.policies)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
  api.post(
    '/policy/apply',
    signedIn(async (c, session) => {
      const body = await readBody(c.req.raw, signedBody)
      if (!body.ok) return body
      const answer = await desk.apply(session, body.value.nonce, body.value.assertion)
      return answer.ok ? { json: answer.json } : answer
    }),
  )
}

/** 1 to {@link RECORDED_MAX_COUNT}, which is also what none means. */
function limitOf(text: string | undefined): number | undefined {
  if (text === undefined) return RECORDED_MAX_COUNT
  const limit = /^[1-9]\d{0,3}$/.test(text) ? Number(text) : 0
  return limit >= 1 && limit <= RECORDED_MAX_COUNT ? limit : undefined
}
