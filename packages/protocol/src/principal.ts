import { nameField, tenantField } from './fields.ts'
import { nullableShape, objectShape, oneOfShape, type Shape } from './shape.ts'
import type { TenantId } from './subjects.ts'

/** How a proposal reached the gateway (policy.md, `source`). */
export type Source = 'mcp' | 'rest' | 'nats' | 'webhook' | 'cron' | 'telegram' | 'agent' | 'peer'

export const SOURCES: readonly Source[] = [
  'mcp',
  'rest',
  'nats',
  'webhook',
  'cron',
  'telegram',
  'agent',
  'peer',
]

export const sourceShape: Shape<Source> = oneOfShape(...SOURCES)

/**
 * Who acts (spec/protocol.md §3): authenticated, never self-asserted. `issuer` names what vouched
 * (`api-key`, `nats`, an OAuth issuer), `client` the credential, `subject` the agent.
 */
export interface Principal {
  readonly tenant: TenantId
  readonly issuer: string
  readonly client: string
  readonly subject: string
}

export const principalShape: Shape<Principal> = objectShape({
  tenant: tenantField,
  issuer: nameField,
  client: nameField,
  subject: nameField,
})

/** One text for the grant's `sub`; injective, since no part may hold a `|`. */
export function principalText(principal: Principal): string {
  return [principal.tenant, principal.issuer, principal.client, principal.subject]
    .map((part) => part.replaceAll('%', '%25').replaceAll('|', '%7C'))
    .join('|')
}

/** The person for whom the agent acts, where that is known: a person id of the tenant. */
export type OnBehalfOf = string | null
export const onBehalfOfShape: Shape<OnBehalfOf> = nullableShape(nameField)
