import {
  type ActionId,
  APPROVAL_DECISION_TYP,
  APPROVAL_STATEMENT_TYP,
  type ApprovalDecision,
  type ApprovalDecisionAnswer,
  type ApprovalEvidence,
  type ApprovalRequest,
  type ApprovalStatement,
  approvalDecisionAnswerShape,
  approvalDecisionJson,
  approvalRequestShape,
  approvalStatement,
  approvalStatementJson,
  base64urlEncode,
  canonicalize,
  contractHash,
  hashText,
  type JsonObject,
  OUTCOME_DECISION_TYP,
  type OutcomeDecision,
  outcomeDecisionJson,
  parseJson,
  preconditionHash,
  readShape,
  signJws,
  statementHash,
  subject,
  subjectPattern,
  type TenantId,
  utf8Encode,
} from '@trustgw/protocol'
import { BusFault, type BusLink, type BusSubscription, nodeRandom, sha256 } from '@trustgw/runtime'
import { SoftwareAuthenticator } from '@trustgw/testkit/software-authenticator'
import { type KeyName, must, type TestKeys } from './keys.ts'

export interface VerdictTwist {
  readonly person?: string
  readonly roles?: readonly string[]
  readonly channel?: ApprovalDecision['channel']
  /** Changes the statement that is signed. */
  readonly statement?: Partial<ApprovalStatement>
  /** Changes the evidence after it was made. */
  readonly evidence?: Partial<ApprovalEvidence>
  readonly kind?: 'host' | 'passkey'
  readonly statementKey?: KeyName
  readonly nonce?: string
}

export interface SendOptions {
  readonly key?: KeyName
  readonly tenant?: TenantId
  readonly timeoutMs?: number
}

/** A double of the host: the real messages with real keys, and people who do what they are told. */
export class HostDouble {
  readonly requests: ApprovalRequest[] = []
  /** What the host says to a request: stored unless told otherwise. */
  refuse: string | undefined
  readonly #link: BusLink
  readonly #keys: TestKeys
  readonly #passkey = new SoftwareAuthenticator({
    algorithm: 'ES256',
    rpId: 'localhost',
    origin: 'http://localhost:8080',
  })
  #subscription: BusSubscription | undefined

  constructor(link: BusLink, keys: TestKeys) {
    this.#link = link
    this.#keys = keys
  }

  start(tenant: TenantId): void {
    this.#subscription = this.#link.bus.respond(
      subjectPattern('approval_request', { tenant }),
      { queue: 'host' },
      ({ data }) => {
        const request = must(
          readShape(approvalRequestShape, must(parseJson(data, { maxBytes: 600_000 }))),
        )
        this.requests.push(request)
        const answer =
          this.refuse === undefined
            ? { status: 'stored', action_id: request.action_id }
            : { status: 'refused', code: this.refuse }
        return Promise.resolve(utf8Encode(canonicalize(answer)))
      },
    )
  }

  async stop(): Promise<void> {
    await this.#subscription?.stop()
  }

  request(id: ActionId): ApprovalRequest {
    const found = this.requests.findLast((request) => request.action_id === id)
    if (found === undefined) throw new TypeError('nobody was asked')
    return found
  }

  /** An approval as a good host makes it, but for the twist. */
  approval(request: ApprovalRequest, twist: VerdictTwist = {}): ApprovalDecision {
    const computed = {
      contract_hash: contractHash(sha256, request.contract),
      input_hash: hashText(sha256, request.arguments),
      precondition_hash: preconditionHash(sha256, request.precondition),
    }
    const approver = twist.person ?? 'ann'
    const nonce = twist.nonce ?? base64urlEncode(nodeRandom.bytes(16))
    const { decide_by, run_by } = request
    const statement = {
      ...approvalStatement(request, computed, {
        approver,
        verdict: 'approve',
        nonce,
        decide_by,
        run_by,
      }),
      ...twist.statement,
    }
    const common = { approver, nonce, decide_by, run_by }
    const kind = twist.kind ?? (request.decision.tier === 1 ? 'host' : 'passkey')
    const evidence = this.#evidence(kind, common, { statement, by: twist.statementKey ?? 'host' })
    return {
      v: 1,
      action_id: request.action_id,
      tenant: request.tenant,
      verdict: 'approve',
      approver,
      roles: twist.roles ?? ['approver', 'finance'],
      channel: twist.channel ?? 'portal',
      reason: '',
      decided_at: request.requested_at + 1,
      evidence: { ...evidence, ...twist.evidence } as ApprovalEvidence,
    }
  }

  denial(request: ApprovalRequest, person = 'ann', reason = 'not today'): ApprovalDecision {
    return {
      v: 1,
      action_id: request.action_id,
      tenant: request.tenant,
      verdict: 'deny',
      approver: person,
      roles: ['approver'],
      channel: 'portal',
      reason,
      decided_at: request.requested_at + 1,
      evidence: null,
    }
  }

  async send(
    decision: ApprovalDecision,
    options: SendOptions = {},
  ): Promise<ApprovalDecisionAnswer> {
    const to = subject('approval_decision', { tenant: options.tenant ?? decision.tenant })
    const content = { typ: APPROVAL_DECISION_TYP, payload: approvalDecisionJson(decision) }
    return await this.#deliver(to, content, options)
  }

  /** What a person found out, as the host sends it. */
  async settle(
    decision: OutcomeDecision,
    options: SendOptions & { readonly typ?: string } = {},
  ): Promise<ApprovalDecisionAnswer> {
    const to = subject('approval_outcome', { tenant: options.tenant ?? decision.tenant })
    const typ = options.typ ?? OUTCOME_DECISION_TYP
    return await this.#deliver(to, { typ, payload: outcomeDecisionJson(decision) }, options)
  }

  async #deliver(
    to: string,
    content: { readonly typ: string; readonly payload: JsonObject },
    options: SendOptions,
  ): Promise<ApprovalDecisionAnswer> {
    const kid = options.key ?? 'host'
    const token = signJws({ ...content, kid }, this.#keys.of[kid].sign)
    const answer = await this.#asked(to, utf8Encode(token), options.timeoutMs ?? 8_000)
    return must(readShape(approvalDecisionAnswerShape, must(parseJson(answer))))
  }

  /** As a real host: a gateway that has just started may not be heard of at once. */
  async #asked(to: string, token: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const giveUpAt = performance.now() + timeoutMs
    for (;;) {
      try {
        return await this.#link.bus.request(to, token, { timeoutMs })
      } catch (error) {
        const isNobody = error instanceof BusFault && error.code === 'bus_no_responders'
        if (!isNobody || performance.now() > giveUpAt) throw error
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }

  #evidence(
    kind: 'host' | 'passkey',
    common: Pick<ApprovalEvidence, 'approver' | 'nonce' | 'decide_by' | 'run_by'>,
    signed: { readonly statement: ApprovalStatement; readonly by: KeyName },
  ): ApprovalEvidence {
    const { statement, by } = signed
    if (kind === 'passkey') {
      const assertion = this.#passkey.assert(statementHash(sha256, statement))
      return { ...common, kind, assertion }
    }
    const payload = approvalStatementJson(statement)
    const content = { typ: APPROVAL_STATEMENT_TYP, kid: by, payload }
    return { ...common, kind, statement: signJws(content, this.#keys.of[by].sign) }
  }
}
