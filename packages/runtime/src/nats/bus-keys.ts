import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseProfile, parseTenantId } from '@trustgw/protocol'
import { NatsError } from './nats-error.ts'
import { createNKey, type NKey, nkeyFromSeed, publicNKeyKind } from './nkeys.ts'
import { writePrivateFile } from './private-file.ts'
import { agentsAccount, busTopology, executorAccount, type TopologyOptions } from './topology.ts'

/** Account name to user key to the time (Unix seconds) up to which that user's tokens are void. */
export type Revocations = Readonly<Record<string, Readonly<Record<string, number>>>>

/** The provisioning keys of the bus: whoever holds them can do everything on it. */
export interface BusKeys {
  readonly operator: NKey
  /** Signs accounts, so that the operator's own key can be kept elsewhere. */
  readonly signing: NKey
  readonly tenants: readonly string[]
  readonly profiles: readonly string[]
  /** The identity key of an account. `NatsError` `key_missing`. */
  account(name: string): NKey
  /** The scoped signing key of a tenant's account. `NatsError` `key_missing`. */
  scope(name: string): NKey
  readonly revocations: Revocations
}

const DIR_MODE = 0o700
const OPERATOR = 'operator'
const SIGNING = 'operator-signing'
const ACCOUNTS = 'accounts'
const SCOPES = 'scopes'
const REVOCATIONS = 'revocations.json'
const EXTENSION = '.nk'

/**
 * Makes the keys that are missing in `dir` for these tenants and profiles, and never replaces one:
 * called again with one more tenant it adds that tenant's keys and leaves the others alone. Files
 * have mode 600, folders 700. `NatsError` `config_refused` for a name that is no slug.
 */
export function createBusKeys(dir: string, options: TopologyOptions): BusKeys {
  checkNames(options)
  for (const sub of ['', ACCOUNTS, SCOPES]) {
    mkdirSync(path.join(dir, sub), { recursive: true, mode: DIR_MODE })
  }
  keep(dir, OPERATOR, 'operator')
  keep(dir, SIGNING, 'operator')
  for (const account of busTopology(options)) {
    keep(path.join(dir, ACCOUNTS), account.name, 'account')
    if (account.scope !== undefined) keep(path.join(dir, SCOPES), account.name, 'account')
  }
  return loadBusKeys(dir)
}

/** Reads the keys that `createBusKeys` made. `NatsError` `key_missing` or `key_malformed`. */
export function loadBusKeys(dir: string): BusKeys {
  const operator = load(dir, OPERATOR, 'operator')
  const signing = load(dir, SIGNING, 'operator')
  const accounts = loadFolder(path.join(dir, ACCOUNTS))
  const scopes = loadFolder(path.join(dir, SCOPES))
  const names = [...accounts.keys()]
  return {
    operator,
    signing,
    tenants: slugs(names, agentsAccount),
    profiles: slugs(names, executorAccount),
    account: (name) => found(accounts, name),
    scope: (name) => found(scopes, name),
    revocations: loadRevocations(dir),
  }
}

/**
 * Records that tokens of this user issued up to `at` (Unix seconds) are void, and returns the keys
 * with it. Nothing changes on a running server until the account is pushed to it.
 */
export function revokeBusUser(
  dir: string,
  revoked: { readonly account: string; readonly user: string; readonly at: number },
): BusKeys {
  if (publicNKeyKind(revoked.user) !== 'user') {
    throw new NatsError('key_malformed', 'not the public key of a bus user')
  }
  const all = loadRevocations(dir)
  const own = all[revoked.account] ?? {}
  const next = { ...all, [revoked.account]: { ...own, [revoked.user]: revoked.at } }
  const text = `${JSON.stringify(next, undefined, 2)}\n`
  writePrivateFile(path.join(dir, REVOCATIONS), text, { replace: true })
  return loadBusKeys(dir)
}

function checkNames({ tenants, profiles }: TopologyOptions): void {
  const bad = [
    ...tenants.filter((tenant) => !parseTenantId(tenant).ok),
    ...profiles.filter((profile) => !parseProfile(profile).ok),
  ]
  if (bad.length === 0) return
  throw new NatsError(
    'config_refused',
    `tenants and profiles are lower-case letters, digits and hyphens, 31 at most: ${bad.join(', ')}`,
  )
}

function keep(dir: string, name: string, kind: 'operator' | 'account'): void {
  const file = path.join(dir, name + EXTENSION)
  if (!existsSync(file)) writePrivateFile(file, `${createNKey(kind).seed()}\n`)
}

function load(dir: string, name: string, kind: 'operator' | 'account'): NKey {
  const file = path.join(dir, name + EXTENSION)
  if (!existsSync(file)) throw new NatsError('key_missing', `no bus key ${file}`)
  const key = nkeyFromSeed(readFileSync(file, 'utf8'))
  if (key.kind !== kind) throw new NatsError('key_malformed', `${file} is not an ${kind} key`)
  return key
}

function loadFolder(dir: string): ReadonlyMap<string, NKey> {
  const files = existsSync(dir) ? readdirSync(dir).filter((name) => name.endsWith(EXTENSION)) : []
  const names = files.map((file) => file.slice(0, -EXTENSION.length)).sort()
  return new Map(names.map((name) => [name, load(dir, name, 'account')]))
}

function found(keys: ReadonlyMap<string, NKey>, name: string): NKey {
  const key = keys.get(name)
  if (key === undefined) throw new NatsError('key_missing', `no bus key for ${name}`)
  return key
}

/** The slugs for which `nameOf` gives one of `names`. */
function slugs(names: readonly string[], nameOf: (slug: string) => string): readonly string[] {
  const [head = '', tail = ''] = nameOf('\n').split('\n')
  return names.flatMap((name) =>
    name.startsWith(head) && name.endsWith(tail)
      ? [name.slice(head.length, name.length - tail.length)]
      : [],
  )
}

function loadRevocations(dir: string): Revocations {
  const file = path.join(dir, REVOCATIONS)
  if (!existsSync(file)) return {}
  const malformed = new NatsError('key_malformed', `${file} is not a list of revocations`)
  const entries = (value: unknown): readonly [string, unknown][] => {
    if (typeof value !== 'object' || value === null) throw malformed
    return Object.entries(value)
  }
  const seconds = (value: unknown): number => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw malformed
    return value
  }
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'))
  return Object.fromEntries(
    entries(parsed).map(([account, users]) => [
      account,
      Object.fromEntries(entries(users).map(([user, at]) => [user, seconds(at)])),
    ]),
  )
}
