import { createHmac } from 'node:crypto'
import {
  arrayShape,
  type Json,
  type JsonObject,
  optionalMember,
  parseJsonObject,
  pickedShape,
  readShape,
  type Shape,
  stringShape,
} from '@trustgw/protocol'
import type { HostDeps } from '../deps.ts'
import { BODY_MAX_BYTES, collect } from '../http/body.ts'
import { refused } from '../http/problem.ts'
import { jsonResponse, problemResponse } from '../http/reply.ts'
import type { Chat, ChatCard, ChatInbox, Delivered } from './channel.ts'
import { isSameSecret, SeenOnce } from './hook-guard.ts'

const CALL_TIMEOUT_MS = 10_000
const ANSWER_MAX_BYTES = 256 * 1024
/** How far the time of a signed request may be off. */
export const SIGNED_WINDOW_SECONDS = 300
const RETRY_AFTER_DEFAULT_SECONDS = 30
/** Slack waits three seconds for the answer to a press, and brings none again. */
export const PRESS_ANSWERED_MS = 2_000
const NOT_DONE = 'This could not be done: press again, or open the approval page.'
const ACCOUNT_GONE =
  /^(?:channel_not_found|user_not_found|users_not_found|user_disabled|account_inactive|cannot_dm_bot|is_archived|messages_tab_disabled)$/
const MESSAGE_GONE = /^(?:message_not_found|cant_update_message|edit_window_closed)$/

export interface SlackOptions {
  readonly token: string
  readonly signingSecret: string
  /** Origin of the Web API. */
  readonly apiUrl: string
  readonly clock: HostDeps['clock']
  readonly log: HostDeps['log']
}

const text = stringShape({ max: 8_192 })

const answerShape = pickedShape({ channel: optionalMember(text), ts: optionalMember(text) })
const pressShape: Shape<{
  readonly user: { readonly id: string }
  readonly actions: readonly { readonly value?: string }[]
}> = pickedShape({
  user: pickedShape({ id: text }),
  actions: arrayShape(pickedShape({ value: optionalMember(text) }), { max: 25 }),
})
const eventShape = pickedShape({
  type: text,
  channel_type: optionalMember(text),
  user: optionalMember(text),
  bot_id: optionalMember(text),
  subtype: optionalMember(text),
  text: optionalMember(text),
})

/**
 * Slack over its Web API, with signed requests for presses and for texts that are written to the app.
 * Texts are `plain_text` without emoji: nothing in them is markup, link or mention.
 */
export class SlackChat implements Chat {
  readonly name = 'slack'
  readonly #options: SlackOptions
  readonly #seen = new SeenOnce()
  readonly #pressing = new Set<Promise<void>>()
  #inbox: ChatInbox | undefined

  constructor(options: SlackOptions) {
    this.#options = options
  }

  send(account: string, card: ChatCard): Promise<Delivered> {
    return this.#call('chat.postMessage', { channel: account, ...formOf(card) })
  }

  edit(_account: string, message: string, card: ChatCard): Promise<Delivered> {
    const [channel = '', ts = ''] = message.split(':')
    return this.#call('chat.update', { channel, ts, ...formOf(card) })
  }

  start(inbox: ChatInbox): void {
    this.#inbox = inbox
  }

  async stop(): Promise<void> {
    this.#inbox = undefined
    await Promise.all(this.#pressing)
  }

  /** `403` where the signature is not of this body and about now; a repeat is answered and not done. */
  async hook(request: Request): Promise<Response> {
    const inbox = this.#inbox
    if (inbox === undefined) return problemResponse(refused('not_found'))
    const bytes = await collect(request, BODY_MAX_BYTES)
    if (bytes === undefined) return problemResponse(refused('body_too_large'))
    const body = new TextDecoder().decode(bytes)
    const signature = this.#signatureOf(request, body)
    if (signature === undefined) return problemResponse(refused('origin_refused'))
    if (this.#seen.has(signature)) return jsonResponse({ json: {} })
    const json = await this.#take(request, body, inbox)
    this.#seen.add(signature)
    return json === undefined ? problemResponse(refused('body_invalid')) : jsonResponse({ json })
  }

  #signatureOf(request: Request, body: string): string | undefined {
    const { clock, signingSecret } = this.#options
    const at = request.headers.get('x-slack-request-timestamp') ?? ''
    const given = request.headers.get('x-slack-signature') ?? ''
    const seconds = /^\d{1,12}$/.test(at) ? Number(at) : Number.NaN
    const isNow = Math.abs(clock.now() / 1_000 - seconds) <= SIGNED_WINDOW_SECONDS
    const own = createHmac('sha256', signingSecret).update(`v0:${at}:${body}`).digest('hex')
    return isSameSecret(given, `v0=${own}`) && isNow ? given : undefined
  }

  /** A press comes as a form, everything else as JSON. Faults as the inbox does. */
  async #take(request: Request, body: string, inbox: ChatInbox): Promise<JsonObject | undefined> {
    const isForm =
      request.headers.get('content-type')?.startsWith('application/x-www-form') === true
    const json = isForm ? (new URLSearchParams(body).get('payload') ?? '') : body
    const parsed = parseJsonObject(json, { maxBytes: BODY_MAX_BYTES })
    if (!parsed.ok) return undefined
    const { type, challenge, event } = parsed.value
    if (type === 'url_verification' && typeof challenge === 'string') return { challenge }
    if (type === 'block_actions') return await this.#press(parsed.value, inbox)
    return type === 'event_callback' ? await this.#event(event ?? null, inbox) : {}
  }

  /** Answered in time, done or not: what takes longer goes on. */
  async #press(json: JsonObject, inbox: ChatInbox): Promise<JsonObject | undefined> {
    const read = readShape(pressShape, json)
    if (!read.ok) return undefined
    const { user, actions } = read.value
    const values = actions.flatMap(({ value }) => (value === undefined ? [] : [value]))
    const pressing = this.#pressed(user.id, values, inbox)
    this.#pressing.add(pressing)
    const done = pressing.finally(() => this.#pressing.delete(pressing))
    const timer = new AbortController()
    const late = this.#options.clock.sleep(PRESS_ANSWERED_MS, timer.signal).catch(() => undefined)
    await Promise.race([done, late])
    timer.abort()
    return {}
  }

  /** Never faults: who pressed learns that nothing was done. */
  async #pressed(user: string, values: readonly string[], inbox: ChatInbox): Promise<void> {
    for (const value of values) {
      const { notice, isShown } = await inbox
        .pressed(this.name, user, value)
        .catch(() => ({ notice: NOT_DONE, isShown: false }))
      if (!isShown) await this.send(user, { text: notice, buttons: [] })
    }
  }

  /** Only what a person wrote to the app itself. */
  async #event(json: Json, inbox: ChatInbox): Promise<JsonObject | undefined> {
    const read = readShape(eventShape, json)
    if (!read.ok) return undefined
    const { type, channel_type, user, bot_id, subtype, text: said = '' } = read.value
    const isOwn = type === 'message' && channel_type === 'im' && subtype === undefined
    if (!isOwn || user === undefined || bot_id !== undefined) return {}
    const answer = await inbox.wrote(this.name, user, said)
    if (answer !== undefined) await this.send(user, { text: answer, buttons: [] })
    return {}
  }

  async #call(method: string, body: JsonObject): Promise<Delivered> {
    const { token, apiUrl, log } = this.#options
    try {
      const response = await fetch(`${apiUrl}/api/${method}`, {
        method: 'POST',
        redirect: 'error',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json; charset=utf-8',
        },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      })
      if (response.status === 429) return throttled(response)
      const parsed = parseJsonObject(await response.text(), { maxBytes: ANSWER_MAX_BYTES })
      if (parsed.ok && parsed.value['ok'] === true) return sentOf(parsed.value)
      const code = parsed.ok ? parsed.value['error'] : undefined
      return this.#refusal(typeof code === 'string' ? code : String(response.status), response)
    } catch {
      log.warn('slack_refused', { code: 'unreachable' })
      return { ok: false, reason: 'unreachable' }
    }
  }

  #refusal(code: string, response: Response): Delivered {
    if (code === 'ratelimited') return throttled(response)
    if (MESSAGE_GONE.test(code)) return { ok: false, reason: 'message_gone' }
    if (ACCOUNT_GONE.test(code)) return { ok: false, reason: 'account_gone' }
    this.#options.log.warn('slack_refused', { code: code.slice(0, 64) })
    return { ok: false, reason: 'unreachable' }
  }
}

function sentOf(json: JsonObject): Delivered {
  const read = readShape(answerShape, json)
  const { channel, ts } = read.ok ? read.value : {}
  return channel === undefined || ts === undefined
    ? { ok: false, reason: 'unreachable' }
    : { ok: true, message: `${channel}:${ts}` }
}

function throttled(response: Response): Delivered {
  const given = Number(response.headers.get('retry-after') ?? Number.NaN)
  const seconds = given > 0 ? given : RETRY_AFTER_DEFAULT_SECONDS
  return { ok: false, reason: 'throttled', retryAfterMs: seconds * 1_000 }
}

/** The text of the notice holds nothing of the request: there Slack would read markup. */
function formOf({ text: said, buttons }: ChatCard): JsonObject {
  const section = { type: 'section', text: plainText(said) }
  const actions = {
    type: 'actions',
    elements: buttons.map((button, index) => ({
      type: 'button',
      action_id: `b${index}`,
      text: plainText(button.label),
      ...(button.kind === 'open' ? { url: button.url } : { value: button.data }),
    })),
  }
  return {
    text: 'Trust Gateway',
    unfurl_links: false,
    unfurl_media: false,
    blocks: buttons.length === 0 ? [section] : [section, actions],
  }
}

/** The three characters that Slack asks to be escaped in any text. */
function plainText(said: string): JsonObject {
  const escaped = said.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return { type: 'plain_text', emoji: false, text: escaped }
}
