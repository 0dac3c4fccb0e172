import { wakeAt } from '@trustgw/core'
import type { ActionId, TenantId } from '@trustgw/protocol'
import type { Clock, Logger } from '@trustgw/runtime'
import { type StoredAction, StoredActionFault } from './action-store.ts'

/** After a failed attempt to carry a stored state on. */
const RECOVER_RETRY_MS = 1_000
/** Longer timers end at once on Node. */
const TIMER_MAX_MS = 2_000_000_000

export interface CaretakerDeps {
  readonly clock: Clock
  readonly log: Logger
  /** Time passed for this action. */
  readonly tick: (tenant: TenantId, id: ActionId) => Promise<unknown>
  /** Carries the stored state on, whatever it is. */
  readonly takeUp: (tenant: TenantId, id: ActionId) => Promise<void>
}

/** Sees that no open action is forgotten: its next deadline, and another try after a failure. */
export class Caretaker {
  readonly #deps: CaretakerDeps
  readonly #timers = new Map<ActionId, () => void>()
  readonly #running = new Set<Promise<unknown>>()
  #stopping = false

  constructor(deps: CaretakerDeps) {
    this.#deps = deps
  }

  get stopping(): boolean {
    return this.#stopping
  }

  /** Lets what runs come to rest; nothing new is begun. */
  async stop(): Promise<void> {
    this.#stopping = true
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
  }

  /** Wakes the action when time alone may change its state; the earlier alarm is off. */
  alarm(stored: StoredAction): void {
    const { tenant, action_id: id } = stored.record.proposal
    const at = wakeAt(stored.record.state)
    if (at === null) this.#cancel(id)
    else this.#set(id, at - this.#deps.clock.now(), () => this.#deps.tick(tenant, id), tenant)
  }

  /** Takes the action up again in a while: an attempt on it failed. */
  later(tenant: TenantId, id: ActionId, ms: number = RECOVER_RETRY_MS): void {
    this.#set(id, ms, () => this.#deps.takeUp(tenant, id), tenant)
  }

  /** Work that nobody awaits: a fault leaves the stored state, which is taken up again. */
  background(work: Promise<unknown>, tenant: TenantId, id: ActionId): void {
    const guarded = work
      .catch((error: unknown) => {
        this.#deps.log.warn('action_stalled', { action: id, error: String(error) })
        // What cannot be read now cannot be read later: it waits for a person, not for time.
        if (!(error instanceof StoredActionFault)) this.later(tenant, id)
      })
      .finally(() => this.#running.delete(guarded))
    this.#running.add(guarded)
  }

  #cancel(id: ActionId): void {
    this.#timers.get(id)?.()
    this.#timers.delete(id)
  }

  #set(id: ActionId, ms: number, ring: () => Promise<unknown>, tenant: TenantId): void {
    this.#cancel(id)
    if (this.#stopping) return
    const wait = Math.min(Math.max(ms, 0) + 1, TIMER_MAX_MS)
    this.#timers.set(
      id,
      this.#deps.clock.setTimer(wait, () => {
        this.#timers.delete(id)
        this.background(ring(), tenant, id)
      }),
    )
  }
}
