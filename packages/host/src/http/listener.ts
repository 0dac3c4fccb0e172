import { createServer, type IncomingMessage, type Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { HostDeps } from '../deps.ts'
import { type Refused, refused } from './problem.ts'
import { problemResponse } from './reply.ts'

/** A client that does not finish its head or its whole request in time is cut off. */
export const HEAD_TIMEOUT_MS = 10_000
export const REQUEST_TIMEOUT_MS = 20_000
export const KEEP_ALIVE_MS = 5_000
export const HEAD_MAX_BYTES = 16_384
export const HEADERS_MAX_COUNT = 64
export const CONNECTIONS_MAX_COUNT = 512
/** How often connections are looked at for these limits. */
const CONNECTION_CHECK_MS = 2_000
/** How long requests in hand may take when the host shuts down. */
export const CLOSE_GRACE_MS = 3_000

export interface ListenerOptions {
  readonly handle: (request: Request, remoteAddress: string) => Promise<Response>
  /** Judges the head of a request; a refused one is answered without looking further. */
  readonly guard: (incoming: IncomingMessage) => Refused | undefined
  /** By the name that was asked for, in lower case. */
  readonly headers: (host: string | undefined) => ReadonlyMap<string, string>
  readonly log: HostDeps['log']
}

/** The HTTP server of the host. Every answer carries the security headers. */
export function buildListener(options: ListenerOptions): Server {
  const { handle, guard, headers, log } = options
  const listener = getRequestListener(
    async (request, env) => {
      const incoming = 'incoming' in env ? env.incoming : undefined
      const refusal = isPlain(incoming) ? guard(incoming) : refused('host_refused')
      const response =
        refusal === undefined
          ? await handle(request, addressOf(incoming))
          : problemResponse(refusal)
      const host = isPlain(incoming) ? incoming.headers.host?.toLowerCase() : undefined
      return withHeaders(response, request, headers(host))
    },
    {
      overrideGlobalObjects: false,
      errorHandler: () => {
        // A request that cannot be made into one: a Host or target that is none.
        log.warn('request_refused')
        return withHeaders(problemResponse(refused('host_refused')), undefined, headers(undefined))
      },
    },
  )
  const server = createServer(
    {
      headersTimeout: HEAD_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: HEAD_MAX_BYTES,
      connectionsCheckingInterval: CONNECTION_CHECK_MS,
    },
    (incoming, outgoing) => {
      void listener(incoming, outgoing)
    },
  )
  server.maxHeadersCount = HEADERS_MAX_COUNT
  server.maxConnections = CONNECTIONS_MAX_COUNT
  return server
}

export class ListenFault extends Error {
  readonly code: string
  constructor(code: string, options: ErrorOptions) {
    super(`the portal cannot listen: ${code}`, options)
    this.code = code
  }
}

/** Resolves with the port. `ListenFault` with the system's code (`EADDRINUSE`, `EACCES`). */
export async function listen(
  server: Server,
  at: { readonly hostname: string; readonly port: number },
): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(new ListenFault(error.code ?? 'listen_failed', { cause: error }))
    })
    server.listen(at.port, at.hostname, resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : at.port
}

/** Takes no new connection, lets requests in hand end, then cuts what is left. */
export async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) =>
    server.close(() => {
      resolve()
    }),
  )
  server.closeIdleConnections()
  const cut = setTimeout(() => {
    server.closeAllConnections()
  }, CLOSE_GRACE_MS)
  cut.unref()
  await closed
  clearTimeout(cut)
}

function withHeaders(
  response: Response,
  request: Request | undefined,
  headers: ReadonlyMap<string, string>,
): Response {
  for (const [name, value] of headers) response.headers.set(name, value)
  if (request === undefined || !response.headers.has('Cache-Control')) {
    response.headers.set('Cache-Control', 'no-store')
  }
  return response
}

function isPlain(incoming: unknown): incoming is IncomingMessage {
  return incoming instanceof Object && 'rawHeaders' in incoming && 'httpVersion' in incoming
}

function addressOf(incoming: unknown): string {
  return isPlain(incoming) ? (incoming.socket.remoteAddress ?? '') : ''
}
