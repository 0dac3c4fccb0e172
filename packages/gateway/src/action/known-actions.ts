import { type ActionState, isFinal, type StateKind } from '@trustgw/core'
import { type ActionId, type Principal, type Proposal, principalText } from '@trustgw/protocol'
import { TRACE_MS } from '../limits/trace.ts'
import type { ActionRecord } from './action-record.ts'
import type { StoredAction } from './action-store.ts'

/** Actions of one principal that may wait for people at once: against storms of prompts. */
export const OPEN_PENDING_MAX = 64
/** Actions that may wait at once in one gateway, for whatever: those that run are not counted. */
export const OPEN_MAX = 16_384
/** … and of one principal. */
export const OPEN_OF_ONE_MAX = 1_024
/** Released actions that may wait for one tool, whose executor takes no more of it or does not answer. */
export const TOOL_WAITING_MAX = 64
/** Actions whose latest form is kept in memory; open ones are always kept. */
const LATEST_MAX = 1_024

/** What there is too much of. */
export type Crowded = 'gateway' | 'principal' | 'tool'

/** States in which an action has people's and policy's word and no executor yet. */
const RELEASED: ReadonlySet<StateKind> = new Set<StateKind>(['authorized', 'dispatched'])

/**
 * What this process last saw of the actions it handles, and how many of each principal's wait for
 * people. Another process may have changed an action since.
 */
export class KnownActions {
  readonly #latest = new Map<ActionId, StoredAction>()
  readonly #pending = new Map<string, Set<ActionId>>()
  readonly #open = new Map<string, Set<ActionId>>()
  #openCount = 0
  /** By tenant and tool: what was released and turned away by the executor, or not answered. */
  readonly #waiting = new Map<string, Set<ActionId>>()
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
    // What another process stored since is not carried on here, and may end there.
    if (this.#own.get(id) !== stored.revision) this.#own.delete(id)
    if (this.#latest.size > LATEST_MAX) this.#forget()
    // What runs is bounded by executors, and its end may be another gateway's to see.
    this.#countOpen(proposal, isFinal(state) || state.kind === 'executing')
    if (!RELEASED.has(state.kind)) drop(this.#waiting, toolOf(proposal), id)
    if (waitsForPeople(stored)) this.#pendingOf(proposal.principal).add(id)
    else drop(this.#pending, principalText(proposal.principal), id)
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
    const known = this.#latest.get(action_id)
    if (known === undefined || !waitsForPeople(known))
      drop(this.#pending, principalText(principal), action_id)
  }

  /** The executor takes no more of this action's tool just now, or does not answer. */
  waits(proposal: Proposal): void {
    if (RELEASED.has(this.state(proposal.action_id)?.kind ?? 'denied'))
      setOf(this.#waiting, toolOf(proposal)).add(proposal.action_id)
  }

  /** Why nothing more of this kind may be accepted now; undefined: it may. */
  crowded(proposal: Proposal): Crowded | undefined {
    if (this.#openCount >= OPEN_MAX) return 'gateway'
    const own = this.#open.get(principalText(proposal.principal))
    if ((own?.size ?? 0) >= OPEN_OF_ONE_MAX) return 'principal'
    const waiting = this.#waiting.get(toolOf(proposal))
    return (waiting?.size ?? 0) >= TOOL_WAITING_MAX ? 'tool' : undefined
  }

  /** What waits for people's approval, or for the end of the time in which they may stop it. */
  stoppable(): readonly StoredAction[] {
    return [...this.#latest.values()].filter(
      ({ record: { state } }) => state.kind === 'pending_approval' || state.kind === 'scheduled',
    )
  }

  /**
   * The calls that the same principal made for the same person in the time of a trace before this one,
   * as far as they are in memory, oldest first. What was denied never came to be a call.
   */
  callsBefore({ proposal }: ActionRecord): readonly ActionRecord[] {
    const who = principalText(proposal.principal)
    const from = proposal.received_at - TRACE_MS
    return [...this.#latest.values()]
      .map(({ record }) => record)
      .filter(
        ({ proposal: { action_id, received_at, on_behalf_of, principal }, ...call }) =>
          received_at > from &&
          received_at <= proposal.received_at &&
          action_id !== proposal.action_id &&
          on_behalf_of === proposal.on_behalf_of &&
          principalText(principal) === who &&
          call.reads_for === null &&
          call.decision.effect !== 'deny',
      )
      .sort((a, b) => a.proposal.received_at - b.proposal.received_at)
  }

  /** For the metrics. */
  get counts(): { readonly open: number; readonly pending: number; readonly waiting: number } {
    return { open: this.#openCount, pending: sum(this.#pending), waiting: sum(this.#waiting) }
  }

  #countOpen({ principal, action_id }: Proposal, isOver: boolean): void {
    const who = principalText(principal)
    const before = this.#open.get(who)?.size ?? 0
    if (isOver) drop(this.#open, who, action_id)
    else setOf(this.#open, who).add(action_id)
    this.#openCount += (this.#open.get(who)?.size ?? 0) - before
  }

  #pendingOf(principal: Principal): Set<ActionId> {
    return setOf(this.#pending, principalText(principal))
  }

  #forget(): void {
    for (const [id, { record }] of this.#latest) {
      if (isFinal(record.state)) this.#latest.delete(id)
      if (this.#latest.size <= LATEST_MAX) break
    }
  }
}

/** Also while what they are to see is read. */
export function waitsForPeople({ record: { state, decision } }: StoredAction): boolean {
  return state.kind === 'pending_approval' || (state.kind === 'preparing' && decision.tier > 0)
}

type Sets = Map<string, Set<ActionId>>

function toolOf({ tenant, tool_id }: Proposal): string {
  return `${tenant} ${tool_id}`
}

function setOf(sets: Sets, key: string): Set<ActionId> {
  const found = sets.get(key) ?? new Set<ActionId>()
  sets.set(key, found)
  return found
}

function drop(sets: Sets, key: string, id: ActionId): void {
  const found = sets.get(key)
  found?.delete(id)
  if (found?.size === 0) sets.delete(key)
}

function sum(sets: Sets): number {
  let count = 0
  for (const found of sets.values()) count += found.size
  return count
}
