import { hashField, labelsField, msField, nameField, tenantField, titleField } from './fields.ts'
import { type Hash } from './hash.ts'
import type { JsonObject } from './json.ts'
import { type OnBehalfOf, onBehalfOfShape } from './principal.ts'
import {
  arrayShape,
  integerShape,
  nullableShape,
  objectShape,
  oneOfShape,
  optionalMember,
  type Shape,
  stringShape,
} from './shape.ts'
import type { TenantId } from './subjects.ts'

export const AGENT_RECORD_TYP = 'agent-record+jwt'
export const AGENT_RECORD_MAX_BYTES = 8_192

const TOOLS_MAX = 64
const CALLS_A_MINUTE_MAX = 6_000

/** What one credential may do at most, whatever policy permits. */
export interface AgentLimits {
  /** Unix ms; it opens nothing from then on. Null: no end. */
  readonly until: number | null
  /** Ids of tools, or `<connector>.*`. Null: every tool. */
  readonly tools: readonly string[] | null
  /** At each gateway. Null: no limit of its own. */
  readonly calls_per_minute: number | null
}

/**
 * One credential of an agent: the value under `<tenant>.<key id>` in the bucket `agents`, as the
 * payload of a JWS of {@link AGENT_RECORD_TYP} by the operator's root key; or in a notice that an
 * admin's passkey signed.
 */
export interface AgentRecord {
  readonly v: 1
  readonly tenant: TenantId
  readonly key_id: string
  readonly agent: string
  readonly title: string
  readonly on_behalf_of: OnBehalfOf
  readonly workspace: string
  /** What policy may go by of the agent, in the operator's word; absent: none is known. */
  readonly roles?: readonly string[]
  readonly scopes?: readonly string[]
  readonly skill_level?: string | null
  readonly limits?: AgentLimits
  /** SHA-256 of the secret of the API key; the secret has 256 random bits, so no salt is needed. */
  readonly secret_hash: Hash | null
  /** The public user nkey with which the agent is on the bus. */
  readonly nkey: string | null
  readonly status: 'active' | 'revoked'
  readonly created_at: number
  readonly changed_at: number
}

export const agentLimitsShape: Shape<AgentLimits> = objectShape({
  until: nullableShape(msField),
  tools: nullableShape(arrayShape(nameField, { min: 1, max: TOOLS_MAX })),
  calls_per_minute: nullableShape(integerShape({ min: 1, max: CALLS_A_MINUTE_MAX })),
})

export const agentRecordShape: Shape<AgentRecord> = objectShape({
  v: oneOfShape(1),
  tenant: tenantField,
  key_id: nameField,
  agent: nameField,
  title: titleField,
  on_behalf_of: onBehalfOfShape,
  workspace: nameField,
  roles: optionalMember(labelsField),
  scopes: optionalMember(labelsField),
  skill_level: optionalMember(nullableShape(nameField)),
  limits: optionalMember(agentLimitsShape),
  secret_hash: nullableShape(hashField),
  nkey: nullableShape(stringShape({ min: 56, max: 56, characters: 'token' })),
  status: oneOfShape('active', 'revoked'),
  created_at: msField,
  changed_at: msField,
})

export function agentRecordJson({ roles, scopes, limits, ...record }: AgentRecord): JsonObject {
  return {
    ...record,
    ...(roles === undefined ? {} : { roles: [...roles] }),
    ...(scopes === undefined ? {} : { scopes: [...scopes] }),
    ...(limits === undefined
      ? {}
      : { limits: { ...limits, tools: limits.tools === null ? null : [...limits.tools] } }),
  }
}

/** Whether the limits of a credential leave it this tool. */
export function mayNameTool({ limits }: Pick<AgentRecord, 'limits'>, toolId: string): boolean {
  const tools = limits?.tools ?? null
  if (tools === null) return true
  const connector = `${toolId.slice(0, toolId.indexOf('.'))}.*`
  return tools.includes(toolId) || tools.includes(connector)
}

/** `tgk_<tenant>_<key id>_<secret>`: key id 16 lower-case base32 characters, secret 43 of base64url. */
const API_KEY = /^tgk_([a-z0-9][a-z0-9-]{0,30})_([a-z2-7]{16})_([A-Za-z0-9_-]{43})$/

export interface ApiKeyParts {
  readonly tenant: string
  readonly key_id: string
  readonly secret: string
}

/** The parts of an API key as text; nothing is checked against any record. */
export function parseApiKey(text: string): ApiKeyParts | undefined {
  const [, tenant, key_id, secret] = API_KEY.exec(text) ?? []
  if (tenant === undefined || key_id === undefined || secret === undefined) return undefined
  return { tenant, key_id, secret }
}

export function formatApiKey(parts: ApiKeyParts): string {
  return `tgk_${parts.tenant}_${parts.key_id}_${parts.secret}`
}
