import {
  asObject,
  canonicalize,
  isJsonArray,
  type Json,
  type JsonObject,
  parseJsonObject,
} from '@trustgw/protocol'
import type { Logger } from '@trustgw/runtime'
import { CHILD_LINE_MAX_BYTES, type ChildCommand, ChildGroup } from './child-group.ts'
import {
  ConnectorFault,
  type McpCall,
  type McpCallOutcome,
  type McpClient,
  type McpClientEvents,
  type McpLossReason,
  type McpServer,
  type McpTool,
} from './mcp-client.ts'
import { readTool } from './mcp-tool.ts'

/** The newest revision with sessions; era `legacy` (spec/protocol.md §8). */
export const LEGACY_PROTOCOL_VERSION = '2025-11-25'
export const START_TIMEOUT_MS = 20_000
const LIST_TIMEOUT_MS = 10_000
const LIST_PAGES_MAX = 64
const UPSTREAM_TOOLS_MAX = 512
const METHOD_NOT_FOUND = -32_601
const CLIENT_INFO = { name: 'trustgw-executor', version: '0.1.0' } as const

type Answer =
  | { readonly kind: 'result'; readonly result: JsonObject }
  | { readonly kind: 'error'; readonly code: number }
  | { readonly kind: 'not_sent' }
  | { readonly kind: 'lost'; readonly reason: McpLossReason }

/**
 * JSON-RPC over standard streams. Answers are parsed strictly; what is not understood is dropped,
 * and the call that waited for it ends as lost. Requests of the upstream (sampling, roots,
 * elicitation) are refused: a connector acts for a grant, it does not ask.
 */
export class StdioMcpClient implements McpClient {
  readonly #command: ChildCommand
  readonly #events: McpClientEvents
  readonly #logger: Logger
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #child: ChildGroup | undefined
  #info = { name: '', version: '' }
  #nextId = 1

  constructor(command: ChildCommand, events: McpClientEvents, logger: Logger) {
    this.#command = command
    this.#events = events
    this.#logger = logger
  }

  /** The leader of the upstream's process group. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  async start(): Promise<McpServer> {
    this.#child = new ChildGroup(
      this.#command,
      { onLine: (line) => this.#receive(line), onExit: () => this.#onExit() },
      this.#logger,
    )
    const answer = await this.#request(
      'initialize',
      { protocolVersion: LEGACY_PROTOCOL_VERSION, capabilities: {}, clientInfo: CLIENT_INFO },
      START_TIMEOUT_MS,
    )
    const info =
      answer.kind === 'result' ? asObject(answer.result['serverInfo'] ?? null) : undefined
    if (info === undefined) {
      this.#child.kill()
      throw new ConnectorFault('connector_start_failed', answer.kind)
    }
    const { name, version } = info
    this.#info = {
      name: typeof name === 'string' ? name : '',
      version: typeof version === 'string' ? version : '',
    }
    this.#child.write(canonicalize({ jsonrpc: '2.0', method: 'notifications/initialized' }))
    return await this.refresh()
  }

  async refresh(): Promise<McpServer> {
    const tools: McpTool[] = []
    let cursor: string | undefined
    for (let page = 0; page < LIST_PAGES_MAX; page++) {
      const params: JsonObject = cursor === undefined ? {} : { cursor }
      const answer = await this.#request('tools/list', params, LIST_TIMEOUT_MS)
      if (answer.kind !== 'result') throw new ConnectorFault('connector_lost', answer.kind)
      tools.push(...readTools(answer.result))
      if (tools.length > UPSTREAM_TOOLS_MAX) break
      const next = answer.result['nextCursor']
      if (typeof next !== 'string') return { ...this.#info, tools }
      cursor = next
    }
    throw new ConnectorFault('connector_malformed', 'the list of tools does not end')
  }

  async call(call: McpCall): Promise<McpCallOutcome> {
    const params: JsonObject = { name: call.tool, arguments: call.arguments }
    const answer = await this.#request('tools/call', params, call.timeout_ms)
    if (answer.kind === 'error') return { kind: 'rejected', code: answer.code }
    if (answer.kind !== 'result') {
      if (answer.kind === 'lost' && answer.reason === 'timeout') this.#child?.kill()
      return answer
    }
    const { content, isError } = answer.result
    const odd =
      content === undefined ||
      !isJsonArray(content) ||
      content.some((item) => asObject(item) === undefined) ||
      (isError !== undefined && typeof isError !== 'boolean')
    if (odd) return { kind: 'lost', reason: 'malformed_answer' }
    return { kind: 'answered', result: answer.result, is_error: isError === true }
  }

  async stop(): Promise<void> {
    await this.#child?.stop()
  }

  async #request(method: string, params: JsonObject, timeoutMs: number): Promise<Answer> {
    const id = this.#nextId++
    return await new Promise<Answer>((resolve) => {
      const timer = setTimeout(() => settle({ kind: 'lost', reason: 'timeout' }), timeoutMs)
      const settle = (answer: Answer): void => {
        clearTimeout(timer)
        this.#waiting.delete(id)
        resolve(answer)
      }
      this.#waiting.set(id, settle)
      const line = canonicalize({ jsonrpc: '2.0', id, method, params })
      if (this.#child?.write(line) !== true) settle({ kind: 'not_sent' })
    })
  }

  #receive(line: Uint8Array): void {
    const parsed = parseJsonObject(line, { maxBytes: CHILD_LINE_MAX_BYTES })
    if (!parsed.ok) {
      this.#logger.warn('connector_malformed_line', { reason: parsed.reason, bytes: line.length })
      this.#loseUnreadable(line)
      return
    }
    const { id, method, result, error } = parsed.value
    if (typeof method === 'string') {
      this.#receiveRequest(method, id)
      return
    }
    if (typeof id !== 'number') return
    this.#waiting.get(id)?.(readAnswer(result, error))
  }

  /** An answer that breaks the strict rules (a duplicate name, a huge number) is an answer all the same. */
  #loseUnreadable(line: Uint8Array): void {
    try {
      const loose: unknown = JSON.parse(Buffer.from(line).toString('utf8'))
      if (typeof loose !== 'object' || loose === null || !('id' in loose)) return
      if (typeof loose.id !== 'number' || 'method' in loose) return
      this.#waiting.get(loose.id)?.({ kind: 'lost', reason: 'malformed_answer' })
    } catch {
      // Not JSON: a stray line. The call it may have answered runs into its time limit.
    }
  }

  #receiveRequest(method: string, id: Json | undefined): void {
    if (id === undefined) {
      if (method === 'notifications/tools/list_changed') this.#events.onToolsChanged()
      return
    }
    const answer: JsonObject =
      method === 'ping'
        ? { jsonrpc: '2.0', id, result: {} }
        : { jsonrpc: '2.0', id, error: { code: METHOD_NOT_FOUND, message: 'not supported' } }
    this.#child?.write(canonicalize(answer))
  }

  #onExit(): void {
    for (const settle of [...this.#waiting.values()]) {
      settle({ kind: 'lost', reason: 'connection_lost' })
    }
    this.#events.onExit()
  }
}

function readAnswer(result: Json | undefined, error: Json | undefined): Answer {
  if (error !== undefined) {
    const code = asObject(error)?.['code']
    return { kind: 'error', code: typeof code === 'number' ? code : 0 }
  }
  const object = result === undefined ? undefined : asObject(result)
  if (object === undefined) return { kind: 'lost', reason: 'malformed_answer' }
  return { kind: 'result', result: object }
}

function readTools(result: JsonObject): readonly McpTool[] {
  const list = result['tools']
  if (list === undefined || !isJsonArray(list)) {
    throw new ConnectorFault('connector_malformed', 'no list of tools')
  }
  return list.map((item) => {
    const tool = readTool(item)
    if (tool === undefined) throw new ConnectorFault('connector_malformed', 'a tool without form')
    return tool
  })
}
