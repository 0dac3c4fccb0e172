import { type ActionState, isFinal } from '@trustgw/core'
import { type ActionId, type Principal, type Proposal, principalText } from '@trustgw/protocol'
import type { StoredAction } from './action-store.ts'

/** Actions of one principal that may wait for people at once: against storms of prompts. */
export const OPEN_PENDING_MAX = 64
/** Actions whose latest form is kept in memory; open ones are always kept. */
const LATEST_MAX = 1_024

/**
 * What this process last saw of the actions it handles, and how many of each principal's wait for
 * people. Another process may have changed an action since.
 */
export class KnownActions {
  readonly #latest = new Map<ActionId, StoredAction>()
  readonly #pending = new Map<string, Set<ActionId>>()
  /** The revision of each open action that this process stored itself, and so carries on. */
  readonly #own = new Map<ActionId, number>()

  /** False when a later form was seen already. */
  note(stored: StoredAction): boolean {
    const { proposal, state } = stored.record
    const id = proposal.action_id
    const known = this.#latest.get(id)
    if (known !== undefined && known.revision > stored.revision) return false
    this.#latest.delete(id)
    this.#latest.set(id, stored)
    if (this.#latest.size > LATEST_MAX) this.#forget()
    if (state.kind === 'pending_approval') this.#pendingOf(proposal.principal).add(id)
    else this.#drop(proposal.principal, id)
    return true
  }

  /** What this process stored itself. */
  noteOwn({ record, revision }: StoredAction): void {
    const { action_id: id } = record.proposal
    if (isFinal(record.state)) this.#own.delete(id)
    else this.#own.set(id, revision)
  }

  /** Whether this process stored it as it is, and so carries it on; drops what another one changed. */
  isOwn({ record, revision }: StoredAction): boolean {
    const { action_id: id } = record.proposal
    if (this.#own.get(id) === revision) return true
    this.#own.delete(id)
    return false
  }

  get(id: ActionId): StoredAction | undefined {
    return this.#latest.get(id)
  }

  state(id: ActionId): ActionState | undefined {
    return this.#latest.get(id)?.record.state
  }

  /**
   * Takes one of the places for actions that wait for people; false: none is free. Counted in this
   * process, from all open actions at its start.
   */
  reserve({ principal, action_id }: Pick<Proposal, 'principal' | 'action_id'>): boolean {
    const pending = this.#pendingOf(principal)
    if (!pending.has(action_id) && pending.size >= OPEN_PENDING_MAX) return false
    pending.add(action_id)
    return true
  }

  /** Gives the place back, unless the action waits there. */
  release({ principal, action_id }: Pick<Proposal, 'principal' | 'action_id'>): void {
    if (this.state(action_id)?.kind !== 'pending_approval') this.#drop(principal, action_id)
  }

  #pendingOf(principal: Principal): Set<ActionId> {
    const who = principalText(principal)
    const pending = this.#pending.get(who) ?? new Set<ActionId>()
    this.#pending.set(who, pending)
    return pending
  }

  #drop(principal: Principal, id: ActionId): void {
    const who = principalText(principal)
    const pending = this.#pending.get(who)
    pending?.delete(id)
    if (pending?.size === 0) this.#pending.delete(who)
  }

  #forget(): void {
    for (const [id, { record }] of this.#latest) {
      if (isFinal(record.state)) this.#latest.delete(id)
      if (this.#latest.size <= LATEST_MAX) break
    }
  }
}
