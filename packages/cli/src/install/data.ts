import {
  type Profile,
  parseProfile,
  readShape,
  type TenantId,
  TOOL_REGISTRY_MAX_BYTES,
  TOOL_REGISTRY_TYP,
  type ToolContract,
  toolRegistryShape,
  verifyJws,
} from '@trustgw/protocol'
import {
  type BusLink,
  connectNats,
  loadPublicKeys,
  nodeRandom,
  type PublicKeys,
  readCredsFile,
  type Settings,
  silentLogger,
} from '@trustgw/runtime'
import { layoutOf } from './layout.ts'

const CONNECT_BUDGET_MS = 3_000

/** The running installation's stored data, with the provisioning identity: close it soon. */
export function openData(settings: Settings): Promise<BusLink> {
  return connectNats({
    servers: [`nats://127.0.0.1:${settings.nats.port}`],
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
  const keys = await loadPublicKeys(layoutOf(settings).publicKeys)
  const stored = await link.records({ home: 'own', bucket: 'tools' }).list(tenant)
  return stored.flatMap(({ key, value }) => {
    const profile = parseProfile(key.slice(key.indexOf('.') + 1))
    return profile.ok ? toolsOf(value, { keys, tenant, profile: profile.value }) : []
  })
}

function toolsOf(
  value: Uint8Array,
  from: { readonly keys: PublicKeys; readonly tenant: TenantId; readonly profile: Profile },
): readonly ToolContract[] {
  const verified = verifyJws(value, {
    typ: TOOL_REGISTRY_TYP,
    maxBytes: TOOL_REGISTRY_MAX_BYTES,
    keyFor: from.keys.keyFor({ role: 'result', component: `exec-${from.profile}` }),
  })
  const read = verified.ok ? readShape(toolRegistryShape, verified.value.payload) : verified
  if (!read.ok || read.value.tenant !== from.tenant || read.value.profile !== from.profile)
    return []
  return read.value.tools
}
