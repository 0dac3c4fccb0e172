import { decideLayers, type PolicyFacts, type PolicySet, zonesOf } from '@trustgw/core'
import {
  APPROVAL_STATEMENT_TYP,
  type ApprovalEvidence,
  type ApprovalStatement,
  actionId,
  approvalStatementJson,
  type Beat,
  base64urlEncode,
  CLEARANCE_OF_TIER,
  canonicalize,
  contractHash,
  type DecisionRecord,
  decisionHash,
  evidenceHash,
  type GrantClaims,
  type GrantedAction,
  grantedActionJson,
  grantId,
  type Hash,
  hashText,
  idempotencyKey,
  type JsonObject,
  type KeyRole,
  noPreconditionHash,
  type Profile,
  parseJson,
  parseProfile,
  parseTenantId,
  principalText,
  type SealedBundle,
  signBeat,
  signGrant,
  signJws,
  statementHash,
  type TenantId,
  type Tier,
  type ToolContract,
} from '@trustgw/protocol'
import {
  AjvSchemaCompiler,
  type AuditWriter,
  type BusLink,
  executorCrossings,
  generateSigningKey,
  localTimesOf,
  ManualClock,
  MemoryBroker,
  nodeRandom,
  type PublicKey,
  PublicKeys,
  type Random,
  type SigningKey,
  sha256,
  silentLogger,
  startAuditWriter,
} from '@trustgw/runtime'
import { type PolicyFile, sealBundleOf } from '@trustgw/testkit/seal-policy'
import { SoftwareAuthenticator } from '@trustgw/testkit/software-authenticator'
import type { AdmissionDeps } from '../../src/admit/admission.ts'
import type { BeatDeps } from '../../src/admit/check-beat.ts'
import type { FreezeDeps } from '../../src/admit/check-freeze.ts'
import type { PreconditionDeps } from '../../src/admit/check-precondition.ts'
import { ToolIndex } from '../../src/admit/tool-index.ts'
import { Credentials } from '../../src/connectors/credentials.ts'
import type { Pin } from '../../src/pins/pin.ts'
import { ToolGate } from '../../src/run/tool-gate.ts'
import { factsFor, openSealed, POLICY } from './policy.ts'

function must<T>(outcome: { readonly ok: true; readonly value: T } | { readonly ok: false }): T {
  if (!outcome.ok) throw new TypeError('test data')
  return outcome.value
}

export const TENANT: TenantId = must(parseTenantId('demo'))
export const PROFILE: Profile = must(parseProfile('connector'))
export const ORIGIN = 'http://localhost:8080'
export const RP_ID = 'localhost'
export const NOW = 1_790_000_000_000

export const REFUND: ToolContract = {
  id: 'shop.refund',
  version: '1',
  title: 'Refund an order',
  description: 'Pays money back.',
  input_schema: {
    type: 'object',
    properties: { order_id: { type: 'string' }, amount: { type: 'string' } },
    required: ['order_id', 'amount'],
    additionalProperties: false,
  },
  output_schema: null,
  operation: 'transfer',
  category: null,
  bundle: 'shop',
  tags: [],
  skill_level: null,
  amount: { kind: 'none' },
  precondition: null,
  egress: [],
  profile: PROFILE,
  credential_ref: 'shop',
  digest: 'test',
}

const CREDENTIALS = `
version = 1
[credentials.shop]
secret = "a-secret-of-the-shop"
allow = [{ tenant = "demo", issuer = "api-key", client = "*", subject = "*" }]
`

/** Everything that may be changed about one good granted action before it is signed. */
export interface Change {
  readonly tier?: Tier
  readonly claims?: Partial<GrantClaims> & JsonObject
  readonly decision?: Partial<DecisionRecord>
  /** By what the gateway decides besides what is so; else by what leads to the tier. */
  readonly facts?: Partial<PolicyFacts>
  /** After the hash was taken into the grant. */
  readonly decisionAfter?: Partial<DecisionRecord>
  readonly arguments?: string
  readonly argumentsAfter?: string
  readonly evidence?: readonly ApprovalEvidence[]
  readonly evidenceAfter?: readonly ApprovalEvidence[]
  readonly event?: { readonly seq: number; readonly event_id: string }
  readonly sign?: (claims: GrantClaims) => string
}

/** Connections to a real bus, in place of the one in memory. */
export interface WorldLinks {
  readonly gateway: BusLink
  readonly executor: BusLink
}

function trusted(role: KeyRole, component: string, { publicKey }: SigningKey): PublicKey {
  return { kid: `${role}-1`, role, component, publicKey }
}

/** Where keys and ids come from. */
export interface Secrets {
  signingKey(): SigningKey
  readonly random: Random
}
const FRESH: Secrets = { signingKey: generateSigningKey, random: nodeRandom }

/** Gateway, host and one approver, as an executor sees them. */
export class World {
  readonly clock = new ManualClock(NOW)
  readonly broker = new MemoryBroker({ logger: silentLogger })
  readonly grantKey: SigningKey
  readonly auditKey: SigningKey
  readonly hostKey: SigningKey
  readonly logKey: SigningKey
  readonly resultKey: SigningKey
  readonly execAuditKey: SigningKey
  readonly operatorKey: SigningKey
  readonly gateway: BusLink
  readonly executor: BusLink
  readonly approver = new SoftwareAuthenticator({ algorithm: 'ES256', rpId: RP_ID, origin: ORIGIN })
  readonly trust: PublicKeys
  readonly contract: ToolContract
  readonly tools = new ToolIndex(sha256, new AjvSchemaCompiler())
  pins: readonly Pin[] = [this.pin()]
  floor: Tier = 0
  /** What approvals and grants are bound to. */
  precondition: Hash = noPreconditionHash(sha256)
  bundle: SealedBundle
  /** By what the gateway decides. */
  policies: PolicySet
  readonly #random: Random
  #audit: AuditWriter | undefined
  #beats = 0

  constructor(contract: ToolContract = REFUND, links?: WorldLinks, secrets: Secrets = FRESH) {
    this.contract = contract
    this.#random = secrets.random
    this.grantKey = secrets.signingKey()
    this.auditKey = secrets.signingKey()
    this.hostKey = secrets.signingKey()
    this.logKey = secrets.signingKey()
    this.resultKey = secrets.signingKey()
    this.execAuditKey = secrets.signingKey()
    this.operatorKey = secrets.signingKey()
    this.trust = new PublicKeys([
      trusted('operator', 'operator', this.operatorKey),
      trusted('grant', 'gateway', this.grantKey),
      trusted('audit', 'gateway', this.auditKey),
      trusted('host', 'host', this.hostKey),
      trusted('log', 'log', this.logKey),
      { ...trusted('audit', 'exec-connector', this.execAuditKey), kid: 'exec-audit-1' },
    ])
    this.bundle = this.sealed([{ text: POLICY }])
    this.policies = openSealed(this.bundle)
    this.gateway = links?.gateway ?? this.broker.link()
    this.executor = links?.executor ?? this.broker.link({ crossings: executorCrossings(PROFILE) })
    this.tools.replace([contract])
  }

  pin(change: Partial<Pin> = {}): Pin {
    return {
      tenant: TENANT,
      person: 'ana',
      roles: ['finance'],
      credential_id: this.approver.credentialId,
      public_key: this.approver.publicKey,
      rp_id: RP_ID,
      origins: [ORIGIN],
      ...change,
    }
  }

  /** Another policy is in force, at the gateway and here. */
  govern(files: readonly PolicyFile[], epoch = 1): void {
    this.bundle = this.sealed(files, epoch)
    this.policies = openSealed(this.bundle)
  }

  /** A bundle sealed by this world's operator. */
  sealed(files: readonly PolicyFile[], epoch = 1, tenant: string = TENANT): SealedBundle {
    const operatorKey = { kid: 'operator-1', sign: this.operatorKey.sign }
    return sealBundleOf(files, { tenant, epoch, issuedAt: NOW, operatorKey })
  }

  /** The host, or the log, says that it is there. */
  beat(change: Partial<Beat> = {}): Uint8Array {
    this.#beats += 1
    const component = change.component ?? 'host'
    const at = this.clock.now() + this.#beats
    const said = { component, instance: '1', at, key_set_epoch: 1, freeze_count: {} }
    const { sign } = component === 'host' ? this.hostKey : this.logKey
    const key = { kid: `${component}-1`, sign }
    const token = new TextEncoder().encode(signBeat({ v: 1, ...said, ...change }, key))
    this.gateway.bus.publish(`beat.v1.${component}`, token)
    return token
  }

  /** Host and log are heard, and say nothing newer than what is known here; nothing stands still. */
  beliefs(): BeatDeps & FreezeDeps {
    return {
      freezes: { isFrozen: () => false, count: () => 0, catchUp: () => Promise.resolve() },
      freezesHeard: () => 0,
      grantKeyFor: this.trust.keyFor({ role: 'grant', component: 'gateway' }),
      liveness: { problem: () => undefined, catchUp: () => Promise.resolve() },
    }
  }

  admission(change: Partial<AdmissionDeps> = {}): AdmissionDeps {
    return {
      profile: PROFILE,
      tenants: [TENANT],
      tools: this.tools,
      credentials: must(Credentials.parse('credentials.toml', CREDENTIALS)),
      ...this.beliefs(),
      auditKeyFor: this.trust.keyFor({ role: 'audit', component: 'gateway' }),
      hostKeyFor: this.trust.keyFor({ role: 'host', component: 'host' }),
      audit: this.executor.reader({ home: 'data', stream: 'AUDIT' }),
      policies: {
        current: (tenant) => (tenant === TENANT ? this.policies : undefined),
        refresh: () => Promise.resolve(),
      },
      floorOf: () => this.floor,
      approvalOrigin: undefined,
      pins: { current: () => Promise.resolve({ ok: true, value: this.pins }) },
      sha256,
      clock: this.clock,
      ...change,
    }
  }

  /** What step 5 reads with: nothing, unless the test says so. */
  reading(change: Partial<PreconditionDeps> = {}): PreconditionDeps {
    return {
      connectors: new Map(),
      tools: this.tools,
      gate: new ToolGate({ atOnce: () => 8, clock: this.clock, logger: silentLogger }),
      secrets: [],
      resultMaxBytesOf: () => 65_536,
      sha256,
      clock: this.clock,
      logger: silentLogger,
      ...change,
    }
  }

  async gatewayAudit(): Promise<AuditWriter> {
    this.#audit ??= await startAuditWriter({
      tenant: TENANT,
      component: must({ ok: true, value: 'gateway' as never }),
      instance: 'one',
      kid: 'audit-1',
      sign: this.auditKey.sign,
      sha256,
      clock: this.clock,
      random: this.#random,
      bus: this.gateway.bus,
      publisher: this.gateway.publisher({ stream: 'AUDIT' }),
      reader: this.gateway.reader({ home: 'data', stream: 'AUDIT' }),
      keyFor: this.trust.keyFor({ role: 'audit', component: 'gateway' }),
    })
    return this.#audit
  }

  /** What the gateway decides, but for what is changed about it afterwards. */
  decision(
    argumentsText: string,
    facts: Partial<PolicyFacts>,
    change: Partial<DecisionRecord> = {},
  ): DecisionRecord {
    const base = {
      typ: 'trustgw/decision/1',
      action_id: actionId(this.#random.bytes(16)),
      tenant: TENANT,
      workspace: 'main',
      principal: { tenant: TENANT, issuer: 'api-key', client: 'key-1', subject: 'agent-1' },
      on_behalf_of: null,
      tool_id: this.contract.id,
      contract_hash: contractHash(sha256, this.contract),
      input_hash: hashText(sha256, argumentsText),
      policy_epoch: this.policies.epoch,
      decided_at: this.clock.now() - 1_000,
      ...change,
    } as const
    const { tenant, workspace, decided_at } = base
    const agent = base.principal.subject
    const layers = this.policies.layersFor({ workspace, agent })
    const args = parseJson(argumentsText)
    const decided = decideLayers(layers, {
      tool: this.contract,
      args: args.ok ? args.value : {},
      tenant,
      workspace,
      agent,
      user: base.on_behalf_of,
      source: null,
      auth_level: 1,
      roles: null,
      time_ms: decided_at,
      local_times: localTimesOf(zonesOf(layers), decided_at),
      ...facts,
    })
    return { ...base, ...decided, ...change }
  }

  /** The statement that an approver of this decision sees. */
  statement(decision: DecisionRecord, change: Partial<ApprovalStatement> = {}): ApprovalStatement {
    return {
      typ: 'trustgw/approval/1',
      action_id: decision.action_id,
      tenant: decision.tenant,
      workspace: decision.workspace,
      principal: decision.principal,
      on_behalf_of: decision.on_behalf_of,
      credential_ref: this.contract.credential_ref,
      tool_id: decision.tool_id,
      contract_hash: decision.contract_hash,
      input_hash: decision.input_hash,
      precondition_hash: this.precondition,
      rule_id: decision.rule_id,
      policy_fingerprint: decision.policy_fingerprint,
      tier: decision.tier,
      verdict: 'approve',
      approver: 'ana',
      decide_by: decision.decided_at + decision.obligations.approval_ttl_ms,
      run_by: decision.decided_at + decision.obligations.approval_ttl_ms + 600_000,
      nonce: base64urlEncode(this.#random.bytes(16)),
      ...change,
    }
  }

  passkeyEvidence(
    statement: ApprovalStatement,
    assertion = this.approver.assert(statementHash(sha256, statement)),
  ): ApprovalEvidence {
    const { approver, nonce, decide_by, run_by } = statement
    return { kind: 'passkey', approver, nonce, decide_by, run_by, assertion }
  }

  hostEvidence(
    statement: ApprovalStatement,
    key = this.hostKey,
    typ = APPROVAL_STATEMENT_TYP,
  ): ApprovalEvidence {
    const { approver, nonce, decide_by, run_by } = statement
    const payload = approvalStatementJson(statement)
    const token = signJws({ typ, kid: 'host-1', payload }, key.sign)
    return { kind: 'host', approver, nonce, decide_by, run_by, statement: token }
  }

  /** One granted action that is good but for the change. */
  async granted(change: Change = {}): Promise<GrantedAction> {
    const tier = change.tier ?? 2
    const text = change.arguments ?? '{"amount":"250.00","order_id":"ord_1001"}'
    const decision = this.decision(text, change.facts ?? factsFor(tier), change.decision)
    const evidence = change.evidence ?? this.#evidenceFor(tier, decision)
    const claims = this.claims(decision, evidence, change.claims ?? {})
    const writer = await this.gatewayAudit()
    const stored = await writer.append('evaluated', {
      actor: { kind: 'system', id: 'gateway' },
      action_id: decision.action_id,
      payload: { decision_hash: decisionHash(sha256, decision) },
    })
    return {
      v: 1,
      grant: change.sign?.(claims) ?? signGrant(claims, 'grant-1', this.grantKey.sign),
      arguments: change.argumentsAfter ?? text,
      decision: { ...decision, ...change.decisionAfter },
      decision_event: change.event ?? { seq: stored.stored.seq, event_id: stored.event.event_id },
      approvals: change.evidenceAfter ?? evidence,
    }
  }

  claims(
    decision: DecisionRecord,
    evidence: readonly ApprovalEvidence[],
    change: Partial<GrantClaims>,
  ): GrantClaims {
    const iat = Math.floor(this.clock.now() / 1000)
    return {
      iss: 'trustgw/gateway',
      aud: PROFILE,
      sub: principalText(decision.principal),
      iat,
      nbf: iat,
      exp: iat + 30,
      jti: grantId(this.#random.bytes(16)),
      action_id: decision.action_id,
      tenant_id: TENANT,
      workspace_id: decision.workspace,
      tool_name: decision.tool_id,
      contract_hash: decision.contract_hash,
      input_hash: decision.input_hash,
      precondition_hash: this.precondition,
      credential_ref: this.contract.credential_ref,
      policy_fingerprint: decision.policy_fingerprint,
      policy_epoch: decision.policy_epoch,
      decision_hash: decisionHash(sha256, decision),
      rule_id: decision.rule_id,
      clearance: CLEARANCE_OF_TIER[decision.tier],
      approvals: evidence.map((item) => evidenceHash(sha256, item)),
      idempotency_key: idempotencyKey(sha256, TENANT, decision.action_id),
      ...change,
    }
  }

  #evidenceFor(tier: Tier, decision: DecisionRecord): readonly ApprovalEvidence[] {
    if (tier === 0) return []
    const statement = this.statement(decision)
    return [tier === 1 ? this.hostEvidence(statement) : this.passkeyEvidence(statement)]
  }
}

export function bytesOf(action: GrantedAction): Uint8Array {
  return new TextEncoder().encode(canonicalize(grantedActionJson(action)))
}
