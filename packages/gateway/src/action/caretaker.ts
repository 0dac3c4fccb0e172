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
  /** What this action rests in asks again for what it waits for. */
  readonly resume: (tenant: TenantId, id: ActionId) => Promise<unknown>
  /** Carries the stored state on, whatever it is. */
  readonly takeUp: (tenant: TenantId, id: ActionId) => Promise<void>
}

/** Sees that no open action is forgotten: its next deadline, and another try after a failure. */
export class Caretaker {
  readonly #deps: CaretakerDeps
  readonly #timers = new Map<ActionId, () => void>()
  /** What a freeze keeps from starting; each has its deadline for an alarm. */
  readonly #held = new Map<ActionId, TenantId>()
  readonly #running = new Set<Promise<unknown>>()
  readonly #stopping = new AbortController()

  constructor(deps: CaretakerDeps) {
    this.#deps = deps
  }

  get stopping(): boolean {
    return this.#stopping.signal.aborted
  }

  /** Ends pauses. */
  get signal(): AbortSignal {
    return this.#stopping.signal
  }

  /** Lets what runs come to rest; nothing new is begun. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const cancel of this.#timers.values()) cancel()
    this.#timers.clear()
    this.#held.clear()
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
  }

  /** Wakes the action when time alone may change its state; the earlier alarm is off. */
  alarm(stored: StoredAction): void {
    const { tenant, action_id: id } = stored.record.proposal
    const at = wakeAt(stored.record.state)
    if (at === null) this.#cancel(id)
    else this.#set(id, at - this.#deps.clock.now(), () => this.#deps.tick(tenant, id), tenant)
  }

  /** Leaves an action alone until `thaw`, or until `deadline`, when time alone ends it. */
  hold({ record }: StoredAction, deadline: number): void {
    const { tenant, action_id: id } = record.proposal
    this.#deps.log.info('action_held', { action: id })
    const wait = deadline - this.#deps.clock.now()
    this.#set(id, wait, () => this.#deps.tick(tenant, id), tenant)
    this.#held.set(id, tenant)
  }

  /** Looks at what is held again: it may not have to be any more. */
  thaw(): void {
    for (const [id, tenant] of [...this.#held]) {
      this.#cancel(id)
      this.background(this.#deps.resume(tenant, id), tenant, id)
    }
  }

  /** Takes up what is open. Resolves when each of it was looked at, or could not be. */
  async takeUpAll(
    tenant: TenantId,
    ids: readonly ActionId[],
    lookAt: (id: ActionId) => Promise<unknown>,
  ): Promise<void> {
    for (const id of ids) {
      const seen = lookAt(id)
      this.background(
        seen.then(() => this.#deps.takeUp(tenant, id)),
        tenant,
        id,
      )
      await seen.catch(() => undefined)
    }
  }

  /** Takes the action up again in a while: an attempt on it failed. */
  later(tenant: TenantId, id: ActionId): void {
    this.#set(id, RECOVER_RETRY_MS, () => this.#deps.takeUp(tenant, id), tenant)
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
    this.#held.delete(id)
  }

  #set(id: ActionId, ms: number, ring: () => Promise<unknown>, tenant: TenantId): void {
    this.#cancel(id)
    if (this.stopping) return
    const wait = Math.min(Math.max(ms, 0) + 1, TIMER_MAX_MS)
    this.#timers.set(
      id,
      this.#deps.clock.setTimer(wait, () => {
        this.#cancel(id)
        this.background(ring(), tenant, id)
      }),
    )
  }
}
