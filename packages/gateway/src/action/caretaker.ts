import { wakeAt } from '@trustgw/core'
import type { ActionId, TenantId } from '@trustgw/protocol'
import { type Clock, type Logger, stopController } from '@trustgw/runtime'
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
  readonly #alarms = new Map<ActionId, () => void>()
  /** Attempts that failed: their next one is due whatever becomes of the alarm. */
  readonly #retries = new Map<ActionId, () => void>()
  /** What a freeze keeps from starting; the alarm of each is its last deadline. */
  readonly #held = new Map<ActionId, TenantId>()
  readonly #running = new Set<Promise<unknown>>()
  readonly #stopping: AbortController = stopController()

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
    for (const timers of [this.#alarms, this.#retries]) {
      for (const stop of timers.values()) stop()
      timers.clear()
    }
    this.#held.clear()
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
  }

  /**
   * Wakes the action when time alone may change its state; the earlier alarm is off. Where the clock
   * was set back meanwhile it is not time yet, and the alarm is set anew.
   */
  alarm(stored: StoredAction): void {
    this.#held.delete(stored.record.proposal.action_id)
    this.#wake(stored, wakeAt(stored.record.state))
  }

  /** Leaves an action alone until `thaw`, or until `deadline`, when time alone ends it. */
  hold(stored: StoredAction, deadline: number): void {
    const { tenant, action_id: id } = stored.record.proposal
    this.#deps.log.info('action_held', { action: id })
    this.#held.set(id, tenant)
    this.#wake(stored, deadline)
  }

  /** Looks at what is held again: it may not have to be any more. */
  thaw(): void {
    for (const [id, tenant] of [...this.#held]) {
      this.#held.delete(id)
      this.background(this.#deps.resume(tenant, id), tenant, id)
    }
  }

  #wake(stored: StoredAction, at: number | null): void {
    const { tenant, action_id: id } = stored.record.proposal
    cancel(this.#alarms, id)
    if (at === null) return
    const { clock, tick } = this.#deps
    const ring = async (): Promise<unknown> => {
      if (clock.now() < at) return this.#wake(stored, at)
      // What follows may come to nothing: the next deadline holds all the same.
      this.#wake(stored, wakeAt(stored.record.state, at))
      return await tick(tenant, id)
    }
    this.#set(this.#alarms, { tenant, id, ms: at - clock.now(), ring })
  }

  /**
   * Takes up what is open, but for what `lookAt` tells to be in hand. Resolves when each of it was
   * looked at, or could not be.
   */
  async takeUpAll(
    tenant: TenantId,
    ids: readonly ActionId[],
    lookAt: (id: ActionId) => Promise<'in_hand' | 'open'>,
  ): Promise<void> {
    for (const id of ids) {
      const seen = lookAt(id)
      const takenUp = seen.then((found) =>
        found === 'open' ? this.#deps.takeUp(tenant, id) : undefined,
      )
      this.background(takenUp, tenant, id)
      await seen.catch(() => undefined)
    }
  }

  /** Takes the action up again in a while: an attempt on it failed. */
  later(tenant: TenantId, id: ActionId): void {
    cancel(this.#retries, id)
    const ms = RECOVER_RETRY_MS
    this.#set(this.#retries, { tenant, id, ms, ring: () => this.#deps.takeUp(tenant, id) })
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

  #set(timers: Timers, { tenant, id, ms, ring }: Due): void {
    if (this.stopping) return
    const wait = Math.min(Math.max(ms, 0) + 1, TIMER_MAX_MS)
    timers.set(
      id,
      this.#deps.clock.setTimer(wait, () => {
        timers.delete(id)
        this.background(ring(), tenant, id)
      }),
    )
  }
}

type Timers = Map<ActionId, () => void>

interface Due {
  readonly tenant: TenantId
  readonly id: ActionId
  readonly ms: number
  readonly ring: () => Promise<unknown>
}

function cancel(timers: Timers, id: ActionId): void {
  timers.get(id)?.()
  timers.delete(id)
}
