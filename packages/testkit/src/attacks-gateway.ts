import { randomBytes } from 'node:crypto'
import type { PolicyFacts, PolicySet } from '@trustgw/core'
import {
  type ActionId,
  APPROVAL_STATEMENT_TYP,
  type ApprovalEvidence,
  type ApprovalStatement,
  type AuditEvent,
  actionId,
  approvalStatementJson,
  asObject,
  auditEventShape,
  CLEARANCE_OF_TIER,
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
  parseJson,
  preconditionHash,
  preconditionValue,
  principalText,
  readShape,
  signGrant,
  signJws,
  statementHash,
  storedKey,
  subject,
  type TenantId,
  type ToolContract,
  utf8Encode,
  type Verdict,
} from '@trustgw/protocol'
import { keyIdOf, type NamedKey, type SigningKey, sha256, systemClock } from '@trustgw/runtime'
import { decideLike, newestBundle, openPolicies } from './attack-policy.ts'
import { stolenGrantKey } from './key-sets.ts'
import { orderNow } from './shop-view.ts'
import type { SoftwareAuthenticator } from './software-authenticator.ts'
import type { RunningSystem } from './system.ts'
import { TakenOver } from './taken-over.ts'

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
  /** Facts of the gateway's choice, where only it knows them. */
  readonly facts?: Partial<PolicyFacts>
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
  /** Its place on the bus and its record. */
  readonly party: TakenOver
  readonly #system: RunningSystem
  readonly #grantKey: SigningKey

  private constructor(
    party: TakenOver,
    own: {
      readonly system: RunningSystem
      readonly grant: SigningKey
      readonly policies: PolicySet
    },
  ) {
    this.tenant = party.tenant
    this.policies = own.policies
    this.party = party
    this.#system = own.system
    this.#grantKey = own.grant
    this.grantKid = keyIdOf('grant', own.grant.publicKey)
  }

  static async open(system: RunningSystem): Promise<TakenOverGateway> {
    const party = await TakenOver.open(system, 'gateway')
    const grant = await stolenGrantKey(system.stateDir)
    const bucket = party.link.records({ home: 'data', bucket: 'policies' })
    const policies = openPolicies(await newestBundle(bucket, party.tenant))
    return new TakenOverGateway(party, { system, grant, policies })
  }

  async close(): Promise<void> {
    await this.party.close()
  }

  /** The decision that the real gateway made of an action. */
  async decisionOf(id: string): Promise<DecisionRecord> {
    const actions = this.party.link.records({ home: 'data', bucket: 'actions' })
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
    const { tool, action = actionId(randomBytes(ID_RANDOM_BYTES)), claim, facts = {} } = deciding
    const at = Date.now()
    const decision: DecisionRecord = {
      ...like,
      ...decideLike(deciding.policies ?? this.policies, like, { tool, args, at, facts }),
      action_id: action,
      tool_id: tool.id,
      contract_hash: contractHash(sha256, tool),
      input_hash: hashText(sha256, canonicalize(args)),
      decided_at: at,
      ...claim,
    }
    const audit = await this.party.audit()
    const { event, stored } = await audit.append('evaluated', {
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

  /** Grants what was decided. */
  granted(
    decided: Omit<ForgedAction, 'claims' | 'approvals'>,
    contract: ToolContract,
    approvals: readonly ApprovalEvidence[] = [],
  ): ForgedAction {
    return { ...decided, approvals, claims: this.claims(decided, contract, approvals) }
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
    const said = await this.party.link.bus.request(to, bytes, { timeoutMs: INVOKE_TIMEOUT_MS })
    const parsed = parseJson(said)
    const read = parsed.ok ? readShape(invokeAnswerShape, parsed.value) : parsed
    if (!read.ok) throw new Error('an answer of the executor that is none')
    return read.value
  }

  /** The newest event of a kind that the executor recorded; undefined: none. */
  async lastOfExecutor(type: string): Promise<AuditEvent | undefined> {
    const reader = this.party.link.reader({ home: 'data', stream: 'AUDIT' })
    const message = await reader.getLast(`audit.v1.${this.tenant}.exec-connector.*.${type}`)
    const parsed = message === undefined ? undefined : parseJson(message.data)
    const read = parsed?.ok === true ? readShape(auditEventShape, parsed.value) : undefined
    return read?.ok === true ? read.value : undefined
  }
}

/** What an approver's passkey signs, as evidence: exactly what a portal would send on. */
export function signApproval(approver: Approver, signing: Signing): ApprovalEvidence {
  const statement = statementFor(approver.person, signing)
  const assertion = approver.authenticator.assert(statementHash(sha256, statement))
  return { kind: 'passkey', ...headOf(statement), assertion }
}

/** The word of whoever has the host's key, as evidence of tier 1. */
export function hostApproval(
  person: string,
  signing: Signing,
  { kid, sign }: NamedKey,
): ApprovalEvidence {
  const statement = statementFor(person, signing)
  const payload = approvalStatementJson(statement)
  const token = signJws({ typ: APPROVAL_STATEMENT_TYP, kid, payload }, sign)
  return { kind: 'host', ...headOf(statement), statement: token }
}

/** What evidence repeats of its statement. */
export function headOf({
  approver,
  nonce,
  decide_by,
  run_by,
}: ApprovalStatement): Pick<ApprovalEvidence, 'approver' | 'nonce' | 'decide_by' | 'run_by'> {
  return { approver, nonce, decide_by, run_by }
}

function statementFor(approver: string, signing: Signing): ApprovalStatement {
  const { decision, contract, verdict } = signing
  const decide_by = decision.decided_at + decision.obligations.approval_ttl_ms
  return {
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
    approver,
    decide_by,
    run_by: decide_by + RUN_AFTER_MS,
    nonce: randomBytes(NONCE_BYTES).toString('base64url'),
  }
}
