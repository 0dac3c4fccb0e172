import {
  type KeyRole,
  type Profile,
  parseComponent,
  parseProfile,
  parseTenantId,
  type TenantId,
  type ToolContract,
} from '@trustgw/protocol'
import { type GeneratedKey, generateSigningKey, PublicKeys } from '@trustgw/runtime'

export function must<T>(
  outcome: { readonly ok: true; readonly value: T } | { readonly ok: false },
): T {
  if (!outcome.ok) throw new TypeError('test data')
  return outcome.value
}

export const ACME: TenantId = must(parseTenantId('acme'))
export const GLOBEX: TenantId = must(parseTenantId('globex'))
export const CONNECTOR: Profile = must(parseProfile('connector'))
export const SHELL: Profile = must(parseProfile('shell'))
export const GATEWAY_COMPONENT = must(parseComponent('gateway'))
export const NOW = 1_790_000_000_000

type KeyName = 'operator' | 'grant' | 'host' | 'audit' | 'connector' | 'shell' | 'stranger'

const ROLES: { readonly [N in KeyName]: readonly [KeyRole, string] | null } = {
  operator: ['operator', 'operator'],
  grant: ['grant', 'gateway'],
  host: ['host', 'host'],
  audit: ['audit', 'gateway'],
  connector: ['result', 'exec-connector'],
  shell: ['result', 'exec-shell'],
  stranger: null,
}

/** Real keys of every party, and the public set in which the stranger's is not. */
export class TestKeys {
  readonly of: { readonly [N in KeyName]: GeneratedKey } = {
    operator: generateSigningKey(),
    grant: generateSigningKey(),
    host: generateSigningKey(),
    audit: generateSigningKey(),
    connector: generateSigningKey(),
    shell: generateSigningKey(),
    stranger: generateSigningKey(),
  }
  readonly public: PublicKeys = new PublicKeys(
    (Object.keys(ROLES) as KeyName[]).flatMap((kid) => {
      const entry = ROLES[kid]
      if (entry === null) return []
      return [{ kid, role: entry[0], component: entry[1], publicKey: this.of[kid].publicKey }]
    }),
  )
}

export type { KeyName }

export function contract(id: string, more: Partial<ToolContract> = {}): ToolContract {
  return {
    id,
    version: '1',
    title: id,
    description: `The tool ${id}`,
    input_schema: { type: 'object' },
    output_schema: null,
    operation: 'read',
    category: null,
    bundle: id.split('.')[0] ?? id,
    tags: [],
    skill_level: null,
    amount: { kind: 'none' },
    precondition: null,
    egress: [],
    profile: CONNECTOR,
    credential_ref: 'shop',
    digest: 'sha256:test',
    ...more,
  }
}

const AMOUNT = {
  kind: 'pointer',
  pointer: '/amount',
  unit: 'decimal',
  currency: { kind: 'fixed', code: 'EUR' },
} as const

export const CONTRACTS: readonly ToolContract[] = [
  contract('files.read', {
    input_schema: {
      type: 'object',
      properties: { path: { type: 'string' } },
      required: ['path'],
      additionalProperties: false,
    },
  }),
  contract('shop.refund', { operation: 'transfer', amount: AMOUNT }),
  contract('shop.payout', {
    operation: 'transfer',
    amount: AMOUNT,
    input_schema: { type: 'object', properties: { amount: {}, to: {} } },
  }),
  contract('shop.proof', { operation: 'update' }),
  contract('shop.wipe', { operation: 'delete' }),
]

export const POLICY = `
version = 1
[defaults]
effect = "deny"
grant_ttl = "30s"
approval_ttl = "15m"
[[rules]]
id = "reads"
priority = 10
effect = "allow"
reason = "Reading changes nothing"
[rules.match]
operation = ["read"]
[[rules]]
id = "small"
priority = 20
effect = "require_approval"
tier = 1
reason = "Refunds need a person"
approvers = { quorum = 1, channels = ["portal"] }
[rules.match]
tool = ["shop.refund"]
amount = { lte = "100.00 EUR" }
[[rules]]
id = "large"
priority = 20
effect = "require_approval"
tier = 2
reason = "Large refunds need a passkey"
approvers = { quorum = 1, roles = ["finance"], channels = ["portal"] }
[rules.match]
tool = ["shop.refund"]
amount = { gt = "100.00 EUR" }
[[rules]]
id = "payout"
priority = 20
effect = "require_approval"
tier = 1
reason = "Payouts need two people"
approvers = { quorum = 2, channels = ["portal"] }
[rules.match]
tool = ["shop.payout"]
[[rules]]
id = "proof"
priority = 20
effect = "require_proof"
reason = "Needs a proof"
[rules.match]
tool = ["shop.proof"]
[[rules]]
id = "wipe"
priority = 20
effect = "deny"
reason = "Deletions are not allowed"
[rules.match]
operation = ["delete"]
`
