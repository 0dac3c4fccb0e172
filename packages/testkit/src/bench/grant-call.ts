/** An allowed call from the text of its arguments to the result that was read, without any I/O. */

import { decideLayers, openBundle, type PolicySet, zonesOf } from '@trustgw/core'
import { clearAction, ToolIndex } from '@trustgw/executor'
import {
  type ActionId,
  type AuditEvent,
  type AuditEventType,
  actionId,
  auditEventHash,
  auditEventId,
  auditEventJson,
  auditSigningInput,
  base64urlEncode,
  canonicalize,
  chainStart,
  contractHash,
  type DecisionRecord,
  decisionHash,
  executionResultShape,
  type GrantClaims,
  grantedActionJson,
  grantHash,
  grantId,
  hashJson,
  hashText,
  idempotencyKey,
  noPreconditionHash,
  parseJsonObject,
  parseProfile,
  parseTenantId,
  principalText,
  RESULT_TYP,
  readSealedBundle,
  readShape,
  signGrant,
  signJws,
  type ToolContract,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import {
  AjvSchemaCompiler,
  generateSigningKey,
  inflateText,
  localTimesOf,
  nodeRandom,
  PublicKeys,
  sha256,
  systemClock,
} from '@trustgw/runtime'
import { bundleBytes, sealBundleOf } from '../seal-policy.ts'
import { CRITICAL_PATH } from './critical-path.ts'

function must<T>(read: { readonly ok: true; readonly value: T } | { readonly ok: false }): T {
  if (!read.ok) throw new TypeError('the call of the benchmark is wrong')
  return read.value
}

const tenant = must(parseTenantId('bench'))
const profile = must(parseProfile('connector'))
const principal = { tenant, issuer: 'api-key', client: 'key-1', subject: 'agent-1' }
const POLICY =
  'version = 1\n\n[[rules]]\nid = "reads"\npriority = 1\neffect = "allow"\nmatch = { operation = ["read"] }\n'
const ARGUMENTS: Uint8Array = utf8Encode('{"order_id":"ord_1001","with":["lines","customer"]}')
const contract: ToolContract = {
  id: 'shop.get_order',
  version: '1',
  title: 'Get an order',
  description: 'Reads one order.',
  input_schema: {
    type: 'object',
    properties: {
      order_id: { type: 'string', maxLength: 64 },
      with: { type: 'array', items: { type: 'string' } },
    },
    required: ['order_id'],
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
  profile,
  credential_ref: 'shop',
  digest: 'bench',
}

type Decided = { readonly decision: DecisionRecord; readonly args: string }

/** Both sides of the bus in one process, with everything but the bus, the disk and the tool. */
export class GovernedCall {
  readonly #grantKey = generateSigningKey()
  readonly #auditKey = generateSigningKey()
  readonly #resultKey = generateSigningKey()
  readonly #trust = new PublicKeys([
    { kid: 'grant-1', role: 'grant', component: 'gateway', publicKey: this.#grantKey.publicKey },
    { kid: 'audit-1', role: 'audit', component: 'gateway', publicKey: this.#auditKey.publicKey },
    {
      kid: 'result-1',
      role: 'result',
      component: 'exec-connector',
      publicKey: this.#resultKey.publicKey,
    },
  ])
  readonly #tools = new ToolIndex(sha256, new AjvSchemaCompiler())
  readonly #policies: PolicySet
  readonly #keys = {
    grant: this.#trust.keyFor({ role: 'grant', component: 'gateway' }),
    audit: this.#trust.keyFor({ role: 'audit', component: 'gateway' }),
    result: this.#trust.keyFor({ role: 'result', component: 'exec-connector' }),
  }
  #recorded: Uint8Array = new Uint8Array()
  #previous = chainStart(sha256)
  #seq = 0

  constructor() {
    const operator = generateSigningKey()
    const head = { tenant, epoch: 1, operatorKey: { kid: 'operator-1', sign: operator.sign } }
    const sealed = must(
      readSealedBundle(bundleBytes(sealBundleOf([{ text: POLICY }], head)), sha256),
    )
    const opened = openBundle(sealed, { sha256, inflate: inflateText, development: false })
    if (!opened.ok) throw new TypeError('the policy of the benchmark is wrong')
    this.#policies = opened.value
    this.#tools.replace([contract])
  }

  /** One call; a `TypeError` when any check of it does not hold. */
  async run(): Promise<void> {
    const { decision, args } = this.#decide()
    const { action_id } = decision
    this.#record('proposed', action_id, { input_hash: decision.input_hash })
    const event = this.#record('evaluated', action_id, {
      decision_hash: decisionHash(sha256, decision),
    })
    this.#recorded = utf8Encode(canonicalize(auditEventJson(event)))
    const claims = this.#claims(decision)
    const grant = signGrant(claims, 'grant-1', this.#grantKey.sign)
    this.#record('grant_issued', action_id, {
      jti: claims.jti,
      grant_hash: grantHash(sha256, grant),
    })
    const decision_event = { seq: event.seq, event_id: event.event_id }
    const action = {
      v: 1,
      grant,
      arguments: args,
      decision,
      decision_event,
      approvals: [],
    } as const
    await this.#execute(utf8Encode(canonicalize(grantedActionJson(action))), claims, grant)
  }

  #decide(): Decided {
    const value = must(parseJsonObject(ARGUMENTS))
    const args = canonicalize(value)
    const tool = this.#tools.find(contract.id)
    if (tool?.input.check(value) !== undefined) throw new TypeError('arguments')
    const agent = principal.subject
    const layers = this.#policies.layersFor({ workspace: 'main', agent })
    const decided_at = Date.now()
    const decided = decideLayers(layers, {
      tool: contract,
      args: value,
      tenant,
      workspace: 'main',
      agent,
      user: null,
      source: 'nats',
      auth_level: 1,
      roles: null,
      time_ms: decided_at,
      local_times: localTimesOf(zonesOf(layers), decided_at),
    })
    const decision: DecisionRecord = {
      typ: 'trustgw/decision/1',
      action_id: actionId(nodeRandom.bytes(16)),
      tenant,
      workspace: 'main',
      principal,
      on_behalf_of: null,
      tool_id: contract.id,
      contract_hash: contractHash(sha256, contract),
      input_hash: hashText(sha256, args),
      policy_epoch: this.#policies.epoch,
      decided_at,
      ...decided,
    }
    return { decision, args }
  }

  #record(type: AuditEventType, action_id: ActionId, payload: AuditEvent['payload']): AuditEvent {
    this.#seq += 1
    const event = {
      v: 1,
      event_id: auditEventId(nodeRandom.bytes(16)),
      type,
      time: Date.now(),
      tenant,
      writer: 'gateway/one',
      kid: 'audit-1',
      seq: this.#seq,
      prev_hash: this.#previous,
      actor: { kind: 'system', id: 'gateway' },
      action_id,
      trace: null,
      payload,
    } as const
    const sig = base64urlEncode(this.#auditKey.sign(auditSigningInput(event)))
    this.#previous = auditEventHash(sha256, { ...event, sig })
    return { ...event, sig }
  }

  #claims(decision: DecisionRecord): GrantClaims {
    const iat = Math.floor(Date.now() / 1_000)
    return {
      iss: 'trustgw/gateway',
      aud: profile,
      sub: principalText(principal),
      iat,
      nbf: iat,
      exp: iat + 30,
      jti: grantId(nodeRandom.bytes(16)),
      action_id: decision.action_id,
      tenant_id: tenant,
      workspace_id: decision.workspace,
      tool_name: decision.tool_id,
      contract_hash: decision.contract_hash,
      input_hash: decision.input_hash,
      precondition_hash: noPreconditionHash(sha256),
      credential_ref: contract.credential_ref,
      policy_fingerprint: decision.policy_fingerprint,
      policy_epoch: decision.policy_epoch,
      decision_hash: decisionHash(sha256, decision),
      rule_id: decision.rule_id,
      clearance: 'auto_approved',
      approvals: [],
      idempotency_key: idempotencyKey(sha256, tenant, decision.action_id),
    }
  }

  async #execute(message: Uint8Array, claims: GrantClaims, grant: string): Promise<void> {
    const data = this.#recorded
    const cleared = await clearAction(message, {
      profile,
      tenants: [tenant],
      tools: this.#tools,
      credentials: { allows: () => true },
      liveness: { problem: () => undefined, catchUp: () => Promise.resolve() },
      freezes: { isFrozen: () => false, count: () => 0, catchUp: () => Promise.resolve() },
      freezesHeard: () => 0,
      grantKeyFor: this.#keys.grant,
      auditKeyFor: this.#keys.audit,
      hostKeyFor: () => undefined,
      audit: {
        getLast: () => Promise.resolve(undefined),
        getBySeq: (seq) =>
          Promise.resolve({ seq, subject: `audit.v1.${tenant}.gateway.1.evaluated`, data }),
      },
      policies: { current: () => this.#policies, refresh: () => Promise.resolve() },
      floorOf: () => 0,
      approvalOrigin: undefined,
      pins: { current: () => Promise.resolve({ ok: true, value: [] }) },
      sha256,
      clock: systemClock,
    })
    if (!cleared.ok) throw new TypeError(`not admitted: ${cleared.reason}`)
    const { action_id, input_hash, jti } = claims
    this.#record('started', action_id, { jti, grant_hash: grantHash(sha256, grant) })
    const output = { order_id: 'ord_1001', status: 'shipped' }
    const now = Date.now()
    const payload = {
      ...{ v: 1, action_id, tenant_id: tenant, profile, jti, grant_hash: grantHash(sha256, grant) },
      ...{ input_hash, outcome: 'succeeded', reason: null, output },
      ...{ result_hash: hashJson(sha256, output), raw_hash: hashJson(sha256, output) },
      ...{ provider_reference: null, started_at: now, finished_at: now },
    }
    const token = signJws({ typ: RESULT_TYP, kid: 'result-1', payload }, this.#resultKey.sign)
    const expected = { typ: RESULT_TYP, maxBytes: 8_192, keyFor: this.#keys.result }
    must(readShape(executionResultShape, must(verifyJws(utf8Encode(token), expected)).payload))
  }

  /** The signatures of such a call and nothing else: what no way of doing it can leave out. */
  signatures(): void {
    const input = 'x'.repeat(700)
    const { sign } = this.#grantKey
    let signature = sign(input)
    const made = CRITICAL_PATH.gateway_signatures + CRITICAL_PATH.executor_signatures
    for (let turn = 1; turn < made; turn += 1) signature = sign(input)
    const verify = this.#keys.grant('grant-1')
    const checked = CRITICAL_PATH.gateway_verifications + CRITICAL_PATH.executor_verifications
    for (let turn = 0; turn < checked; turn += 1) {
      if (verify?.(input, signature) !== true) throw new TypeError('signature')
    }
  }

  /** A grant such as a gateway signs, and what signs and verifies it. */
  parts(): {
    readonly claims: GrantClaims
    readonly sign: (input: string) => Uint8Array
    readonly keyFor: ReturnType<PublicKeys['keyFor']>
  } {
    const claims = this.#claims(this.#decide().decision)
    return { claims, sign: this.#grantKey.sign, keyFor: this.#keys.grant }
  }
}
