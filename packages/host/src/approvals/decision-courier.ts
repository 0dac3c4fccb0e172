import {
  type ActionId,
  APPROVAL_DECISION_TYP,
  type ApprovalDecision,
  type ApprovalDecisionAnswer,
  approvalDecisionAnswerShape,
  approvalDecisionJson,
  evidenceHash,
  ok,
  parseJsonObject,
  readShape,
  signJws,
  subject,
  type TenantId,
  utf8Encode,
} from '@trustgw/protocol'
import { sha256, stopController } from '@trustgw/runtime'
import type { HostDeps, HostKey } from '../deps.ts'
import {
  type ApprovalRecord,
  type DecisionName,
  type Delivery,
  isNamed,
  nameOf,
  withDelivery,
} from './approval-record.ts'
import type { ApprovalStore } from './approval-store.ts'

/** How long one try waits for the gateway. */
export const DELIVERY_TRY_MS = 5_000
export const DELIVERY_PAUSE_FIRST_MS = 200
export const DELIVERY_PAUSE_MAX_MS = 5_000
const ANSWER_MAX_BYTES = 4_096

export interface CourierDeps {
  readonly tenant: TenantId
  readonly store: ApprovalStore
  readonly bus: HostDeps['bus']
  readonly audit: HostDeps['audit']
  readonly clock: HostDeps['clock']
  readonly log: HostDeps['log']
  readonly hostKey: HostKey
}

/** What became of a decision; `undefined` while it is not known. */
export interface Delivered {
  readonly delivery: Exclude<Delivery, 'waiting'>
  readonly answer: string | null
}

/**
 * Brings stored decisions to the gateway: first the audit event is acknowledged as stored, then the
 * decision is sent until the gateway answered or the action's time is over. A decision is signed
 * when it is sent, from what is stored, so a crash in between loses nothing; at worst the record
 * of the decision is written twice.
 */
export class DecisionCourier {
  readonly #deps: CourierDeps
  readonly #running = new Map<string, Promise<Delivered | undefined>>()
  readonly #stop: AbortController = stopController()

  constructor(deps: CourierDeps) {
    this.#deps = deps
  }

  /** Takes up everything that a former run of the host left waiting. */
  resume(): void {
    for (const record of this.#deps.store.open()) {
      for (const { decision, delivery } of record.decisions) {
        if (delivery === 'waiting') void this.deliver(record.request.action_id, decision)
      }
    }
  }

  /** Delivers one stored decision; resolves when it is settled or the host shuts down. */
  deliver(actionId: ActionId, decision: ApprovalDecision): Promise<Delivered | undefined> {
    const name = nameOf(decision)
    const id = [actionId, name.approver, name.verdict, name.decidedAt].join(' ')
    const running = this.#running.get(id)
    if (running !== undefined) return running
    const started = this.#run(actionId, name).finally(() => this.#running.delete(id))
    this.#running.set(id, started)
    return started
  }

  /** Stops sending; what is not settled stays stored. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.allSettled(this.#running.values())
  }

  async #run(actionId: ActionId, name: DecisionName): Promise<Delivered | undefined> {
    let recorded = false
    let pause = DELIVERY_PAUSE_FIRST_MS
    while (!this.#stop.signal.aborted) {
      try {
        const record = await this.#deps.store.find(actionId)
        const given = record?.decisions.find((one) => isNamed(one, name))
        if (record === undefined || given === undefined) return undefined
        if (!recorded) await this.#record(record, given.decision)
        recorded = true
        return await this.#settle(actionId, name, await this.#send(record, given.decision))
      } catch (error) {
        this.#deps.log.warn('decision_not_delivered', { action: actionId, code: codeOf(error) })
      }
      await this.#pause(pause)
      pause = Math.min(pause * 2, DELIVERY_PAUSE_MAX_MS)
    }
    return undefined
  }

  async #record(record: ApprovalRecord, decision: ApprovalDecision): Promise<void> {
    const { evidence, verdict, approver } = decision
    await this.#deps.audit.append(verdict === 'approve' ? 'approval_given' : 'denial_given', {
      actor: { kind: 'human', id: approver },
      action_id: record.request.action_id,
      payload: {
        tier: record.request.decision.tier,
        decided_at: decision.decided_at,
        ...(evidence === null ? {} : { evidence_hash: evidenceHash(sha256, evidence) }),
      },
    })
  }

  async #send(record: ApprovalRecord, decision: ApprovalDecision): Promise<Delivered> {
    const { bus, clock, hostKey, tenant } = this.#deps
    if (clock.now() >= record.request.run_by) return { delivery: 'abandoned', answer: null }
    const payload = approvalDecisionJson(decision)
    const token = signJws({ typ: APPROVAL_DECISION_TYP, kid: hostKey.kid, payload }, hostKey.sign)
    const answer = readAnswer(
      await bus.request(subject('approval_decision', { tenant }), utf8Encode(token), {
        timeoutMs: DELIVERY_TRY_MS,
      }),
    )
    return answer.status === 'accepted'
      ? { delivery: 'accepted', answer: answer.state }
      : { delivery: 'refused', answer: answer.code }
  }

  async #settle(actionId: ActionId, name: DecisionName, end: Delivered): Promise<Delivered> {
    await this.#deps.store.change(actionId, (record) => ok(withDelivery(record, name, end)))
    return end
  }

  async #pause(ms: number): Promise<void> {
    try {
      await this.#deps.clock.sleep(ms, this.#stop.signal)
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error
    }
  }
}

class AnswerFault extends Error {
  readonly code = 'answer_malformed'
}

function readAnswer(data: Uint8Array): ApprovalDecisionAnswer {
  const parsed = parseJsonObject(data, { maxBytes: ANSWER_MAX_BYTES })
  if (!parsed.ok) throw new AnswerFault(parsed.reason)
  const read = readShape(approvalDecisionAnswerShape, parsed.value)
  if (!read.ok) throw new AnswerFault(read.detail ?? read.reason)
  return read.value
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : 'fault'
}
