import { executorComponent, type JwsSigner, type Profile, type TenantId } from '@trustgw/protocol'
import {
  type AuditWriter,
  type BusLink,
  type Clock,
  type PublicKeys,
  type Random,
  sha256,
  startAuditWriter,
} from '@trustgw/runtime'

export interface AuditsDeps {
  readonly profile: Profile
  readonly tenants: readonly TenantId[]
  readonly instance: string
  readonly link: BusLink
  readonly trust: PublicKeys
  readonly auditKey: { readonly kid: string; readonly sign: JwsSigner }
  readonly clock: Clock
  readonly random: Random
}

/** This process's own chain in the log of each tenant. */
export async function startAudits(deps: AuditsDeps): Promise<ReadonlyMap<TenantId, AuditWriter>> {
  const component = executorComponent(deps.profile)
  const writers = new Map<TenantId, AuditWriter>()
  for (const tenant of deps.tenants) {
    const writer = await startAuditWriter({
      tenant,
      component,
      instance: deps.instance,
      local: true,
      ...deps.auditKey,
      sha256,
      clock: deps.clock,
      random: deps.random,
      bus: deps.link.bus,
      publisher: deps.link.publisher({ stream: 'AUDIT' }),
      reader: deps.link.reader({ home: 'data', stream: 'AUDIT' }),
      keyFor: (kid, at) => deps.trust.keyFor({ role: 'audit', component, at })(kid),
    })
    writers.set(tenant, writer)
  }
  return writers
}
