import { createHash, createPrivateKey } from 'node:crypto'
import {
  AGENT_RECORD_TYP,
  type AgentRecord,
  agentRecordJson,
  type Component,
  type KeyRole,
  type PreconditionRule,
  type Profile,
  parseComponent,
  parseProfile,
  parseTenantId,
  type Result,
  signJws,
  type TenantId,
  type ToolContract,
  utf8Encode,
} from '@trustgw/protocol'
import { PublicKeys, type SigningKey, signingKeyFromPem } from '@trustgw/runtime'
import { SoftwareAuthenticator } from '../software-authenticator.ts'

function must<T>(outcome: Result<T>): T {
  if (!outcome.ok) throw new TypeError(outcome.reason)
  return outcome.value
}

export const TENANT: TenantId = must(parseTenantId('acme'))
export const PROFILE: Profile = must(parseProfile('connector'))
export const GATEWAY_COMPONENT: Component = must(parseComponent('gateway'))
export const HOST_COMPONENT: Component = must(parseComponent('host'))
export const ORIGIN = 'http://localhost:8080'
export const RP_ID = 'localhost'
/** The account of the agents, as the server names it. */
export const AGENTS_ACCOUNT: string = `A${'A'.repeat(55)}`
/** Keys do not change in these worlds. */
export const KEY_SET_EPOCH = 1
/** The moment at which every world begins, Unix milliseconds. */
export const EPOCH = 1_790_000_000_000

export type KeyName =
  | 'operator'
  | 'grant'
  | 'audit-gateway'
  | 'host'
  | 'session'
  | 'audit-host'
  | 'log'
  | 'result'
  | 'audit-executor'

const ROLES: { readonly [kid in KeyName]: readonly [KeyRole, string] } = {
  operator: ['operator', 'operator'],
  grant: ['grant', 'gateway'],
  'audit-gateway': ['audit', 'gateway'],
  host: ['host', 'host'],
  session: ['session', 'host'],
  'audit-host': ['audit', 'host'],
  log: ['log', 'log'],
  result: ['result', 'exec-connector'],
  'audit-executor': ['audit', 'exec-connector'],
}

/** PKCS8 of an Ed25519 key without its 32 bytes (RFC 8410). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')

/** The same key for the same name: a simulated world has no secrets. */
function keyOf(name: string): SigningKey {
  const seed = createHash('sha256').update(`simulated key ${name}`).digest()
  const der = Buffer.concat([PKCS8_HEAD, seed])
  const pem = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const key = signingKeyFromPem(pem.export({ format: 'pem', type: 'pkcs8' }).toString())
  if (key === undefined) throw new TypeError('not a key')
  return key
}

const NAMES = Object.keys(ROLES).filter((name): name is KeyName => Object.hasOwn(ROLES, name))
const KEYS = new Map(NAMES.map((name) => [name, keyOf(name)]))

export function signer(kid: KeyName): SigningKey & { readonly kid: string } {
  const key = KEYS.get(kid)
  if (key === undefined) throw new TypeError(kid)
  return { kid, ...key }
}

export const PUBLIC_KEYS: PublicKeys = new PublicKeys(
  NAMES.map((kid) => {
    const [role, component] = ROLES[kid]
    return { kid, role, component, publicKey: signer(kid).publicKey }
  }),
)

export interface SimAgent {
  readonly record: AgentRecord
  /** As the server states it. */
  readonly user: string
}

function agent(name: string, letter: string, onBehalfOf: string | null): SimAgent {
  const user = `U${letter.repeat(55)}`
  return {
    user,
    record: {
      v: 1,
      tenant: TENANT,
      key_id: letter.toLowerCase().repeat(16),
      agent: name,
      title: name,
      on_behalf_of: onBehalfOf,
      workspace: 'main',
      secret_hash: null,
      nkey: user,
      status: 'active',
      created_at: 1,
      changed_at: 1,
    },
  }
}

export const AGENTS: readonly SimAgent[] = [agent('scout', 'B', null), agent('clerk', 'C', 'ann')]

/** The value of an agent's record in its bucket. */
export function agentBytes({ record }: SimAgent): Uint8Array {
  const { kid, sign } = signer('operator')
  const payload = agentRecordJson(record)
  return utf8Encode(signJws({ typ: AGENT_RECORD_TYP, kid, payload }, sign))
}

export interface SimPerson {
  readonly name: string
  readonly roles: readonly string[]
  readonly passkey: SoftwareAuthenticator
}

function person(name: string, ...roles: readonly string[]): SimPerson {
  const passkey = new SoftwareAuthenticator({ algorithm: 'EdDSA', rpId: RP_ID, origin: ORIGIN })
  return { name, roles, passkey }
}

export const PEOPLE: readonly SimPerson[] = [
  person('ann', 'finance', 'support'),
  person('bob', 'finance'),
  person('cyd', 'support'),
  person('dan', 'finance'),
]

/** The credential of the shop; no message may hold it. */
export const SHOP_SECRET = 'simulated-secret-of-the-shop'

const ORDER = { type: 'string', minLength: 1, maxLength: 40 } as const
const AMOUNT_MEMBER = { type: 'string', pattern: '^[0-9]{1,6}\\.[0-9]{2}$' } as const
const EUROS = {
  kind: 'pointer',
  pointer: '/amount',
  unit: 'decimal',
  currency: { kind: 'fixed', code: 'EUR' },
} as const

function contract(name: string, more: Partial<ToolContract>): ToolContract {
  const pays = more.amount !== undefined
  return {
    id: `shop.${name}`,
    version: '1',
    title: name,
    description: `The tool ${name} of a simulated shop`,
    input_schema: {
      type: 'object',
      properties: pays ? { order: ORDER, amount: AMOUNT_MEMBER } : { order: ORDER },
      required: pays ? ['order', 'amount'] : ['order'],
      additionalProperties: false,
    },
    output_schema: null,
    operation: 'read',
    category: null,
    bundle: 'shop',
    tags: [],
    skill_level: null,
    amount: { kind: 'none' },
    precondition: null,
    egress: [],
    profile: PROFILE,
    credential_ref: 'shop',
    digest: 'simulated',
    ...more,
  }
}

/** What a release is bound to. */
export const IN_STOCK: PreconditionRule = {
  tool: 'shop.stock',
  arguments: { order: { pointer: '/order' } },
  select: ['/left'],
  title: 'What is left in stock',
}

export const CONTRACTS: readonly ToolContract[] = [
  contract('look', { operation: 'read' }),
  contract('note', { operation: 'create' }),
  contract('coupon', { operation: 'create' }),
  contract('refund', { operation: 'transfer', amount: EUROS }),
  contract('payout', { operation: 'transfer', amount: EUROS }),
  contract('ship', { operation: 'update' }),
  contract('wipe', { operation: 'delete' }),
  contract('stock', { operation: 'read' }),
  contract('release', { operation: 'update', precondition: IN_STOCK }),
]

/** `ord_0`, `ord_1`, … */
export const ORDERS = 3
/** Coupons that one agent may give out in an hour. */
export const COUPONS_MAX = 3

const RULES = `version = 1
[defaults]
effect = "deny"
grant_ttl = "30s"
approval_ttl = "60s"
[[rules]]
id = "looks"
priority = 10
effect = "allow"
reason = "Looking changes nothing"
match = { tool = ["shop.look", "shop.stock"] }
[[rules]]
id = "coupons"
priority = 10
effect = "allow"
undo = "5s"
reason = "A few coupons are fine"
match = { tool = ["shop.coupon"] }
[[rules]]
id = "small"
priority = 20
effect = "require_approval"
tier = 1
reason = "Refunds need a person"
approvers = { quorum = 1, channels = ["portal"] }
match = { tool = ["shop.refund"], amount = { lte = "100.00 EUR" } }
[[rules]]
id = "large"
priority = 20
effect = "require_approval"
tier = 2
reason = "Large refunds need a passkey"
approvers = { quorum = 1, roles = ["finance"], channels = ["portal"] }
match = { tool = ["shop.refund"], amount = { gt = "100.00 EUR" } }
[[rules]]
id = "payouts"
priority = 20
effect = "require_approval"
tier = 2
undo = "15s"
reason = "Payouts need two people of finance"
approvers = { quorum = 2, roles = ["finance"], channels = ["portal"] }
match = { tool = ["shop.payout"] }
[[rules]]
id = "ships"
priority = 20
effect = "require_approval"
tier = 1
reason = "Somebody looks at what is shipped"
approvers = { quorum = 1, roles = ["support"], channels = ["portal"] }
match = { tool = ["shop.ship", "shop.release"] }
[[limits]]
id = "coupon-storm"
match = { tool = ["shop.coupon"] }
key = ["tenant", "agent"]
window = "1h"
max_count = ${COUPONS_MAX}
on_exceed = "deny"
reason = "Too many coupons"
`

const NOTES = {
  free: `[[rules]]
id = "notes"
priority = 10
effect = "allow"
reason = "Notes are fine"
match = { tool = ["shop.note"] }
`,
  asked: `[[rules]]
id = "notes"
priority = 10
effect = "require_approval"
tier = 1
reason = "Notes need a person"
approvers = { quorum = 1, channels = ["portal"] }
match = { tool = ["shop.note"] }
`,
} as const

/** The policy of an epoch: from the second on, notes need a person; from the third on, nobody notes. */
export function policyText(epoch: number): string {
  if (epoch === 1) return RULES + NOTES.free
  return epoch === 2 ? RULES + NOTES.asked : RULES
}

/** What policy asks for a call, worked out apart from the policy engine. */
export interface Asked {
  readonly tier: 0 | 1 | 2
  readonly quorum: number
  /** Each approver has one of them; none: anybody. */
  readonly roles: readonly string[]
}

const NOBODY: Asked = { tier: 0, quorum: 0, roles: [] }
const SOMEBODY: Asked = { tier: 1, quorum: 1, roles: [] }

/** Undefined: denied. */
export function askedBy(epoch: number, tool: string, amount: number): Asked | undefined {
  switch (tool) {
    case 'shop.look':
    case 'shop.coupon':
      return NOBODY
    case 'shop.note':
      if (epoch === 1) return NOBODY
      return epoch === 2 ? SOMEBODY : undefined
    case 'shop.refund':
      return amount <= 100 ? SOMEBODY : { tier: 2, quorum: 1, roles: ['finance'] }
    case 'shop.payout':
      return { tier: 2, quorum: 2, roles: ['finance'] }
    case 'shop.ship':
    case 'shop.release':
      return { tier: 1, quorum: 1, roles: ['support'] }
    default:
      return undefined
  }
}
