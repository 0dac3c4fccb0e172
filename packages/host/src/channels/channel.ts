import type { ChatName } from '../people/person.ts'

/** A message as people see it: text without markup, and buttons under it. */
export interface ChatCard {
  /** Shown as it is: a chat reads no markup, link or mention out of it. */
  readonly text: string
  readonly buttons: readonly ChatButton[]
}

export type ChatButton =
  /** `data` comes back when it is pressed: at most 64 bytes, which Telegram takes. */
  | { readonly kind: 'press'; readonly label: string; readonly data: string }
  | { readonly kind: 'open'; readonly label: string; readonly url: string }

/** A card fits every chat: Slack takes 3 000 characters a section, Telegram 4 096 a message. */
export const CARD_MAX_CHARS = 2_800

/**
 * `unreachable`: it is not known whether it was done, or it was not; try again later. `throttled`: not
 * before the time given. `account_gone`: the account takes no messages. `message_gone`: there is
 * nothing to edit any more.
 */
export type Delivered =
  | { readonly ok: true; readonly message: string }
  | { readonly ok: false; readonly reason: 'unreachable' | 'account_gone' | 'message_gone' }
  | { readonly ok: false; readonly reason: 'throttled'; readonly retryAfterMs: number }

/** What an account is told after a press; `isShown` where the edited card says it anyway. */
export interface PressAnswer {
  readonly notice: string
  readonly isShown: boolean
}

/** What a chat tells of its accounts. A fault means that nothing was done: the chat brings it again, or says so. */
export interface ChatInbox {
  /** The answer to a text; undefined: none at all. */
  wrote(chat: ChatName, account: string, text: string): Promise<string | undefined>
  pressed(chat: ChatName, account: string, data: string): Promise<PressAnswer>
}

/**
 * One chat of one provider. `send` and `edit` are tried once and take bounded time; they never throw, and
 * nothing that they answer or log holds the provider's address or a token. An account is the id that the
 * provider vouches for, never a name.
 */
export interface Chat {
  readonly name: ChatName
  send(account: string, card: ChatCard): Promise<Delivered>
  edit(account: string, message: string, card: ChatCard): Promise<Delivered>
  /** Hears accounts from now on. */
  start(inbox: ChatInbox): void
  stop(): Promise<void>
  /** A request of the provider at `/channels/<name>`, not checked yet; answers it. */
  hook(request: Request): Promise<Response>
}
