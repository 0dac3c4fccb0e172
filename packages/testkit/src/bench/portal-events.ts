import {
  type ActionEvent,
  type ActionId,
  actionId,
  canonicalize,
  subject,
  utf8Encode,
} from '@trustgw/protocol'
import { nodeRandom, type RecordStore, type StoredPublisher } from '@trustgw/runtime'
import type { Place } from '../taken-over.ts'
import { stolenLink, tenantNamed } from '../taken-over.ts'

const TENANT = tenantNamed('main')
const TOOLS = ['shop.get_order', 'shop.find_orders', 'files.read_file', 'mail.search'] as const
const STATES = ['succeeded', 'executing', 'dispatched', 'authorized', 'failed'] as const

const NOTHING = utf8Encode('{}')

/** Speaks as the gateway: news of actions at a steady pace, and when each went out. */
export class EventSource {
  /** `Date.now()` just before number `n` was published. */
  readonly sent: number[] = []
  readonly #link: Awaited<ReturnType<typeof stolenLink>>

  private constructor(link: Awaited<ReturnType<typeof stolenLink>>) {
    this.#link = link
  }

  static async open(place: Place): Promise<EventSource> {
    return new EventSource(await stolenLink(place, 'gateway/bus.creds'))
  }

  /** When news of each action was heard on the bus that it waits for a person. */
  hearPending(): ReadonlyMap<string, number> {
    const heard = new Map<string, number>()
    this.#link.bus.listen(subject('ui_events', { tenant: TENANT }), ({ data }) => {
      const text = new TextDecoder().decode(data)
      const id = /"action_id":"(act_[a-z2-7]+)"/.exec(text)?.[1]
      if (id !== undefined && text.includes('"state":"pending_approval"') && !heard.has(id)) {
        heard.set(id, Date.now())
      }
    })
    return heard
  }

  /**
   * Publishes at the rate until the time is over; none waits for another. Each goes with a change in the
   * bucket of actions, whose place there is its revision, as a gateway's does.
   */
  async run(perSecond: number, seconds: number, signal: AbortSignal): Promise<void> {
    const news = this.#link.publisher({ stream: 'UI' })
    const changes = this.#link.records({ home: 'data', bucket: 'actions' })
    const start = performance.now()
    const count = perSecond * seconds
    const open = new Set<Promise<unknown>>()
    for (let made = 0; made < count && !signal.aborted; ) {
      const due = Math.min(count, Math.floor(((performance.now() - start) * perSecond) / 1_000))
      for (; made < due; made += 1) {
        const stored = this.#change(changes, news).finally(() => open.delete(stored))
        open.add(stored)
      }
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    await Promise.all(open)
  }

  async #change(changes: RecordStore, news: StoredPublisher): Promise<void> {
    const id = actionId(nodeRandom.bytes(16))
    const made = await changes.create(`${TENANT}.${id}`, NOTHING)
    if (!made.ok) throw new TypeError('an action id was drawn twice')
    const event = newsOf(id, made.revision, this.sent.length)
    this.sent.push(event.at)
    const bytes = utf8Encode(canonicalize({ ...event }))
    await news.publishStored(subject('ui_events', { tenant: TENANT }), bytes, { msgId: id })
  }

  async close(): Promise<void> {
    await this.#link.bus.drain()
  }
}

function newsOf(id: ActionId, revision: number, number: number): ActionEvent {
  const now = Date.now()
  return {
    v: 1,
    action_id: id,
    revision,
    tenant: TENANT,
    state: STATES[number % STATES.length] ?? 'succeeded',
    tool_id: TOOLS[number % TOOLS.length] ?? 'shop.get_order',
    operation: 'read',
    source: 'nats',
    agent: `agent-${number % 7}`,
    on_behalf_of: null,
    tier: 0,
    rule_id: 'reads',
    reason: `bench ${number}`,
    amount: null,
    proposed_at: now,
    at: now,
    decide_by: null,
  }
}
