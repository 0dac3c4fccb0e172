import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { PolicySet } from '@trustgw/core'
import {
  type ActionId,
  type ApprovalEvidence,
  type ApprovalStatement,
  type AuditEvent,
  actionId,
  asObject,
  auditEventShape,
  CLEARANCE_OF_TIER,
  type Component,
  canonicalize,
  contractHash,
  type DecisionRecord,
  decisionHash,
  decisionRecordShape,
  evidenceHash,
  GRANT_ISSUER,
  GRANT_TTL_MAX_SECONDS,
  type GrantClaims,
  type GrantedAction,
  grantedActionJson,
  grantId,
  type Hash,
  hashText,
  ID_RANDOM_BYTES,
  type InvokeAnswer,
  idempotencyKey,
  invokeAnswerShape,
  type JsonObject,
  parseComponent,
  parseJson,
  parseTenantId,
  preconditionHash,
  preconditionValue,
  principalText,
  readShape,
  signGrant,
  statementHash,
  storedKey,
  subject,
  type TenantId,
  type ToolContract,
  utf8Encode,
  type Verdict,
} from '@trustgw/protocol'
import {
  type AuditWriter,
  type BusLink,
  connectNats,
  keyIdOf,
  loadSigningKey,
  loadTrust,
  nodeRandom,
  readCredsFile,
  type SigningKey,
  sha256,
  silentLogger,
  startAuditWriter,
  systemClock,
} from '@trustgw/runtime'
import { decideLike, newestBundle, openPolicies } from './attack-policy.ts'
import { stolenGrantKey } from './key-sets.ts'
import { orderNow } from './shop-view.ts'
import type { SoftwareAuthenticator } from './software-authenticator.ts'
import type { RunningSystem } from './system.ts'

const BEAT_PAUSE_MS = 100
const INVOKE_TIMEOUT_MS = 5_000
const RECORD_LIMITS = { maxBytes: 1_048_576, maxDepth: 80 } as const
const NONCE_BYTES = 32
const RUN_AFTER_MS = 300_000

/** Everything that belongs to one granted action; a whole one is admitted. */
export interface ForgedAction {
  readonly claims: GrantClaims
  readonly arguments: JsonObject
  readonly decision: DecisionRecord
  readonly decision_event: GrantedAction['decision_event']
  /** Of what stood at the shop when it was decided. */
  readonly precondition_hash: Hash
  readonly approvals: readonly ApprovalEvidence[]
}

/** A pinned approver whose passkey is in this process. */
export interface Approver {
  readonly person: string
  readonly authenticator: SoftwareAuthenticator
}

/** How a new action is decided. */
export interface Deciding {
  readonly tool: ToolContract
  readonly action?: ActionId
  /** Default: those that were in force when the gateway was taken over. */
  readonly policies?: PolicySet
  /** What the record says instead of what policy says. */
  readonly claim?: Partial<DecisionRecord>
}

/** What an approver signs over an action: this one, with that verdict. */
export interface Signing {
  readonly decision: DecisionRecord
  readonly precondition_hash: Hash
  readonly contract: ToolContract
  readonly verdict: Verdict
}

/**
 * A gateway in the hands of somebody else: it has the gateway's identity on the bus, its grant key
 * and its audit key, and records its decisions as another instance of the gateway would. All that it
 * sends is genuine but for what an attack changes, so that nothing else can be what stops it.
 */
export class TakenOverGateway {
  readonly tenant: TenantId
  readonly grantKid: string
  /** In force when the gateway was taken over. */
  readonly policies: PolicySet
  readonly #system: RunningSystem
  readonly #link: BusLink
  readonly #grantKey: SigningKey
  readonly #audit: AuditWriter

  private constructor(
    tenant: TenantId,
    link: BusLink,
    own: {
      readonly system: RunningSystem
      readonly grant: SigningKey
      readonly audit: AuditWriter
      readonly policies: PolicySet
    },
  ) {
    this.tenant = tenant
    this.policies = own.policies
    this.#system = own.system
    this.#link = link
    this.#grantKey = own.grant
    this.grantKid = keyIdOf('grant', own.grant.publicKey)
    this.#audit = own.audit
  }

  static async open(system: RunningSystem, tenantText = 'main'): Promise<TakenOverGateway> {
    const tenant = parseTenantId(tenantText)
    if (!tenant.ok) throw new TypeError('not a tenant')
    const link = await connectNats({
      servers: [system.nats],
      creds: readCredsFile(join(system.stateDir, 'gateway', 'bus.creds')),
      logger: silentLogger,
      random: nodeRandom,
    })
    const component = gatewayComponent()
    const auditKey = await loadSigningKey(join(system.stateDir, 'gateway', 'audit.key'))
    const trusted = await loadTrust(join(system.stateDir, 'gateway', 'trust'))
    const audit = await startAuditWriter({
      tenant: tenant.value,
      component,
      instance: 'taken-over',
      kid: keyIdOf('audit', auditKey.publicKey),
      sign: auditKey.sign,
      sha256,
      clock: systemClock,
      random: nodeRandom,
      bus: link.bus,
      publisher: link.publisher({ stream: 'AUDIT' }),
      reader: link.reader({ home: 'data', stream: 'AUDIT' }),
      keyFor: trusted.keyFor({ role: 'audit', component }),
    })
    const grant = await stolenGrantKey(system.stateDir)
    const bucket = link.records({ home: 'data', bucket: 'policies' })
    const policies = openPolicies(await newestBundle(bucket, tenant.value))
    return new TakenOverGateway(tenant.value, link, { system, grant, audit, policies })
  }

  async close(): Promise<void> {
    await this.#link.bus.drain()
  }

  /** The decision that the real gateway made of an action. */
  async decisionOf(id: string): Promise<DecisionRecord> {
    const actions = this.#link.records({ home: 'data', bucket: 'actions' })
    const stored = await actions.get(`${this.tenant}.${storedKey(sha256, 'a', id)}`)
    const parsed = parseJson(stored?.value ?? new Uint8Array(), RECORD_LIMITS)
    const record = parsed.ok ? asObject(parsed.value) : undefined
    const read = readShape(decisionRecordShape, record?.['decision'] ?? null)
    if (!read.ok) throw new Error(`no stored decision of ${id}`)
    return read.value
  }

  /** Decides and records a new action of whoever made an earlier one. */
  async decide(
    like: DecisionRecord,
    args: JsonObject,
    deciding: Deciding,
  ): Promise<Omit<ForgedAction, 'claims' | 'approvals'>> {
    const { tool, action = actionId(randomBytes(ID_RANDOM_BYTES)), claim } = deciding
    const at = Date.now()
    const decision: DecisionRecord = {
      ...like,
      ...decideLike(deciding.policies ?? this.policies, like, { tool, args, at }),
      action_id: action,
      tool_id: tool.id,
      contract_hash: contractHash(sha256, tool),
      input_hash: hashText(sha256, canonicalize(args)),
      decided_at: at,
      ...claim,
    }
    const { event, stored } = await this.#audit.append('evaluated', {
      actor: { kind: 'system', id: 'gateway' },
      action_id: decision.action_id,
      payload: {
        decision_hash: decisionHash(sha256, decision),
        tool: decision.tool_id,
        input_hash: decision.input_hash,
        effect: decision.effect,
        tier: decision.tier,
        rule: decision.rule_id,
      },
    })
    const decision_event = { seq: stored.seq, event_id: event.event_id }
    const precondition_hash = await this.#boundNow(tool, args)
    return { arguments: args, decision, decision_event, precondition_hash }
  }

  /** What the tool's precondition reads now, as the gateway would have it read. */
  async #boundNow({ precondition: rule }: ToolContract, args: JsonObject): Promise<Hash> {
    if (rule === null) return preconditionHash(sha256, null)
    const id = args['order_id']
    if (typeof id !== 'string') throw new TypeError('a refund names its order')
    const order = await orderNow(this.#system, id)
    const found = preconditionValue(rule, args, order)
    if (!found.ok) throw new Error(`the shop's order has no ${found.detail ?? found.reason}`)
    return preconditionHash(sha256, found.value)
  }

  /** The claims of a grant for it, all as they should be. */
  claims(
    decided: Pick<ForgedAction, 'decision' | 'precondition_hash'>,
    contract: ToolContract,
    approvals: readonly ApprovalEvidence[],
  ): GrantClaims {
    const { decision } = decided
    const iat = Math.floor(Date.now() / 1000)
    return {
      iss: GRANT_ISSUER,
      aud: contract.profile,
      sub: principalText(decision.principal),
      iat,
      nbf: iat,
      exp: iat + GRANT_TTL_MAX_SECONDS,
      jti: grantId(randomBytes(ID_RANDOM_BYTES)),
      action_id: decision.action_id,
      tenant_id: decision.tenant,
      workspace_id: decision.workspace,
      tool_name: contract.id,
      contract_hash: contractHash(sha256, contract),
      input_hash: decision.input_hash,
      precondition_hash: decided.precondition_hash,
      credential_ref: contract.credential_ref,
      policy_fingerprint: decision.policy_fingerprint,
      policy_epoch: decision.policy_epoch,
      decision_hash: decisionHash(sha256, decision),
      rule_id: decision.rule_id,
      clearance: CLEARANCE_OF_TIER[decision.tier],
      approvals: approvals.map((evidence) => evidenceHash(sha256, evidence)),
      idempotency_key: idempotencyKey(sha256, decision.tenant, decision.action_id),
    }
  }

  /** The grant, signed with the gateway's own key. */
  sign(claims: GrantClaims): string {
    return signGrant(claims, this.grantKid, this.#grantKey.sign)
  }

  /** Signs any text with the gateway's grant key. */
  signText(input: string): Uint8Array {
    return this.#grantKey.sign(input)
  }

  /** Sends it to the executor as the gateway does; what the executor says. */
  async send(
    action: ForgedAction,
    grant: string = this.sign(action.claims),
  ): Promise<InvokeAnswer> {
    const message = grantedActionJson({
      v: 1,
      grant,
      arguments: canonicalize(action.arguments),
      decision: action.decision,
      decision_event: action.decision_event,
      approvals: action.approvals,
    })
    const to = subject('exec_invoke', { tenant: this.tenant, profile: action.claims.aud })
    const bytes = utf8Encode(canonicalize(message))
    for (;;) {
      const answer = await this.#ask(to, bytes)
      // One that was just started has not heard host or log yet: nothing was looked at.
      if (answer.status !== 'refused' || answer.reason !== 'beat_missing') return answer
      await systemClock.sleep(BEAT_PAUSE_MS)
    }
  }

  async #ask(to: string, bytes: Uint8Array): Promise<InvokeAnswer> {
    const said = await this.#link.bus.request(to, bytes, { timeoutMs: INVOKE_TIMEOUT_MS })
    const parsed = parseJson(said)
    const read = parsed.ok ? readShape(invokeAnswerShape, parsed.value) : parsed
    if (!read.ok) throw new Error('an answer of the executor that is none')
    return read.value
  }

  /** The newest event of a kind that the executor recorded; undefined: none. */
  async lastOfExecutor(type: string): Promise<AuditEvent | undefined> {
    const reader = this.#link.reader({ home: 'data', stream: 'AUDIT' })
    const message = await reader.getLast(`audit.v1.${this.tenant}.exec-connector.*.${type}`)
    const parsed = message === undefined ? undefined : parseJson(message.data)
    const read = parsed?.ok === true ? readShape(auditEventShape, parsed.value) : undefined
    return read?.ok === true ? read.value : undefined
  }
}

function gatewayComponent(): Component {
  const component = parseComponent('gateway')
  if (!component.ok) throw new TypeError('gateway')
  return component.value
}

/** What an approver's passkey signs, as evidence: exactly what a portal would send on. */
export function signApproval(approver: Approver, signing: Signing): ApprovalEvidence {
  const { decision, contract, verdict } = signing
  const decide_by = decision.decided_at + decision.obligations.approval_ttl_ms
  const times = { decide_by, run_by: decide_by + RUN_AFTER_MS }
  const nonce = randomBytes(NONCE_BYTES).toString('base64url')
  const statement: ApprovalStatement = {
    typ: 'trustgw/approval/1',
    action_id: decision.action_id,
    tenant: decision.tenant,
    workspace: decision.workspace,
    principal: decision.principal,
    on_behalf_of: decision.on_behalf_of,
    credential_ref: contract.credential_ref,
    tool_id: contract.id,
    contract_hash: contractHash(sha256, contract),
    input_hash: decision.input_hash,
    precondition_hash: signing.precondition_hash,
    rule_id: decision.rule_id,
    policy_fingerprint: decision.policy_fingerprint,
    tier: decision.tier,
    verdict,
    approver: approver.person,
    ...times,
    nonce,
  }
  const assertion = approver.authenticator.assert(statementHash(sha256, statement))
  return { kind: 'passkey', approver: approver.person, nonce, ...times, assertion }
}
