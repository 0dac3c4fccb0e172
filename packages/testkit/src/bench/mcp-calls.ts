import { asObject, isJsonArray, type JsonObject, parseJsonObject } from '@trustgw/protocol'
import type { HttpAnswer, HttpCaller } from './http-caller.ts'

/** One call; throws when the answer is not the tool's. */
export type Call = () => Promise<void>

export const MODERN_VERSION = '2026-07-28'
export const LEGACY_VERSION = '2025-11-25'
const ACCEPT = 'application/json, text/event-stream'
const CLIENT_INFO = { name: 'trustgw-bench', version: '1' }

export interface McpTarget {
  readonly http: HttpCaller
  readonly path: string
  readonly tool: string
  readonly headers: Readonly<Record<string, string>>
  /** What the text of a right answer begins with. */
  readonly expect: string
}

/** Calls of the era without sessions: one POST, which says everything about itself. */
export function modernCall(target: McpTarget): Call {
  const { http, path, tool, expect } = target
  const headers = {
    ...target.headers,
    accept: ACCEPT,
    'mcp-protocol-version': MODERN_VERSION,
    'mcp-method': 'tools/call',
    'mcp-name': tool,
  }
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': MODERN_VERSION,
    'io.modelcontextprotocol/clientInfo': CLIENT_INFO,
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  let id = 0
  return async () => {
    id += 1
    const params = { name: tool, arguments: {}, _meta }
    const body = JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params })
    checkMcp(await http.post(path, body, headers), id, expect)
  }
}

/** Opens a session of the older era, then calls in it. */
export async function legacySession(target: McpTarget): Promise<Call> {
  const { http, path, tool, expect } = target
  const common = { ...target.headers, accept: ACCEPT }
  const hello = {
    protocolVersion: LEGACY_VERSION,
    capabilities: {},
    clientInfo: CLIENT_INFO,
  }
  const first = JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params: hello })
  const opened = await http.post(path, first, common)
  const session = opened.headers['mcp-session-id']
  if (opened.status !== 200 || typeof session !== 'string') throw wrong(opened)
  const headers = { ...common, 'mcp-session-id': session, 'mcp-protocol-version': LEGACY_VERSION }
  const ready = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })
  await http.post(path, ready, headers)
  let id = 0
  return async () => {
    id += 1
    const params = { name: tool, arguments: {} }
    const body = JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params })
    checkMcp(await http.post(path, body, headers), id, expect)
  }
}

/** The message with this id: the body itself, or one of the events that it is made of. */
export function messageOf(answer: HttpAnswer, id: number): JsonObject | undefined {
  const type = answer.headers['content-type'] ?? ''
  if (!type.startsWith('text/event-stream')) return withId(answer.text, id)
  return answer.text
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => withId(line.slice('data:'.length), id))
    .find((message) => message !== undefined)
}

function withId(text: string, id: number): JsonObject | undefined {
  const parsed = parseJsonObject(text)
  return parsed.ok && parsed.value['id'] === id ? parsed.value : undefined
}

function checkMcp(answer: HttpAnswer, id: number, expect: string): void {
  const result = asObject(messageOf(answer, id)?.['result'] ?? null)
  if (answer.status !== 200 || result === undefined || result['isError'] === true) {
    throw wrong(answer)
  }
  checkContent(result, expect, answer)
}

/** The text of the tool's own answer; the same whatever carried it. */
export function checkContent(result: JsonObject, expect: string, answer: HttpAnswer): void {
  const { content } = result
  const first = content !== undefined && isJsonArray(content) ? content[0] : undefined
  const text = asObject(first ?? null)?.['text']
  if (typeof text !== 'string' || !text.startsWith(expect)) throw wrong(answer)
}

export function wrong(answer: HttpAnswer): Error {
  return new Error(`a wrong answer (${answer.status}): ${answer.text.slice(0, 300)}`)
}
