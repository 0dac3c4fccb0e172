import {
  APPROVAL_STATEMENT_MAX_BYTES,
  APPROVAL_STATEMENT_TYP,
  type ApprovalEvidence,
  type ApprovalStatement,
  type Approver,
  type ApproversClause,
  approvalStatementJson,
  base64urlDecode,
  canonicalize,
  clausesAfter,
  evidenceHash,
  type Hash,
  type JwsVerifier,
  judgeApprovers,
  type Sha256,
  type TenantId,
  type Tier,
  type Verdict,
  verifyJws,
} from '@trustgw/protocol'
import type { Pin } from '../pins/pin.ts'
import type { PinSource } from '../pins/pin-registry.ts'
import type { BoundActionValue } from './bind-action.ts'
import { openRecordedAction, type RecordedAction } from './check-decision-event.ts'
import { CoseKey } from './cose-key.ts'
import { type Admission, type AdmissionReason, type Refused, refused } from './reasons.ts'
import { makeStage, type StageToken } from './stage.ts'
import { challengeOf, checkAssertion, decodeAssertion } from './webauthn.ts'

/** Everything but single use holds. */
export type ClearedAction = StageToken<'cleared_action'>

export interface ApprovalDeps {
  /** The lowest tier for a tool, whatever the gateway says. */
  readonly floorOf: (tool: string) => Tier
  readonly pins: PinSource
  /** The one origin on which approvals are signed; undefined: any that the passkey was pinned for. */
  readonly approvalOrigin: string | undefined
  /** The host's keys of role `host`. */
  readonly hostKeyFor: (kid: string) => JwsVerifier | undefined
  readonly sha256: Sha256
}

/** How long after the deadline for deciding an approved action may still run, at most. */
export const RUN_AFTER_DECIDE_MAX_MS = 86_400_000

const stage = makeStage<'cleared_action', BoundActionValue>('cleared_action')
export const openClearedAction: (token: ClearedAction) => BoundActionValue = stage.open

/**
 * This executor's own floor, and step 4 of spec/protocol.md §4. NOT checked yet: proofs of tier 3
 * (refused before). At tier 1 the approver and their roles are the host's word.
 */
export async function checkApprovals(
  recorded: RecordedAction,
  deps: ApprovalDeps,
  nowMs: number,
): Promise<Admission<ClearedAction>> {
  const value = openRecordedAction(recorded)
  const { decision, approvals } = value.action
  if (decision.tier < deps.floorOf(value.claims.tool_name)) return refused('below_floor')
  const hashes = approvals.map((evidence) => evidenceHash(deps.sha256, evidence))
  if (!sameList(hashes, value.claims.approvals)) return refused('approvals_differ')
  const problem =
    decision.tier === 0
      ? approvals.length === 0
        ? undefined
        : refused('evidence_unexpected')
      : (checkPeople(value, nowMs) ?? (await checkSignatures(value, deps, nowMs)))
  return problem ?? { ok: true, value: stage.mint(value) }
}

function sameList(a: readonly Hash[], b: readonly Hash[]): boolean {
  return a.length === b.length && a.every((hash, index) => hash === b[index])
}

/** What can be said of the evidence without looking at a signature. */
function checkPeople(value: BoundActionValue, nowMs: number): Refused | undefined {
  const { decision, approvals } = value.action
  const wanted = decision.tier === 1 ? 'host' : 'passkey'
  const people = new Set<string>()
  for (const evidence of approvals) {
    if (evidence.kind !== wanted) return refused('evidence_wrong_kind')
    if (people.has(evidence.approver)) return refused('approver_twice')
    people.add(evidence.approver)
    const { approver } = evidence
    if (approver === decision.on_behalf_of || approver === decision.principal.subject) {
      return refused('approver_is_initiator')
    }
    const timing = timeProblem(evidence, value, nowMs)
    if (timing !== undefined) return refused(timing)
  }
  // Roles are looked at where the pins are: here everybody counts everywhere.
  const approvers = decision.obligations.approvers.map(({ quorum }) => ({ roles: [], quorum }))
  return clausesProblem(
    approvers,
    approvals.map(({ approver }) => ({ approver, roles: [] })),
  )
}

const CLAUSE_PROBLEMS = {
  met: undefined,
  not_met: refused('quorum_not_met'),
  lacks_role: refused('approver_lacks_role'),
  superfluous: refused('evidence_unexpected', 'more people than are asked'),
} as const

function clausesProblem(
  clauses: readonly ApproversClause[],
  given: readonly Approver[],
): Refused | undefined {
  return CLAUSE_PROBLEMS[judgeApprovers(clauses, given)]
}

/**
 * When the person decided cannot be proved here; that the deadlines are the decision's can. They
 * count from the decision that the grant names: the one made anew when the last approval came.
 */
function timeProblem(
  evidence: ApprovalEvidence,
  value: BoundActionValue,
  nowMs: number,
): AdmissionReason | undefined {
  const { decided_at, obligations } = value.action.decision
  const { decide_by, run_by } = evidence
  const extended =
    decide_by > decided_at + obligations.approval_ttl_ms ||
    run_by < decide_by ||
    run_by > decide_by + (obligations.undo_ms ?? 0) + RUN_AFTER_DECIDE_MAX_MS
  if (extended) return 'deadline_extended'
  return run_by < nowMs ? 'run_by_passed' : undefined
}

async function checkSignatures(
  value: BoundActionValue,
  deps: ApprovalDeps,
  nowMs: number,
): Promise<Refused | undefined> {
  const { decision, approvals } = value.action
  if (decision.tier === 1) {
    for (const evidence of approvals) {
      const problem = checkHostStatement(evidence, value, deps)
      if (problem !== undefined) return refused(problem)
    }
    return undefined
  }
  const pins = await deps.pins.current()
  if (!pins.ok) return refused('pins_unreadable', pins.reason)
  const pinned: { readonly evidence: PasskeyEvidence; readonly pin: Pin }[] = []
  for (const evidence of approvals) {
    if (evidence.kind !== 'passkey') return refused('evidence_wrong_kind')
    const pin = pinOf(evidence, value.claims.tenant_id, pins.value)
    if (pin === undefined) return refused('credential_not_pinned')
    pinned.push({ evidence, pin })
  }
  const given = pinned.map(({ pin }) => ({ approver: pin.person, roles: pin.roles }))
  const unmet = clausesProblem(clausesNow(value, nowMs), given)
  if (unmet !== undefined) return unmet
  for (const { evidence, pin } of pinned) {
    const problem = checkPasskey(evidence, value, { pin, deps })
    if (problem !== undefined) return refused(problem)
  }
  return undefined
}

/** When people were asked is the gateway's word; whom an escalation names is the decision's. */
function clausesNow({ action }: BoundActionValue, nowMs: number): readonly ApproversClause[] {
  const { approvers, approval_ttl_ms } = action.decision.obligations
  const askedAt = Math.max(...action.approvals.map(({ decide_by }) => decide_by - approval_ttl_ms))
  return clausesAfter(approvers, nowMs - askedAt)
}

type PasskeyEvidence = ApprovalEvidence & { readonly kind: 'passkey' }

function pinOf(
  { approver, assertion }: PasskeyEvidence,
  tenant: TenantId,
  pins: readonly Pin[],
): Pin | undefined {
  return pins.find(
    (pin) =>
      pin.tenant === tenant &&
      pin.person === approver &&
      pin.credential_id === assertion.credential_id,
  )
}

function checkHostStatement(
  evidence: ApprovalEvidence,
  value: BoundActionValue,
  deps: ApprovalDeps,
): AdmissionReason | undefined {
  if (evidence.kind !== 'host') return 'evidence_wrong_kind'
  const verified = verifyJws(evidence.statement, {
    typ: APPROVAL_STATEMENT_TYP,
    maxBytes: APPROVAL_STATEMENT_MAX_BYTES,
    keyFor: deps.hostKeyFor,
  })
  if (!verified.ok) return 'host_statement_signature'
  const said = canonicalize(verified.value.payload)
  const text = (verdict: Verdict): string =>
    canonicalize(approvalStatementJson(ownStatement(value, evidence, verdict)))
  if (said === text('approve')) return undefined
  return said === text('deny') ? 'host_statement_is_a_deny' : 'host_statement_other_action'
}

function checkPasskey(
  evidence: PasskeyEvidence,
  value: BoundActionValue,
  { pin, deps }: { readonly pin: Pin; readonly deps: ApprovalDeps },
): AdmissionReason | undefined {
  const { approvalOrigin, sha256 } = deps
  const key = CoseKey.parse(base64urlDecode(pin.public_key) ?? new Uint8Array())
  if (key === undefined) return 'pins_unreadable'
  const decoded = decodeAssertion(evidence.assertion)
  if (decoded === undefined) return 'assertion_malformed'
  const challenge = (verdict: Verdict): Uint8Array =>
    challengeOf(sha256, ownStatement(value, evidence, verdict))
  return checkAssertion(decoded, {
    key,
    rp_id: pin.rp_id,
    origins: pin.origins.filter((one) => approvalOrigin === undefined || one === approvalOrigin),
    challenge: challenge('approve'),
    deny_challenge: challenge('deny'),
  })
}

/** From grant, own registry and decision; the evidence gives only who, nonce and deadlines. */
function ownStatement(
  value: BoundActionValue,
  evidence: ApprovalEvidence,
  verdict: Verdict,
): ApprovalStatement {
  const { claims, tool, action } = value
  return {
    typ: 'trustgw/approval/1',
    action_id: claims.action_id,
    tenant: claims.tenant_id,
    workspace: claims.workspace_id,
    principal: action.decision.principal,
    on_behalf_of: action.decision.on_behalf_of,
    credential_ref: tool.contract.credential_ref,
    tool_id: tool.contract.id,
    contract_hash: tool.contract_hash,
    input_hash: claims.input_hash,
    precondition_hash: claims.precondition_hash,
    rule_id: claims.rule_id,
    policy_fingerprint: claims.policy_fingerprint,
    tier: action.decision.tier,
    verdict,
    approver: evidence.approver,
    decide_by: evidence.decide_by,
    run_by: evidence.run_by,
    nonce: evidence.nonce,
  }
}
