import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Clock, Logger } from '@trustgw/runtime'
import type { Caller } from '../agents/caller.ts'
import type { GatewayApi } from '../gateway-api.ts'
import { readJsonBody } from './json-body.ts'
import { linkSignals } from './linked-signal.ts'
import type { FaceMetrics } from './metrics.ts'
import { problem, type Reply } from './problem.ts'
import { bearerKey, type GuardSettings, guardProblem } from './request-guard.ts'
import type { RequestLimits } from './request-limits.ts'
import type { Exchange, Route } from './route.ts'
import { sendReply } from './send-reply.ts'

/** How long the headers, and how long the whole request, may take to arrive. */
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000
const KEEP_ALIVE_MS = 65_000
const TIMEOUT_CHECK_MS = 2_000
const HEADERS_MAX_BYTES = 16_384
const URL_MAX_CHARS = 2_048
const CONNECTIONS_MAX = 4_096
/** How long open requests may take to end once the gateway stops. */
export const DRAIN_MS = 5_000

export interface HttpServerDeps {
  readonly api: Pick<GatewayApi, 'authenticate'>
  readonly routes: readonly Route[]
  readonly limits: RequestLimits
  readonly metrics: FaceMetrics
  readonly guard: GuardSettings
  /** Where clients find the protected-resource metadata; asked once it listens. */
  readonly publicUrl: () => string
  readonly clock: Clock
  readonly log: Logger
}

/** The gateway's one HTTP listener: guard, route, key, limits, and then the face. */
export class HttpServer {
  readonly #deps: HttpServerDeps
  readonly #server: Server
  readonly #draining = new AbortController()
  /** Connections on which no request has begun; Node does not count them as idle. */
  readonly #unused = new Set<Socket>()

  constructor(deps: HttpServerDeps) {
    this.#deps = deps
    this.#server = createServer(
      {
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        connectionsCheckingInterval: TIMEOUT_CHECK_MS,
        maxHeaderSize: HEADERS_MAX_BYTES,
      },
      (request, response) => void this.#take(request, response),
    )
    this.#server.maxConnections = CONNECTIONS_MAX
    this.#server.on('connection', (socket: Socket) => {
      this.#unused.add(socket)
      socket.once('close', () => this.#unused.delete(socket))
    })
    this.#server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      response.writeContinue()
      void this.#take(request, response)
    })
  }

  /** Port 0 takes a free one. Rejects with the system's error (`EADDRINUSE`, …). */
  listen(host: string, port: number): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject)
        const address = this.#server.address()
        if (address === null || typeof address === 'string') reject(new TypeError('no TCP address'))
        else resolve(address)
      })
    })
  }

  /** Takes no new connection, lets what waits answer with what it has, then cuts the rest. */
  async stop(drainMs: number = DRAIN_MS): Promise<void> {
    this.#draining.abort()
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
    this.#server.closeIdleConnections()
    for (const socket of this.#unused) socket.destroy()
    const cancel = this.#deps.clock.setTimer(drainMs, () => this.#server.closeAllConnections())
    await closed
    cancel()
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    this.#unused.delete(request.socket)
    response.on('close', () => {
      gone.abort()
      if (this.#draining.signal.aborted) setImmediate(() => this.#server.closeIdleConnections())
    })
    request.on('error', () => gone.abort())
    response.on('error', () => gone.abort())
    let reply: Reply
    try {
      reply = await this.#answer(request, gone.signal)
    } catch (error) {
      this.#deps.log.error('http_request_failed', { error: nameOf(error) })
      reply = problem('internal')
    }
    if (this.#draining.signal.aborted) response.shouldKeepAlive = false
    await sendReply(response, reply, gone.signal)
  }

  async #answer(request: IncomingMessage, gone: AbortSignal): Promise<Reply> {
    const { guard, metrics, routes } = this.#deps
    const refusal = guardProblem(request.headers, guard)
    const url = refusal === undefined ? parseTarget(request.url ?? '') : undefined
    const found = url && findRoute(routes, url.pathname)
    if (url === undefined || found === undefined) {
      const code = refusal ?? 'not_found'
      metrics.count('http', code)
      return problem(code)
    }
    const exchange = this.#exchange(request, { url, captured: found.captured, gone })
    const reply = await this.#inRoute(found.route, exchange)
    metrics.count(found.route.face, reply.outcome)
    return reply
  }

  async #inRoute(route: Route, exchange: Exchange): Promise<Reply> {
    const method = exchange.method === 'HEAD' ? 'GET' : exchange.method
    if (!Object.hasOwn(route.methods, method)) {
      return problem('method_not_allowed', undefined, {
        allow: Object.keys(route.methods).join(', '),
      })
    }
    if (route.auth === 'none')
      return (await route.methods[method]?.(exchange)) ?? problem('internal')
    const key = bearerKey(exchange.headers)
    const caller = key === undefined ? undefined : this.#deps.api.authenticate(key, route.source)
    if (caller === undefined) return this.#notAuthenticated()
    const handle = route.methods[method]
    return handle === undefined
      ? problem('internal')
      : this.#limited(caller, exchange, () => handle(exchange, caller))
  }

  async #limited(
    caller: Caller,
    exchange: Exchange,
    handle: () => Promise<Reply> | Reply,
  ): Promise<Reply> {
    const admitted = this.#deps.limits.admit(`${caller.principal.tenant}.${caller.key_id}`)
    if (!admitted.ok) return problem(admitted.reason)
    try {
      const reply = await handle()
      if (reply.web === undefined) admitted.release()
      else exchange.gone.addEventListener('abort', admitted.release, { once: true })
      return reply
    } catch (error) {
      admitted.release()
      throw error
    }
  }

  /** One answer for a missing, a foreign and a revoked key. */
  #notAuthenticated(): Reply {
    const metadata = `${this.#deps.publicUrl()}/.well-known/oauth-protected-resource`
    return problem('not_authenticated', undefined, {
      'www-authenticate': `Bearer resource_metadata="${metadata}"`,
    })
  }

  #exchange(
    request: IncomingMessage,
    of: { readonly url: URL; readonly captured: readonly string[]; readonly gone: AbortSignal },
  ): Exchange {
    const { url, captured, gone } = of
    return {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      captured,
      fromLoopback: isLoopback(request),
      gone,
      draining: this.#draining.signal,
      body: () => readJsonBody(request),
    }
  }
}

/** A hold that ends when the client is gone or the gateway stops. */
export async function whileOpen<T>(
  exchange: Pick<Exchange, 'gone' | 'draining'>,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const link = linkSignals(exchange.gone, exchange.draining)
  try {
    return await run(link.signal)
  } finally {
    link.unlink()
  }
}

function parseTarget(target: string): URL | undefined {
  if (!target.startsWith('/') || target.startsWith('//') || target.length > URL_MAX_CHARS) {
    return undefined
  }
  try {
    const url = new URL(target, 'http://gateway.invalid')
    // Dot segments would be a second spelling of another path.
    return url.pathname === target.split(/[?#]/, 1)[0] ? url : undefined
  } catch {
    return undefined
  }
}

function findRoute(
  routes: readonly Route[],
  path: string,
): { readonly route: Route; readonly captured: readonly string[] } | undefined {
  for (const route of routes) {
    const match = route.pattern.exec(path)
    if (match !== null) return { route, captured: match.slice(1) }
  }
  return undefined
}

const FORWARDED = ['x-forwarded-for', 'forwarded', 'x-real-ip']

function isLoopback(request: IncomingMessage): boolean {
  const address = request.socket.remoteAddress ?? ''
  const own = address === '::1' || /^(?:::ffff:)?127\./.test(address)
  return own && FORWARDED.every((name) => request.headers[name] === undefined)
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error
}
