import { VOUCHED_AGENTS_MAX } from './agent-notice.ts'
import { contractJson, type ToolContract, toolContractShape } from './contract.ts'
import { hashField, msField, nameField, profileField, tenantField } from './fields.ts'
import type { Hash } from './hash.ts'
import type { JsonObject } from './json.ts'
import { epochField } from './policy-bundle.ts'
import {
  arrayShape,
  nullableShape,
  objectShape,
  oneOfShape,
  type Shape,
  stringShape,
} from './shape.ts'
import type { Profile, TenantId } from './subjects.ts'

export const TOOL_REGISTRY_TYP = 'tool-registry+jwt'
export const TOOL_REGISTRY_MAX_BYTES = 786_432
export const TOOLS_MAX = 512

/** A named group of tools that an agent switches to. */
export interface Bundle {
  readonly id: string
  readonly title: string
  readonly description: string
}

/**
 * What an executor profile serves to a tenant: the value under `<tenant>.<profile>` in the bucket
 * `tools`, as the payload of a JWS of {@link TOOL_REGISTRY_TYP} by the executor's key.
 */
export interface ToolRegistry {
  readonly v: 1
  readonly tenant: TenantId
  readonly profile: Profile
  readonly published_at: number
  readonly bundles: readonly Bundle[]
  readonly tools: readonly ToolContract[]
  /** The policy that this profile pinned last; null: none yet. */
  readonly policy: PinnedPolicy | null
  /** Hashes of the agent records that an admin pinned there registered (§4 "Agents"). */
  readonly agents: readonly Hash[]
}

/** Which bundle an executor verified by itself: what it names, a gateway may decide by. */
export interface PinnedPolicy {
  readonly epoch: number
  readonly bundle_hash: Hash
}

export const toolRegistryShape: Shape<ToolRegistry> = objectShape({
  v: oneOfShape(1),
  tenant: tenantField,
  profile: profileField,
  published_at: msField,
  bundles: arrayShape(
    objectShape({
      id: nameField,
      title: stringShape({ max: 120 }),
      description: stringShape({ max: 1_000 }),
    }),
    { max: 64 },
  ),
  tools: arrayShape(toolContractShape, { max: TOOLS_MAX }),
  policy: nullableShape(objectShape({ epoch: epochField, bundle_hash: hashField })),
  agents: arrayShape(hashField, { max: VOUCHED_AGENTS_MAX }),
})

export function toolRegistryJson(registry: ToolRegistry): JsonObject {
  return {
    ...registry,
    bundles: registry.bundles.map((bundle) => ({ ...bundle })),
    tools: registry.tools.map(contractJson),
    policy: registry.policy === null ? null : { ...registry.policy },
    agents: [...registry.agents],
  }
}
