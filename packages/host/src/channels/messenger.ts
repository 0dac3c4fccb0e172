import { type ComparedWith, earlierShape, reviewEarlier } from '@trustgw/card'
import {
  type ActionEvent,
  type ActionId,
  canonicalize,
  hashText,
  readShape,
  type TenantId,
} from '@trustgw/protocol'
import { sha256 } from '@trustgw/runtime'
import type { ActionFeed } from '../actions/action-feed.ts'
import type { ApprovalDesk } from '../approvals/approval-desk.ts'
import { type ApprovalRecord, mayBeStopped, runsByItself } from '../approvals/approval-record.ts'
import type { ApprovalStore } from '../approvals/approval-store.ts'
import type { Decider } from '../approvals/decider.ts'
import { earlierApprovals } from '../approvals/earlier-approvals.ts'
import type { HostDeps } from '../deps.ts'
import type { PeopleStore } from '../people/people-store.ts'
import type { ChannelLink, PersonRecord } from '../people/person.ts'
import {
  type CardContext,
  type CardText,
  cardText,
  detailTexts,
  endText,
  stopText,
} from './card-text.ts'
import type { Chat, ChatButton, ChatCard, Delivered } from './channel.ts'
import type { MessageBook, SentMessage } from './message-book.ts'
import { pressData } from './press-data.ts'

/** Requests that get a message, the most urgent first: nobody reads more on a phone (a prompt storm). */
export const ASKED_MAX_COUNT = 50
/** How often everything is looked at, heard of or not: times pass and people's roles change. */
export const ROUND_EVERY_MS = 15_000
export const RETRY_MIN_MS = 1_000
export const RETRY_MAX_MS = 60_000
/** An account that takes no messages is tried again after so long. */
export const GONE_RETRY_MS: number = 10 * 60_000

const WAITING: ReadonlySet<ActionEvent['state']> = new Set([
  'proposed',
  'preparing',
  'pending_approval',
  'authorized',
  'scheduled',
])

export interface MessengerDeps {
  readonly tenant: TenantId
  /** Where the portal is. */
  readonly origin: string
  readonly chats: readonly Chat[]
  readonly book: MessageBook
  readonly store: ApprovalStore
  readonly desk: ApprovalDesk
  readonly people: PeopleStore
  readonly feed: ActionFeed
  readonly clock: HostDeps['clock']
  readonly log: HostDeps['log']
}

interface Wanted {
  readonly chat: Chat
  readonly of: Omit<SentMessage, 'message' | 'shown'>
  readonly card: ChatCard
}

/** Not before `until`; `failures` in a row make it longer. */
interface Pause {
  readonly until: number
  readonly failures: number
}

export const deciderOf = (person: PersonRecord, link: ChannelLink): Decider => ({
  kind: link.channel,
  sid: `${link.channel}:${link.account}`,
  person,
})

/**
 * Brings the chats to what is so: every open request has its message at everybody linked who may decide
 * it, and every message says what became of its request. Each round compares what should stand there
 * with what was sent, so that a failed, throttled or interrupted round loses nothing: the next one finds
 * the same difference. Where a provider took a message and its answer was lost, there are two.
 */
export class Messenger {
  readonly #deps: MessengerDeps
  readonly #pauses = new Map<string, Pause>()
  readonly #earlier = new Map<ActionId, ComparedWith>()
  #running: Promise<void> | undefined
  #cancel: (() => void) | undefined
  #isWanted = false
  #isStopped = false

  constructor(deps: MessengerDeps) {
    this.#deps = deps
  }

  /** An action went on: a round soon, if a message tells of it. */
  follow({ action_id }: ActionEvent): void {
    if (this.#deps.book.all().some(([, sent]) => sent.action_id === action_id)) this.wake()
  }

  /** Something changed: a round soon. */
  wake(): void {
    this.#isWanted = true
    if (this.#running !== undefined || this.#isStopped) return
    this.#cancel?.()
    this.#running = this.#rounds().finally(() => {
      this.#running = undefined
      if (this.#isStopped) return
      if (this.#isWanted) this.wake()
      else this.#cancel = this.#deps.clock.setTimer(this.#dueIn(), () => this.wake())
    })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel?.()
    await this.#running
  }

  /** What one person's card says now. */
  async textFor(record: ApprovalRecord, person: PersonRecord): Promise<CardText> {
    return cardText(record, await this.#context(record, person), this.#deps.clock.now())
  }

  async details(record: ApprovalRecord, person: PersonRecord): Promise<readonly string[]> {
    return detailTexts(record, await this.#context(record, person), this.#deps.clock.now())
  }

  async #context({ request }: ApprovalRecord, person: PersonRecord): Promise<CardContext> {
    const { tenant, store, feed } = this.#deps
    const id = request.action_id
    let earlier = this.#earlier.get(id)
    if (earlier === undefined) {
      const told = await earlierApprovals(store, request, (one) => feed.find(one))
      const read = readShape(earlierShape, told)
      if (read.ok) {
        const leftOut = read.value.left_out
        earlier = { ...reviewEarlier(read.value.earlier, request, sha256), leftOut }
        this.#earlier.set(id, earlier)
      }
    }
    return { tenant, person: person.person, earlier, events: [] }
  }

  async #rounds(): Promise<void> {
    while (this.#isWanted && !this.#isStopped) {
      this.#isWanted = false
      try {
        await this.#round()
        this.#pauses.delete('round')
      } catch {
        this.#deps.log.warn('channel_round_failed')
        this.#pause('round', RETRY_MIN_MS)
      }
    }
  }

  async #round(): Promise<void> {
    const { book, store } = this.#deps
    await book.flush()
    const open = store.open()
    for (const id of this.#earlier.keys())
      if (!open.some(({ request }) => request.action_id === id)) this.#earlier.delete(id)
    if (open.length === 0 && book.all().length === 0) return
    const wanted = await this.#wanted([...open, ...(await this.#stoppable(open))])
    for (const [key, one] of wanted) await this.#bring(key, one)
    for (const [key, sent] of book.all()) if (!wanted.has(key)) await this.#end(key, sent)
  }

  /** What was approved inside its undo window, of what a message tells of. */
  async #stoppable(open: readonly ApprovalRecord[]): Promise<readonly ApprovalRecord[]> {
    const { book, clock, feed, store } = this.#deps
    const told = new Set(book.all().map(([, { action_id }]) => action_id))
    for (const { request } of open) told.delete(request.action_id)
    const records = await Promise.all(
      [...told].filter((id) => waits(feed.find(id))).map((id) => store.find(id)),
    )
    const now = clock.now()
    return records
      .filter((record) => record !== undefined)
      .filter((record) => mayBeStopped(record) && now < record.request.run_by)
  }

  /** Every message that should ask, tell that it is being decided, or let it be stopped. */
  async #wanted(open: readonly ApprovalRecord[]): Promise<ReadonlyMap<string, Wanted>> {
    const { book, chats, people } = this.#deps
    const linked = (await people.list()).flatMap((person) =>
      (person.channels ?? []).flatMap((link) => {
        const chat = chats.find(({ name }) => name === link.channel)
        return chat === undefined ? [] : [{ person, link, chat }]
      }),
    )
    const wanted = new Map<string, Wanted>()
    const urgent = open.toSorted((a, b) => a.request.decide_by - b.request.decide_by)
    for (const [rank, record] of urgent.entries()) {
      const { action_id, requested_at } = record.request
      for (const { person, link, chat } of linked) {
        const { account } = link
        const of = { v: 1, chat: chat.name, account, action_id, requested_at } as const
        const key = book.keyOf(of)
        const isNew = book.find(key) === undefined
        if (isNew && (record.state !== 'pending' || rank >= ASKED_MAX_COUNT)) continue
        const card = await this.#card(record, person, link)
        if (card === undefined) continue
        wanted.set(key, { chat, of: { ...of, person: person.person }, card })
      }
    }
    return wanted
  }

  async #card(
    record: ApprovalRecord,
    person: PersonRecord,
    link: ChannelLink,
  ): Promise<ChatCard | undefined> {
    const { desk, feed, origin } = this.#deps
    const choices = desk.choices(record, deciderOf(person, link))
    const press = (label: string, verb: 'inspect' | 'approve' | 'deny'): ChatButton => ({
      kind: 'press',
      label,
      data: pressData(verb, record.request),
    })
    const url = `${origin}/approvals/${record.request.action_id}`
    const open: ChatButton = { kind: 'open', label: 'Open the approval page', url }
    if (record.state !== 'pending') {
      const context = await this.#context(record, person)
      return mayBeStopped(record) && choices !== undefined
        ? {
            text: stopText(record, context, feed.find(record.request.action_id)),
            buttons: [press('Stop it', 'deny'), open],
          }
        : { text: endText(record, context), buttons: [] }
    }
    if (choices === undefined) return undefined
    const { text, isWhole } = await this.textFor(record, person)
    return {
      text,
      buttons: [
        ...(choices.mayApprove && isWhole ? [press('Approve', 'approve')] : []),
        press(runsByItself(record.request) ? 'Stop it' : 'Deny', 'deny'),
        press('Inspect', 'inspect'),
        open,
      ],
    }
  }

  async #bring(key: string, { chat, of, card }: Wanted): Promise<void> {
    const { book } = this.#deps
    const shown = hashOf(card)
    const known = book.find(key)
    if (known?.shown === shown || this.#isPaused(chat, of.account)) return
    const isNew = known === undefined
    const done = isNew
      ? await chat.send(of.account, card)
      : await chat.edit(of.account, known.message, card)
    this.#heed(chat, of.account, done)
    if (done.ok) await book.put({ ...of, message: done.message, shown })
    // Somebody deleted it: the request gets another one.
    else if (done.reason === 'message_gone') await book.forget(key)
  }

  /** A message that asks nothing any more says so, and is forgotten then. */
  async #end(key: string, sent: SentMessage): Promise<void> {
    const { book, chats, store, people } = this.#deps
    const chat = chats.find(({ name }) => name === sent.chat)
    if (chat === undefined || this.#isPaused(chat, sent.account)) return
    const record = await store.find(sent.action_id)
    const known = await people.find(sent.person)
    const card = { text: await this.#endText(sent, record, known?.record), buttons: [] }
    if (hashOf(card) === sent.shown) return await book.forget(key)
    const done = await chat.edit(sent.account, sent.message, card)
    this.#heed(chat, sent.account, done)
    if (done.ok || done.reason === 'message_gone') await book.forget(key)
  }

  async #endText(
    sent: SentMessage,
    record: ApprovalRecord | undefined,
    person: PersonRecord | undefined,
  ): Promise<string> {
    const isLinked = person?.channels?.some(
      ({ channel, account }) => channel === sent.chat && account === sent.account,
    )
    if (record === undefined || person === undefined || isLinked !== true)
      return 'You are not asked about this any more.'
    if (record.request.requested_at !== sent.requested_at)
      return 'Something changed, and this was asked anew in another message.'
    return endText(record, await this.#context(record, person))
  }

  #isPaused(chat: Chat, account: string): boolean {
    const now = this.#deps.clock.now()
    return [chat.name, `${chat.name}:${account}`].some(
      (of) => (this.#pauses.get(of)?.until ?? 0) > now,
    )
  }

  /** What failed is tried again: the whole chat after an outage, one account after its refusal. */
  #heed(chat: Chat, account: string, done: Delivered): void {
    if (done.ok || done.reason === 'message_gone') {
      this.#pauses.delete(chat.name)
      this.#pauses.delete(`${chat.name}:${account}`)
      return
    }
    if (done.reason === 'account_gone') this.#pause(`${chat.name}:${account}`, GONE_RETRY_MS)
    else this.#pause(chat.name, done.reason === 'throttled' ? done.retryAfterMs : RETRY_MIN_MS)
    this.#deps.log.warn('channel_not_delivered', { chat: chat.name, reason: done.reason })
  }

  #pause(of: string, leastMs: number): void {
    const failures = (this.#pauses.get(of)?.failures ?? 0) + 1
    const grown = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(failures - 1, 16))
    const until = this.#deps.clock.now() + Math.max(leastMs, grown)
    this.#pauses.set(of, { until, failures })
  }

  #dueIn(): number {
    const now = this.#deps.clock.now()
    const ends = [...this.#pauses.values()].map(({ until }) => until - now).filter((ms) => ms > 0)
    return Math.min(ROUND_EVERY_MS, ...ends)
  }
}

/** Whether an approved action may still be waiting for its window to end, as far as events say. */
function waits(event: ActionEvent | undefined): boolean {
  return event === undefined || WAITING.has(event.state)
}

function hashOf({ text, buttons }: ChatCard): string {
  const said = buttons.map((button) => ({ ...button }))
  return hashText(sha256, canonicalize({ text, buttons: said })).replace(':', '-')
}
