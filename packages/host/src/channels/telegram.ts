import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import {
  integerShape,
  type Json,
  jsonObjectShape,
  optionalMember,
  parseJson,
  pickedShape,
  readShape,
  type Shape,
  stringShape,
} from '@trustgw/protocol'
import { Api, GrammyError, InlineKeyboard } from 'grammy'
import type { HostDeps } from '../deps.ts'
import { readBody } from '../http/body.ts'
import { refused } from '../http/problem.ts'
import { jsonResponse, problemResponse } from '../http/reply.ts'
import type { Chat, ChatCard, ChatInbox, Delivered } from './channel.ts'
import { isSameSecret, SeenOnce } from './hook-guard.ts'

/** How long one call may take. */
const CALL_TIMEOUT_SECONDS = 10
/** How long the provider holds a request for news; a little more is left for its answer. */
const POLL_HOLD_SECONDS = 25
const POLL_PAUSE_MIN_MS = 500
const POLL_PAUSE_MAX_MS = 30_000
const NOTICE_MAX_CHARS = 200
const UPDATES = ['message', 'callback_query'] as const
const UPDATE_MAX_BYTES = 256 * 1024

export interface TelegramOptions {
  readonly token: string
  /** Origin of the Bot API. */
  readonly apiUrl: string
  /** Where and under which secret the provider brings updates; null: they are asked for. */
  readonly webhook: { readonly url: string; readonly secret: string } | null
  readonly clock: HostDeps['clock']
  readonly log: HostDeps['log']
}

interface Person {
  readonly id: number
}

interface Update {
  readonly update_id: number
  readonly message?: { readonly from?: Person; readonly chat: Person; readonly text?: string }
  readonly callback_query?: {
    readonly id: string
    readonly from: Person
    readonly data?: string
    readonly message?: { readonly chat: Person }
  }
}

const wholeNumber = integerShape({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })
const text = stringShape({ max: 8_192 })
const somebody = pickedShape({ id: wholeNumber })

const updateShape: Shape<Update> = pickedShape({
  update_id: wholeNumber,
  message: optionalMember(
    pickedShape({ from: optionalMember(somebody), chat: somebody, text: optionalMember(text) }),
  ),
  callback_query: optionalMember(
    pickedShape({
      id: text,
      from: somebody,
      data: optionalMember(text),
      message: optionalMember(pickedShape({ chat: somebody })),
    }),
  ),
})

/**
 * Telegram over its Bot API. Only private conversations count: there the chat's id is the account's own.
 * Texts are sent as one `pre` entity without a parse mode, so that nothing in them is markup, link,
 * mention or command. An update is confirmed after it was dealt with, so one may come twice.
 */
export class TelegramChat implements Chat {
  readonly name = 'telegram'
  readonly #options: TelegramOptions
  readonly #api: Api
  readonly #poll: Api
  /** Its end is the end of a request that is held. */
  readonly #pollAgent: HttpAgent
  readonly #seen = new SeenOnce()
  readonly #stopping = new AbortController()
  #inbox: ChatInbox | undefined
  #hearing: Promise<void> = Promise.resolve()

  constructor(options: TelegramOptions) {
    const { token, apiUrl: apiRoot } = options
    this.#options = options
    const redirect = 'error'
    this.#api = new Api(token, {
      apiRoot,
      timeoutSeconds: CALL_TIMEOUT_SECONDS,
      baseFetchConfig: { redirect },
    })
    this.#pollAgent = apiRoot.startsWith('https:') ? new HttpsAgent() : new HttpAgent()
    this.#poll = new Api(token, {
      apiRoot,
      timeoutSeconds: POLL_HOLD_SECONDS + CALL_TIMEOUT_SECONDS,
      baseFetchConfig: { redirect, agent: this.#pollAgent },
    })
  }

  send(account: string, card: ChatCard): Promise<Delivered> {
    return this.#call(async () => {
      const sent = await this.#api.sendMessage(Number(account), bodyOf(card), formOf(card))
      return String(sent.message_id)
    })
  }

  edit(account: string, message: string, card: ChatCard): Promise<Delivered> {
    return this.#call(async () => {
      const chat = Number(account)
      try {
        await this.#api.editMessageText(chat, Number(message), bodyOf(card), formOf(card))
      } catch (error) {
        if (!says(error, /message is not modified/i)) throw error
      }
      return message
    }, /message to edit not found|message can't be edited|MESSAGE_ID_INVALID/i)
  }

  start(inbox: ChatInbox): void {
    this.#inbox = inbox
    this.#hearing = this.#retry(() => this.#arrange()).then(() =>
      this.#options.webhook === null ? this.#follow(inbox) : undefined,
    )
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#pollAgent.destroy()
    await this.#hearing
  }

  /** `403` without the secret, `500` where nothing was done: the provider brings it again. */
  async hook(request: Request): Promise<Response> {
    const { webhook } = this.#options
    const given = request.headers.get('x-telegram-bot-api-secret-token') ?? ''
    if (webhook === null || this.#inbox === undefined) return problemResponse(refused('not_found'))
    if (!isSameSecret(given, webhook.secret)) return problemResponse(refused('origin_refused'))
    const body = await readBody(request, jsonObjectShape(), UPDATE_MAX_BYTES)
    if (!body.ok) return problemResponse(body)
    await this.#take(body.value, this.#inbox)
    return jsonResponse({ json: {} })
  }

  /** Where updates come from is said before any is heard; the other way would answer 409. */
  async #arrange(): Promise<void> {
    const { webhook } = this.#options
    if (webhook === null) await this.#api.deleteWebhook()
    else {
      const secret_token = webhook.secret
      await this.#api.setWebhook(webhook.url, { secret_token, allowed_updates: UPDATES })
    }
  }

  async #follow(inbox: ChatInbox): Promise<void> {
    let offset = 0
    while (!this.#stopping.signal.aborted) {
      await this.#retry(async () => {
        const updates = await this.#poll.getUpdates({
          offset,
          timeout: POLL_HOLD_SECONDS,
          allowed_updates: UPDATES,
        })
        for (const update of updates) {
          const json = parseJson(JSON.stringify(update), { maxBytes: UPDATE_MAX_BYTES })
          if (json.ok) await this.#take(json.value, inbox)
          offset = update.update_id + 1
        }
      })
    }
  }

  /** One update, once; what is not of a private conversation is nobody's. Faults as the inbox does. */
  async #take(json: Json, inbox: ChatInbox): Promise<void> {
    const read = readShape(updateShape, json)
    if (!read.ok || this.#seen.has(String(read.value.update_id))) return
    const { update_id, message, callback_query: press } = read.value
    if (message?.from !== undefined && message.from.id === message.chat.id) {
      const account = String(message.from.id)
      const answer = await inbox.wrote(this.name, account, message.text ?? '')
      if (answer !== undefined) await this.send(account, { text: answer, buttons: [] })
    }
    if (press?.message !== undefined && press.message.chat.id === press.from.id) {
      const { notice } = await inbox.pressed(this.name, String(press.from.id), press.data ?? '')
      const said = { text: notice.slice(0, NOTICE_MAX_CHARS), show_alert: notice.length > 40 }
      await this.#call(async () => {
        await this.#api.answerCallbackQuery(press.id, said)
        return press.id
      })
    }
    this.#seen.add(String(update_id))
  }

  /** Until it is done or the chat stops. What failed is named by its code alone. */
  async #retry(act: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#options
    const { signal } = this.#stopping
    let pauseMs = POLL_PAUSE_MIN_MS
    while (!signal.aborted) {
      try {
        await act()
        return
      } catch (error) {
        if (signal.aborted) return
        const { code, retryAfterMs } = factsOf(error)
        log.warn('telegram_not_heard', { code })
        await clock.sleep(Math.max(pauseMs, retryAfterMs), signal).catch(() => undefined)
        pauseMs = Math.min(POLL_PAUSE_MAX_MS, pauseMs * 2)
      }
    }
  }

  async #call(act: () => Promise<string>, gone?: RegExp): Promise<Delivered> {
    try {
      return { ok: true, message: await act() }
    } catch (error) {
      const { code, retryAfterMs } = factsOf(error)
      if (code === '429') return { ok: false, reason: 'throttled', retryAfterMs }
      if (gone !== undefined && says(error, gone)) return { ok: false, reason: 'message_gone' }
      const isGone = code === '403' || says(error, /chat not found|user is deactivated/i)
      if (!isGone) this.#options.log.warn('telegram_refused', { code })
      return { ok: false, reason: isGone ? 'account_gone' : 'unreachable' }
    }
  }
}

/** Telegram takes no button that leads to an address without https: there it stands in the text. */
const isOpenable = (url: string): boolean => url.startsWith('https://')

function bodyOf({ text: said, buttons }: ChatCard): string {
  const links = buttons.flatMap((button) =>
    button.kind === 'open' && !isOpenable(button.url) ? [`${button.label}: ${button.url}`] : [],
  )
  return [said, ...links].join('\n')
}

function formOf(card: ChatCard) {
  const keyboard = new InlineKeyboard()
  for (const button of card.buttons) {
    if (button.kind === 'press') keyboard.text(button.label, button.data)
    else if (isOpenable(button.url)) keyboard.row().url(button.label, button.url)
  }
  return {
    entities: [{ type: 'pre' as const, offset: 0, length: bodyOf(card).length }],
    link_preview_options: { is_disabled: true },
    reply_markup: keyboard,
  }
}

const says = (error: unknown, words: RegExp): boolean =>
  error instanceof GrammyError && error.error_code === 400 && words.test(error.description)

/** What may be said of a failed call. Its text may hold the address, and so the token. */
function factsOf(error: unknown): { readonly code: string; readonly retryAfterMs: number } {
  if (!(error instanceof GrammyError)) return { code: 'unreachable', retryAfterMs: 0 }
  const seconds = error.parameters.retry_after ?? 0
  return { code: String(error.error_code), retryAfterMs: seconds * 1_000 }
}
