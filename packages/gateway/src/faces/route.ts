import type { IncomingHttpHeaders } from 'node:http'
import type { Caller } from '../agents/caller.ts'
import type { BodyOutcome } from './json-body.ts'
import type { FaceName } from './metrics.ts'
import type { Reply } from './problem.ts'

/** A request that passed the guard, as routes see it. */
export interface Exchange {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /** What the route's pattern captured. */
  readonly captured: readonly string[]
  /** True when the peer is this machine and says so of nobody else. */
  readonly fromLoopback: boolean
  /** Aborted when the client is gone. */
  readonly gone: AbortSignal
  /** Aborted when the gateway is about to stop. */
  readonly draining: AbortSignal
  /** Reads the body; call at most once. */
  readonly body: () => Promise<BodyOutcome>
}

interface RouteBase {
  readonly pattern: RegExp
  readonly face: FaceName
}

/** Open to everyone; holds nothing that is anyone's. */
export interface OpenRoute extends RouteBase {
  readonly auth: 'none'
  readonly methods: { readonly [method: string]: (exchange: Exchange) => Promise<Reply> | Reply }
}

/** Only with an API key. */
export interface KeyRoute extends RouteBase {
  readonly auth: 'key'
  readonly source: 'mcp' | 'rest'
  readonly methods: {
    readonly [method: string]: (exchange: Exchange, caller: Caller) => Promise<Reply> | Reply
  }
}

export type Route = OpenRoute | KeyRoute
