import type { ActionEvent, ActionState } from '@trustgw/core'
import {
  type ActionId,
  type CancelAnswer,
  cancelAnswerShape,
  canonicalize,
  parseJson,
  type ReconcileAnswer,
  readShape,
  reconcileAnswerShape,
  type Shape,
  subject,
  utf8Encode,
} from '@trustgw/protocol'
import { type Bus, BusFault, type Clock, type Logger } from '@trustgw/runtime'
import type { ActionRecord } from './action-record.ts'
import type { StoredAction } from './action-store.ts'

/** Longer than any tool may run: after it nobody waits for a result any more. */
export const RESULT_WITHIN_MS = 960_000
const CANCEL_TIMEOUT_MS = 5_000
const CANCEL_RETRY_MS = 400
/** An executor asks the provider several times before it answers. */
const RECONCILE_TIMEOUT_MS = 30_000
const RECONCILE_PAUSE_MIN_MS = 1_000
const RECONCILE_PAUSE_MAX_MS = 30_000
/** For so long executors are asked what became of an action before people are. */
export const RECONCILE_WITHIN_MS = 900_000

export interface ExecutorQueriesDeps {
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Logger
  /** The state as this process last saw it. */
  readonly state: (id: ActionId) => ActionState | undefined
  readonly stopping: AbortSignal
}

/**
 * What the gateway asks executors about an action that was sent: to cancel it if nobody claimed it, and
 * what became of it if nobody saw its end. Any executor of the profile answers.
 */
export class ExecutorQueries {
  readonly #deps: ExecutorQueriesDeps

  constructor(deps: ExecutorQueriesDeps) {
    this.#deps = deps
  }

  /** Until it is known who claimed the action, or its grant has ended; then nobody can any more. */
  async cancel({ record }: StoredAction): Promise<ActionEvent | undefined> {
    const { clock } = this.#deps
    const { state } = record
    if (state.kind !== 'dispatched') return undefined
    while (clock.now() < state.grant_exp && this.#isStill(record)) {
      const answer = await this.#ask<CancelAnswer>(
        { kind: 'exec_cancel', shape: cancelAnswerShape, timeoutMs: CANCEL_TIMEOUT_MS },
        record,
      )
      if (answer?.status === 'cancelled') return { kind: 'claim_cancelled' }
      if (answer?.status === 'claimed') {
        const result_by = clock.now() + RESULT_WITHIN_MS
        return { kind: 'executor_claimed', jti: state.jti, result_by }
      }
      await this.#pause(CANCEL_RETRY_MS)
    }
    return undefined
  }

  /** Until an executor has told the end, or says that it cannot; then people are asked. */
  async reconcile({ record }: StoredAction): Promise<ActionEvent | undefined> {
    const { clock } = this.#deps
    const { state } = record
    if (state.kind !== 'unknown_outcome') return undefined
    let pause = RECONCILE_PAUSE_MIN_MS
    let reason = 'no_executor_answered'
    while (this.#isStill(record)) {
      const answer = await this.#ask<ReconcileAnswer>(
        { kind: 'exec_reconcile', shape: reconcileAnswerShape, timeoutMs: RECONCILE_TIMEOUT_MS },
        record,
      )
      if (answer !== undefined && answer.status !== 'told') reason = answer.reason
      const isOver = clock.now() - state.since >= RECONCILE_WITHIN_MS
      if (answer?.status === 'unclear' || isOver) return { kind: 'reconciled_unclear', reason }
      await this.#pause(pause)
      pause = Math.min(pause * 2, RECONCILE_PAUSE_MAX_MS)
    }
    return undefined
  }

  async #ask<T>(
    query: {
      readonly kind: 'exec_cancel' | 'exec_reconcile'
      readonly shape: Shape<T>
      readonly timeoutMs: number
    },
    { proposal, granted_to }: ActionRecord,
  ): Promise<T | undefined> {
    const { bus, log } = this.#deps
    const { tenant, action_id } = proposal
    const profile = granted_to.at(-1)
    if (profile === undefined) return undefined
    const { kind, shape, timeoutMs } = query
    try {
      const data = utf8Encode(canonicalize({ v: 1, action_id }))
      const json = parseJson(
        await bus.request(subject(kind, { tenant, profile }), data, { timeoutMs }),
      )
      const read = json.ok ? readShape(shape, json.value) : json
      if (read.ok) return read.value
      log.warn('query_answer_malformed', { action: action_id, kind })
    } catch (error) {
      if (!(error instanceof BusFault)) throw error
      log.warn('query_failed', { action: action_id, kind, code: error.code })
    }
    return undefined
  }

  /** Nothing else has become of it meanwhile. */
  #isStill({ proposal, state }: ActionRecord): boolean {
    const now = this.#deps.state(proposal.action_id)
    return !this.#deps.stopping.aborted && now?.kind === state.kind && now.since === state.since
  }

  async #pause(ms: number): Promise<void> {
    await this.#deps.clock.sleep(ms, this.#deps.stopping).catch(() => undefined)
  }
}
