import type { Freezable, TenantId } from '@trustgw/protocol'
import type { BoundActionValue } from './bind-action.ts'
import { type Refused, refused } from './reasons.ts'

/** What stands still, as this executor knows it. */
export interface FreezeSource {
  isFrozen(tenant: TenantId, action: Freezable): boolean
  /** How many freezes of the tenant the bus showed. */
  count(tenant: TenantId): number
  /** Looks at the bus at once; now and then at most, whoever asks how often. */
  catchUp(): Promise<void>
}

export interface FreezeDeps {
  readonly freezes: FreezeSource
  /** The most freezes of a tenant that host or log said they know. */
  readonly freezesHeard: (tenant: TenantId) => number
}

/**
 * Step 5 of spec/protocol.md §4, and once more right before the claim: a freeze that comes in between
 * holds. Where host or log know of more freezes than this executor, nothing is admitted until it has
 * seen them: whoever could hide one gains nothing.
 */
export async function checkFreeze(
  value: BoundActionValue,
  { freezes, freezesHeard }: FreezeDeps,
): Promise<Refused | undefined> {
  const { tenant_id, tool_name, aud, credential_ref } = value.claims
  const isBehind = (): boolean => freezes.count(tenant_id) < freezesHeard(tenant_id)
  if (isBehind()) await freezes.catchUp()
  if (isBehind()) return refused('freezes_behind')
  const { subject: agent, client: key } = value.action.decision.principal
  const action = { tool: tool_name, agent, key, profile: aud, credential: credential_ref }
  return freezes.isFrozen(tenant_id, action) ? refused('frozen') : undefined
}
