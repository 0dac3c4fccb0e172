import { Buffer } from 'node:buffer'
import type { Readable, Writable } from 'node:stream'
import { asObject, type Json, type JsonObject, parseJsonObject } from '@trustgw/protocol'
import { eventData } from './sse-events.ts'
import { linesOf } from './stdio-lines.ts'

export interface McpStdioOptions {
  /** The MCP endpoint: `http://127.0.0.1:3060/v1/mcp` or one bundle's `…/v1/mcp/c/<bundle>`. */
  readonly url: string
  /** From the environment or a key file, never from the command line. */
  readonly apiKey: string
  /** JSON-RPC messages, one a line. */
  readonly input: Readable
  readonly output: Writable
  /** For people, on stderr; never holds what a message holds. */
  readonly report: (text: string) => void
}

/** Longest line taken from the client. */
export const STDIO_LINE_MAX_BYTES = 1_048_576
const MESSAGE_DEPTH_MAX = 64
/** Messages on their way; the next line waits for one of them. */
const IN_FLIGHT_MAX = 128
/** How long answers may still come after the client closed its end. */
const CLOSE_GRACE_MS = 2_000
const ENVELOPE_VERSION = 'io.modelcontextprotocol/protocolVersion'
/** Which member of the parameters a request is named by (MCP 2026-07-28, `Mcp-Name`). */
const NAMED_BY: { readonly [method: string]: string } = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
}

/**
 * `trustgw mcp`: an MCP server on stdio that hands every message, byte for byte, to the gateway and
 * its answers back. It knows of the protocol only what HTTP needs: the session of the older era, the
 * headers of the newer one. Resolves when the client closed its end.
 */
export async function bridgeMcpStdio(options: McpStdioOptions): Promise<void> {
  await new McpStdioBridge(options).run()
}

interface Message {
  readonly line: Uint8Array
  readonly fields: JsonObject
  /** Present on requests only. */
  readonly id: string | number | undefined
  readonly method: string | undefined
  /** The revision that a message of the newer era names in its envelope. */
  readonly revision: string | undefined
}

class McpStdioBridge {
  readonly #options: McpStdioOptions
  readonly #inFlight = new Set<Promise<void>>()
  readonly #requests = new Map<string | number, AbortController>()
  readonly #stop = new AbortController()
  #session: string | undefined
  #sessionVersion: string | undefined
  #initialize: Message | undefined

  constructor(options: McpStdioOptions) {
    this.#options = options
  }

  async run(): Promise<void> {
    for await (const line of linesOf(this.#options.input, STDIO_LINE_MAX_BYTES)) {
      if (line === 'too_long')
        this.#fail(null, -32_600, 'The message is too long', 'body_too_large')
      else if (line.length > 0) await this.#take(line)
    }
    await this.#finish()
  }

  async #take(line: Uint8Array): Promise<void> {
    const message = readMessage(line)
    if (message === undefined) {
      this.#fail(null, -32_700, 'The line is not one strict JSON object', 'json_refused')
      return
    }
    if (this.#cancels(message)) return
    while (this.#inFlight.size >= IN_FLIGHT_MAX) await Promise.race(this.#inFlight)
    const sent = this.#send(message).finally(() => this.#inFlight.delete(sent))
    this.#inFlight.add(sent)
    // What follows needs the session that this opens.
    if (message.method === 'initialize') await sent
  }

  /** In the newer era a request is cancelled by closing its stream. */
  #cancels(message: Message): boolean {
    if (message.method !== 'notifications/cancelled' || this.#session !== undefined) return false
    const id = asObject(message.fields['params'] ?? null)?.['requestId']
    if (typeof id === 'string' || typeof id === 'number') this.#requests.get(id)?.abort()
    return true
  }

  async #send(message: Message): Promise<void> {
    const { id } = message
    const abort = new AbortController()
    const stop = (): void => abort.abort()
    this.#stop.signal.addEventListener('abort', stop, { once: true })
    if (id !== undefined) this.#requests.set(id, abort)
    try {
      await this.#exchange(message, abort.signal)
    } catch {
      if (!abort.signal.aborted) {
        this.#options.report('the gateway is not reachable')
        if (id !== undefined) this.#fail(id, -32_000, 'The gateway is not reachable', 'unreachable')
      }
    } finally {
      this.#stop.signal.removeEventListener('abort', stop)
      if (id !== undefined) this.#requests.delete(id)
    }
  }

  async #exchange(message: Message, signal: AbortSignal): Promise<void> {
    if (message.method === 'initialize') this.#forget(message)
    let response = await this.#post(message, signal)
    if (response.status === 404 && (await this.#openAgain(message, signal))) {
      await response.body?.cancel()
      response = await this.#post(message, signal)
    }
    if (message.method === 'initialize' && response.ok) {
      this.#session = response.headers.get('mcp-session-id') ?? undefined
    }
    if (!response.ok) await this.#refused(message, response)
    else await this.#relay(message, response)
  }

  #forget(message: Message): void {
    this.#initialize = message
    this.#session = undefined
    this.#sessionVersion = undefined
  }

  /** After a restart the gateway knows no session: one more is opened with the client's own words. */
  async #openAgain(message: Message, signal: AbortSignal): Promise<boolean> {
    const lost = this.#session
    if (lost === undefined || this.#initialize === undefined || message === this.#initialize) {
      return false
    }
    this.#session = undefined
    const opened = await this.#post(this.#initialize, signal)
    await opened.text()
    this.#session = opened.headers.get('mcp-session-id') ?? undefined
    if (!opened.ok || this.#session === undefined) {
      this.#session = lost
      return false
    }
    const ready = readMessage(Buffer.from('{"jsonrpc":"2.0","method":"notifications/initialized"}'))
    if (ready !== undefined) await (await this.#post(ready, signal)).text()
    this.#options.report('the session was opened again')
    return true
  }

  #post(message: Message, signal: AbortSignal): Promise<Response> {
    return fetch(this.#options.url, {
      method: 'POST',
      headers: { ...this.#headers(message), 'content-type': 'application/json' },
      body: message.line,
      // Elsewhere the key has no business.
      redirect: 'error',
      signal,
    })
  }

  #headers(message: Message): Record<string, string> {
    const headers: Record<string, string> = {
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${this.#options.apiKey}`,
    }
    const { method, revision } = message
    if (revision !== undefined) {
      headers['mcp-protocol-version'] = revision
      if (method !== undefined) headers['mcp-method'] = headerText(method)
      const name = nameOf(message)
      if (name !== undefined) headers['mcp-name'] = headerText(name)
    } else if (this.#session !== undefined) {
      headers['mcp-session-id'] = this.#session
      if (this.#sessionVersion !== undefined) headers['mcp-protocol-version'] = this.#sessionVersion
    }
    return headers
  }

  async #relay(message: Message, response: Response): Promise<void> {
    const type = response.headers.get('content-type') ?? ''
    if (type.startsWith('text/event-stream')) {
      if (response.body === null) return
      for await (const data of eventData(response.body)) this.#deliver(message, data)
      return
    }
    const text = await response.text()
    if (text !== '') this.#deliver(message, text)
  }

  #deliver(message: Message, text: string): void {
    if (message.method === 'initialize') this.#sessionVersion = negotiatedIn(text)
    this.#write(text)
  }

  /** A refusal below the protocol names no request; the client gets it under the id it waits for. */
  async #refused(message: Message, response: Response): Promise<void> {
    const text = await response.text()
    if (message.id === undefined) {
      this.#options.report(`the gateway refused a message: HTTP ${response.status}`)
      return
    }
    const parsed = parseJsonObject(text)
    const body = parsed.ok ? parsed.value : {}
    const error = asObject(body['error'] ?? null)
    if (error !== undefined) {
      this.#write(JSON.stringify({ jsonrpc: '2.0', id: message.id, error }))
      return
    }
    const { title, code } = body
    const words = typeof title === 'string' ? title : `HTTP ${response.status}`
    this.#fail(message.id, -32_000, words, typeof code === 'string' ? code : 'refused')
  }

  #fail(id: string | number | null, rpcCode: number, message: string, code: string): void {
    const error = { code: rpcCode, message, data: { code } }
    this.#write(JSON.stringify({ jsonrpc: '2.0', id, error }))
  }

  #write(text: string): void {
    // Between JSON's tokens a line break is only space; inside texts it is always escaped.
    this.#options.output.write(`${text.replaceAll(/[\r\n]+/g, ' ')}\n`)
  }

  async #finish(): Promise<void> {
    const grace = new Promise((resolve) => setTimeout(resolve, CLOSE_GRACE_MS).unref())
    await Promise.race([Promise.allSettled(this.#inFlight), grace])
    this.#stop.abort()
    await Promise.allSettled(this.#inFlight)
    if (this.#session === undefined) return
    const headers = {
      authorization: `Bearer ${this.#options.apiKey}`,
      'mcp-session-id': this.#session,
    }
    const signal = AbortSignal.timeout(CLOSE_GRACE_MS)
    // The session ends by itself if this does not arrive.
    await fetch(this.#options.url, { method: 'DELETE', headers, redirect: 'error', signal }).catch(
      () => undefined,
    )
  }
}

function readMessage(line: Uint8Array): Message | undefined {
  const limits = { maxBytes: STDIO_LINE_MAX_BYTES, maxDepth: MESSAGE_DEPTH_MAX }
  const parsed = parseJsonObject(line, limits)
  if (!parsed.ok) return undefined
  const { id, method, params } = parsed.value
  const meta = asObject(asObject(params ?? null)?.['_meta'] ?? null)
  const revision = meta?.[ENVELOPE_VERSION]
  const isRequest = typeof method === 'string'
  return {
    line,
    fields: parsed.value,
    id: isRequest && isId(id) ? id : undefined,
    method: isRequest ? method : undefined,
    revision: typeof revision === 'string' ? headerText(revision) : undefined,
  }
}

function isId(value: Json | undefined): value is string | number {
  return typeof value === 'string' || typeof value === 'number'
}

function nameOf(message: Message): string | undefined {
  const member = message.method === undefined ? undefined : NAMED_BY[message.method]
  const params = asObject(message.fields['params'] ?? null)
  const name = member === undefined ? undefined : params?.[member]
  return typeof name === 'string' ? name : undefined
}

/** What a header cannot carry goes in base64, as MCP 2026-07-28 has it. */
function headerText(text: string): string {
  const plain =
    /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith('=?base64?')
  return plain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`
}

function negotiatedIn(text: string): string | undefined {
  const parsed = parseJsonObject(text, { maxBytes: STDIO_LINE_MAX_BYTES })
  const result = parsed.ok ? asObject(parsed.value['result'] ?? null) : undefined
  const version = result?.['protocolVersion']
  return typeof version === 'string' ? version : undefined
}
