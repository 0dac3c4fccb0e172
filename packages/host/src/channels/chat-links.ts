import type { JsonObject } from '@trustgw/protocol'
import type { HostDeps } from '../deps.ts'
import { type Refused, refused } from '../http/problem.ts'
import type { PeopleStore } from '../people/people-store.ts'
import type { ChatName, PersonRecord } from '../people/person.ts'
import type { Session } from '../session/session-desk.ts'
import { type LinkAttempt, LinkBook } from './link-book.ts'

const CHAT_TITLES: Readonly<Record<ChatName, string>> = { telegram: 'Telegram', slack: 'Slack' }

export const chatTitle = (chat: ChatName): string => CHAT_TITLES[chat]

export interface ChatLinksDeps {
  readonly people: PeopleStore
  readonly clock: HostDeps['clock']
  readonly random: HostDeps['random']
  readonly audit: HostDeps['audit']
  /** The chats that this host serves. */
  readonly chats: readonly ChatName[]
  /** Told when somebody was linked or unlinked. */
  readonly onChange: () => void
}

type Answer = { readonly ok: true; readonly json: JsonObject } | Refused

/** Whose account of a chat is whose: begun in the portal, ended there. */
export class ChatLinks {
  readonly #deps: ChatLinksDeps
  readonly #book: LinkBook

  constructor(deps: ChatLinksDeps) {
    this.#deps = deps
    this.#book = new LinkBook(deps.random)
  }

  /** The chats of this host, and where the person is linked. */
  list({ person }: Session): JsonObject {
    return {
      channels: this.#deps.chats.map((chat) => {
        const link = person.channels?.find(({ channel }) => channel === chat)
        return { channel: chat, linked_at: link?.linked_at ?? null }
      }),
    }
  }

  /** A code for the person to send from the account; nobody else sees it. */
  begin({ person }: Session, chat: ChatName): Answer {
    const { chats, clock } = this.#deps
    if (!chats.includes(chat)) return refused('not_found')
    const { code, expiresAt } = this.#book.open(chat, person.person, clock.now())
    return { ok: true, json: { code, expires_at: expiresAt } }
  }

  async unlink({ person: { person } }: Session, chat: ChatName): Promise<Answer> {
    const removed = await this.#change(person, chat, null)
    return removed ? { ok: true, json: {} } : refused('not_found')
  }

  personOf(chat: ChatName, account: string): Promise<PersonRecord | undefined> {
    return this.#deps.people.byAccount(chat, account)
  }

  /** What an account wrote that is nobody's; a code that matches makes it its owner's. */
  async attempt(chat: ChatName, account: string, text: string): Promise<LinkAttempt['kind']> {
    const attempt = this.#book.take(chat, account, text, this.#deps.clock.now())
    if (attempt.kind !== 'matched') return attempt.kind
    return (await this.#change(attempt.person, chat, account)) ? 'matched' : 'wrong'
  }

  /** On record before it holds; false where there is nothing to change. */
  async #change(person: string, chat: ChatName, account: string | null): Promise<boolean> {
    const { people, audit, clock, onChange } = this.#deps
    for (let isRecorded = false; ; isRecorded = true) {
      const known = await people.find(person)
      const links = known?.record.channels ?? []
      const others = links.filter(({ channel }) => channel !== chat)
      if (known === undefined) return false
      if (account === null && others.length === links.length) return false
      const now = clock.now()
      const added = account === null ? [] : [{ channel: chat, account, linked_at: now }]
      if (!isRecorded) {
        await audit.append(account === null ? 'channel_unlinked' : 'channel_linked', {
          actor: { kind: 'human', id: person },
          payload: { person, channel: chat, ...(account !== null && { account }) },
        })
      }
      const record = { ...known.record, channels: [...others, ...added], updated_at: now }
      if (!(await people.save(record, known.revision))) continue
      onChange()
      return true
    }
  }
}
