import type { TenantId } from '@trustgw/protocol'
import {
  agentsAccount,
  atomicWriteFile,
  type BusKeys,
  type BusRole,
  busAccountKeys,
  createBusKeys,
  isCurrentUser,
  issueUser,
  loadBusKeys,
  peopleAccount,
  readCredsFile,
  SECRET_FILE_MODE,
} from '@trustgw/runtime'
import { exists } from './exists.ts'
import type { Layout } from './layout.ts'

type Identity = readonly [file: string, role: Exclude<BusRole, { kind: 'agent' }>]

const PUBLIC_MODE = 0o644

function identities(layout: Layout, profile: string): readonly Identity[] {
  return [
    ...layout.gateways.map(({ creds }): Identity => [creds, { kind: 'gateway' }]),
    [layout.host.creds, { kind: 'host' }],
    ...layout.executors.map(({ creds }): Identity => [creds, { kind: 'executor', profile }]),
    [layout.log.creds, { kind: 'log' }],
    [layout.provisionData, { kind: 'provision_data' }],
  ]
}

/** Makes the identities on the bus that are missing, and anew those with the rights of another version. */
export async function makeIdentities(
  layout: Layout,
  tenant: TenantId,
  profile: string,
): Promise<void> {
  const keys = createBusKeys(layout.busKeys, { tenants: [tenant], profiles: [profile] })
  const issuedAt = Math.floor(Date.now() / 1000)
  for (const [file, role] of identities(layout, profile)) {
    if ((await exists(file)) && isCurrent(keys, [file, role])) continue
    await atomicWriteFile(file, issueUser(keys, role, { issuedAt }).text, {
      mode: SECRET_FILE_MODE,
    })
  }
  const people = keys.scope(peopleAccount(tenant)).seed()
  if (!(await exists(layout.host.peopleKey)))
    await atomicWriteFile(layout.host.peopleKey, `${people}\n`, { mode: SECRET_FILE_MODE })
  const accounts = busAccountKeys(keys)
  const known = {
    agents: { [tenant]: accounts[agentsAccount(tenant)] },
    people: { [tenant]: accounts[peopleAccount(tenant)] },
  }
  await atomicWriteFile(layout.accounts, `${JSON.stringify(known, null, 2)}\n`, {
    mode: PUBLIC_MODE,
  })
}

/** Identities whose rights are those of another version; their files are there. */
export function outdatedIdentities(layout: Layout, profile: string): readonly string[] {
  const keys = loadBusKeys(layout.busKeys)
  return identities(layout, profile)
    .filter((identity) => !isCurrent(keys, identity))
    .map(([file]) => file)
}

function isCurrent(keys: BusKeys, [file, role]: Identity): boolean {
  return isCurrentUser(keys, role, readCredsFile(file))
}
