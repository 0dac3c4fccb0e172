import { join } from 'node:path'
import type { Settings } from '@trustgw/runtime'
import { instanceName, instancesUpTo } from './instances.ts'

/** Where everything of an installation lies, under its state folder. Mode 700, files 600. */
export interface Layout {
  readonly state: string
  /** There when development made the keys; production refuses such a folder. */
  readonly developmentMark: string
  readonly operator: string
  readonly operatorKey: string
  /** The operator's own pin of its root, and the newest key set that its commands know. */
  readonly operatorTrust: string
  readonly busKeys: string
  /** What the servers of a cluster show each other. */
  readonly clusterSecret: string
  readonly provisionData: string
  /** A hash of the policy files as they were last in force. */
  readonly policyFilesMark: string
  readonly bus: string
  readonly accounts: string
  readonly installation: string
  readonly policy: string
  readonly connectors: string
  /** The first gateway. */
  readonly gateway: GatewayFiles
  /** All of them, in order. */
  readonly gateways: readonly GatewayFiles[]
  readonly host: {
    readonly dir: string
    readonly creds: string
    readonly hostKey: string
    readonly sessionKey: string
    readonly auditKey: string
    /** With which it rotates grant keys, where the operator delegated that. */
    readonly rotationKey: string
    readonly trust: string
    readonly peopleKey: string
    readonly enrolments: string
    readonly freezes: string
  }
  /** The first executor, whose pins and credentials are those of all. */
  readonly executor: ExecutorFiles
  /** All of them, in order. */
  readonly executors: readonly ExecutorFiles[]
  readonly log: {
    readonly dir: string
    readonly creds: string
    readonly logKey: string
    readonly trust: string
    readonly freezes: string
  }
  readonly shop: { readonly dir: string; readonly keyFile: string }
  readonly logs: string
}

export interface GatewayFiles {
  /** Its name on the bus and in the record: the same at each start. */
  readonly instance: string
  readonly dir: string
  readonly creds: string
  /** One file a key: the one that signs, the one that it offers next. */
  readonly grantKeys: string
  /** Where an earlier version had its only one. */
  readonly oldGrantKey: string
  readonly auditKey: string
  readonly trust: string
  /** The bundles that it pinned. */
  readonly policies: string
  /** The freezes and thaws that it believes. */
  readonly freezes: string
}

export interface ExecutorFiles {
  /** Its name in the record: the same at each start. */
  readonly instance: string
  readonly dir: string
  readonly creds: string
  readonly resultKey: string
  readonly auditKey: string
  readonly trust: string
  /** Of the profile: the same for every executor of it. */
  readonly pins: string
  readonly credentials: string
  /** Of the profile: freezes in files, for while the bus is out of reach. */
  readonly freezeInbox: string
  readonly wal: string
}

function gatewayFiles(state: string, instance: number): GatewayFiles {
  const dir = join(state, instanceName('gateway', instance))
  return {
    instance: String(instance),
    dir,
    creds: join(dir, 'bus.creds'),
    grantKeys: join(dir, 'grant'),
    oldGrantKey: join(dir, 'grant.key'),
    auditKey: join(dir, 'audit.key'),
    trust: join(dir, 'trust'),
    policies: join(dir, 'policies'),
    freezes: join(dir, 'freezes'),
  }
}

function executorFiles(state: string, instance: number): ExecutorFiles {
  const dir = join(state, instanceName('executor', instance))
  return {
    instance: String(instance),
    dir,
    creds: join(dir, 'bus.creds'),
    resultKey: join(dir, 'result.key'),
    auditKey: join(dir, 'audit.key'),
    trust: join(dir, 'trust'),
    pins: join(state, 'executor', 'pins.json'),
    credentials: join(state, 'executor', 'credentials.toml'),
    freezeInbox: join(state, 'executor', 'freezes', 'in'),
    wal: join(dir, 'wal.ndjson'),
  }
}

export function layoutOf(settings: Settings): Layout {
  const state = settings.state_dir
  const gateways = instancesUpTo(settings.gateway.instances).map((n) => gatewayFiles(state, n))
  const executors = instancesUpTo(settings.executor.instances).map((n) => executorFiles(state, n))
  const at = (...parts: readonly string[]): string => join(state, ...parts)
  return {
    state,
    developmentMark: at('made-in-development'),
    operator: at('operator'),
    operatorKey: at('operator', 'operator.key'),
    operatorTrust: at('operator', 'trust'),
    busKeys: at('operator', 'bus'),
    clusterSecret: at('operator', 'cluster.secret'),
    provisionData: at('operator', 'provision-data.creds'),
    policyFilesMark: at('operator', 'policy-files.sha256'),
    bus: at('bus'),
    accounts: at('public', 'accounts.json'),
    installation: at('public', 'installation.json'),
    policy: settings.policy.file,
    connectors: settings.executor.connectors_dir,
    gateway: gatewayFiles(state, 1),
    gateways,
    host: {
      dir: at('host'),
      creds: at('host', 'bus.creds'),
      hostKey: at('host', 'host.key'),
      sessionKey: at('host', 'session.key'),
      auditKey: at('host', 'audit.key'),
      rotationKey: at('host', 'rotation.key'),
      trust: at('host', 'trust'),
      peopleKey: at('host', 'people.nk'),
      enrolments: at('host', 'enrolments'),
      freezes: at('host', 'freezes'),
    },
    executor: executorFiles(state, 1),
    executors,
    log: {
      dir: at('log'),
      creds: at('log', 'bus.creds'),
      logKey: at('log', 'log.key'),
      // No tenant can be called so: the others in this folder are logs.
      trust: at('log', '_trust'),
      freezes: at('log', '_freezes'),
    },
    shop: { dir: at('shop'), keyFile: at('shop', 'api.key') },
    logs: at('logs'),
  }
}
