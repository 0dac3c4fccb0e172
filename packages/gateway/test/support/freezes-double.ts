import type { Freezable, TenantId } from '@trustgw/protocol'
import type { FreezeView } from '../../src/decide/freeze-view.ts'

/** Freezes everything, or nothing; revokes what it is told. */
export class FreezesDouble implements FreezeView {
  #isFrozen = false
  #revoked: readonly string[] = []
  readonly #listeners = new Set<() => void>()
  isFrozen(): boolean {
    return this.#isFrozen
  }
  isRevoked(_tenant: TenantId, action: Partial<Freezable>): boolean {
    return Object.values(action).some((name) => this.#revoked.includes(name))
  }
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
  set(isFrozen: boolean): void {
    this.#isFrozen = isFrozen
    for (const listener of this.#listeners) listener()
  }
  revoke(...names: readonly string[]): void {
    this.#revoked = [...this.#revoked, ...names]
    for (const listener of this.#listeners) listener()
  }
}
