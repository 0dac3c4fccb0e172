import type { FreezeView } from '../../src/decide/freeze-view.ts'

/** Freezes everything, or nothing. */
export class FreezesDouble implements FreezeView {
  #isFrozen = false
  readonly #listeners = new Set<() => void>()
  isFrozen(): boolean {
    return this.#isFrozen
  }
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
  set(isFrozen: boolean): void {
    this.#isFrozen = isFrozen
    for (const listener of this.#listeners) listener()
  }
}
