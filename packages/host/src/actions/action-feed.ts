import {
  type ActionEvent,
  type ActionId,
  actionEventShape,
  parseJsonObject,
  readShape,
  subject,
  type TenantId,
} from '@trustgw/protocol'
import type { BusSubscription, StoredMessage } from '@trustgw/runtime'
import type { HostDeps } from '../deps.ts'

/** Actions remembered; the ones not heard of for longest are forgotten first. */
export const ACTIONS_MAX_COUNT = 2_000
/** Stored events read when catching up, newest first. */
export const REPLAY_MAX_COUNT = 2_000
/** Stored events read at once. */
const REPLAY_WIDTH_COUNT = 32
const EVENT_MAX_BYTES = 16_384

export interface ActionFeedDeps {
  readonly tenant: TenantId
  readonly bus: HostDeps['bus']
  readonly uiEvents: HostDeps['uiEvents']
  readonly log: HostDeps['log']
  /** Told of every event that is newer than what was known of its action. */
  readonly onEvent: (event: ActionEvent) => void
}

/**
 * The newest event of each action: heard live, and read from the stream at the start and after
 * each reconnect. Per action the highest revision counts, so that order and repeats do not matter.
 */
export class ActionFeed {
  readonly #deps: ActionFeedDeps
  readonly #events = new Map<ActionId, ActionEvent>()
  #subscription: BusSubscription | undefined
  #forget: (() => void) | undefined
  #replay: Promise<void> = Promise.resolve()
  /** What was replayed already: an earlier message has nothing new. */
  #seenSeq = 0
  #isWhole = true
  #stopped = false

  constructor(deps: ActionFeedDeps) {
    this.#deps = deps
  }

  /** Listens first and reads what is stored then, so that nothing falls between. */
  async start(): Promise<void> {
    const { bus, tenant } = this.#deps
    this.#subscription = bus.listen(subject('ui_events', { tenant }), ({ data }) => {
      this.#take(data)
    })
    let before = bus.status
    this.#forget = bus.onStatus((status) => {
      if (status === 'connected' && before !== 'connected') void this.#catchUp()
      before = status
    })
    await this.#catchUp()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#forget?.()
    await this.#subscription?.stop()
    await this.#replay
  }

  find(actionId: ActionId): ActionEvent | undefined {
    return this.#events.get(actionId)
  }

  /** The newest actions by the time they were proposed, newest first. */
  newest(count: number): readonly ActionEvent[] {
    return [...this.#events.values()]
      .sort((a, b) => b.proposed_at - a.proposed_at || b.revision - a.revision)
      .slice(0, count)
  }

  /** Whether all actions that there ever were are remembered. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  #catchUp(): Promise<void> {
    this.#replay = this.#after(this.#replay)
    return this.#replay
  }

  async #after(earlier: Promise<void>): Promise<void> {
    await earlier
    try {
      await this.#readBack()
    } catch {
      // What is stored is out of reach: what comes live is shown all the same.
      this.#isWhole = false
      this.#deps.log.warn('ui_replay_failed', { from: this.#seenSeq })
    }
  }

  async #readBack(): Promise<void> {
    const { uiEvents, tenant } = this.#deps
    const last = await uiEvents.getLast(subject('ui_events', { tenant }))
    if (last === undefined) return
    const oldest = Math.max(this.#seenSeq + 1, last.seq - REPLAY_MAX_COUNT, 1)
    if (oldest > this.#seenSeq + 1) this.#isWhole = false
    let next = last.seq
    while (next >= oldest && !this.#stopped) {
      const from = Math.max(oldest, next - REPLAY_WIDTH_COUNT + 1)
      const wanted = Array.from({ length: next - from + 1 }, (_, index) => from + index)
      const messages = await Promise.all(wanted.map((seq) => uiEvents.getBySeq(seq)))
      for (const message of messages) this.#takeStored(message)
      next = from - 1
    }
    this.#seenSeq = last.seq
  }

  #takeStored(message: StoredMessage | undefined): void {
    const mine = subject('ui_events', { tenant: this.#deps.tenant })
    // The stream has let go of it.
    if (message === undefined) this.#isWhole = false
    if (message?.subject === mine) this.#take(message.data)
  }

  #take(data: Uint8Array): void {
    const event = readEvent(data)
    if (event === undefined || event.tenant !== this.#deps.tenant) {
      this.#deps.log.warn('ui_event_refused')
      return
    }
    const known = this.#events.get(event.action_id)
    if (known !== undefined && known.revision >= event.revision) return
    this.#events.delete(event.action_id)
    this.#events.set(event.action_id, event)
    this.#forgetOldest()
    this.#deps.onEvent(event)
  }

  #forgetOldest(): void {
    if (this.#events.size <= ACTIONS_MAX_COUNT) return
    this.#isWhole = false
    for (const oldest of this.#events.keys()) {
      this.#events.delete(oldest)
      return
    }
  }
}

function readEvent(data: Uint8Array): ActionEvent | undefined {
  const parsed = parseJsonObject(data, { maxBytes: EVENT_MAX_BYTES })
  if (!parsed.ok) return undefined
  const read = readShape(actionEventShape, parsed.value)
  return read.ok ? read.value : undefined
}
