import {
  type Approver,
  CLEARANCE_OF_TIER,
  clausesAfter,
  DECISION_FRESH_MS,
  decisionHash,
  EFFECT_OF_TIER,
  evidenceHash,
  GRANT_ISSUER,
  GRANT_TTL_MAX_SECONDS,
  type GrantClaims,
  grantId,
  ID_RANDOM_BYTES,
  idempotencyKey,
  judgeApprovers,
  preconditionHash,
  principalText,
  type Sha256,
  signGrant,
  type ToolContract,
} from '@trustgw/protocol'
import type { Clock, Random } from '@trustgw/runtime'
import type { ActionRecord } from '../action/action-record.ts'
import type { GrantSigner } from './grant-keys.ts'

/** A grant that was signed here, and when it ends (Unix milliseconds). */
export interface SignedGrant {
  readonly token: string
  readonly claims: GrantClaims
  readonly expires_at: number
}

/** An action that may run: only {@link authorize} makes one. */
export interface Authorization {
  readonly record: ActionRecord
  readonly contract: ToolContract
}

export type AuthorizationRefusal =
  | 'not_authorized'
  | 'decision_not_recorded'
  | 'decision_forbids'
  /** Decided too long ago: to be decided again, as of now. */
  | 'decision_stale'
  | 'approval_missing'
  | 'precondition_missing'
  | 'contract_changed'

const minted = new WeakSet<Authorization>()

/**
 * Whether the stored action may have a grant (spec/protocol.md rules of the house): its state is
 * authorized, its decision is of a moment ago and that one's audit event stored, and what its tier
 * demands is there. Signatures of approvers are the executor's to check.
 */
export function authorize(
  record: ActionRecord,
  tool: { readonly contract: ToolContract; readonly contract_hash: string },
  now: number,
):
  | { readonly ok: true; readonly value: Authorization }
  | { readonly ok: false; readonly reason: AuthorizationRefusal } {
  const { state, decision } = record
  const isCleared =
    state.kind === 'authorized' || (state.kind === 'scheduled' && now >= state.not_before)
  if (!isCleared) return { ok: false, reason: 'not_authorized' }
  if (record.decision_event === null) return { ok: false, reason: 'decision_not_recorded' }
  if (decision.effect !== EFFECT_OF_TIER[decision.tier] || decision.tier === 3) {
    return { ok: false, reason: 'decision_forbids' }
  }
  if (tool.contract_hash !== decision.contract_hash)
    return { ok: false, reason: 'contract_changed' }
  if (!(Math.abs(now - decision.decided_at) <= DECISION_FRESH_MS))
    return { ok: false, reason: 'decision_stale' }
  if ((tool.contract.precondition !== null) !== (record.precondition !== null))
    return { ok: false, reason: 'precondition_missing' }
  if (decision.tier !== 0 && !isApproved(record, state.evidence))
    return { ok: false, reason: 'approval_missing' }
  const authorization = Object.freeze({ record, contract: tool.contract })
  minted.add(authorization)
  return { ok: true, value: authorization }
}

/** Whether what was counted is what the decision asks, and its evidence is there. */
function isApproved({ decision, evidence }: ActionRecord, counted: readonly Approver[]): boolean {
  const people = new Set(evidence.map(({ approver }) => approver))
  const given = counted.filter(({ approver }) => people.has(approver))
  // Each was counted when their turn had come.
  const clauses = clausesAfter(decision.obligations.approvers, Number.POSITIVE_INFINITY)
  return judgeApprovers(clauses, given) === 'met'
}

export interface GrantIssuerDeps {
  /** What signs now; undefined while no own key is believed. */
  readonly key: () => GrantSigner | undefined
  readonly sha256: Sha256
  readonly clock: Clock
  readonly random: Random
}

/** Mints single-use grants of 30 seconds at most (spec/protocol.md §4). */
export class GrantIssuer {
  readonly #deps: GrantIssuerDeps

  constructor(deps: GrantIssuerDeps) {
    this.#deps = deps
  }

  /** Undefined while no key is there to sign it. */
  issue(authorization: Authorization): SignedGrant | undefined {
    if (!minted.has(authorization)) throw new TypeError('an authorization that was not made here')
    const { sha256, clock, random } = this.#deps
    const signer = this.#deps.key()
    if (signer === undefined) return undefined
    const { record, contract } = authorization
    const { proposal, decision } = record
    const iat = Math.floor(clock.now() / 1000)
    const seconds = Math.floor(decision.obligations.grant_ttl_ms / 1000)
    const exp = iat + Math.min(Math.max(seconds, 1), GRANT_TTL_MAX_SECONDS)
    const claims: GrantClaims = {
      iss: GRANT_ISSUER,
      aud: contract.profile,
      sub: principalText(proposal.principal),
      iat,
      nbf: iat,
      exp,
      jti: grantId(random.bytes(ID_RANDOM_BYTES)),
      action_id: proposal.action_id,
      tenant_id: proposal.tenant,
      workspace_id: proposal.workspace,
      tool_name: contract.id,
      contract_hash: decision.contract_hash,
      input_hash: proposal.input_hash,
      precondition_hash: preconditionHash(sha256, record.precondition),
      credential_ref: contract.credential_ref,
      policy_fingerprint: decision.policy_fingerprint,
      policy_epoch: decision.policy_epoch,
      decision_hash: decisionHash(sha256, decision),
      rule_id: decision.rule_id,
      clearance: CLEARANCE_OF_TIER[decision.tier],
      approvals: record.evidence.map((evidence) => evidenceHash(sha256, evidence)),
      idempotency_key: idempotencyKey(sha256, proposal.tenant, proposal.action_id),
    }
    const token = signGrant(claims, signer.kid, signer.sign)
    return { token, claims, expires_at: exp * 1000 }
  }
}
