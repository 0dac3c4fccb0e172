import { type BeatComponent, SUBJECTS } from '@trustgw/protocol'
import {
  DECISION_SUBJECTS,
  EVERYWHERE_LIVE,
  EXECUTOR_BUCKETS,
  EXECUTOR_READS,
  EXECUTOR_SUBJECTS,
  GATEWAY_READS,
  GATEWAY_WRITES,
  HOST_LIVE,
  HOST_READS,
  HOST_WRITES,
  LOG_READS,
  PROPOSAL_SUBJECTS,
} from './access.ts'
import {
  bucketReads,
  consumer,
  DATA_ACCOUNT,
  type ExportSpec,
  type ImportSpec,
  importer,
  live,
  liveSubject,
  service,
  serviceOf,
  stream,
  streamReads,
  subjectPattern,
} from './crossings.ts'
import type { SubjectRules, UserLimits, UserPermissions } from './jwt.ts'

/**
 * The walls of the bus as data (spec/protocol.md §6). Accounts isolate, permissions inside one do
 * not: a service in an account with JetStream could reach that whole API through a reply subject.
 * So JetStream lives in accounts without services, and every crossing stands here.
 */
export interface AccountSpec {
  readonly name: string
  /** How much this account may store; absent: no JetStream. */
  readonly jetstream?: {
    readonly diskBytes: number
    readonly streams: number
    readonly consumers: number
  }
  readonly exports: readonly ExportSpec[]
  readonly imports: readonly ImportSpec[]
  /** The queue in which this account's service answers what the account exports. */
  readonly queue?: string
  /** People and agents: users come from a scoped signing key whose template holds their rights. */
  readonly scope?: ScopeSpec
  readonly limits?: {
    readonly connections: number
    readonly subscriptions: number
    readonly payloadBytes: number
  }
}

export interface ScopeSpec {
  readonly role: 'agent' | 'person'
  readonly permissions: UserPermissions
  readonly limits: UserLimits
}

export interface TopologyOptions {
  readonly tenants: readonly string[]
  readonly profiles: readonly string[]
}

export const SYSTEM_ACCOUNT = 'SYS'
export const GATEWAY_ACCOUNT = 'GW'
export const HOST_ACCOUNT = 'HOST'
export const LOG_ACCOUNT = 'LOG'
/** The only account ever bound to a leaf; it has no user. */
export const INGRESS_ACCOUNT = 'INGRESS'
export const executorAccount = (profile: string): string => `EXEC_${profile}`
export const executorDataAccount = (profile: string): string => `EXD_${profile}`
export const agentsAccount = (tenant: string): string => `T_${tenant}_AGENTS`
export const peopleAccount = (tenant: string): string => `T_${tenant}_PEOPLE`

const MIB = 1024 * 1024
const DATA_DISK_BYTES = 8192 * MIB
const EXECUTOR_DISK_BYTES = 1024 * MIB
const STREAMS_MAX = 32
const CONSUMERS_MAX = 64
const TENANT_CONNECTIONS_MAX = 100
const TENANT_SUBSCRIPTIONS_MAX = 2_000
const TENANT_USER_SUBSCRIPTIONS_MAX = 20
/** Arguments of 128 KiB, in a signed and so base64-coded proposal. */
const TENANT_PAYLOAD_MAX_BYTES = 256 * 1024
const ANSWER = { max: 1, ttlMs: 30_000 } as const

/** Every account of an installation, its exports and its imports. */
export function busTopology({ tenants, profiles }: TopologyOptions): readonly AccountSpec[] {
  return [
    { name: SYSTEM_ACCOUNT, exports: [], imports: [] },
    dataAccount(profiles),
    gatewayAccount(profiles),
    hostAccount(),
    logAccount(),
    ...profiles.flatMap((profile) => [executorData(profile), executorSpec(profile)]),
    ...tenants.flatMap((tenant) => [agentsSpec(tenant), peopleSpec(tenant)]),
    ingressAccount(),
  ]
}

function dataAccount(profiles: readonly string[]): AccountSpec {
  const buckets = new Set<string>([...GATEWAY_READS, ...HOST_READS, ...EXECUTOR_READS])
  return {
    name: DATA_ACCOUNT,
    jetstream: { diskBytes: DATA_DISK_BYTES, streams: STREAMS_MAX, consumers: CONSUMERS_MAX },
    exports: [
      service(subjectPattern(SUBJECTS.audit, { component: 'gateway' })),
      service(subjectPattern(SUBJECTS.audit, { component: 'host' })),
      service(subjectPattern(SUBJECTS.ui_events)),
      service(subjectPattern(SUBJECTS.ui_changed)),
      ...[...new Set<string>([...GATEWAY_WRITES, ...HOST_WRITES])].map((bucket) =>
        service(`$KV.${bucket}.>`),
      ),
      ...profiles.flatMap((profile) => [
        service(subjectPattern(SUBJECTS.audit, { component: `exec-${profile}` })),
        service(subjectPattern(SUBJECTS.exec_result, { profile })),
        service(`$KV.tools.*.${profile}`),
      ]),
      ...[...buckets].flatMap((bucket) => bucketReads(bucket)),
      ...streamReads('AUDIT'),
      ...streamReads('UI'),
      ...consumer('AUDIT', 'log'),
      ...consumer('RESULTS', 'gateway'),
      stream(liveSubject('$KV.agents.>')),
      stream(liveSubject('$KV.tools.>')),
      stream(liveSubject('$KV.policies.>')),
      stream(liveSubject('$KV.tool_orders.>')),
      stream(liveSubject('$KV.keys.>')),
      stream(liveSubject('$KV.key_offers.>')),
      stream(liveSubject('$KV.key_revocations.>')),
      stream(liveSubject('$KV.freezes.>')),
      stream(liveSubject('$KV.pins.>')),
      stream(liveSubject('$KV.agent_notices.>')),
      ...HOST_LIVE.map((subject) => stream(liveSubject(subject))),
      stream(liveSubject(subjectPattern(SUBJECTS.ui_events))),
      stream(liveSubject(subjectPattern(SUBJECTS.ui_changed))),
    ],
    imports: [],
  }
}

function gatewayAccount(profiles: readonly string[]): AccountSpec {
  const data = importer(DATA_ACCOUNT, '$JS.data.API')
  return {
    name: GATEWAY_ACCOUNT,
    queue: 'gateway',
    exports: [
      ...PROPOSAL_SUBJECTS.map((subject) => service(subjectPattern(subject))),
      ...DECISION_SUBJECTS.map((subject) => service(subjectPattern(subject))),
    ],
    imports: [
      data(service(subjectPattern(SUBJECTS.audit, { component: 'gateway' }))),
      data(service(subjectPattern(SUBJECTS.ui_events))),
      ...GATEWAY_WRITES.map((bucket) => data(service(`$KV.${bucket}.>`))),
      ...GATEWAY_READS.flatMap((bucket) => bucketReads(bucket)).map(data),
      ...streamReads('AUDIT').map(data),
      ...consumer('RESULTS', 'gateway').map(data),
      live('$KV.agents.>'),
      live('$KV.agent_notices.>'),
      live('$KV.tools.>'),
      live('$KV.policies.>'),
      live('$KV.tool_orders.>'),
      // What another gateway made of an action.
      live(subjectPattern(SUBJECTS.ui_events)),
      ...EVERYWHERE_LIVE,
      serviceOf(HOST_ACCOUNT, subjectPattern(SUBJECTS.approval_request)),
      ...profiles.flatMap((profile) =>
        EXECUTOR_SUBJECTS.map((subject) =>
          serviceOf(executorAccount(profile), subjectPattern(subject, { profile })),
        ),
      ),
    ],
  }
}

function hostAccount(): AccountSpec {
  const data = importer(DATA_ACCOUNT, '$JS.data.API')
  return {
    name: HOST_ACCOUNT,
    queue: 'host',
    exports: [
      service(subjectPattern(SUBJECTS.approval_request)),
      stream(subjectPattern(SUBJECTS.beat, { component: 'host' })),
    ],
    imports: [
      ...DECISION_SUBJECTS.map((subject) => serviceOf(GATEWAY_ACCOUNT, subjectPattern(subject))),
      data(service(subjectPattern(SUBJECTS.audit, { component: 'host' }))),
      data(service(subjectPattern(SUBJECTS.ui_changed))),
      ...HOST_WRITES.map((bucket) => data(service(`$KV.${bucket}.>`))),
      ...HOST_READS.flatMap((bucket) => bucketReads(bucket)).map(data),
      ...streamReads('AUDIT').map(data),
      ...streamReads('UI').map(data),
      live(subjectPattern(SUBJECTS.ui_events)),
      live('$KV.agents.>'),
      live('$KV.tools.>'),
      live('$KV.policies.>'),
      live('$KV.tool_orders.>'),
      ...HOST_LIVE.map((subject) => live(subject)),
      live('$KV.key_offers.>'),
      ...EVERYWHERE_LIVE,
    ],
  }
}

function logAccount(): AccountSpec {
  const data = importer(DATA_ACCOUNT, '$JS.data.API')
  return {
    name: LOG_ACCOUNT,
    exports: [stream(subjectPattern(SUBJECTS.beat, { component: 'log' }))],
    imports: [
      ...[...consumer('AUDIT', 'log'), ...streamReads('AUDIT')].map(data),
      ...LOG_READS.flatMap((bucket) => bucketReads(bucket)).map(data),
      ...EVERYWHERE_LIVE,
    ],
  }
}

function executorData(profile: string): AccountSpec {
  return {
    name: executorDataAccount(profile),
    jetstream: { diskBytes: EXECUTOR_DISK_BYTES, streams: STREAMS_MAX, consumers: CONSUMERS_MAX },
    exports: executorCrossings(),
    imports: [],
  }
}

function executorSpec(profile: string): AccountSpec {
  const data = importer(DATA_ACCOUNT, '$JS.data.API')
  const own = importer(executorDataAccount(profile), '$JS.exd.API')
  return {
    name: executorAccount(profile),
    queue: profile,
    exports: EXECUTOR_SUBJECTS.map((subject) => service(subjectPattern(subject, { profile }))),
    imports: [
      ...executorCrossings().map(own),
      ...EXECUTOR_READS.flatMap((bucket) => bucketReads(bucket)).map(data),
      ...streamReads('AUDIT').map(data),
      live('$KV.policies.>'),
      live('$KV.pins.>'),
      live('$KV.agent_notices.>'),
      ...EVERYWHERE_LIVE,
      beatOf(HOST_ACCOUNT, 'host'),
      beatOf(LOG_ACCOUNT, 'log'),
      // The boundary stamps the profile: no executor can write in another's name.
      stamp(
        subjectPattern(SUBJECTS.exec_result, { profile }),
        subjectPattern(SUBJECTS.exec_result_local, { tenant: '$1', action: '$2' }),
      ),
      stamp(
        subjectPattern(SUBJECTS.audit, { component: `exec-${profile}` }),
        subjectPattern(SUBJECTS.audit_local, { tenant: '$1', instance: '$2', event: '$3' }),
      ),
      stamp(`$KV.tools.*.${profile}`, subjectPattern(SUBJECTS.tools_local, { tenant: '$1' })),
    ],
  }
}

/** The sign of life of a plane, which no other can send. */
function beatOf(from: string, component: BeatComponent): ImportSpec {
  return { ...stream(subjectPattern(SUBJECTS.beat, { component })), from }
}

/** A service of DATA under a name of the importer's own. */
function stamp(subject: string, local: string): ImportSpec {
  return { ...serviceOf(DATA_ACCOUNT, subject), local }
}

function agentsSpec(tenant: string): AccountSpec {
  const [first, ...rest] = PROPOSAL_SUBJECTS.map((subject) => subjectPattern(subject, { tenant }))
  return {
    name: agentsAccount(tenant),
    exports: [],
    imports: [first, ...rest]
      .filter((subject) => subject !== undefined)
      .map((subject) => ({ ...serviceOf(GATEWAY_ACCOUNT, subject), share: true })),
    scope: {
      role: 'agent',
      permissions: {
        pub: first === undefined ? NOTHING : { allow: [first, ...rest] },
        sub: { allow: [OWN_INBOX] },
      },
      limits: {
        connectionTypes: ['STANDARD'],
        maxSubscriptions: TENANT_USER_SUBSCRIPTIONS_MAX,
        maxPayloadBytes: TENANT_PAYLOAD_MAX_BYTES,
      },
    },
    limits: TENANT_LIMITS,
  }
}

function peopleSpec(tenant: string): AccountSpec {
  const heard = [SUBJECTS.ui_events, SUBJECTS.ui_changed].map((one) =>
    subjectPattern(one, { tenant }),
  )
  return {
    name: peopleAccount(tenant),
    exports: [],
    imports: heard.map(live),
    scope: {
      role: 'person',
      permissions: { pub: NOTHING, sub: { allow: [OWN_INBOX, ...heard] } },
      limits: {
        connectionTypes: ['WEBSOCKET'],
        bearer: true,
        maxSubscriptions: TENANT_USER_SUBSCRIPTIONS_MAX,
        maxPayloadBytes: TENANT_PAYLOAD_MAX_BYTES,
      },
    },
    limits: TENANT_LIMITS,
  }
}

function ingressAccount(): AccountSpec {
  return {
    name: INGRESS_ACCOUNT,
    exports: [],
    imports: PROPOSAL_SUBJECTS.map((subject) => ({
      ...serviceOf(GATEWAY_ACCOUNT, subjectPattern(subject)),
      share: true,
    })),
  }
}

/** Said by denying all: an empty list of allowed subjects would mean no limit. */
const NOTHING: SubjectRules = { deny: ['>'] }
const OWN_INBOX = '_INBOX.{{name()}}.>'
const TENANT_LIMITS = {
  connections: TENANT_CONNECTIONS_MAX,
  subscriptions: TENANT_SUBSCRIPTIONS_MAX,
  payloadBytes: TENANT_PAYLOAD_MAX_BYTES,
} as const

function executorCrossings(): readonly ExportSpec[] {
  return EXECUTOR_BUCKETS.flatMap((bucket) => [service(`$KV.${bucket}.>`), ...bucketReads(bucket)])
}

/**
 * The rights of a service's user: it may publish exactly what its account imports as a service or
 * exports as a stream, and hear exactly what the account exports as a service (in its queue) or
 * imports as a stream.
 */
export function servicePermissions(spec: AccountSpec, inboxPrefix: string): UserPermissions {
  const publish = spec.imports
    .filter((item) => item.kind === 'service')
    .map((item) => openTokens(item.local ?? item.subject))
  const answered = spec.exports.filter((item) => item.kind === 'service')
  const answers = answered.map((item) => `${item.subject} ${spec.queue ?? ''}`.trim())
  const told = spec.exports.filter((item) => item.kind === 'stream').map((item) => item.subject)
  const streams = spec.imports
    .filter((item) => item.kind === 'stream')
    .map((item) => openTokens(item.local ?? item.subject))
  const [first, ...rest] = [...publish, ...told]
  return {
    pub: first === undefined ? NOTHING : { allow: [first, ...rest] },
    sub: { allow: [`${inboxPrefix}.>`, ...answers, ...streams] },
    ...(answered.length > 0 && { resp: ANSWER }),
  }
}

/** `$1` in a local name stands for a token of the imported subject. */
function openTokens(local: string): string {
  return local.replaceAll(/(?<=\.)\$\d+(?=\.|$)/g, '*')
}
