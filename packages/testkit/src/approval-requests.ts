import { createHash } from 'node:crypto'
import {
  type ActionEvent,
  type ActionId,
  type ApprovalRequest,
  type ApproversClause,
  actionId,
  canonicalize,
  contractHash,
  hashJson,
  hashText,
  type JsonObject,
  type Operation,
  type PreconditionValue,
  parseProfile,
  parseTenantId,
  preconditionHash,
  type Sha256,
  type TenantId,
  type Tier,
  type ToolContract,
} from '@trustgw/protocol'

export const sha256: Sha256 = (data) => createHash('sha256').update(data).digest('hex')

function must<T>(result: { ok: true; value: T } | { ok: false; reason: string }): T {
  if (!result.ok) throw new TypeError(result.reason)
  return result.value
}

export const TENANT: TenantId = must(parseTenantId('acme'))

export function idOf(number: number): ActionId {
  return actionId(createHash('sha256').update(`action ${number}`).digest().subarray(0, 16))
}

export interface ToolFixture {
  readonly id: string
  readonly title: string
  readonly description?: string
  readonly operation: Operation
  readonly amount?: ToolContract['amount']
  readonly precondition?: ToolContract['precondition']
}

export const REFUND: ToolFixture = {
  id: 'shop.refund_order',
  title: 'Refund an order',
  description: 'Pays an amount back to the customer of an order, by the way it was paid.',
  operation: 'transfer',
  amount: {
    kind: 'pointer',
    pointer: '/amount',
    unit: 'decimal',
    currency: { kind: 'pointer', pointer: '/currency' },
  },
}

export function contractOf(tool: ToolFixture): ToolContract {
  return {
    id: tool.id,
    version: '1.4.0',
    title: tool.title,
    description: tool.description ?? tool.title,
    input_schema: { type: 'object' },
    output_schema: null,
    operation: tool.operation,
    category: null,
    bundle: tool.id.split('.')[0] ?? 'shop',
    tags: [],
    skill_level: null,
    amount: tool.amount ?? { kind: 'none' },
    precondition: tool.precondition ?? null,
    egress: ['shop.internal'],
    profile: must(parseProfile('connector')),
    credential_ref: 'shop-main',
    digest: `sha256:${'ab'.repeat(32)}`,
  }
}

export interface RequestFixture {
  readonly number: number
  readonly tool: ToolFixture
  readonly input: JsonObject
  readonly now: number
  readonly ageS?: number
  readonly leftS?: number
  readonly tier?: Tier
  readonly agent?: string
  readonly onBehalfOf?: string | null
  readonly reason?: string
  readonly ruleId?: string
  readonly roles?: readonly string[]
  readonly approvers?: readonly ApproversClause[]
  readonly origins?: ApprovalRequest['origins']
  readonly chain?: ApprovalRequest['chain']
  readonly precondition?: PreconditionValue
  /** Its rule has an undo window; at tier 0 nobody is asked. */
  readonly undoMs?: number
}

function decisionOf(
  fixture: RequestFixture,
  contract: ToolContract,
  decidedAt: number,
): ApprovalRequest['decision'] {
  const action = idOf(fixture.number)
  return {
    typ: 'trustgw/decision/1',
    action_id: action,
    tenant: TENANT,
    workspace: 'main',
    principal: {
      tenant: TENANT,
      issuer: 'api-key',
      client: 'k7hq2m',
      subject: fixture.agent ?? 'support-agent',
    },
    on_behalf_of: fixture.onBehalfOf ?? null,
    tool_id: contract.id,
    contract_hash: contractHash(sha256, contract),
    input_hash: hashText(sha256, canonicalize(fixture.input)),
    effect: fixture.tier === 0 ? 'allow' : 'require_approval',
    tier: fixture.tier ?? 2,
    rule_id: fixture.ruleId ?? 'refunds-over-100',
    reason: fixture.reason ?? 'Refunds over 100.00 EUR need a person with a passkey.',
    obligations: {
      grant_ttl_ms: 30_000,
      approval_ttl_ms: 600_000,
      approvers: fixture.approvers ?? [{ roles: fixture.roles ?? ['approver'], quorum: 1 }],
      channels: ['portal'],
      ...(fixture.undoMs === undefined ? {} : { undo_ms: fixture.undoMs }),
    },
    policy_fingerprint: hashJson(sha256, { policy: 1 }),
    policy_epoch: 7,
    facts: [],
    unknown: [],
    decided_at: decidedAt,
  }
}

export function requestOf(fixture: RequestFixture): ApprovalRequest {
  const contract = contractOf(fixture.tool)
  const text = canonicalize(fixture.input)
  const action = idOf(fixture.number)
  const start = fixture.now - (fixture.ageS ?? 60) * 1000
  return {
    v: 1,
    action_id: action,
    tenant: TENANT,
    source: 'mcp',
    contract,
    arguments: text,
    precondition: fixture.precondition ?? null,
    precondition_hash: preconditionHash(sha256, fixture.precondition ?? null),
    decision: decisionOf(fixture, contract, start),
    requested_at: start,
    decide_by: fixture.now + (fixture.leftS ?? 480) * 1000,
    run_by: fixture.now + ((fixture.leftS ?? 480) + 120) * 1000,
    ...(fixture.origins && { origins: fixture.origins }),
    ...(fixture.chain && { chain: fixture.chain }),
  }
}

export function eventOf(
  request: ApprovalRequest,
  state: ActionEvent['state'],
  revision: number,
  more: Partial<ActionEvent> = {},
): ActionEvent {
  const { decision, contract } = request
  return {
    v: 1,
    action_id: request.action_id,
    revision,
    tenant: request.tenant,
    state,
    tool_id: contract.id,
    operation: contract.operation,
    source: request.source,
    agent: decision.principal.subject,
    on_behalf_of: decision.on_behalf_of,
    tier: decision.tier,
    rule_id: decision.rule_id,
    reason: decision.reason,
    amount: null,
    proposed_at: request.requested_at,
    at: request.requested_at,
    decide_by: state === 'pending_approval' ? request.decide_by : null,
    ...more,
  }
}
