import type { Caller } from '../agents/caller.ts'
import type { BodyOutcome } from './json-body.ts'
import { jsonRpcError } from './json-rpc.ts'
import type { McpExchange, McpFace } from './mcp-face.ts'
import { PROBLEMS, problem, type Reply } from './problem.ts'
import type { Exchange, KeyRoute } from './route.ts'

/** The MCP endpoints (spec/protocol.md §8): discovery, and one bundle as a plain server. */
export function mcpRoutes(face: McpFace, publicUrl: () => string): readonly KeyRoute[] {
  const to =
    (method: McpExchange['method']) =>
    async (exchange: Exchange, caller: Caller): Promise<Reply> => {
      const body = method === 'POST' ? await exchange.body() : undefined
      if (body !== undefined && !body.ok) return bodyReply(body)
      const response = await face.handle({
        method,
        url: `${publicUrl()}${exchange.path}`,
        headers: webHeaders(exchange),
        caller,
        bundle: exchange.captured[0] ?? null,
        body: body?.value,
        gone: exchange.gone,
        draining: exchange.draining,
      })
      return { status: response.status, web: response, outcome: outcomeOf(response) }
    }
  return [
    {
      auth: 'key',
      source: 'mcp',
      face: 'mcp',
      pattern: /^\/v1\/mcp(?:\/c\/([\x21-\x2e\x30-\x7e]{1,128}))?$/,
      methods: { POST: to('POST'), GET: to('GET'), DELETE: to('DELETE') },
    },
  ]
}

/** A message that is no message is answered as JSON-RPC; what is wrong below that, as a problem. */
function bodyReply(body: Exclude<BodyOutcome, { ok: true }>): Reply {
  const { reason, detail } = body
  if (reason !== 'json_refused') return problem(reason, detail)
  const { title, status } = PROBLEMS[reason]
  // An array is well-formed JSON: a batch, which neither era of today has.
  const batch = detail === 'json_not_object'
  const text = batch ? 'A message is one JSON object; batches are not taken' : title
  const web = jsonRpcError({
    status,
    rpcCode: batch ? -32_600 : -32_700,
    message: text,
    code: reason,
    ...(detail === undefined ? {} : { detail }),
  })
  return { status, web, outcome: reason }
}

function outcomeOf(response: Response): string {
  return response.ok ? 'ok' : `http_${response.status}`
}

/** What the protocol uses; the key stays out of the SDK's hands. */
const PASSED = [
  ...['accept', 'content-type', 'last-event-id', 'mcp-method', 'mcp-name'],
  ...['mcp-protocol-version', 'mcp-session-id'],
]

function webHeaders(exchange: Exchange): Headers {
  const headers = new Headers()
  for (const name of PASSED) {
    const value = exchange.headers[name]
    if (typeof value === 'string') headers.set(name, value)
  }
  return headers
}
