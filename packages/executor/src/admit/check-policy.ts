import { type PolicySet, type Recheck, recheckDecision, zonesOf } from '@trustgw/core'
import { DECISION_AGE_MAX_MS, type TenantId } from '@trustgw/protocol'
import { localTimesOf } from '@trustgw/runtime'
import { type BoundAction, type BoundActionValue, openBoundAction } from './bind-action.ts'
import { type Admission, type Refused, refused } from './reasons.ts'
import { makeStage, type StageToken } from './stage.ts'

/** The policy that is pinned here gives this very decision. */
export type RedecidedAction = StageToken<'redecided_action'>

/** The policies that this executor verified by itself. */
export interface PolicySource {
  /** The newest of a tenant; undefined while nothing was verified that loads. */
  current(tenant: TenantId): PolicySet | undefined
  /** Looks whether there is a newer one; now and then at most, whoever asks how often. */
  refresh(tenant: TenantId): Promise<void>
}

export interface PolicyDeps {
  readonly policies: PolicySource
}

/** How far a decision may be dated after the grant's `iat`, which is cut to a second. */
const DECISION_AHEAD_MAX_MS = 2_000

const stage = makeStage<'redecided_action', BoundActionValue>('redecided_action')
export const openRedecidedAction: (token: RedecidedAction) => BoundActionValue = stage.open

/**
 * Step 3 of spec/protocol.md §4: decides again under the policy that is pinned here, over this
 * executor's own contract, the arguments that it parsed, tenant, workspace and principal of the
 * grant and the time of the decision; only what is asserted comes from the record. NOT checked:
 * that what is asserted is true.
 */
export async function checkPolicy(
  bound: BoundAction,
  deps: PolicyDeps,
): Promise<Admission<RedecidedAction>> {
  const value = openBoundAction(bound)
  const policies = await pinnedPolicies(value, deps.policies)
  if (!policies.ok) return policies
  const problem = checkTimes(value) ?? redecide(value, policies.value)
  return problem ?? { ok: true, value: stage.mint(value) }
}

/** The newest verified policies of the tenant, if they are those that the grant names. */
async function pinnedPolicies(
  { claims }: BoundActionValue,
  source: PolicySource,
): Promise<Admission<PolicySet>> {
  const { tenant_id, policy_epoch } = claims
  const isBehind = (found: PolicySet | undefined): boolean => (found?.epoch ?? 0) < policy_epoch
  if (isBehind(source.current(tenant_id))) await source.refresh(tenant_id)
  const found = source.current(tenant_id)
  if (found === undefined) return refused('policy_missing')
  if (isBehind(found)) return refused('policy_epoch_ahead', `pinned ${found.epoch}`)
  if (found.epoch > policy_epoch) return refused('policy_superseded', `pinned ${found.epoch}`)
  return { ok: true, value: found }
}

/**
 * A decision is of the time of its grant, so that nobody chooses the hour at which it was made; and
 * the grant lives no longer than the decision says.
 */
function checkTimes({ claims, action }: BoundActionValue): Refused | undefined {
  const { iat, exp } = claims
  const { decided_at, obligations } = action.decision
  const age = iat * 1000 - decided_at
  if (age > DECISION_AGE_MAX_MS || age < -DECISION_AHEAD_MAX_MS) {
    return refused('decision_time_differs')
  }
  const isTooLong = (exp - iat) * 1000 > obligations.grant_ttl_ms
  return isTooLong ? refused('grant_lifetime', 'obligations') : undefined
}

function redecide(value: BoundActionValue, policies: PolicySet): Refused | undefined {
  const { claims, tool, action } = value
  const { principal, on_behalf_of, decided_at } = action.decision
  const agent = principal.subject
  const layers = policies.layersFor({ workspace: claims.workspace_id, agent })
  if (layers.fingerprint !== claims.policy_fingerprint) return refused('policy_fingerprint_differs')
  const again = recheckDecision(layers, action.decision, {
    tool: tool.contract,
    args: value.arguments,
    tenant: claims.tenant_id,
    workspace: claims.workspace_id,
    agent,
    user: on_behalf_of,
    time_ms: decided_at,
    local_times: localTimesOf(zonesOf(layers), decided_at),
  })
  return again.ok ? undefined : refused(REASON_OF[again.reason], again.detail)
}

const REASON_OF = {
  record_malformed: 'decision_record_malformed',
  fact_not_recorded: 'decision_record_malformed',
  decision_differs: 'decision_differs',
} as const satisfies Record<Extract<Recheck, { ok: false }>['reason'], string>
