import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { FaultPlan } from './faults.ts'
import { openLedger } from './ledger.ts'
import type { LedgerEntry } from './ledger-entry.ts'
import { type ProblemCode, problem, type Reply, rawProblem, send } from './reply.ts'
import { ROUTES, type Route, type Shop } from './routes.ts'
import { ShopError } from './shop-error.ts'
import { bearerCheck } from './shop-key.ts'
import { Till } from './till.ts'

const HOST = '127.0.0.1'
const MAX_HEADER_BYTES = 8 * 1024
const MAX_URL_CHARS = 2_048
const MAX_CONNECTIONS = 512
const REQUEST_TIMEOUT_MS = 10_000
const STOP_GRACE_MS = 3_000

export type ShopOptions = {
  /** Folder of the ledger, created with mode 700. */
  readonly stateDir: string
  /** The bearer key that clients present: 16 to 256 visible ASCII characters. */
  readonly apiKey: string
  /** Port on 127.0.0.1; 0 or absent: a free one. */
  readonly port?: number
  readonly now?: () => Date
}

export type RunningShop = {
  readonly url: string
  /** What is on disk, in order. */
  readonly ledger: () => readonly LedgerEntry[]
  /** Lets requests under way end, then releases port, connections and state folder. */
  readonly stop: () => Promise<void>
}

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/**
 * Starts the shop on loopback. Throws ShopError for an unusable key or ledger and the system's
 * error for a port in use.
 */
export async function startShop(options: ShopOptions): Promise<RunningShop> {
  const isAllowed = bearerCheck(options.apiKey)
  const ledger = await openLedger(options.stateDir)
  const till = new Till(ledger, options.now ?? ((): Date => new Date()))
  const stopping = new AbortController()
  const handler = shopHandler({ till, faults: new FaultPlan() }, isAllowed, stopping.signal)
  const server = createShopServer(handler)
  try {
    await listen(server, options.port ?? 0)
  } catch (error) {
    await ledger.close()
    throw error
  }
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('no TCP address')
  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    stopping.abort()
    await closeServer(server)
    await till.idle()
    await ledger.close()
  }
  return {
    url: `http://${HOST}:${address.port}`,
    ledger: () => [...ledger.entries()],
    stop: async () => {
      stopped ??= stop()
      return stopped
    },
  }
}

function createShopServer(handler: Handler): Server {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requireHostHeader: true,
    },
    (request, response) => {
      // A client that breaks off is no fault of ours; the work still ends.
      response.on('error', () => undefined)
      void handler(request, response)
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end(rawProblem('request_malformed'))
    else socket.destroy()
  })
  return server
}

function shopHandler(
  shop: Shop,
  isAllowed: (authorization: string | undefined) => boolean,
  stopping: AbortSignal,
): Handler {
  return async (request, response) => {
    try {
      const url = readTarget(request.url ?? '')
      if (url === undefined) {
        send(response, problem('not_found'))
        return
      }
      const found = findRoute(request.method ?? '', url.pathname)
      if (found.kind === 'found' && found.route.open === true) {
        send(response, await found.run({ shop, request, query: url.searchParams }))
        return
      }
      // Before 404 and 405, so that a stranger learns nothing about the surface.
      if (!isAllowed(request.headers.authorization)) {
        refuse(request, response, 'unauthorized', { 'www-authenticate': 'Bearer realm="shop"' })
        return
      }
      if (found.kind === 'wrong_method') {
        refuse(request, response, 'method_not_allowed', { allow: found.allow })
        return
      }
      if (found.kind === 'none') {
        refuse(request, response, 'not_found', {})
        return
      }
      const work = async (): Promise<Reply> => found.run({ shop, request, query: url.searchParams })
      await serve({ shop, request, response, stopping }, url.pathname, work)
    } catch (error) {
      const stored = error instanceof ShopError && error.code.startsWith('ledger_')
      send(response, problem(stored ? 'storage_failed' : 'internal'))
    }
  }
}

type Exchange = {
  readonly shop: Shop
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly stopping: AbortSignal
}

async function serve(
  { shop, request, response, stopping }: Exchange,
  path: string,
  work: () => Promise<Reply>,
): Promise<void> {
  const isAdmin = !path.startsWith('/v1/')
  const isRefundPost = request.method === 'POST' && path === '/v1/refunds'
  const fault = isAdmin ? undefined : shop.faults.take(isRefundPost)
  if (fault?.mode === 'drop_before_work') {
    request.socket.destroy()
    return
  }
  if (fault?.mode === 'fail') {
    refuse(request, response, 'fault_injected', {})
    return
  }
  const reply = await work()
  if (fault?.mode === 'drop_after_work') {
    request.socket.destroy()
    return
  }
  if (fault?.mode === 'slow') {
    await sleep(fault.delay_ms, undefined, { signal: stopping }).catch(() => undefined)
  }
  // Kept alive, the connection would hold up the stop until its grace is over.
  if (stopping.aborted) response.shouldKeepAlive = false
  finish(request, response, reply)
}

type RouteMatch =
  | {
      readonly kind: 'found'
      readonly route: Route
      readonly run: (call: {
        readonly shop: Shop
        readonly request: IncomingMessage
        readonly query: URLSearchParams
      }) => Promise<Reply>
    }
  | { readonly kind: 'wrong_method'; readonly allow: string }
  | { readonly kind: 'none' }

function findRoute(method: string, path: string): RouteMatch {
  const here = ROUTES.filter((route) => route.path.test(path))
  const route = here.find((candidate) => candidate.method === method)
  if (route !== undefined) {
    const parameter = route.path.exec(path)?.[1] ?? ''
    return { kind: 'found', route, run: async (call) => route.handle({ ...call, parameter }) }
  }
  if (here.length === 0) return { kind: 'none' }
  return { kind: 'wrong_method', allow: here.map((known) => known.method).join(', ') }
}

function readTarget(target: string): URL | undefined {
  if (!target.startsWith('/') || target.startsWith('//') || target.length > MAX_URL_CHARS) {
    return undefined
  }
  try {
    return new URL(`http://shop.invalid${target}`)
  } catch {
    return undefined
  }
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  code: ProblemCode,
  headers: Readonly<Record<string, string>>,
): void {
  finish(request, response, problem(code, undefined, headers))
}

/** Sends; a body that was not read to its end would be taken for the next request's start. */
function finish(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers
  if (!request.complete && (length !== '0' || encoding !== undefined)) {
    response.shouldKeepAlive = false
    request.resume()
  }
  send(response, reply)
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, HOST, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}

async function closeServer(server: Server): Promise<void> {
  const timer = setTimeout(() => server.closeAllConnections(), STOP_GRACE_MS)
  try {
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeIdleConnections()
    })
  } finally {
    clearTimeout(timer)
  }
}
