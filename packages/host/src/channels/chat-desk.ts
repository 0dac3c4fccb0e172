import type { ApprovalDesk } from '../approvals/approval-desk.ts'
import { type ApprovalRecord, mayBeStopped, runsByItself } from '../approvals/approval-record.ts'
import type { ApprovalStore } from '../approvals/approval-store.ts'
import type { Decider } from '../approvals/decider.ts'
import { PROBLEMS } from '../http/problem.ts'
import type { ChatName, PersonRecord } from '../people/person.ts'
import type { Chat, ChatInbox, PressAnswer } from './channel.ts'
import { type ChatLinks, chatTitle } from './chat-links.ts'
import { deciderOf, type Messenger } from './messenger.ts'
import { parsePress } from './press-data.ts'

const HINT =
  'This account is not linked. In the portal, under Your account, get a code of six digits and send it here.'
const ANEW = 'Something changed since this message: look at the newer one.'

export interface ChatDeskDeps {
  readonly chats: readonly Chat[]
  readonly links: ChatLinks
  readonly messenger: Messenger
  readonly store: ApprovalStore
  readonly desk: ApprovalDesk
}

/** What accounts say, given to the one desk where people decide. Who is not linked learns how to be. */
export class ChatDesk implements ChatInbox {
  readonly #deps: ChatDeskDeps

  constructor(deps: ChatDeskDeps) {
    this.#deps = deps
  }

  async wrote(chat: ChatName, account: string, text: string): Promise<string | undefined> {
    const { links } = this.#deps
    if ((await links.personOf(chat, account)) !== undefined)
      return 'This account is linked. Requests that you may decide come by themselves.'
    const attempt = await links.attempt(chat, account, text)
    if (attempt === 'silent') return undefined
    if (attempt === 'no_code') return HINT
    return attempt === 'matched'
      ? 'Linked. Requests that you may decide come here from now on.'
      : 'This code is wrong, used or too old. Get a new one in the portal.'
  }

  async pressed(chat: ChatName, account: string, data: string): Promise<PressAnswer> {
    const { links, store, messenger } = this.#deps
    const person = await links.personOf(chat, account)
    if (person === undefined) return say(HINT)
    const press = parsePress(data)
    const record = press === undefined ? undefined : await store.find(press.actionId)
    if (press === undefined || record === undefined) return say(PROBLEMS.unknown_action.title)
    if (record.request.requested_at !== press.requestedAt) return say(ANEW)
    const by = deciderOf(person, { channel: chat, account, linked_at: 0 })
    const answer = await this.#do(press.verb, record, by)
    messenger.wake()
    return answer
  }

  #do(
    verb: 'approve' | 'deny' | 'inspect',
    record: ApprovalRecord,
    by: Decider,
  ): Promise<PressAnswer> {
    switch (verb) {
      case 'approve':
        return this.#approve(record, by)
      case 'deny':
        return this.#deny(record, by)
      case 'inspect':
        return this.#inspect(record, by)
    }
  }

  /** Only what stood on the card in full is approved by a press. */
  async #approve(record: ApprovalRecord, by: Decider): Promise<PressAnswer> {
    const { desk, messenger } = this.#deps
    const id = record.request.action_id
    const { isWhole } = await messenger.textFor(record, by.person)
    if (!isWhole) return say('Not all of it fits a message: approve it on its page')
    const begun = await desk.begin(by, id)
    if (!begun.ok) return say(PROBLEMS[begun.reason].title)
    const nonce = begun.json['nonce']
    const proof = { nonce: typeof nonce === 'string' ? nonce : '', assertion: null }
    const done = await desk.approve(by, id, proof)
    return done.ok ? { notice: 'Approved', isShown: true } : say(PROBLEMS[done.reason].title)
  }

  async #deny(record: ApprovalRecord, by: Decider): Promise<PressAnswer> {
    const { desk } = this.#deps
    const chat = by.kind === 'slack' || by.kind === 'telegram' ? chatTitle(by.kind) : by.kind
    const did = mayBeStopped(record) || runsByItself(record.request) ? 'Stopped' : 'Denied'
    const done = await desk.deny(by, record.request.action_id, `${did} in ${chat}`)
    return done.ok ? { notice: did, isShown: true } : say(PROBLEMS[done.reason].title)
  }

  async #inspect(record: ApprovalRecord, by: Decider): Promise<PressAnswer> {
    const { chats, desk, messenger } = this.#deps
    const chat = chats.find(({ name }) => name === by.kind)
    const account = accountOf(by.person, by.kind)
    if (chat === undefined || account === undefined || desk.choices(record, by) === undefined)
      return say(PROBLEMS.not_pending.title)
    for (const text of await messenger.details(record, by.person)) {
      const sent = await chat.send(account, { text, buttons: [] })
      if (!sent.ok) return say('Not all could be sent: try again, or open the approval page.')
    }
    return { notice: 'All of it', isShown: true }
  }
}

function accountOf({ channels = [] }: PersonRecord, kind: Decider['kind']): string | undefined {
  return channels.find(({ channel }) => channel === kind)?.account
}

const say = (notice: string): PressAnswer => ({ notice, isShown: false })
