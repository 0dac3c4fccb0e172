import {
  classifyInboundRequest,
  createMcpHandler,
  inputRequired,
  isInitializeRequest,
  type McpHttpHandler,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type ServerContext,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server'
import { asObject, type JsonObject } from '@trustgw/protocol'
import type { Clock, Logger, Random } from '@trustgw/runtime'
import { jsonRpcError } from './json-rpc.ts'
import { linkSignals } from './linked-signal.ts'
import type { McpExchange, McpFace } from './mcp-face.ts'
import { type McpSession, toCallToolResult, toTools } from './mcp-sdk-types.ts'
import { McpSessions } from './mcp-sessions.ts'
import type { McpAnswer, McpCall, McpScope, McpSurface, OpenPage } from './mcp-surface.ts'

export interface SdkMcpFaceDeps {
  readonly surface: McpSurface
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** The gateway's version, as clients see it. */
  readonly version: string
  readonly holdMs: number
  readonly sessionIdleMs?: number
}

const INSTRUCTIONS =
  'Tools are grouped in bundles: call list_bundles, then switch_context, then call_tool with the returned context. A call that needs a person answers "pending_approval": do not repeat it, call get_action_status.'
const BUNDLE_INSTRUCTIONS =
  'Every call is governed. A call that needs a person answers "pending_approval": do not repeat it, call get_action_status with its action_id.'
const PAGE = 'approval'
/** Open `subscriptions/listen` streams; they tell nothing here, since the surface is constant. */
const SUBSCRIPTIONS_MAX = 256
/** How long calls may take to answer once the gateway stops, and their answers to be written. */
const CLOSE_GRACE_MS = 3_000
const ANSWERS_LEAVE_MS = 50

const NO_BUNDLE = {
  status: 404,
  rpcCode: -32_000,
  message: 'There is no such bundle',
  code: 'unknown_bundle',
}
const NO_MESSAGE = { status: 400, rpcCode: -32_700, message: 'No message', code: 'json_refused' }
const INITIALIZE_FIRST = {
  status: 400,
  rpcCode: -32_000,
  message: 'Mcp-Session-Id is missing: initialize first',
  code: 'no_session',
}
const POST_ONLY = {
  status: 405,
  rpcCode: -32_000,
  message: 'Without a session only POST is allowed',
  code: 'no_session',
  allow: 'POST',
}
const SESSIONS_FULL = {
  status: 503,
  rpcCode: -32_000,
  message: 'Too many sessions: try again later',
  code: 'overloaded',
}
const SESSION_UNKNOWN = {
  status: 404,
  rpcCode: -32_001,
  message: 'The session is unknown or over: initialize again',
  code: 'session_unknown',
}

/**
 * MCP through the official SDK: 2026-07-28 without sessions, 2025-11-25 and older with them. The SDK
 * frames and negotiates; names and arguments come from the message that the gateway parsed itself,
 * never from the SDK's copy of it.
 */
export class SdkMcpFace implements McpFace {
  readonly #deps: SdkMcpFaceDeps
  readonly #sessions: McpSessions<McpSession>
  readonly #modern: McpHttpHandler
  /** The exchange behind each request that is in the SDK's hands. */
  readonly #exchanges = new WeakMap<Request, McpExchange>()
  readonly #calls = new Set<Promise<McpAnswer>>()

  constructor(deps: SdkMcpFaceDeps) {
    this.#deps = deps
    this.#sessions = new McpSessions(deps.clock, deps.random, deps.sessionIdleMs)
    this.#modern = createMcpHandler(({ requestInfo }) => this.#perRequest(requestInfo), {
      legacy: 'reject',
      maxSubscriptions: SUBSCRIPTIONS_MAX,
      onerror: (error) => this.#report(error),
    })
  }

  get sessions(): number {
    return this.#sessions.size
  }

  async handle(exchange: McpExchange): Promise<Response> {
    const { bundle, caller, body } = exchange
    if (bundle !== null && !this.#deps.surface.hasBundle(caller, bundle)) {
      return jsonRpcError(NO_BUNDLE)
    }
    if (exchange.method !== 'POST') return this.#inSession(exchange)
    if (body === undefined) return jsonRpcError(NO_MESSAGE)
    return isModern(exchange, body)
      ? this.#modern.fetch(this.#request(exchange), { parsedBody: body })
      : this.#older(exchange, body)
  }

  /** Lets calls that were told to stop waiting answer first; then ends sessions and streams. */
  async close(): Promise<void> {
    const { clock } = this.#deps
    await new Promise<void>((resolve) => {
      const cancel = clock.setTimer(CLOSE_GRACE_MS, resolve)
      void Promise.allSettled(this.#calls).then(() => {
        cancel()
        resolve()
      })
    })
    await clock.sleep(ANSWERS_LEAVE_MS)
    await Promise.all([this.#sessions.closeAll(), this.#modern.close()])
  }

  /** POST of the older era: the first one opens a session, all others name theirs. */
  async #older(exchange: McpExchange, body: JsonObject): Promise<Response> {
    if (exchange.headers.has('mcp-session-id')) return this.#inSession(exchange)
    if (!isInitializeRequest(body)) {
      return jsonRpcError(INITIALIZE_FIRST)
    }
    if (!this.#sessions.hasRoom(exchange.caller.principal)) {
      return jsonRpcError(SESSIONS_FULL)
    }
    const session = await this.#openSession(exchange)
    return this.#serve(session, exchange)
  }

  #inSession(exchange: McpExchange): Promise<Response> | Response {
    const id = exchange.headers.get('mcp-session-id')
    if (id === null) {
      return jsonRpcError(POST_ONLY)
    }
    const { principal } = exchange.caller
    const session = this.#sessions.find(id, principal, place(exchange))
    return session === undefined ? jsonRpcError(SESSION_UNKNOWN) : this.#serve(session, exchange)
  }

  #serve(session: McpSession, exchange: McpExchange): Promise<Response> {
    const { body } = exchange
    const options = body === undefined ? {} : { parsedBody: body }
    return session.transport.handleRequest(this.#request(exchange), options)
  }

  async #openSession(exchange: McpExchange): Promise<McpSession> {
    const id = this.#sessions.newId()
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => id,
      onsessioninitialized: () => {
        const { principal } = exchange.caller
        this.#sessions.add(id, session, { principal, place: place(exchange) })
      },
      onsessionclosed: () => this.#sessions.remove(id),
    })
    const session: McpSession = { transport, narrowed: null, close: () => transport.close() }
    await this.#server(exchange.bundle, session).connect(transport)
    return session
  }

  #request(exchange: McpExchange): Request {
    const { url, method, headers, gone } = exchange
    const request = new Request(url, { method, headers, signal: gone })
    this.#exchanges.set(request, exchange)
    return request
  }

  #perRequest(request: Request | undefined): Server {
    const exchange = request && this.#exchanges.get(request)
    return this.#server(exchange?.bundle ?? null, undefined)
  }

  #server(bundle: string | null, session: McpSession | undefined): Server {
    const server = new Server(
      { name: 'trust-gateway', title: 'Trust Gateway', version: this.#deps.version },
      {
        capabilities: { tools: { listChanged: session !== undefined } },
        instructions: bundle === null ? INSTRUCTIONS : BUNDLE_INSTRUCTIONS,
      },
    )
    server.onerror = (error) => this.#report(error)
    server.setRequestHandler('tools/list', (_, context) => {
      const exchange = this.#exchangeOf(context)
      const scope = scopeOf(exchange, session, context)
      return this.#contained(async () => ({ tools: toTools(this.#deps.surface.list(scope)) }))
    })
    server.setRequestHandler('tools/call', (_, context) => {
      const exchange = this.#exchangeOf(context)
      const scope = scopeOf(exchange, session, context)
      const caller = { server, context, exchange, scope }
      return this.#contained(() =>
        session === undefined ? this.#modernCall(caller) : this.#olderCall(caller),
      )
    })
    return server
  }

  /** The SDK would send a defect's own message to the client. */
  async #contained<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      if (error instanceof ProtocolError) throw error
      this.#deps.log.error('mcp_request_failed', { error: nameOf(error) })
      throw new ProtocolError(ProtocolErrorCode.InternalError, 'The gateway failed')
    }
  }

  #exchangeOf(context: ServerContext): McpExchange {
    const exchange = context.http?.req && this.#exchanges.get(context.http.req)
    // Every request reaches the SDK through `#request`.
    if (exchange === undefined) throw new TypeError('a message without its exchange')
    return exchange
  }

  async #modernCall(by: CallSite): Promise<ReturnType<typeof toCallToolResult>> {
    const { context } = by
    const resume = context.mcpReq.requestState()
    const answer = await this.#call(by, {
      opensPages: opensPages(by.server),
      resume: typeof resume === 'string' ? resume : undefined,
      opened: pageOpened(context.mcpReq.inputResponses?.[PAGE]),
    })
    if (answer.kind !== 'open_page') return finished(answer)
    const { message, url, state } = answer
    return inputRequired({
      inputRequests: { [PAGE]: inputRequired.elicitUrl({ message, url }) },
      requestState: state,
    })
  }

  async #olderCall(by: CallSite): Promise<ReturnType<typeof toCallToolResult>> {
    const how = { opensPages: opensPages(by.server), resume: undefined, opened: true }
    const answer = await this.#call(by, how)
    if (answer.kind !== 'open_page') return finished(answer)
    const opened = await this.#askToOpen(by.context, answer)
    return finished(await this.#call(by, { ...how, resume: answer.state, opened }))
  }

  /** A client that does not answer in time leaves the action as pending as it was. */
  async #askToOpen(context: ServerContext, page: OpenPage): Promise<boolean> {
    const [elicitationId = ''] = page.state.split('.')
    const { message, url } = page
    try {
      const answered = await context.mcpReq.elicitInput(
        { mode: 'url', message, url, elicitationId },
        { timeout: this.#deps.holdMs },
      )
      return answered.action === 'accept'
    } catch (error) {
      this.#deps.log.info('mcp_page_not_opened', { error: nameOf(error) })
      return false
    }
  }

  async #call(
    by: CallSite,
    how: Pick<McpCall, 'opensPages' | 'resume' | 'opened'>,
  ): Promise<McpAnswer> {
    const { context, exchange, scope } = by
    const params = asObject(exchange.body?.['params'] ?? null) ?? {}
    const { name, arguments: given = {} } = params
    const args = asObject(given)
    if (typeof name !== 'string' || args === undefined) {
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        'tools/call takes name and arguments',
      )
    }
    const link = linkSignals(context.mcpReq.signal, exchange.gone, exchange.draining)
    try {
      const call = { ...how, name, arguments: args, signal: link.signal }
      const onWaiting = progressOf(context)
      return await this.#track(
        this.#deps.surface.call(scope, onWaiting ? { ...call, onWaiting } : call),
      )
    } finally {
      link.unlink()
    }
  }

  async #track(call: Promise<McpAnswer>): Promise<McpAnswer> {
    this.#calls.add(call)
    try {
      return await call
    } finally {
      this.#calls.delete(call)
    }
  }

  #report(error: Error): void {
    this.#deps.log.debug('mcp_refused', { error: error.message })
  }
}

interface CallSite {
  readonly server: Server
  readonly context: ServerContext
  readonly exchange: McpExchange
  readonly scope: McpScope
}

/** Which era a POST is of, as the SDK itself tells; what is malformed goes to the newer era's checks. */
function isModern(exchange: McpExchange, body: JsonObject): boolean {
  const { headers } = exchange
  const outcome = classifyInboundRequest({
    httpMethod: 'POST',
    ...header('protocolVersionHeader', headers.get('mcp-protocol-version')),
    ...header('mcpMethodHeader', headers.get('mcp-method')),
    ...header('mcpNameHeader', headers.get('mcp-name')),
    body,
  })
  return outcome.kind !== 'legacy'
}

function header(name: string, value: string | null): Readonly<Record<string, string>> {
  return value === null ? {} : { [name]: value }
}

function place(exchange: McpExchange): string {
  return exchange.bundle ?? ''
}

function scopeOf(
  exchange: McpExchange,
  session: McpSession | undefined,
  context: ServerContext,
): McpScope {
  const { caller, bundle } = exchange
  if (session === undefined) return { caller, bundle, narrowed: null }
  const narrow = async (to: string): Promise<void> => {
    if (session.narrowed === to) return
    session.narrowed = to
    // On the call's own stream, which is there; a client need not have opened another.
    await context.mcpReq.notify({ method: 'notifications/tools/list_changed' })
  }
  return { caller, bundle, narrowed: session.narrowed, narrow }
}

function finished(answer: McpAnswer): ReturnType<typeof toCallToolResult> {
  if (answer.kind === 'result') return toCallToolResult(answer.result)
  throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'There is no such tool')
}

/** Whether this client said that it can show a page to its person: in its envelope, or at initialize. */
function opensPages(server: Server): boolean {
  return server.getClientCapabilities()?.elicitation?.url !== undefined
}

function pageOpened(response: unknown): boolean {
  return (
    typeof response === 'object' &&
    response !== null &&
    'action' in response &&
    response.action === 'accept'
  )
}

/** Progress for clients that asked for it, so that their own timer starts anew. */
function progressOf(context: ServerContext): McpCall['onWaiting'] | undefined {
  const progressToken = context.mcpReq._meta?.progressToken
  if (progressToken === undefined) return undefined
  let progress = 0
  return (view) => {
    progress += 1
    const message =
      view.status === 'pending_approval' ? 'Waiting for the approval of a person' : view.status
    context.mcpReq
      .notify({
        method: 'notifications/progress',
        params: { progressToken, progress, message },
      })
      // The client went away; its hold ends by its own signal.
      .catch(() => undefined)
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error
}
