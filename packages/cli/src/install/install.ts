import { randomBytes } from 'node:crypto'
import { cp, mkdir, readFile, rm } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { parseTenantId, type TenantId } from '@trustgw/protocol'
import { atomicWriteFile, makePrivateDir, SECRET_FILE_MODE, type Settings } from '@trustgw/runtime'
import { passphraseOf } from '../keys/passphrase.ts'
import { ROOT } from '../root.ts'
import { exists } from './exists.ts'
import { makeIdentities, outdatedIdentities } from './identities.ts'
import { busNodes } from './instances.ts'
import { keyFiles, makeKeys, trustFolders } from './keys.ts'
import { type Layout, layoutOf } from './layout.ts'

/** What is not there although the installation needs it; `message` says what to do. */
export class InstallFault extends Error {
  readonly code: 'not_installed' | 'made_in_development' | 'tenant' | 'agent'
  constructor(code: InstallFault['code'], message: string) {
    super(message)
    this.name = 'InstallFault'
    this.code = code
  }
}

const EXAMPLES = join(ROOT, 'examples')
const POLICY_SCHEMA = 'policy.schema.json'
const SHOP_KEY_BYTES = 32
const CLUSTER_SECRET_BYTES = 32

export function tenantOf(settings: Settings): TenantId {
  const tenant = parseTenantId(settings.tenant)
  if (!tenant.ok) throw new InstallFault('tenant', `"${settings.tenant}" is not a tenant's slug`)
  return tenant.value
}

/** Every file that must be there before a service starts; those that are missing. */
export async function missingFiles(settings: Settings): Promise<readonly string[]> {
  const layout = layoutOf(settings)
  const needed = [
    layout.operatorKey,
    ...keyFiles(layout, settings.executor.profile).map((key) => key.file),
    ...trustFolders(layout).flatMap((dir) => [join(dir, 'root.json'), join(dir, 'key-set.json')]),
    ...layout.gateways.map(({ creds }) => creds),
    layout.host.creds,
    layout.host.peopleKey,
    ...layout.executors.map(({ creds }) => creds),
    ...(settings.nats.nodes > 1 ? [layout.clusterSecret] : []),
    layout.executor.credentials,
    layout.log.creds,
    layout.accounts,
    layout.policy,
    layout.connectors,
  ]
  const there = await Promise.all(needed.map(exists))
  return needed.filter((_, index) => there[index] !== true)
}

/**
 * Refuses an installation that is not complete, and in production one whose keys development made:
 * they were made without asking anybody, beside an example shop and its credential.
 */
export async function assertInstalled(settings: Settings): Promise<void> {
  await assertNotOfDevelopment(settings)
  const [missing] = await missingFiles(settings)
  if (missing === undefined) return
  throw new InstallFault(
    'not_installed',
    `${missing} is missing and production does not make keys by itself: run "trustgw init" first (or "npm start" to try it out)`,
  )
}

/** Refuses identities on the bus that an earlier version made, with other rights than they need now. */
export function assertIdentities(settings: Settings): void {
  const [outdated] = outdatedIdentities(layoutOf(settings), settings.executor.profile)
  if (outdated === undefined) return
  throw new InstallFault(
    'not_installed',
    `${outdated} is of an earlier version and lacks rights on the bus that this one needs: run "trustgw init", which makes it anew`,
  )
}

/** Refuses a folder where no part of an installation lies: most often it is the wrong one. */
export async function assertHere(settings: Settings): Promise<void> {
  const layout = layoutOf(settings)
  const parts = [layout.operatorTrust, layout.provisionData, layout.log.dir, layout.executor.dir]
  if ((await Promise.all(parts.map(exists))).includes(true)) return
  throw new InstallFault(
    'not_installed',
    `no installation in ${layout.state}: run it where you started it, or set TRUSTGW_STATE_DIR`,
  )
}

/** True in production over keys that development made. */
export async function isOfDevelopment(settings: Settings): Promise<boolean> {
  return settings.mode === 'production' && (await exists(layoutOf(settings).developmentMark))
}

export async function assertNotOfDevelopment(settings: Settings): Promise<void> {
  if (!(await isOfDevelopment(settings))) return
  throw new InstallFault(
    'made_in_development',
    `the keys in ${layoutOf(settings).state} were made by development mode and production does not run with them: run "trustgw init" with another TRUSTGW_STATE_DIR`,
  )
}

/**
 * Makes keys, identities, policy and connectors for one server. Files that are there are kept, so
 * that an interrupted run is continued by the next.
 */
export async function install(settings: Settings): Promise<Layout> {
  const layout = layoutOf(settings)
  const { profile } = settings.executor
  const tenant = tenantOf(settings)
  const { gateways, host, executors, log } = layout
  const own = [...gateways, host, ...executors, log].map(({ dir }) => dir)
  for (const dir of [layout.state, layout.operator, ...own, layout.logs]) await makePrivateDir(dir)
  for (const { dir } of busNodes(settings)) await makePrivateDir(dir)
  if (settings.nats.nodes > 1 && !(await exists(layout.clusterSecret))) {
    const secret = randomBytes(CLUSTER_SECRET_BYTES).toString('base64url')
    await writeSecret(layout.clusterSecret, `${secret}\n`)
  }
  await mkdir(dirname(layout.accounts), { recursive: true })
  if (settings.mode === 'development') {
    const mark =
      'Development mode made the keys in this folder. Production does not run with them.\n'
    await atomicWriteFile(layout.developmentMark, mark, { mode: SECRET_FILE_MODE })
  }
  await makeKeys(layout, profile, await passphraseOf(settings))
  await makeIdentities(layout, tenant, profile)
  await makePolicy(layout)
  await makeConnectors(settings, layout)
  await copyExample(join(EXAMPLES, 'files'), join(layout.state, 'files'))
  await makeCredentials(settings, layout, tenant)
  return layout
}

const CREDENTIALS_HEAD = `# What this executor may act with. Only the executor reads this file; keep it at mode 600.
# [credentials.NAME] has a secret, and in allow the principals that may use it; "*" stands for any:
#   allow = [{ tenant = "main", issuer = "*", client = "*", subject = "support-bot" }]
version = 1
`

/** In development the example shop's key: a credential of the executor, and the shop's key file. */
async function makeCredentials(
  settings: Settings,
  layout: Layout,
  tenant: TenantId,
): Promise<void> {
  if (await exists(layout.executor.credentials)) return
  if (settings.mode !== 'development') {
    await writeSecret(layout.executor.credentials, `${CREDENTIALS_HEAD}\n[credentials]\n`)
    return
  }
  const secret = randomBytes(SHOP_KEY_BYTES).toString('base64url')
  await makePrivateDir(layout.shop.dir)
  await writeSecret(layout.shop.keyFile, `${secret}\n`)
  const shop = `
[credentials.shop]
secret = "${secret}"
allow  = [{ tenant = "${tenant}", issuer = "*", client = "*", subject = "*" }]
`
  await writeSecret(layout.executor.credentials, CREDENTIALS_HEAD + shop)
}

/** False when something is there already; that is kept. */
async function copyExample(from: string, to: string): Promise<boolean> {
  if (await exists(to)) return false
  await cp(from, to, { recursive: true })
  return true
}

/** The quick start's policy, with the schema beside it that editors complete and check by. */
async function makePolicy(layout: Layout): Promise<void> {
  await copyExample(join(ROOT, 'spec', POLICY_SCHEMA), join(layout.state, POLICY_SCHEMA))
  if (!(await copyExample(join(EXAMPLES, 'policies/quick-start.toml'), layout.policy))) return
  const tests = layout.policy.replace(/\.toml$/, '.tests.toml')
  await copyExample(join(EXAMPLES, 'policies/quick-start.tests.toml'), tests)
  const text = await readFile(layout.policy, 'utf8')
  const beside = relative(dirname(layout.policy), join(layout.state, POLICY_SCHEMA))
  const pointed = text.replace(/^#:schema .*$/m, `#:schema ./${beside}`)
  await atomicWriteFile(layout.policy, pointed, { mode: SECRET_FILE_MODE })
}

/** The example shop belongs to development only. */
async function makeConnectors(settings: Settings, layout: Layout): Promise<void> {
  if (!(await copyExample(join(EXAMPLES, 'connectors'), layout.connectors))) return
  const shop = join(layout.connectors, 'shop.toml')
  if (settings.mode === 'development') await pointAtShop(shop, settings.example.shop_port)
  else await rm(shop)
}

/** The example's manifest names the default port of the example shop. */
async function pointAtShop(manifest: string, port: number): Promise<void> {
  const text = await readFile(manifest, 'utf8')
  const pointed = text.replace(/^(base_url\s*=\s*"http:\/\/127\.0\.0\.1:)\d+"/m, `$1${port}"`)
  await atomicWriteFile(manifest, pointed, { mode: SECRET_FILE_MODE })
}

function writeSecret(file: string, text: string): Promise<void> {
  return atomicWriteFile(file, text, { mode: SECRET_FILE_MODE })
}

/** Public account keys of a tenant, as the server states them. */
export interface TenantAccounts {
  readonly agents: ReadonlyMap<TenantId, string>
  readonly people: ReadonlyMap<TenantId, string>
}

export async function loadAccounts(file: string): Promise<TenantAccounts> {
  const value: unknown = JSON.parse(await readFile(file, 'utf8'))
  return { agents: accountMap(value, 'agents'), people: accountMap(value, 'people') }
}

function accountMap(value: unknown, member: string): ReadonlyMap<TenantId, string> {
  const found = new Map<TenantId, string>()
  const entries: unknown = isRecord(value) ? value[member] : undefined
  for (const [slug, key] of Object.entries(isRecord(entries) ? entries : {})) {
    const tenant = parseTenantId(slug)
    if (tenant.ok && typeof key === 'string') found.set(tenant.value, key)
  }
  return found
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
