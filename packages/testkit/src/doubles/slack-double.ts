import { createHmac } from 'node:crypto'
import { asObject, isJsonArray, type Json, type JsonObject, parseJson } from '@trustgw/protocol'
import { type DoubleAnswer, type DoubleCall, HttpDouble, type Weather } from './http-double.ts'

/** Limits of Block Kit, as its documentation gives them. */
const SECTION_MAX_CHARS = 3_000
const VALUE_MAX_CHARS = 2_000

export interface SlackMessage {
  readonly channel: string
  readonly ts: string
  readonly person: string
  /** What a client draws: entities are decoded, nothing else is read. */
  text: string
  /** The fallback, in which Slack reads markup. */
  fallback: string
  types: readonly string[]
  buttons: readonly { readonly text: string; readonly value?: string; readonly url?: string }[]
  edits: number
}

/** A double of Slack: its Web API with errors and limits, and people who press and write. */
export class SlackDouble {
  readonly token = 'xoxb-double-0000000001-abcdefghijklmnop'
  readonly signingSecret = '8f742231b10e8888abcd99yyyzzz85a5'
  readonly messages: SlackMessage[] = []
  readonly #http: HttpDouble
  #next = 1

  constructor() {
    this.#http = new HttpDouble(
      (call) => this.#answer(call),
      (seconds) => ({
        status: 429,
        headers: { 'retry-after': String(seconds) },
        json: { ok: false, error: 'ratelimited' },
      }),
    )
  }

  static async start(): Promise<SlackDouble> {
    const double = new SlackDouble()
    await double.#http.listen()
    return double
  }

  get origin(): string {
    return this.#http.origin
  }

  weather(weather: Weather): void {
    this.#http.weather = weather
  }

  async stop(): Promise<void> {
    await this.#http.close()
  }

  /** What a press sends to the app, signed as of `at` (Unix seconds). */
  press(person: string, message: SlackMessage, label: string, at: number): SignedRequest {
    const button = message.buttons.find(({ text }) => text === label)
    if (button?.value === undefined) throw new Error(`no button ${label}`)
    const payload = {
      type: 'block_actions',
      user: { id: person, username: '*ann*' },
      actions: [{ type: 'button', action_id: 'b0', value: button.value }],
    }
    const body = new URLSearchParams({ payload: JSON.stringify(payload) }).toString()
    return this.sign(body, 'application/x-www-form-urlencoded', at)
  }

  /** What a text written to the app sends. */
  say(person: string, text: string, at: number): SignedRequest {
    const event = { type: 'message', channel_type: 'im', user: person, text, ts: '1.1' }
    return this.sign(JSON.stringify({ type: 'event_callback', event }), 'application/json', at)
  }

  sign(body: string, type: string, at: number): SignedRequest {
    const hash = createHmac('sha256', this.signingSecret).update(`v0:${at}:${body}`).digest('hex')
    return {
      body,
      headers: {
        'content-type': type,
        'x-slack-request-timestamp': String(at),
        'x-slack-signature': `v0=${hash}`,
      },
    }
  }

  #answer({ path, headers, body }: DoubleCall): DoubleAnswer {
    if (headers.authorization !== `Bearer ${this.token}`) return failure('invalid_auth')
    const parsed = parseJson(body, { maxBytes: 1_048_576 })
    const payload = parsed.ok ? (asObject(parsed.value) ?? {}) : {}
    const shown = shownOf(payload)
    if (typeof shown === 'string') return failure(shown)
    const channel = textOf(payload['channel'])
    if (path === '/api/chat.postMessage') {
      if (!/^U[A-Z0-9]+$/.test(channel)) return failure('channel_not_found')
      const ts = `1700000000.${String(this.#next++).padStart(6, '0')}`
      const message = { channel: `D${channel.slice(1)}`, ts, person: channel, edits: 0, ...shown }
      this.messages.push(message)
      return success({ channel: message.channel, ts })
    }
    if (path !== '/api/chat.update') return failure('unknown_method')
    const message = this.messages.find((one) => one.channel === channel && one.ts === payload['ts'])
    if (message === undefined) return failure('message_not_found')
    Object.assign(message, shown, { edits: message.edits + 1 })
    return success({ channel, ts: message.ts })
  }
}

export interface SignedRequest {
  readonly body: string
  readonly headers: Record<string, string>
}

type Shown = Pick<SlackMessage, 'text' | 'fallback' | 'types' | 'buttons'>

function shownOf(payload: JsonObject): Shown | string {
  const blocks = payload['blocks'] ?? []
  const all = (isJsonArray(blocks) ? blocks : []).map((block) => asObject(block) ?? {})
  const sections = all
    .filter(({ type }) => type === 'section')
    .map(({ text }) => asObject(text ?? null) ?? {})
  const elements = all.flatMap(({ elements: those = [] }) => (isJsonArray(those) ? those : []))
  const buttons = elements.map((one) => {
    const { text, value, url } = asObject(one) ?? {}
    return {
      text: decoded(textOf(asObject(text ?? null)?.['text'])),
      ...(typeof value === 'string' && { value }),
      ...(typeof url === 'string' && { url }),
    }
  })
  const texts = sections.map(({ text }) => textOf(text))
  if (texts.some((text) => text === '' || text.length > SECTION_MAX_CHARS)) return 'invalid_blocks'
  if (buttons.some(({ value = '' }) => value.length > VALUE_MAX_CHARS)) return 'invalid_blocks'
  return {
    text: texts.map(decoded).join('\n'),
    fallback: textOf(payload['text']),
    types: sections.map(({ type }) => textOf(type)),
    buttons,
  }
}

const decoded = (text: string): string =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '')

const success = (json: JsonObject): DoubleAnswer => ({ status: 200, json: { ok: true, ...json } })
const failure = (error: string): DoubleAnswer => ({ status: 200, json: { ok: false, error } })
