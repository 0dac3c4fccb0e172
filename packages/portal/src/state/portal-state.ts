import type { EarlierCall } from '@trustgw/card'
import type { Approver, FreezeScope, UnsettledAction } from '@trustgw/protocol'
import type { ListedKey } from '../logic/agents.ts'
import { EMPTY_FEED, type Feed } from '../logic/feed.ts'
import type { FreezeView } from '../logic/freezes.ts'
import type { ListedPerson } from '../logic/pinning.ts'
import type { PolicyStatusView } from '../logic/policy-status.ts'
import type { OwnChannel, OwnPasskey, OwnSession } from '../ports/account-shapes.ts'
import type { Installation, KeySet, ListedContract, Session } from '../ports/shapes.ts'

/** How the live feed stands. */
export type Link =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** `atMs`: when the next attempt starts, by this device's clock. */
  | { readonly kind: 'reconnecting'; readonly atMs: number }
  | { readonly kind: 'offline' }
  | { readonly kind: 'signed_out' }

export type Phase = 'loading' | 'signed_out' | 'signed_in' | 'unreachable'

/** What a person's own verdict on an action came to, beside the state of the action. */
export type VerdictStatus =
  | { readonly kind: 'idle' }
  | { readonly kind: 'passkey' }
  | { readonly kind: 'sending' }
  | { readonly kind: 'sent'; readonly verdict: 'approve' | 'deny' }
  | { readonly kind: 'failed'; readonly sentence: string }

/** What was approved of an action's tool before, as far as this browser found it to be so. */
export type EarlierView =
  | { readonly kind: 'unknown' }
  | {
      readonly kind: 'known'
      /** The newest first. */
      readonly calls: readonly EarlierCall[]
      /** Told by the host, and not what was proposed and decided. */
      readonly dropped: number
      readonly leftOut: number
    }

export interface PortalState {
  readonly phase: Phase
  readonly session: Session | undefined
  readonly link: Link
  /** Server clock minus this device's clock. */
  readonly clockOffsetMs: number
  readonly feed: Feed
  /** What is here: nothing yet, the most urgent requests, or a whole snapshot. */
  readonly loaded: 'no' | 'urgent' | 'whole'
  /** The snapshot could not be read or fetched; what is shown may be old. */
  readonly snapshotProblem: string | undefined
  readonly verdicts: ReadonlyMap<string, VerdictStatus>
  /** Who approved so far, by action: the host's word. */
  readonly given: ReadonlyMap<string, readonly Approver[]>
  /** By action; what is not there is being asked for. */
  readonly earlier: ReadonlyMap<string, EarlierView>
  /** What ended unseen and waits for a person; undefined until it was fetched. */
  readonly unsettled: readonly UnsettledAction[] | undefined
  /** Tools by their contracts; undefined until they were fetched. */
  readonly tools: readonly ListedContract[] | undefined
  /** What stands still, the oldest first; undefined until it was fetched. */
  readonly freezes: readonly FreezeView[] | undefined
  readonly freezesProblem: string | undefined
  /** What the open dialog proposes to freeze; undefined while none is open. */
  readonly freezing: FreezeScope | undefined
  readonly people: readonly ListedPerson[] | undefined
  readonly peopleProblem: string | undefined
  readonly agents: readonly ListedKey[] | undefined
  readonly agentsProblem: string | undefined
  readonly account: Account | undefined
  readonly accountProblem: string | undefined
  /** A call waits for the sign-in passkey. */
  readonly steppingUp: boolean
  /** Sessions that a copied cookie ended before this sign-in. */
  readonly replayed: number
  readonly installation: Installation | undefined
  readonly keys: KeySet | undefined
  readonly keysProblem: string | undefined
  readonly installationProblem: string | undefined
  readonly policyStatus: PolicyStatusView | undefined
  /** Polite announcement for screen readers; `count` makes equal texts distinct. */
  readonly announcement: { readonly text: string; readonly count: number }
}

/** The person's own passkeys and sessions. */
export interface Account {
  readonly passkeys: readonly OwnPasskey[]
  readonly sessions: readonly OwnSession[]
  readonly channels: readonly OwnChannel[]
}

export const INITIAL_STATE: PortalState = {
  phase: 'loading',
  session: undefined,
  link: { kind: 'connecting' },
  clockOffsetMs: 0,
  feed: EMPTY_FEED,
  loaded: 'no',
  snapshotProblem: undefined,
  verdicts: new Map(),
  given: new Map(),
  earlier: new Map(),
  unsettled: undefined,
  tools: undefined,
  freezes: undefined,
  freezesProblem: undefined,
  freezing: undefined,
  people: undefined,
  peopleProblem: undefined,
  agents: undefined,
  agentsProblem: undefined,
  account: undefined,
  accountProblem: undefined,
  steppingUp: false,
  replayed: 0,
  installation: undefined,
  keys: undefined,
  keysProblem: undefined,
  installationProblem: undefined,
  policyStatus: undefined,
  announcement: { text: '', count: 0 },
}

/** State with subscribers; each change is one new frozen-by-convention value. */
export class Store {
  #state: PortalState = INITIAL_STATE
  readonly #listeners = new Set<() => void>()

  readonly get = (): PortalState => this.#state

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  update(change: Partial<PortalState>): void {
    this.#state = { ...this.#state, ...change }
    for (const listener of this.#listeners) listener()
  }

  announce(text: string): void {
    this.update({ announcement: { text, count: this.#state.announcement.count + 1 } })
  }
}
