import { loadPolicy, startGateway } from '@trustgw/gateway'
import { nodeRandom, type Settings, sha256, systemClock } from '@trustgw/runtime'
import { loadAccounts } from '../install/install.ts'
import { layoutOf } from '../install/layout.ts'
import { VERSION } from '../version.ts'
import { namedKey, openAudit, openService, type Running } from './service.ts'

/** The control plane: decisions and grants, and the faces that agents call. */
export async function runGatewayProcess(settings: Settings): Promise<Running> {
  const service = await openService(settings, 'gateway', layoutOf(settings).gateway.creds)
  const { layout, link, tenant, keys, log } = service
  const policy = await loadPolicy(layout.policy, {
    sha256,
    development: settings.mode === 'development' && settings.policy.allow_by_default,
  })
  const audit = await openAudit(service, { component: 'gateway', keyFile: layout.gateway.auditKey })
  await audit.append('service_started', {
    actor: { kind: 'system', id: 'gateway' },
    payload: { version: VERSION, policy_fingerprint: policy.compiled.fingerprint },
  })
  const running = await startGateway({
    link,
    tenants: [tenant],
    agentAccounts: (await loadAccounts(layout.accounts)).agents,
    keys,
    grantKey: await namedKey('grant', layout.gateway.grantKey),
    audit: () => audit,
    policy,
    clock: systemClock,
    random: nodeRandom,
    log,
  })
  return {
    stop: async () => {
      await running.stop()
      await audit.append('service_stopped', { actor: { kind: 'system', id: 'gateway' } })
      await link.bus.drain()
    },
  }
}
