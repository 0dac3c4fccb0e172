import { randomBytes } from 'node:crypto'
import { base32Encode } from './base32.ts'
import type { BusKeys } from './bus-keys.ts'
import { type BusCreds, busCreds, credsText } from './creds.ts'
import { DATA_ACCOUNT } from './crossings.ts'
import {
  hasRights,
  type SubjectRules,
  scopedUserJwt,
  type UserPermissions,
  userJwt,
} from './jwt.ts'
import { NatsError } from './nats-error.ts'
import { createNKey, type NKey } from './nkeys.ts'
import {
  type AccountSpec,
  agentsAccount,
  busTopology,
  executorAccount,
  executorDataAccount,
  GATEWAY_ACCOUNT,
  HOST_ACCOUNT,
  LOG_ACCOUNT,
  SYSTEM_ACCOUNT,
  servicePermissions,
} from './topology.ts'

/** Who a bus user is. Portal sessions are not here: the host makes those, see `portalToken`. */
export type BusRole =
  | { readonly kind: 'gateway' | 'host' | 'log' }
  | { readonly kind: 'executor'; readonly profile: string }
  | { readonly kind: 'agent'; readonly tenant: string; readonly label: string }
  /** Pushes accounts to the server. */
  | { readonly kind: 'provision_system' }
  /** Makes streams and agent records of the control plane. */
  | { readonly kind: 'provision_data' }
  /** Makes streams of one executor profile. */
  | { readonly kind: 'provision_executor'; readonly profile: string }

/** A new identity: `text` is the secret for its credentials file. */
export interface IssuedUser {
  readonly creds: BusCreds
  readonly text: string
}

const INBOX_RANDOM_BYTES = 16
const LABEL = /^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/

/**
 * Makes an identity with exactly the subjects of its role. Every call makes a new key; earlier
 * ones stay valid until revoked. Times are Unix seconds. `NatsError` `key_missing` for an unknown
 * tenant or profile, `config_refused` for a label that cannot be part of a subject.
 */
export function issueUser(
  keys: BusKeys,
  role: BusRole,
  issued: { readonly issuedAt: number; readonly expiresAt?: number },
): IssuedUser {
  const key = createNKey('user')
  const jwt =
    role.kind === 'agent' ? agentJwt(keys, role, key, issued) : service(keys, role, key, issued)
  return { creds: busCreds(jwt, key), text: credsText(jwt, key) }
}

/**
 * A bearer token for one portal session: WebSocket only, may publish nothing, hears its tenant's
 * `ui` events. `scope` is the tenant's signing key and `account` its public account key. The token
 * is a secret; keep it short-lived and in an HttpOnly cookie. Whether the person has a session is
 * NOT checked here.
 */
export function portalToken(
  scope: NKey,
  account: string,
  session: { readonly issuedAt: number; readonly expiresAt: number },
): { readonly jwt: string; readonly inboxPrefix: string } {
  const name = unguessable('person')
  const jwt = scopedUserJwt({ name, ...session }, createNKey('user').publicKey, scope, account)
  return { jwt, inboxPrefix: `_INBOX.${name}` }
}

function agentJwt(
  keys: BusKeys,
  role: { readonly tenant: string; readonly label: string },
  key: NKey,
  issued: { readonly issuedAt: number; readonly expiresAt?: number },
): string {
  if (!LABEL.test(role.label)) {
    throw new NatsError('config_refused', 'an agent label is letters, digits and hyphens')
  }
  const account = agentsAccount(role.tenant)
  const head = { name: unguessable(role.label), ...issued }
  return scopedUserJwt(head, key.publicKey, keys.scope(account), keys.account(account).publicKey)
}

function service(
  keys: BusKeys,
  role: Exclude<BusRole, { kind: 'agent' }>,
  key: NKey,
  issued: { readonly issuedAt: number; readonly expiresAt?: number },
): string {
  const account = accountOf(role)
  const spec = busTopology(keys).find((item) => item.name === account)
  if (spec === undefined) throw new NatsError('key_missing', `no bus account ${account}`)
  const name = role.kind === 'executor' ? `exec-${role.profile}` : role.kind
  const inboxPrefix = `_INBOX.${unguessable('')}`
  const permissions = permissionsOf(role, spec, inboxPrefix)
  const limits = { connectionTypes: ['STANDARD'] } as const
  return userJwt({ name, ...issued }, key.publicKey, keys.account(account), { permissions, limits })
}

/** Whether an identity has the rights that its role has today; if not, it is to be issued anew. */
export function isCurrentUser(
  keys: BusKeys,
  role: Exclude<BusRole, { kind: 'agent' }>,
  { jwt, inboxPrefix }: BusCreds,
): boolean {
  const spec = busTopology(keys).find((item) => item.name === accountOf(role))
  return spec !== undefined && hasRights(jwt, permissionsOf(role, spec, inboxPrefix))
}

const ACCOUNT_OF = {
  gateway: GATEWAY_ACCOUNT,
  host: HOST_ACCOUNT,
  log: LOG_ACCOUNT,
  provision_system: SYSTEM_ACCOUNT,
  provision_data: DATA_ACCOUNT,
} as const

function accountOf(role: Exclude<BusRole, { kind: 'agent' }>): string {
  if (role.kind === 'executor') return executorAccount(role.profile)
  if (role.kind === 'provision_executor') return executorDataAccount(role.profile)
  return ACCOUNT_OF[role.kind]
}

const PROVISIONING: Readonly<Record<string, SubjectRules>> = {
  provision_system: {
    allow: ['$SYS.REQ.CLAIMS.UPDATE', '$SYS.REQ.CLAIMS.DELETE', '$SYS.REQ.CLAIMS.LIST'],
  },
  provision_data: {
    allow: [
      '$JS.API.>',
      '$KV.agents.>',
      '$KV.policies.>',
      '$KV.tool_orders.>',
      '$KV.keys.>',
      '$KV.key_revocations.>',
    ],
  },
  provision_executor: { allow: ['$JS.API.>'] },
}

function permissionsOf(
  role: Exclude<BusRole, { kind: 'agent' }>,
  spec: AccountSpec,
  inboxPrefix: string,
): UserPermissions {
  const pub = PROVISIONING[role.kind]
  if (pub === undefined) return servicePermissions(spec, inboxPrefix)
  return { pub, sub: { allow: [`${inboxPrefix}.>`] } }
}

/** Inboxes nobody can guess: a reply subject may name any inbox of the same account. */
function unguessable(label: string): string {
  const random = base32Encode(randomBytes(INBOX_RANDOM_BYTES)).toLowerCase()
  return label === '' ? random : `${label}-${random}`
}
