import type { ActionId } from '@trustgw/protocol'

/** Looks, a second apart, after which an action that has only its open entry never comes to be. */
const LOOKS_MAX = 60

/**
 * Open entries without an action: the entry was made and the action was not, so the proposer never had
 * an answer. But another gateway, or a write of ours that was given up, may be about to store it.
 */
export class MissingActions {
  readonly #looks = new Map<ActionId, number>()

  /** It was looked for once more and is not there; true when it is looked for no more. */
  isGivenUp(id: ActionId): boolean {
    const looks = (this.#looks.get(id) ?? 0) + 1
    this.#looks.set(id, looks)
    if (looks < LOOKS_MAX) return false
    this.#looks.delete(id)
    return true
  }

  found(id: ActionId): void {
    this.#looks.delete(id)
  }
}
