import { loadPolicy, MetricsBook, NatsFace, startGateway, startHttpFaces } from '@trustgw/gateway'
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
    payload: {
      version: VERSION,
      policy_fingerprint: policy.layersFor({ workspace: '', agent: '' }).fingerprint,
    },
  })
  const running = await startGateway({
    link,
    tenants: [tenant],
    agentAccounts: (await loadAccounts(layout.accounts)).agents,
    keys,
    grantKey: await namedKey('grant', layout.gateway.grantKey),
    audit: () => audit,
    policy: () => policy,
    clock: systemClock,
    random: nodeRandom,
    log,
  })
  const metrics = new MetricsBook()
  const nats = new NatsFace({
    bus: link.bus,
    api: running.api,
    byRequester: (at, requester) => running.agents.byRequester(at, requester),
    metrics,
    log,
  })
  nats.start()
  const faces = await startHttpFaces({
    api: running.api,
    settings: {
      listen: settings.gateway.listen,
      publicUrl: settings.gateway.public_url,
      allowedHosts: settings.gateway.allowed_hosts,
      allowedOrigins: settings.gateway.allowed_origins,
      hostOrigin: settings.host.origin,
      holdMs: settings.gateway.hold,
    },
    grantKeys: () => keys.keys.filter((key) => key.role === 'grant'),
    version: VERSION,
    metrics,
    sha256,
    clock: systemClock,
    random: nodeRandom,
    log,
  })
  return {
    stop: async () => {
      await Promise.all([faces.stop(), nats.stop()])
      await running.stop()
      await audit.append('service_stopped', { actor: { kind: 'system', id: 'gateway' } })
      await link.bus.drain()
    },
  }
}
