import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ActionEffect as Effect, isFinal } from '@trustgw/core'
import type { Unsettled } from '../approvals/unsettled.ts'
import type { ToolDirectory } from '../registry/tool-directory.ts'
import type { ActionRecord } from './action-record.ts'
import type { StoredAction } from './action-store.ts'
import type { AuditTrail } from './audit-trail.ts'
import type { KnownActions } from './known-actions.ts'
import type { Outbound } from './outbound.ts'
import type { Planned } from './planned.ts'
import type { Review } from './review.ts'

/** Effects that an executor carries out. */
export type ToExecutor = Extract<
  Effect['kind'],
  'dispatch' | 'cancel_claim' | 'find_claim' | 'reconcile'
>

const TO_EXECUTOR: ReadonlySet<Effect['kind']> = new Set<ToExecutor>([
  'dispatch',
  'cancel_claim',
  'find_claim',
  'reconcile',
])
const isToExecutor = (kind: Effect['kind']): kind is ToExecutor => TO_EXECUTOR.has(kind)

export interface EffectsDeps {
  readonly trail: AuditTrail
  readonly review: Review
  readonly outbound: Outbound
  readonly tools: ToolDirectory
  /** Actions as this process last saw them. */
  readonly known: Pick<KnownActions, 'get' | 'callsBefore'>
  readonly stopping: () => boolean
  readonly unsettled: Unsettled
  /** Asks an executor about a stored action; nobody awaits it. */
  readonly toExecutor: (what: ToExecutor, stored: StoredAction) => void
  /** Leaves a stored action alone until a thaw, or its deadline. */
  readonly hold: (stored: StoredAction, deadline: number) => void
  /** Reads the precondition of a stored action; nobody awaits it. */
  readonly prepare: (stored: StoredAction) => void
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
    const { trail, review, toExecutor, unsettled } = this.#deps
    const { record } = stored
    if (isToExecutor(effect.kind)) {
      toExecutor(effect.kind, stored)
      return undefined
    }
    switch (effect.kind) {
      case 'audit':
        await trail.moved(record, effect)
        return undefined
      case 'evaluate':
        return review.evaluateAgain(record)
      case 'request_approval':
      case 'offer_stop':
        this.#requestApproval(record)
        return undefined
      case 'issue_grant':
        return this.#release(stored, effect.recheck)
      case 'ask_human':
        await unsettled.ask(record)
        return undefined
      case 'read_precondition':
        this.#deps.prepare(stored)
        return undefined
      case 'withdraw_approval':
      case 'feed':
        return undefined
    }
  }

  /** What a freeze covers is held, without a try, so that waiting uses up nothing. */
  async #release(stored: StoredAction, recheck: boolean): Promise<Planned | undefined> {
    const { review, hold } = this.#deps
    const { state } = stored.record
    const isCleared = state.kind === 'authorized' || state.kind === 'scheduled'
    const undo = undoWindowOf(stored.record)
    if (undo !== undefined) return undo
    if (!isCleared || !review.isFrozen(stored.record)) return review.release(stored.record, recheck)
    // No thaw brings a revoked agent back: what it asked for ends.
    if (!review.isActive(stored.record)) return review.release(stored.record, true)
    hold(stored, state.run_by)
    return undefined
  }

  #requestApproval(record: ActionRecord): void {
    const { tools, outbound, known, stopping } = this.#deps
    const { tenant, tool_id, action_id: id } = record.proposal
    const tool = tools.find(tenant, tool_id)
    if (tool === undefined) return
    const { state, decision } = record
    const { decided_at } = decision
    const of = { contract: tool.contract, before: known.callsBefore(record) }
    outbound.requestApproval(record, of, () => {
      const now = known.get(id)?.record
      return (
        !stopping() && now?.state.kind === state.kind && now?.decision.decided_at === decided_at
      )
    })
  }
}

/** Before its first grant, an action waits for somebody to stop it where its rule says so. */
export function undoWindowOf({ state, decision }: ActionRecord): Planned | undefined {
  const { undo_ms } = decision.obligations
  if (undo_ms === undefined || state.kind !== 'authorized' || state.issued.length > 0)
    return undefined
  const { round, since } = state
  return {
    event: { kind: 'undo_window', not_before: since + undo_ms },
    fits: ({ state: now }) => now.kind === 'authorized' && now.round === round,
  }
}
