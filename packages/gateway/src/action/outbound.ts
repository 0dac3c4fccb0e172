import {
  type ApprovalRequest,
  type ApprovalRequestAnswer,
  actionEventShape,
  approvalRequestAnswerShape,
  approvalRequestJson,
  canonicalize,
  GRANTED_ACTION_MAX_BYTES,
  grantedActionJson,
  type InvokeAnswer,
  invokeAnswerShape,
  type JsonObject,
  parseJson,
  preconditionHash,
  readShape,
  type Sha256,
  subject,
  type ToolContract,
  type ActionEvent as UiEvent,
  utf8Encode,
} from '@trustgw/protocol'
import { type Bus, BusFault, type Clock, type Logger, type StoredPublisher } from '@trustgw/runtime'
import { accountOf } from '../approvals/account.ts'
import type { ToolDirectory } from '../registry/tool-directory.ts'
import type { ActionRecord } from './action-record.ts'
import type { StoredAction } from './action-store.ts'
import { RESULT_WITHIN_MS } from './executor-queries.ts'
import { actionEvent } from './view.ts'

const INVOKE_TIMEOUT_MS = 5_000
const REQUEST_TIMEOUT_MS = 3_000
const REQUEST_RETRY_MS = 1_000

/** What the executor said to a grant; `later`: nothing was claimed, the same grant may be sent again. */
export type InvokeOutcome =
  | { readonly kind: 'claimed'; readonly result_by: number }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'later'; readonly reason?: string }

const TOO_LARGE: InvokeOutcome = { kind: 'refused', reason: 'granted_action_too_large' }

export interface OutboundDeps {
  readonly bus: Bus
  readonly ui: StoredPublisher
  readonly tools: ToolDirectory
  readonly sha256: Sha256
  readonly clock: Clock
  readonly log: Logger
}

/** What the gateway sends: grants to executors, requests to the host, news to portals. */
export class Outbound {
  readonly #deps: OutboundDeps

  constructor(deps: OutboundDeps) {
    this.#deps = deps
  }

  async invoke(record: ActionRecord): Promise<InvokeOutcome> {
    const { proposal, decision, decision_event, grant, evidence } = record
    const tool = this.#deps.tools.find(proposal.tenant, proposal.tool_id)
    if (tool === undefined || grant === null || decision_event === null) return { kind: 'later' }
    const action = grantedActionJson({
      v: 1,
      grant,
      arguments: proposal.arguments,
      decision,
      decision_event,
      approvals: evidence,
    })
    const data = utf8Encode(canonicalize(action))
    if (data.length > GRANTED_ACTION_MAX_BYTES) return TOO_LARGE
    const to = subject('exec_invoke', { tenant: proposal.tenant, profile: tool.contract.profile })
    try {
      const answer = await this.#deps.bus.request(to, data, { timeoutMs: INVOKE_TIMEOUT_MS })
      return this.#outcome(readAnswer(answer), proposal.action_id)
    } catch (error) {
      if (!(error instanceof BusFault)) throw error
      this.#deps.log.warn('invoke_failed', { action: proposal.action_id, code: error.code })
      // Sent again it would be as large.
      if (error.code === 'bus_too_large') return TOO_LARGE
      return { kind: 'later' }
    }
  }

  #outcome(answer: InvokeAnswer | undefined, action: string): InvokeOutcome {
    if (answer?.status === 'claimed')
      return { kind: 'claimed', result_by: this.#deps.clock.now() + RESULT_WITHIN_MS }
    if (answer === undefined) return { kind: 'later' }
    if (answer.retryable) return { kind: 'later', reason: answer.reason }
    this.#deps.log.warn('executor_refused', { action, reason: answer.reason })
    return { kind: 'refused', reason: answer.reason }
  }

  /** Asks the host until it has stored the request or `wanted` says no. Never awaited by the action. */
  requestApproval(
    record: ActionRecord,
    of: { readonly contract: ToolContract; readonly before: readonly ActionRecord[] },
    wanted: () => boolean,
  ): void {
    const request = approvalRequest(record, of, this.#deps.sha256)
    if (request === undefined) return
    const to = subject('approval_request', { tenant: request.tenant })
    const data = utf8Encode(canonicalize(approvalRequestJson(request)))
    this.#ask(to, data, wanted).catch((error: unknown) =>
      this.#deps.log.error('approval_request_failed', {
        action: request.action_id,
        error: String(error),
      }),
    )
  }

  async #ask(to: string, data: Uint8Array, wanted: () => boolean): Promise<void> {
    while (wanted()) {
      try {
        const answer = await this.#deps.bus.request(to, data, { timeoutMs: REQUEST_TIMEOUT_MS })
        const read = readRequestAnswer(answer)
        if (read?.status === 'stored') return
        if (read?.status === 'refused') {
          this.#deps.log.error('approval_request_refused', { code: read.code })
          return
        }
      } catch (error) {
        if (!(error instanceof BusFault) || error.code === 'bus_too_large') throw error
      }
      await this.#deps.clock.sleep(REQUEST_RETRY_MS)
    }
  }

  /** Publishes the news of a change; resolves when it is stored, or given up. */
  async tell(stored: StoredAction): Promise<void> {
    const event = actionEvent(stored, this.#deps.clock.now())
    try {
      await this.#deps.ui.publishStored(
        subject('ui_events', { tenant: event.tenant }),
        utf8Encode(canonicalize(uiJson(event))),
        {
          msgId: `${event.action_id}.${event.revision}`,
        },
      )
    } catch (error) {
      this.#deps.log.warn('ui_event_failed', { action: event.action_id, error: String(error) })
    }
  }
}

function uiJson(event: UiEvent): JsonObject {
  const read = readShape(actionEventShape, { ...event })
  if (!read.ok) throw new TypeError(`an action event that does not read back: ${read.detail ?? ''}`)
  return { ...read.value }
}

function readAnswer(data: Uint8Array): InvokeAnswer | undefined {
  const json = parseJson(data)
  const read = json.ok ? readShape(invokeAnswerShape, json.value) : json
  return read.ok ? read.value : undefined
}

function readRequestAnswer(data: Uint8Array): ApprovalRequestAnswer | undefined {
  const json = parseJson(data)
  const read = json.ok ? readShape(approvalRequestAnswerShape, json.value) : json
  return read.ok ? read.value : undefined
}

function approvalRequest(
  record: ActionRecord,
  of: { readonly contract: ToolContract; readonly before: readonly ActionRecord[] },
  sha256: Sha256,
): ApprovalRequest | undefined {
  const { proposal, decision, state } = record
  if (state.kind !== 'pending_approval' && state.kind !== 'scheduled') return undefined
  return {
    v: 1,
    action_id: proposal.action_id,
    tenant: proposal.tenant,
    source: proposal.source,
    contract: of.contract,
    arguments: proposal.arguments,
    precondition: record.precondition,
    precondition_hash: preconditionHash(sha256, record.precondition),
    decision,
    requested_at: decision.decided_at,
    decide_by: state.kind === 'scheduled' ? state.not_before : state.decide_by,
    run_by: state.run_by,
    ...accountOf(record, of.before),
  }
}
