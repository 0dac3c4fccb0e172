import { asObject, isJsonArray, type Json, type JsonObject, parseJson } from '@trustgw/protocol'
import { type DoubleAnswer, type DoubleCall, HttpDouble, type Weather } from './http-double.ts'

/** Limits of the Bot API, as its documentation gives them. */
const TEXT_MAX_CHARS = 4_096
const BUTTON_DATA_MAX_BYTES = 64
const NOTICE_MAX_CHARS = 200
const UPDATES_MAX_COUNT = 100
const HOLD_MAX_MS = 2_000

export interface TelegramButton {
  readonly text: string
  readonly callback_data?: string
  readonly url?: string
}

export interface TelegramMessage {
  readonly id: number
  readonly chat: number
  text: string
  buttons: readonly TelegramButton[]
  /** The types of its entities, and whether a parse mode or a preview was asked for. */
  entities: readonly string[]
  plain: boolean
  edits: number
}

/**
 * A double of Telegram: it speaks the Bot API over HTTP with its errors and limits, keeps private chats,
 * and plays the people in them. Calls are answered as the documentation says; getUpdates holds two
 * seconds at most.
 */
export class TelegramDouble {
  readonly token = '7310000001:AAEhBOweik9ai2o01_dAx7jPskf3qLKJf8s'
  readonly messages: TelegramMessage[] = []
  /** What presses were answered. */
  readonly notices: string[] = []
  readonly blocked: Set<number> = new Set()
  readonly #http: HttpDouble
  readonly #known = new Set<number>()
  #updates: JsonObject[] = []
  #nextUpdate = 1
  #nextMessage = 1
  #polls = 0
  #webhook: { readonly url: string; readonly secret: string } | undefined
  #arrived: () => void = () => undefined

  constructor() {
    this.#http = new HttpDouble(
      (call) => this.#answer(call),
      (seconds) =>
        failure(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds }),
    )
  }

  static async start(): Promise<TelegramDouble> {
    const double = new TelegramDouble()
    await double.#http.listen()
    return double
  }

  get origin(): string {
    return this.#http.origin
  }

  get webhook(): { readonly url: string; readonly secret: string } | undefined {
    return this.#webhook
  }

  weather(weather: Weather): void {
    this.#http.weather = weather
  }

  async stop(): Promise<void> {
    await this.#http.close()
  }

  /** Messages of a person's chat, as they stand there now. */
  chat(person: number): readonly TelegramMessage[] {
    return this.messages.filter(({ chat }) => chat === person)
  }

  /** What a person writes, in private or in a group. */
  say(person: number, text: string, chat: number = person): JsonObject {
    this.#known.add(person)
    const message_id = this.#nextMessage++
    const type = chat === person ? 'private' : 'group'
    return this.#push({
      message: {
        message_id,
        date: 1,
        from: { id: person, is_bot: false, first_name: '<b>Ann</b>' },
        chat: { id: chat, type },
        text,
      },
    })
  }

  /** A press on a button of a message, by whoever sees it. */
  press(person: number, message: TelegramMessage, label: string): JsonObject {
    const button = message.buttons.find(({ text }) => text === label)
    if (button?.callback_data === undefined) throw new Error(`no button ${label}`)
    return this.pressData(person, message, button.callback_data)
  }

  pressData(person: number, message: TelegramMessage, data: string): JsonObject {
    return this.#push({
      callback_query: {
        id: `q${this.#nextUpdate}`,
        from: { id: person, is_bot: false, first_name: 'Ann' },
        chat_instance: '1',
        message: { message_id: message.id, date: 1, chat: { id: message.chat, type: 'private' } },
        data,
      },
    })
  }

  /** Brings what is waiting to the webhook, as often as it takes. */
  async deliver(headers: { readonly [name: string]: string } = {}): Promise<readonly number[]> {
    const hook = this.#webhook
    if (hook === undefined) throw new Error('no webhook')
    const statuses: number[] = []
    for (const update of this.#updates) {
      const response = await fetch(hook.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-telegram-bot-api-secret-token': hook.secret,
          ...headers,
        },
        body: JSON.stringify(update),
      })
      await response.body?.cancel()
      statuses.push(response.status)
      if (response.status === 200) this.#updates = this.#updates.filter((one) => one !== update)
    }
    return statuses
  }

  #push(content: JsonObject): JsonObject {
    const update = { update_id: this.#nextUpdate++, ...content }
    this.#updates.push(update)
    this.#arrived()
    return update
  }

  #answer({ path, body }: DoubleCall): DoubleAnswer | Promise<DoubleAnswer> {
    const [, token, method = ''] = /^\/bot([^/]+)\/(\w+)$/.exec(path) ?? []
    if (token !== this.token) return failure(401, 'Unauthorized')
    const payload = payloadOf(body)
    switch (method) {
      case 'getUpdates':
        return this.#getUpdates(payload)
      case 'sendMessage':
        return this.#send(payload)
      case 'editMessageText':
        return this.#edit(payload)
      case 'answerCallbackQuery':
        return this.#notice(payload)
      case 'setWebhook':
        this.#webhook = { url: textOf(payload['url']), secret: textOf(payload['secret_token']) }
        return success(true)
      case 'deleteWebhook':
        this.#webhook = undefined
        return success(true)
      default:
        return failure(404, 'Not Found')
    }
  }

  async #getUpdates(payload: JsonObject): Promise<DoubleAnswer> {
    if (this.#webhook !== undefined)
      return failure(409, "Conflict: can't use getUpdates method while webhook is active")
    this.#polls += 1
    const own = this.#polls
    const offset = Number(payload['offset'] ?? 0)
    this.#updates = this.#updates.filter(({ update_id }) => Number(update_id) >= offset)
    const holdMs = Math.min(HOLD_MAX_MS, Number(payload['timeout'] ?? 0) * 1_000)
    if (this.#updates.length === 0) await this.#arrival(holdMs)
    if (own !== this.#polls) return failure(409, 'Conflict: terminated by other getUpdates request')
    return success(this.#updates.slice(0, UPDATES_MAX_COUNT))
  }

  async #arrival(holdMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, holdMs)
      timer.unref()
      this.#arrived()
      this.#arrived = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #send(payload: JsonObject): DoubleAnswer {
    const chat = Number(payload['chat_id'])
    if (this.blocked.has(chat)) return failure(403, 'Forbidden: bot was blocked by the user')
    if (!this.#known.has(chat)) return failure(400, 'Bad Request: chat not found')
    const refusal = objectionTo(payload)
    if (refusal !== undefined) return refusal
    const message = { id: this.#nextMessage++, chat, edits: 0, ...shownOf(payload) }
    this.messages.push(message)
    return success({ message_id: message.id, date: 1, chat: { id: chat, type: 'private' } })
  }

  #edit(payload: JsonObject): DoubleAnswer {
    const chat = Number(payload['chat_id'])
    const message = this.messages.find(
      (one) => one.chat === chat && one.id === Number(payload['message_id']),
    )
    if (this.blocked.has(chat)) return failure(403, 'Forbidden: bot was blocked by the user')
    if (message === undefined) return failure(400, 'Bad Request: message to edit not found')
    const refusal = objectionTo(payload)
    if (refusal !== undefined) return refusal
    const shown = shownOf(payload)
    const isSame =
      message.text === shown.text &&
      JSON.stringify(message.buttons) === JSON.stringify(shown.buttons)
    if (isSame) {
      return failure(
        400,
        'Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
      )
    }
    Object.assign(message, shown, { edits: message.edits + 1 })
    return success({ message_id: message.id, date: 1, chat: { id: chat, type: 'private' } })
  }

  #notice(payload: JsonObject): DoubleAnswer {
    const text = textOf(payload['text'])
    if (text.length > NOTICE_MAX_CHARS) return failure(400, 'Bad Request: MESSAGE_TOO_LONG')
    this.notices.push(text)
    return success(true)
  }
}

function payloadOf(body: string): JsonObject {
  const parsed = parseJson(body === '' ? '{}' : body, { maxBytes: 1_048_576 })
  return parsed.ok ? (asObject(parsed.value) ?? {}) : {}
}

function shownOf(payload: JsonObject): Omit<TelegramMessage, 'id' | 'chat' | 'edits'> {
  const entities = payload['entities'] ?? []
  const preview = asObject(payload['link_preview_options'] ?? null)
  return {
    text: textOf(payload['text']),
    buttons: buttonsOf(payload),
    entities: isJsonArray(entities) ? entities.map((one) => textOf(asObject(one)?.['type'])) : [],
    plain: payload['parse_mode'] === undefined && preview?.['is_disabled'] === true,
  }
}

function buttonsOf(payload: JsonObject): readonly TelegramButton[] {
  const rows = asObject(payload['reply_markup'] ?? null)?.['inline_keyboard'] ?? []
  return (isJsonArray(rows) ? rows : []).flatMap((row) =>
    (isJsonArray(row) ? row : []).map((one) => {
      const { text, callback_data: data, url } = asObject(one) ?? {}
      return {
        text: textOf(text),
        ...(typeof data === 'string' && { callback_data: data }),
        ...(typeof url === 'string' && { url }),
      }
    }),
  )
}

function objectionTo(payload: JsonObject): DoubleAnswer | undefined {
  const text = textOf(payload['text'])
  if (text.trim() === '') return failure(400, 'Bad Request: message text is empty')
  if (text.length > TEXT_MAX_CHARS) return failure(400, 'Bad Request: message is too long')
  for (const { callback_data: data, url } of buttonsOf(payload)) {
    if (data !== undefined && Buffer.byteLength(data) > BUTTON_DATA_MAX_BYTES)
      return failure(400, 'Bad Request: BUTTON_DATA_INVALID')
    if (url !== undefined && !/^https?:\/\/[^/]+\.[^/]+/.test(url)) {
      return failure(
        400,
        `Bad Request: inline keyboard button URL '${url}' is invalid: Wrong HTTP URL`,
      )
    }
  }
  return undefined
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : ''
}

function success(result: Json): DoubleAnswer {
  return { status: 200, json: { ok: true, result } }
}

function failure(code: number, description: string, parameters?: JsonObject): DoubleAnswer {
  const json = { ok: false, error_code: code, description, ...(parameters && { parameters }) }
  return { status: code, json }
}
