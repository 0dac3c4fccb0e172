import type { Freezable, Proposal, TenantId, ToolContract } from '@trustgw/protocol'

/** What stands still, as the gateway heard it (spec/protocol.md §4 "Freeze and thaw"). */
export interface FreezeView {
  isFrozen(tenant: TenantId, action: Freezable): boolean
  /** Whether something is revoked for good that covers what is known of an action. */
  isRevoked(tenant: TenantId, action: Partial<Freezable>): boolean
  /** Calls at each freeze and thaw from now on; the returned function ends that. */
  onChange(listener: () => void): () => void
}

/** Whether a call of this tool by this principal has to wait for a thaw. */
export function standsStill(
  freezes: FreezeView,
  { tenant, principal }: Pick<Proposal, 'tenant' | 'principal'>,
  { id, profile, credential_ref }: ToolContract,
): boolean {
  const { subject: agent, client: key } = principal
  return freezes.isFrozen(tenant, { tool: id, agent, key, profile, credential: credential_ref })
}
