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
import { gatewayListen, instanceName } from '../install/instances.ts'
import { type GatewayFiles, layoutOf } from '../install/layout.ts'
import { isLenient } from '../policy/policy-files.ts'
import { VERSION } from '../version.ts'
import { readPolicyFilesMessage } from './policy-files-message.ts'
import {
  filesOf,
  followFreezes,
  namedKey,
  openAudit,
  openService,
  type Running,
  type Service,
} from './service.ts'

/** The control plane: decisions and grants, and the faces that agents call. One of `gateway.instances`. */
export async function runGatewayProcess(settings: Settings, instance: number): Promise<Running> {
  const name = instanceName('gateway', instance)
  const own = filesOf(layoutOf(settings).gateways, instance, 'gateway.instances')
  const service = await openService(settings, name, own)
  const { layout, link, tenant, book, keys, log } = service
  const id = 'gateway'
  const audit = await openAudit(service, {
    component: id,
    keyFile: own.auditKey,
    instance: own.instance,
  })
  await audit.append('service_started', {
    actor: { kind: 'system', id },
    payload: { version: VERSION },
  })
  recordKeyNews({ book, audits: [audit], actor: { kind: 'system', id }, log })
  const freezes = await followFreezes(service, own.freezes, { writer: audit, id })
  const policy = await policySource(service, own, audit)
  const grantKeys = await ownGrantKeys(service, own)
  await grantKeys.start()
  const running = await startGateway({
    link,
    tenants: [tenant],
    agentAccounts: (await loadAccounts(layout.accounts)).agents,
    keys,
    grantKey: () => grantKeys.current(),
    audit: () => audit,
    policy,
    freezes,
    acceptsToolChanges: settings.gateway.accept_tool_changes,
    peers: { instance, count: settings.gateway.instances },
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
    settings: faceSettings(settings, instance),
    grantKeys: () => believedGrantKeys(keys),
    version: VERSION,
    metrics,
    sha256,
    clock: systemClock,
    random: nodeRandom,
    log,
  })
  return {
    hear: (message) => tellFiles(policy, tenant, message),
    stop: async () => {
      await Promise.all([faces.stop(), nats.stop()])
      await running.stop()
      await grantKeys.stop()
      await freezes.stop()
      await audit.append('service_stopped', { actor: { kind: 'system', id } })
      await book.stop()
      await link.bus.drain()
    },
  }
}

function tellFiles(policy: PolicySource, tenant: TenantId, message: unknown): void {
  const files = readPolicyFilesMessage(message)
  if (files !== undefined) policy.filesChecked(tenant, files.lines)
}

function faceSettings(
  settings: Settings,
  instance: number,
): Parameters<typeof startHttpFaces>[0]['settings'] {
  return {
    listen: gatewayListen(settings, instance),
    publicUrl: settings.gateway.public_url,
    allowedHosts: allowedHosts(settings, instance),
    allowedOrigins: settings.gateway.allowed_origins,
    hostOrigin: settings.host.origin,
    holdMs: settings.gateway.hold,
  }
}

/** What is answered at the first gateway is answered at its own port, too. */
function allowedHosts(settings: Settings, instance: number): readonly string[] {
  const { host, port } = gatewayListen(settings, instance)
  const at = host.includes(':') ? `[${host}]` : host
  return [...new Set([...settings.gateway.allowed_hosts, `${at}:${port}`, `localhost:${port}`])]
}

function believedGrantKeys(keys: PublicKeys): readonly PublicKey[] {
  const believed = keys.keyFor({ role: 'grant' })
  return keys.keys.filter(({ kid }) => believed(kid) !== undefined)
}

async function ownGrantKeys(service: Service, own: GatewayFiles): Promise<GrantKeys> {
  const { book, link, log } = service
  return GrantKeys.open({
    dir: own.grantKeys,
    book,
    passphrase: service.passphrase,
    auditKey: await namedKey(service, 'audit', own.auditKey),
    offers: link.records({ home: 'data', bucket: 'key_offers' }),
    clock: systemClock,
    log,
  })
}

async function policySource(
  service: Service,
  own: GatewayFiles,
  audit: AuditWriter,
): Promise<PolicySource> {
  const { settings, link, tenant, keys, log } = service
  return new PolicySource({
    tenants: [tenant],
    bundles: link.records({ home: 'data', bucket: 'policies' }),
    statuses: link.records({ home: 'data', bucket: 'policy_status' }),
    dir: own.policies,
    operatorKeyFor: keys.keyFor({ role: 'operator' }),
    development: isLenient(settings),
    statusKey: await namedKey(service, 'audit', own.auditKey),
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
