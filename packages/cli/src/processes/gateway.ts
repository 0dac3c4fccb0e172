import {
  GrantKeys,
  MetricsBook,
  NatsFace,
  PolicySource,
  type RunningGateway,
  startGateway,
  startHttpFaces,
} from '@trustgw/gateway'
import type { TenantId } from '@trustgw/protocol'
import {
  type AuditWriter,
  nodeRandom,
  type PublicKey,
  type PublicKeys,
  recordKeyNews,
  type Settings,
  sha256,
  systemClock,
} from '@trustgw/runtime'
import { loadAccounts } from '../install/install.ts'
import { layoutOf } from '../install/layout.ts'
import { isLenient } from '../policy/policy-files.ts'
import { VERSION } from '../version.ts'
import { readPolicyFilesMessage } from './policy-files-message.ts'
import { namedKey, openAudit, openService, type Running, type Service } from './service.ts'

/** The control plane: decisions and grants, and the faces that agents call. */
export async function runGatewayProcess(settings: Settings): Promise<Running> {
  const service = await openService(settings, 'gateway', layoutOf(settings).gateway)
  const { layout, link, tenant, book, keys, log } = service
  const audit = await openAudit(service, { component: 'gateway', keyFile: layout.gateway.auditKey })
  await audit.append('service_started', {
    actor: { kind: 'system', id: 'gateway' },
    payload: { version: VERSION },
  })
  recordKeyNews({ book, audits: [audit], actor: { kind: 'system', id: 'gateway' }, log })
  const policy = await policySource(service, audit)
  const grantKeys = await ownGrantKeys(service)
  await grantKeys.start()
  const running = await startGateway({
    link,
    tenants: [tenant],
    agentAccounts: (await loadAccounts(layout.accounts)).agents,
    keys,
    grantKey: () => grantKeys.current(),
    audit: () => audit,
    policy,
    acceptsToolChanges: settings.gateway.accept_tool_changes,
    clock: systemClock,
    random: nodeRandom,
    log,
  })
  const metrics = metricsOf(policy, tenant, running)
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
    grantKeys: () => believedGrantKeys(keys),
    version: VERSION,
    metrics,
    sha256,
    clock: systemClock,
    random: nodeRandom,
    log,
  })
  return {
    hear: (message) => {
      const files = readPolicyFilesMessage(message)
      if (files !== undefined) policy.filesChecked(tenant, files.lines)
    },
    stop: async () => {
      await Promise.all([faces.stop(), nats.stop()])
      await running.stop()
      await grantKeys.stop()
      await audit.append('service_stopped', { actor: { kind: 'system', id: 'gateway' } })
      await book.stop()
      await link.bus.drain()
    },
  }
}

function believedGrantKeys(keys: PublicKeys): readonly PublicKey[] {
  const believed = keys.keyFor({ role: 'grant' })
  return keys.keys.filter(({ kid }) => believed(kid) !== undefined)
}

async function ownGrantKeys(service: Service): Promise<GrantKeys> {
  const { book, layout, link, log } = service
  return GrantKeys.open({
    dir: layout.gateway.grantKeys,
    book,
    passphrase: service.passphrase,
    auditKey: await namedKey(service, 'audit', layout.gateway.auditKey),
    offers: link.records({ home: 'data', bucket: 'key_offers' }),
    clock: systemClock,
    log,
  })
}

async function policySource(service: Service, audit: AuditWriter): Promise<PolicySource> {
  const { settings, layout, link, tenant, keys, log } = service
  return new PolicySource({
    tenants: [tenant],
    bundles: link.records({ home: 'data', bucket: 'policies' }),
    statuses: link.records({ home: 'data', bucket: 'policy_status' }),
    dir: layout.gateway.policies,
    operatorKeyFor: keys.keyFor({ role: 'operator' }),
    development: isLenient(settings),
    statusKey: await namedKey(service, 'audit', layout.gateway.auditKey),
    audit: () => audit,
    sha256,
    clock: systemClock,
    log,
  })
}

function metricsOf(policy: PolicySource, tenant: TenantId, running: RunningGateway): MetricsBook {
  const metrics = new MetricsBook()
  metrics.gauge('trustgw_policy_epoch', () => policy.epoch(tenant))
  metrics.gauge('trustgw_open_actions', () => running.counts().open)
  metrics.gauge('trustgw_pending_approvals', () => running.counts().pending)
  metrics.gauge('trustgw_waiting_for_tools', () => running.counts().waiting)
  metrics.gauge('trustgw_tools_quarantined', () => running.counts().quarantined)
  metrics.gauge('trustgw_policy_refused_total', () => policy.refusals)
  return metrics
}
