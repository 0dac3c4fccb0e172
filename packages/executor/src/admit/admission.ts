import type { ActionId, GrantClaims } from '@trustgw/protocol'
import type { Clock } from '@trustgw/runtime'
import { type BindDeps, bindAction } from './bind-action.ts'
import {
  type ApprovalDeps,
  type ClearedAction,
  checkApprovals,
  openClearedAction,
} from './check-approvals.ts'
import { type BeatDeps, checkBeat, checkStillBelieved } from './check-beat.ts'
import { checkDecisionEvent, type DecisionEventDeps } from './check-decision-event.ts'
import { checkPolicy, type PolicyDeps } from './check-policy.ts'
import type { Admission, Refused } from './reasons.ts'
import {
  type GrantCheckDeps,
  openVerifiedGrant,
  type VerifiedGrant,
  verifyGrant,
} from './verify-grant.ts'

export interface AdmissionDeps
  extends GrantCheckDeps,
    BeatDeps,
    BindDeps,
    PolicyDeps,
    DecisionEventDeps,
    Omit<ApprovalDeps, 'sha256'> {
  readonly clock: Clock
}

export interface Cleared {
  readonly token: ClearedAction
  readonly action_id: ActionId
  readonly tool: string
}

/** A refusal, with the grant's claims where the grant itself was genuine. */
export type RefusedGrant = Refused & { readonly claims?: GrantClaims }

/**
 * Steps 1 to 4 of spec/protocol.md §4, in their order. Nothing is claimed and nothing written; what
 * each step leaves unchecked stands there.
 */
export async function clearAction(
  bytes: Uint8Array,
  deps: AdmissionDeps,
): Promise<Admission<Cleared> | RefusedGrant> {
  const verified = await verifyOfNow(bytes, deps)
  if (!verified.ok) return verified
  const { claims } = openVerifiedGrant(verified.value)
  const bound = bindAction(verified.value, deps)
  if (!bound.ok) return { ...bound, claims }
  const decided = await checkPolicy(bound.value, deps)
  if (!decided.ok) return { ...decided, claims }
  const recorded = await checkDecisionEvent(decided.value, deps)
  if (!recorded.ok) return { ...recorded, claims }
  const cleared = await checkApprovals(recorded.value, deps, deps.clock.now())
  if (!cleared.ok) return { ...cleared, claims }
  const { action_id, tool_name: tool } = openClearedAction(cleared.value).claims
  return { ok: true, value: { token: cleared.value, action_id, tool } }
}

/** Step 1: a key that is not known may be one of a newer key set, which is looked for first. */
async function verifyOfNow(
  bytes: Uint8Array,
  deps: AdmissionDeps,
): Promise<Admission<VerifiedGrant> | RefusedGrant> {
  const verified = verifyGrant(bytes, deps, deps.clock.now())
  if (verified.ok) {
    const { claims, kid } = openVerifiedGrant(verified.value)
    const problem = await checkStillBelieved(kid, deps)
    return problem === undefined ? verified : { ...problem, claims }
  }
  if (verified.reason !== 'grant_key_unknown') return verified
  return (await checkBeat(deps)) ?? verifyGrant(bytes, deps, deps.clock.now())
}
