import type { ActionEvent, ActionState } from '@trustgw/core'
import type { ActionId } from '@trustgw/protocol'
import type { Clock } from '@trustgw/runtime'
import type { ActionRecord } from './action-record.ts'
import type { StoredAction } from './action-store.ts'
import type { InvokeOutcome } from './outbound.ts'

/** A claim that the executor reported is stored only if no result follows it at once. */
const CLAIM_SETTLE_MS = 40
/** Before an executor that could not be reached, or could not admit yet, is asked again. */
const DISPATCH_RETRY_MS = 400
/** Before one that can take no more of this tool just now is asked again. */
const BUSY_RETRY_MS = 1_000
const BUSY: readonly string[] = ['tool_busy', 'tool_unavailable', 'executor_busy']

export interface DispatcherDeps {
  readonly invoke: (record: ActionRecord) => Promise<InvokeOutcome>
  /** The action has to wait for its tool, which takes no more of it or does not answer. */
  readonly onWaiting: (record: ActionRecord) => void
  readonly clock: Clock
  /** The state as this process last saw it. */
  readonly state: (id: ActionId) => ActionState | undefined
  readonly stopping: () => boolean
}

/** Sends a grant to its executor, again and again until it is claimed, refused, unwanted or lapsed. */
export class Dispatcher {
  readonly #deps: DispatcherDeps

  constructor(deps: DispatcherDeps) {
    this.#deps = deps
  }

  /** What the executor said; undefined when nothing is to be done about it now. */
  async run({ record }: StoredAction): Promise<ActionEvent | undefined> {
    const { invoke, clock } = this.#deps
    const { state } = record
    if (state.kind !== 'dispatched') return undefined
    while (this.#wanted(record.proposal.action_id, state)) {
      const answer = await invoke(record)
      if (answer.kind === 'claimed') return this.#claimed(record, state.jti, answer.result_by)
      if (answer.kind === 'refused')
        return { kind: 'executor_refused', jti: state.jti, reason: answer.reason }
      this.#deps.onWaiting(record)
      const isBusy = answer.reason !== undefined && BUSY.includes(answer.reason)
      await clock.sleep(isBusy ? BUSY_RETRY_MS : DISPATCH_RETRY_MS)
    }
    return undefined
  }

  async #claimed(
    record: ActionRecord,
    jti: string,
    result_by: number,
  ): Promise<ActionEvent | undefined> {
    await this.#deps.clock.sleep(CLAIM_SETTLE_MS)
    const now = this.#deps.state(record.proposal.action_id)
    return now?.kind === 'dispatched' ? { kind: 'executor_claimed', jti, result_by } : undefined
  }

  /** A grant whose action is to end is not sent again. */
  #wanted(id: ActionId, sent: ActionState & { readonly kind: 'dispatched' }): boolean {
    if (this.#deps.stopping() || this.#deps.clock.now() >= sent.grant_exp) return false
    const now = this.#deps.state(id)
    if (now?.kind !== 'dispatched' || now.jti !== sent.jti) return false
    return now.cancel === null && now.refused_for === undefined
  }
}
