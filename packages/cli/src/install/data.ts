import {
  type Profile,
  parseProfile,
  readShape,
  type TenantId,
  TOOL_REGISTRY_MAX_BYTES,
  TOOL_REGISTRY_TYP,
  type ToolContract,
  type ToolRegistry,
  toolRegistryShape,
  verifyJws,
} from '@trustgw/protocol'
import {
  type BusLink,
  connectNats,
  loadTrust,
  nodeRandom,
  type PublicKeys,
  readCredsFile,
  type Settings,
  silentLogger,
} from '@trustgw/runtime'
import { busAccess } from './instances.ts'
import { layoutOf } from './layout.ts'

const CONNECT_BUDGET_MS = 3_000

/** The running installation's stored data, with the provisioning identity: close it soon. */
export function openData(settings: Settings): Promise<BusLink> {
  return connectNats({
    ...busAccess(settings),
    creds: readCredsFile(layoutOf(settings).provisionData),
    logger: silentLogger,
    random: nodeRandom,
    budgetMs: CONNECT_BUDGET_MS,
  })
}

/** The tools that executors have registered for a tenant, each profile's under its signature. */
export async function registeredTools(
  link: BusLink,
  settings: Settings,
  tenant: TenantId,
): Promise<readonly ToolContract[]> {
  const keys = await loadTrust(layoutOf(settings).operatorTrust)
  return (await registries(link, keys, tenant)).flatMap(({ tools }) => tools)
}

/** What the executors of a tenant say of themselves, each under the key of its profile. */
export async function registries(
  link: BusLink,
  keys: PublicKeys,
  tenant: TenantId,
): Promise<readonly ToolRegistry[]> {
  const stored = await link.records({ home: 'own', bucket: 'tools' }).list(tenant)
  return stored.flatMap(({ key, value }) => {
    const profile = parseProfile(key.slice(key.indexOf('.') + 1))
    const read = profile.ok ? registryOf(value, keys, profile.value) : undefined
    return read?.tenant === tenant ? [read] : []
  })
}

function registryOf(
  value: Uint8Array,
  keys: PublicKeys,
  profile: Profile,
): ToolRegistry | undefined {
  const verified = verifyJws(value, {
    typ: TOOL_REGISTRY_TYP,
    maxBytes: TOOL_REGISTRY_MAX_BYTES,
    keyFor: keys.keyFor({ role: 'result', component: `exec-${profile}` }),
  })
  const read = verified.ok ? readShape(toolRegistryShape, verified.value.payload) : verified
  return read.ok && read.value.profile === profile ? read.value : undefined
}
