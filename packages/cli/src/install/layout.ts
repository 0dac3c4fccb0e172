import { join } from 'node:path'
import type { Settings } from '@trustgw/runtime'

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
  readonly provisionData: string
  /** A hash of the policy files as they were last in force. */
  readonly policyFilesMark: string
  readonly bus: string
  readonly accounts: string
  readonly installation: string
  readonly policy: string
  readonly connectors: string
  readonly gateway: {
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
  }
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
  }
  readonly executor: {
    readonly dir: string
    readonly creds: string
    readonly resultKey: string
    readonly auditKey: string
    readonly trust: string
    readonly pins: string
    readonly credentials: string
    readonly wal: string
  }
  readonly log: {
    readonly dir: string
    readonly creds: string
    readonly logKey: string
    readonly trust: string
  }
  readonly shop: { readonly dir: string; readonly keyFile: string }
  readonly logs: string
}

export function layoutOf(settings: Settings): Layout {
  const state = settings.state_dir
  const at = (...parts: readonly string[]): string => join(state, ...parts)
  return {
    state,
    developmentMark: at('made-in-development'),
    operator: at('operator'),
    operatorKey: at('operator', 'operator.key'),
    operatorTrust: at('operator', 'trust'),
    busKeys: at('operator', 'bus'),
    provisionData: at('operator', 'provision-data.creds'),
    policyFilesMark: at('operator', 'policy-files.sha256'),
    bus: at('bus'),
    accounts: at('public', 'accounts.json'),
    installation: at('public', 'installation.json'),
    policy: settings.policy.file,
    connectors: settings.executor.connectors_dir,
    gateway: {
      dir: at('gateway'),
      creds: at('gateway', 'bus.creds'),
      grantKeys: at('gateway', 'grant'),
      oldGrantKey: at('gateway', 'grant.key'),
      auditKey: at('gateway', 'audit.key'),
      trust: at('gateway', 'trust'),
      policies: at('gateway', 'policies'),
    },
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
    },
    executor: {
      dir: at('executor'),
      creds: at('executor', 'bus.creds'),
      resultKey: at('executor', 'result.key'),
      auditKey: at('executor', 'audit.key'),
      trust: at('executor', 'trust'),
      pins: at('executor', 'pins.json'),
      credentials: at('executor', 'credentials.toml'),
      wal: at('executor', 'wal.ndjson'),
    },
    log: {
      dir: at('log'),
      creds: at('log', 'bus.creds'),
      logKey: at('log', 'log.key'),
      // No tenant can be called so: the others in this folder are logs.
      trust: at('log', '_trust'),
    },
    shop: { dir: at('shop'), keyFile: at('shop', 'api.key') },
    logs: at('logs'),
  }
}
