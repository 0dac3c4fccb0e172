import { Credentials, type Pin, startExecutor } from '@trustgw/executor'
import { MetricsBook, NatsFace, PolicySource, startGateway } from '@trustgw/gateway'
import { type ApprovalDesk, type HostKey, startHostCore } from '@trustgw/host'
import { type Component, executorComponent } from '@trustgw/protocol'
import {
  AjvSchemaCompiler,
  type AuditWriter,
  type BusLink,
  type FreezeBook,
  type SchemaCompiler,
  sha256,
  silentLogger,
  startAuditWriter,
  startBeats,
  verifierOf,
} from '@trustgw/runtime'
import type { Body, Party } from './body.ts'
import { followFreezes } from './freezing.ts'
import {
  AGENTS_ACCOUNT,
  GATEWAY_COMPONENT,
  HOST_COMPONENT,
  KEY_SET_EPOCH,
  type KeyName,
  ORIGIN,
  PEOPLE,
  PROFILE,
  PUBLIC_KEYS,
  RP_ID,
  SHOP_SECRET,
  signer,
  TENANT,
} from './installation.ts'
import type { Sabotage } from './sabotage.ts'
import type { Shop } from './shop.ts'

/** Compiled once for all worlds: schemas do not change, and compiling costs more than a world. */
const known = new Map<string, ReturnType<SchemaCompiler['compile']>>()
const schemas: SchemaCompiler = {
  compile: (schema) => {
    const text = JSON.stringify(schema)
    const compiled = known.get(text) ?? new AjvSchemaCompiler().compile(schema)
    known.set(text, compiled)
    return compiled
  },
}

function auditOf(
  { life, link, random }: Body,
  of: { readonly component: Component; readonly kid: KeyName },
): Promise<AuditWriter> {
  return startAuditWriter({
    tenant: TENANT,
    component: of.component,
    instance: life.name,
    ...signer(of.kid),
    sha256,
    clock: life.clock,
    random,
    bus: link.bus,
    publisher: link.publisher({ stream: 'AUDIT' }),
    reader: link.reader({ home: 'data', stream: 'AUDIT' }),
    keyFor: PUBLIC_KEYS.keyFor({ role: 'audit', component: of.component }),
  })
}

/** The control plane with its face on the bus, wired as its process is. */
export async function startGatewayParty(body: Body, sabotage: Sabotage): Promise<Party> {
  const { life, link, disk, random } = body
  const { clock } = life
  const audit = await auditOf(body, { component: GATEWAY_COMPONENT, kid: 'audit-gateway' })
  const policy = new PolicySource({
    tenants: [TENANT],
    bundles: link.records({ home: 'data', bucket: 'policies' }),
    statuses: link.records({ home: 'data', bucket: 'policy_status' }),
    dir: '/gateway/policies',
    disk,
    operatorKeyFor: PUBLIC_KEYS.keyFor({ role: 'operator' }),
    development: false,
    statusKey: signer('audit-gateway'),
    audit: () => audit,
    sha256,
    clock,
    log: silentLogger,
  })
  const freezes = await followFreezes(body)
  const running = await startGateway({
    link,
    tenants: [TENANT],
    agentAccounts: new Map([[TENANT, AGENTS_ACCOUNT]]),
    keys: PUBLIC_KEYS,
    grantKey: () => signer('grant'),
    audit: () => audit,
    policy: sabotage.policy?.(policy) ?? policy,
    freezes,
    clock,
    random,
    schemas,
    log: silentLogger,
  })
  const face = new NatsFace({
    bus: link.bus,
    api: running.api,
    byRequester: (at, requester) => running.agents.byRequester(at, requester),
    metrics: new MetricsBook(),
    log: silentLogger,
  })
  face.start()
  return {
    stop: async () => {
      await face.stop()
      await running.stop()
      await freezes.stop()
      await link.bus.drain()
    },
  }
}

const credentialsOf = (secret: string): string => `version = 1
[credentials.shop]
secret = "${secret}"
allow = [{ tenant = "*", issuer = "*", client = "*", subject = "*" }]
`

const PINS: readonly Pin[] = PEOPLE.map(({ name, roles, passkey }) => ({
  tenant: TENANT,
  person: name,
  roles,
  credential_id: passkey.credentialId,
  public_key: passkey.publicKey,
  rp_id: RP_ID,
  origins: [ORIGIN],
}))

/** The execution plane, with the shop as its only upstream. */
export async function startExecutorParty(
  body: Body,
  shop: Shop,
  sabotage: Sabotage,
): Promise<Party> {
  const { life, link, disk, random } = body
  const secrets = credentialsOf(sabotage.secret ?? SHOP_SECRET)
  const credentials = Credentials.parse('credentials.toml', secrets)
  if (!credentials.ok) throw new TypeError('credentials')
  const honest = shop.connector(life)
  const connector = sabotage.connector?.(honest) ?? honest
  const running = await startExecutor(
    {
      profile: PROFILE,
      tenants: [TENANT],
      state_dir: '/executor',
      executor_dir: '/executor',
      connectors_dir: '/executor',
      modules_dir: '/executor',
      instance: life.name,
      result_max_bytes: 65_536,
      tool_timeout_ms: 10_000,
      max_running: 16,
      development_policy: false,
    },
    {
      link,
      trust: PUBLIC_KEYS,
      keySet: {
        epoch: KEY_SET_EPOCH,
        refresh: () => Promise.resolve(),
        onNews: () => () => undefined,
      },
      resultKey: signer('result'),
      auditKey: signer('audit-executor'),
      clock: life.clock,
      random,
      logger: silentLogger,
    },
    {
      files: { manifests: [], credentials: credentials.value, floors: new Map() },
      schemas,
      connectors: new Map([['shop', connector]]),
      pins: { current: () => Promise.resolve({ ok: true, value: PINS }) },
      disk,
    },
  )
  return {
    stop: async () => {
      await running.stop()
      await link.bus.drain()
    },
  }
}

export interface HostParty extends Party {
  readonly approvals: ApprovalDesk
}

/** For people to see, of whom there are none here. */
const KEYS_OF_NOBODY: Parameters<typeof startHostCore>[1]['keys'] = {
  view: () => ({ epoch: 1, signed_by: 'operator', keys: [] }),
  onNews: () => () => undefined,
}

/** The human plane behind its portal. */
export async function startHostParty(body: Body): Promise<HostParty> {
  const { life, link, random } = body
  const records = (bucket: string): ReturnType<BusLink['records']> =>
    link.records({ home: 'data', bucket })
  const freezes = await followFreezes(body)
  const core = await startHostCore(
    {
      tenant: TENANT,
      listen: { hostname: '127.0.0.1', port: 0 },
      origin: ORIGIN,
      rpId: RP_ID,
      busUrl: 'ws://localhost:9222',
      portalFolder: '/host',
      enrolmentsFolder: '/host',
      installationFile: '/host/installation.json',
      version: 'simulated',
    },
    {
      bus: link.bus,
      acl: records('acl'),
      approvals: records('approvals'),
      sessions: records('sessions'),
      channelMessages: records('channel_messages'),
      uiEvents: link.reader({ home: 'data', stream: 'UI' }),
      unsettled: records('unsettled'),
      toolTrust: records('tool_trust'),
      toolOrders: records('tool_orders'),
      freezes,
      freezeRecords: records('freezes'),
      pins: records('pins'),
      agents: records('agents'),
      agentNotices: records('agent_notices'),
      ui: link.publisher({ stream: 'UI' }),
      policies: records('policies'),
      policyStatus: records('policy_status'),
      tools: records('tools'),
      actions: link.reader({ home: 'data', stream: 'KV_actions' }),
      trust: {
        operatorKeyFor: PUBLIC_KEYS.keyFor({ role: 'operator' }),
        gatewayAuditKeyFor: PUBLIC_KEYS.keyFor({ role: 'audit', component: 'gateway' }),
        executorKeyFor: (profile, kid) =>
          PUBLIC_KEYS.keyFor({ role: 'result', component: executorComponent(profile) })(kid),
      },
      clock: life.clock,
      random,
      log: silentLogger,
      audit: await auditOf(body, { component: HOST_COMPONENT, kid: 'audit-host' }),
      hostKey: hostKey('host'),
      sessionKey: hostKey('session'),
      keys: KEYS_OF_NOBODY,
      tickets: {
        issue: () => {
          throw new TypeError('nobody opens the portal here')
        },
      },
      onEnrolled: () => undefined,
    },
  )
  const stopBeats = beat(body, 'host', freezes)
  return {
    approvals: core.approvals,
    stop: async () => {
      stopBeats()
      await core.stop()
      await freezes.stop()
      await link.bus.drain()
    },
  }
}

/** Of the log its beats: what it keeps is the stream that the checks read themselves. */
export async function startLogParty(body: Body): Promise<Party> {
  const freezes = await followFreezes(body)
  const stopBeats = beat(body, 'log', freezes)
  return {
    stop: async () => {
      stopBeats()
      await freezes.stop()
      await body.link.bus.drain()
    },
  }
}

function beat({ life, link }: Body, component: 'host' | 'log', freezes: FreezeBook): () => void {
  return startBeats({
    component,
    instance: life.name,
    key: signer(component),
    bus: link.bus,
    clock: life.clock,
    keySetEpoch: () => KEY_SET_EPOCH,
    freezeCount: () => freezes.counts(),
  })
}

function hostKey(kid: 'host' | 'session'): HostKey {
  const key = signer(kid)
  const verify = verifierOf(key.publicKey)
  if (verify === undefined) throw new TypeError(kid)
  return { kid, sign: key.sign, verify }
}
