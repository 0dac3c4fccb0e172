import { type ActionEvent, type ActionState, CLAIM_GRACE_MS } from '@trustgw/core'
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
const CLAIM_PAUSE_MIN_MS = 400
const CLAIM_PAUSE_MAX_MS = 5_000
/** What an executor says of an action that it may still let run, or that nobody can run any more. */
const UNCLAIMED: readonly string[] = ['never_claimed', 'claimed_never_to_run', 'held']
const STORE_UNREACHABLE = 'store_unreachable'
/** An executor asks the provider several times before it answers. */
const RECONCILE_TIMEOUT_MS = 30_000
const RECONCILE_PAUSE_MIN_MS = 1_000
const RECONCILE_PAUSE_MAX_MS = 30_000
/** For so long executors are asked what became of an action before people are. */
export const RECONCILE_WITHIN_MS = 900_000

interface Request<T> {
  readonly kind: 'exec_cancel' | 'exec_reconcile'
  readonly shape: Shape<T>
  readonly timeoutMs: number
}

const RECONCILE: Request<ReconcileAnswer> = {
  kind: 'exec_reconcile',
  shape: reconcileAnswerShape,
  timeoutMs: RECONCILE_TIMEOUT_MS,
}

export interface ExecutorQueriesDeps {
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Logger
  /** The state as this process last saw it. */
  readonly state: (id: ActionId) => ActionState | undefined
  /** The action has to wait for an executor that answers. */
  readonly onWaiting: (record: ActionRecord) => void
  readonly stopping: AbortSignal
}

type Query = 'cancel_claim' | 'find_claim' | 'reconcile'

/**
 * What the gateway asks executors about an action that was sent: to claim it for its end if nobody did,
 * who claimed it when its grant is over, and what became of it if nobody saw its end. Any executor of
 * the profile answers, and only executors know: without one the action stays as it is.
 */
export class ExecutorQueries {
  readonly #deps: ExecutorQueriesDeps
  /** What is being asked, so that nothing is asked twice at a time. */
  readonly #asking = new Set<string>()

  constructor(deps: ExecutorQueriesDeps) {
    this.#deps = deps
  }

  /** What came of it; undefined when something else did, or when it is being asked already. */
  async ask(what: Query, { record }: StoredAction): Promise<ActionEvent | undefined> {
    const key = `${what} ${record.proposal.action_id} ${record.state.since}`
    if (this.#asking.has(key)) return undefined
    this.#asking.add(key)
    try {
      if (what === 'reconcile') return await this.#reconcile(record)
      return await this.#claim(what, record)
    } finally {
      this.#asking.delete(key)
    }
  }

  /** Until it is known who claimed the action. */
  async #claim(
    what: 'cancel_claim' | 'find_claim',
    record: ActionRecord,
  ): Promise<ActionEvent | undefined> {
    const { state } = record
    if (state.kind !== 'dispatched') return undefined
    let pause = CLAIM_PAUSE_MIN_MS
    while (this.#isStill(record)) {
      const found = await (what === 'cancel_claim'
        ? this.#claimToEnd(record)
        : this.#findClaim(record, state.grant_exp + CLAIM_GRACE_MS))
      if (found === 'ended') return { kind: 'claim_cancelled' }
      if (found === 'unclaimed') return { kind: 'grant_unclaimed', jti: state.jti }
      if (found === 'claimed') {
        const result_by = this.#deps.clock.now() + RESULT_WITHIN_MS
        return { kind: 'executor_claimed', jti: state.jti, result_by }
      }
      this.#deps.onWaiting(record)
      await this.#pause(pause)
      pause = Math.min(pause * 2, CLAIM_PAUSE_MAX_MS)
    }
    return undefined
  }

  async #claimToEnd(record: ActionRecord): Promise<'ended' | 'claimed' | undefined> {
    const answer = await this.#request<CancelAnswer>(
      { kind: 'exec_cancel', shape: cancelAnswerShape, timeoutMs: CANCEL_TIMEOUT_MS },
      record,
    )
    if (answer === undefined || answer.status === 'later') return undefined
    return answer.status === 'cancelled' ? 'ended' : 'claimed'
  }

  /** By `overAt` every claim under the grant has reached the journal (spec/protocol.md §5). */
  async #findClaim(
    record: ActionRecord,
    overAt: number,
  ): Promise<'unclaimed' | 'claimed' | undefined> {
    if (this.#deps.clock.now() < overAt) return undefined
    const answer = await this.#request<ReconcileAnswer>(RECONCILE, record)
    if (answer === undefined || this.#deps.clock.now() < overAt) return undefined
    if (answer.status === 'told') return 'claimed'
    if (answer.reason === STORE_UNREACHABLE) return undefined
    return UNCLAIMED.includes(answer.reason) ? 'unclaimed' : 'claimed'
  }

  /** Until an executor has told the end, or says that it cannot; then people are asked. */
  async #reconcile(record: ActionRecord): Promise<ActionEvent | undefined> {
    const { clock } = this.#deps
    const { state } = record
    if (state.kind !== 'unknown_outcome') return undefined
    let pause = RECONCILE_PAUSE_MIN_MS
    let reason = 'no_executor_answered'
    while (this.#isStill(record)) {
      const answer = await this.#request<ReconcileAnswer>(RECONCILE, record)
      if (answer !== undefined && answer.status !== 'told') reason = answer.reason
      const isOver = clock.now() - state.since >= RECONCILE_WITHIN_MS
      if (answer?.status === 'unclear' || isOver) return { kind: 'reconciled_unclear', reason }
      await this.#pause(pause)
      pause = Math.min(pause * 2, RECONCILE_PAUSE_MAX_MS)
    }
    return undefined
  }

  async #request<T>(
    query: Request<T>,
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
