import type { ActionId } from '@trustgw/protocol'
import type { Clock } from '@trustgw/runtime'
import type { StoredAction } from './action-store.ts'

type Wake = (action?: StoredAction) => void

/** Tells whoever waits for an action in this process that it changed. Forgets who stopped waiting. */
export class Waiters {
  readonly #waiting = new Map<ActionId, Set<Wake>>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The next change of the action; undefined after `ms` or when the signal aborts. Never rejects. */
  next(id: ActionId, ms: number, signal?: AbortSignal): Promise<StoredAction | undefined> {
    return new Promise((resolve) => {
      const woken = this.#waiting.get(id) ?? new Set<Wake>()
      const done: Wake = (action) => {
        cancel()
        signal?.removeEventListener('abort', give)
        woken.delete(done)
        if (woken.size === 0 && this.#waiting.get(id) === woken) this.#waiting.delete(id)
        resolve(action)
      }
      const give = (): void => done()
      const cancel = this.#clock.setTimer(ms, give)
      this.#waiting.set(id, woken)
      woken.add(done)
      signal?.addEventListener('abort', give, { once: true })
      if (signal?.aborted === true) done()
    })
  }

  changed(id: ActionId, action: StoredAction): void {
    for (const wake of [...(this.#waiting.get(id) ?? [])]) wake(action)
  }
}
