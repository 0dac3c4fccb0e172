import type { ActionId } from '@trustgw/protocol'
import type { Clock } from '@trustgw/runtime'
import type { StoredAction } from './action-store.ts'

/** An allowed call mostly ends within this: then its portals are told once. */
const GATHER_MS = 20

interface Telling {
  /** The latest that is not on its way yet. */
  next: StoredAction | undefined
  done: Promise<void>
}

/**
 * News of actions to portals, a moment after the change. What comes before that moment, or while
 * earlier news is on its way, is told as one, the latest: portals keep the highest revision anyway, and the end is always the latest.
 */
export class News {
  readonly #publish: (stored: StoredAction) => Promise<void>
  readonly #clock: Clock
  readonly #telling = new Map<ActionId, Telling>()

  /** `publish` resolves when the news is stored, or given up. */
  constructor(publish: (stored: StoredAction) => Promise<void>, clock: Clock) {
    this.#clock = clock
    this.#publish = publish
  }

  /** Resolves when this news, or later news of the same action, is stored or given up. */
  tell(stored: StoredAction): Promise<void> {
    const id = stored.record.proposal.action_id
    const before = this.#telling.get(id)
    if (before !== undefined) {
      if (before.next === undefined || before.next.revision <= stored.revision) before.next = stored
      return before.done
    }
    const telling: Telling = { next: stored, done: Promise.resolve() }
    this.#telling.set(id, telling)
    telling.done = this.#run(id, telling)
    return telling.done
  }

  /** Resolves when nothing of this action is left to be told. */
  told(id: ActionId): Promise<void> {
    return this.#telling.get(id)?.done ?? Promise.resolve()
  }

  async #run(id: ActionId, telling: Telling): Promise<void> {
    try {
      await this.#clock.sleep(GATHER_MS)
      for (let now = telling.next; now !== undefined; now = telling.next) {
        telling.next = undefined
        await this.#publish(now)
      }
    } finally {
      this.#telling.delete(id)
    }
  }
}
