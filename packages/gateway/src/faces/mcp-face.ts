import type { JsonObject } from '@trustgw/protocol'
import type { Caller } from '../agents/caller.ts'

/** One HTTP request to an MCP endpoint, let in, authenticated and parsed. */
export interface McpExchange {
  readonly method: 'POST' | 'GET' | 'DELETE'
  readonly url: string
  readonly headers: Headers
  readonly caller: Caller
  /** The bundle of `/v1/mcp/c/<bundle>`; null for `/v1/mcp`. */
  readonly bundle: string | null
  /** The strictly parsed message of a POST: the only value that arguments are taken from. */
  readonly body: JsonObject | undefined
  /** Aborted when the client is gone. */
  readonly gone: AbortSignal
  /** Aborted when the gateway is about to stop: what waits answers with what it has. */
  readonly draining: AbortSignal
}

/** MCP over HTTP, both eras (spec/protocol.md §8), behind a port of ours. */
export interface McpFace {
  /** Older-era sessions that are open. */
  readonly sessions: number
  handle(exchange: McpExchange): Promise<Response>
  /** Ends sessions and streams. */
  close(): Promise<void>
}
