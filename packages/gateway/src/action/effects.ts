import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ActionEffect as Effect, isFinal } from '@trustgw/core'
import type { ActionId } from '@trustgw/protocol'
import type { ToolDirectory } from '../registry/tool-directory.ts'
import type { ActionRecord } from './action-record.ts'
import type { StoredAction } from './action-store.ts'
import type { AuditTrail } from './audit-trail.ts'
import type { Outbound } from './outbound.ts'
import type { Planned } from './planned.ts'
import type { Review } from './review.ts'

export interface EffectsDeps {
  readonly trail: AuditTrail
  readonly review: Review
  readonly outbound: Outbound
  readonly tools: ToolDirectory
  /** The action as this process last saw it. */
  readonly known: (id: ActionId) => ActionRecord | undefined
  readonly stopping: () => boolean
  /** Sends the grant of a stored action; nobody awaits it. */
  readonly dispatch: (stored: StoredAction) => void
}

/** Carries out what a step asks for, once the state that it led to is stored. */
export class Effects {
  readonly #deps: EffectsDeps

  constructor(deps: EffectsDeps) {
    this.#deps = deps
  }

  /** In their order; what follows from them is to be given to the action next. */
  async carryOut(effects: readonly Effect[], stored: StoredAction): Promise<readonly Planned[]> {
    const planned: Planned[] = []
    // Whoever waits for the end has it before the work that it leaves.
    if (isFinal(stored.record.state)) await nextTurn()
    for (const effect of effects) {
      const next = await this.#one(effect, stored)
      if (next !== undefined) planned.push(next)
    }
    return planned
  }

  async #one(effect: Effect, stored: StoredAction): Promise<Planned | undefined> {
    const { trail, review, dispatch } = this.#deps
    const { record } = stored
    switch (effect.kind) {
      case 'audit':
        await trail.moved(record, effect)
        return undefined
      case 'evaluate':
        return review.evaluateAgain(record)
      case 'request_approval':
        this.#requestApproval(record)
        return undefined
      case 'issue_grant':
        return review.release(record, effect.recheck)
      case 'dispatch':
        dispatch(stored)
        return undefined
      case 'reconcile':
        // Executors ask the provider before they report an unknown outcome; nobody else can.
        return { event: { kind: 'reconciled_unclear', reason: 'the connector could not tell' } }
      case 'read_precondition':
      case 'withdraw_approval':
      case 'ask_human':
      case 'feed':
        return undefined
    }
  }

  #requestApproval(record: ActionRecord): void {
    const { tools, outbound, known, stopping } = this.#deps
    const { tenant, tool_id, action_id: id } = record.proposal
    const tool = tools.find(tenant, tool_id)
    if (tool === undefined) return
    const { decided_at } = record.decision
    outbound.requestApproval(record, tool.contract, () => {
      const now = known(id)
      const pending = now?.state.kind === 'pending_approval'
      return !stopping() && pending && now?.decision.decided_at === decided_at
    })
  }
}
