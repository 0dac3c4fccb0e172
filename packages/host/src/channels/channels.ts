import type { ActionEvent, TenantId } from '@trustgw/protocol'
import type { ActionFeed } from '../actions/action-feed.ts'
import type { ApprovalDesk } from '../approvals/approval-desk.ts'
import type { ApprovalStore } from '../approvals/approval-store.ts'
import type { HostDeps } from '../deps.ts'
import { refused } from '../http/problem.ts'
import { problemResponse } from '../http/reply.ts'
import type { PeopleStore } from '../people/people-store.ts'
import type { Chat } from './channel.ts'
import { ChatDesk } from './chat-desk.ts'
import { ChatLinks } from './chat-links.ts'
import { MessageBook } from './message-book.ts'
import { Messenger } from './messenger.ts'
import { SlackChat } from './slack.ts'
import { TelegramChat } from './telegram.ts'

/** Which chats a host serves, with their secrets; `apiUrl` is an origin. */
export interface ChannelSettings {
  readonly telegram?: {
    readonly token: string
    readonly apiUrl: string
    /** Null: the bot asks for updates; else Telegram brings them under this secret. */
    readonly webhookSecret: string | null
  }
  readonly slack?: {
    readonly token: string
    readonly signingSecret: string
    readonly apiUrl: string
  }
}

export interface ChannelsDeps {
  readonly tenant: TenantId
  readonly origin: string
  readonly settings: ChannelSettings
  readonly store: ApprovalStore
  readonly desk: ApprovalDesk
  readonly people: PeopleStore
  readonly feed: ActionFeed
  readonly host: Pick<HostDeps, 'audit' | 'channelMessages' | 'clock' | 'log' | 'random'>
}

/** The chats of a host: who is linked, what stands there, and what people say there. */
export class Channels {
  readonly links: ChatLinks
  readonly #chats: readonly Chat[]
  readonly #book: MessageBook
  readonly #messenger: Messenger
  readonly #inbox: ChatDesk
  readonly #store: ApprovalStore
  #forget: (() => void) | undefined

  constructor(deps: ChannelsDeps) {
    const { tenant, store, desk, people, host } = deps
    const { clock, log } = host
    this.#store = store
    this.#chats = chatsOf(deps)
    this.#book = new MessageBook({ records: host.channelMessages, tenant, log })
    const { origin, feed } = deps
    this.#messenger = new Messenger({
      ...{ tenant, origin, store, desk, people, feed, clock, log },
      chats: this.#chats,
      book: this.#book,
    })
    this.links = new ChatLinks({
      ...host,
      people,
      chats: this.#chats.map(({ name }) => name),
      onChange: () => this.#messenger.wake(),
    })
    const messenger = this.#messenger
    this.#inbox = new ChatDesk({ chats: this.#chats, links: this.links, messenger, store, desk })
  }

  /** Takes up what a former run left. Without a chat there is nothing to do. */
  async start(): Promise<void> {
    if (this.#chats.length === 0) return
    await this.#book.load()
    this.#forget = this.#store.onChange(() => this.#messenger.wake())
    for (const chat of this.#chats) chat.start(this.#inbox)
    this.#messenger.wake()
  }

  async stop(): Promise<void> {
    this.#forget?.()
    await Promise.all(this.#chats.map((chat) => chat.stop()))
    await this.#messenger.stop()
  }

  /** An action went on. */
  follow(event: ActionEvent): void {
    if (this.#chats.length > 0) this.#messenger.follow(event)
  }

  /** A request of a provider. Faults as the bus does; then the provider brings it again. */
  async hook(name: string, request: Request): Promise<Response> {
    const chat = this.#chats.find((one) => one.name === name)
    return chat === undefined ? problemResponse(refused('not_found')) : await chat.hook(request)
  }
}

function chatsOf({ settings, origin, host: { clock, log } }: ChannelsDeps): readonly Chat[] {
  const { telegram, slack } = settings
  const chats: Chat[] = []
  if (telegram !== undefined) {
    const { token, apiUrl, webhookSecret: secret } = telegram
    const webhook = secret === null ? null : { url: `${origin}/channels/telegram`, secret }
    chats.push(new TelegramChat({ token, apiUrl, webhook, clock, log }))
  }
  if (slack !== undefined) chats.push(new SlackChat({ ...slack, clock, log }))
  return chats
}
