import { randomBytes } from 'node:crypto'
import {
  APPROVAL_DECISION_TYP,
  APPROVAL_STATEMENT_TYP,
  type ApprovalDecision,
  type ApprovalEvidence,
  type ApprovalRequest,
  type ApprovalStatement,
  approvalDecisionAnswerShape,
  approvalDecisionJson,
  approvalRequestShape,
  approvalStatement,
  approvalStatementJson,
  contractHash,
  hashText,
  preconditionHash,
  readShape,
  signJws,
  statementHash,
  storedKey,
  subject,
  utf8Encode,
  verifyJws,
} from '@trustgw/protocol'
import { type NamedKey, sha256, verifierOf } from '@trustgw/runtime'
import { type Approver, headOf } from './attacks-gateway.ts'
import type { RunningSystem } from './system.ts'
import { TakenOver } from './taken-over.ts'

const RECORD_MAX_BYTES = 1_048_576

/** A host in the hands of somebody else: its place on the bus, its signing key, and what it is asked. */
export class TakenOverHost {
  readonly party: TakenOver
  readonly key: NamedKey

  private constructor(party: TakenOver, key: NamedKey) {
    this.party = party
    this.key = key
  }

  static async open(system: RunningSystem): Promise<TakenOverHost> {
    const party = await TakenOver.open(system, 'host')
    return new TakenOverHost(party, await party.key('host'))
  }

  async close(): Promise<void> {
    await this.party.close()
  }

  /** What the gateway asked people about an action; undefined: nothing. */
  async request(id: string): Promise<ApprovalRequest | undefined> {
    const approvals = this.party.link.records({ home: 'data', bucket: 'approvals' })
    const stored = await approvals.get(`${this.party.tenant}.${storedKey(sha256, 'approval', id)}`)
    const verified = verifyJws(stored?.value ?? new Uint8Array(), {
      typ: 'approval-record+jwt',
      maxBytes: RECORD_MAX_BYTES,
      keyFor: () => verifierOf(this.key.publicKey),
    })
    if (!verified.ok) return undefined
    const read = readShape(approvalRequestShape, verified.value.payload['request'] ?? null)
    return read.ok ? read.value : undefined
  }

  /** Its own word that somebody approved, under the key that it has. */
  word(request: ApprovalRequest, person: string): ApprovalEvidence {
    const statement = statementOf(request, person)
    const payload = approvalStatementJson(statement)
    const content = { typ: APPROVAL_STATEMENT_TYP, kid: this.key.kid, payload }
    return { kind: 'host', ...headOf(statement), statement: signJws(content, this.key.sign) }
  }

  /** Brings an approval to the gateway; the answer's status, or the code of its refusal. */
  async approve(request: ApprovalRequest, evidence: ApprovalEvidence): Promise<string> {
    const { approver } = evidence
    return await this.#send({ ...verdictOn(request, approver), verdict: 'approve', evidence })
  }

  async deny(request: ApprovalRequest, person: string): Promise<string> {
    return await this.#send({ ...verdictOn(request, person), verdict: 'deny', evidence: null })
  }

  async #send(decision: ApprovalDecision): Promise<string> {
    const payload = approvalDecisionJson(decision)
    const content = { typ: APPROVAL_DECISION_TYP, kid: this.key.kid, payload }
    const to = subject('approval_decision', { tenant: decision.tenant })
    const token = utf8Encode(signJws(content, this.key.sign))
    const read = readShape(approvalDecisionAnswerShape, await this.party.ask(to, token))
    if (!read.ok) throw new Error('no answer of the gateway')
    return read.value.status === 'refused' ? read.value.code : read.value.status
  }
}

/** The gesture of a person whose page asked for a signature over this request. */
export function gesture(
  { person, authenticator }: Approver,
  request: ApprovalRequest,
): ApprovalEvidence {
  const statement = statementOf(request, person)
  const assertion = authenticator.assert(statementHash(sha256, statement))
  return { kind: 'passkey', ...headOf(statement), assertion }
}

function verdictOn(
  { action_id, tenant, requested_at }: ApprovalRequest,
  approver: string,
): Omit<ApprovalDecision, 'verdict' | 'evidence'> {
  const roles = ['approver', 'admin']
  const decided_at = Math.max(Date.now(), requested_at)
  return {
    v: 1,
    action_id,
    tenant,
    approver,
    roles,
    channel: 'portal',
    reason: 'because',
    decided_at,
  }
}

function statementOf(request: ApprovalRequest, approver: string): ApprovalStatement {
  const computed = {
    contract_hash: contractHash(sha256, request.contract),
    input_hash: hashText(sha256, request.arguments),
    precondition_hash: preconditionHash(sha256, request.precondition),
  }
  const { decide_by, run_by } = request
  const nonce = randomBytes(32).toString('base64url')
  return approvalStatement(request, computed, {
    approver,
    verdict: 'approve',
    nonce,
    decide_by,
    run_by,
  })
}
