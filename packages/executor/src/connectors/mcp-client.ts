import type { Json, JsonObject } from '@trustgw/protocol'

/** A tool as an upstream describes it. Its annotations are hints, never trusted to lower a risk. */
export interface McpTool {
  readonly name: string
  readonly title: string | null
  readonly description: string
  readonly input_schema: JsonObject
  readonly output_schema: JsonObject | null
  readonly read_only_hint: boolean | null
  readonly destructive_hint: boolean | null
}

export interface McpServer {
  readonly name: string
  readonly version: string
  readonly tools: readonly McpTool[]
}

export type McpCallOutcome =
  /** The upstream's `CallToolResult`, checked for its form; `is_error` is the tool's own word. */
  | { readonly kind: 'answered'; readonly result: JsonObject; readonly is_error: boolean }
  /** A JSON-RPC error: the upstream says that it did not run the tool. */
  | { readonly kind: 'rejected'; readonly code: number }
  /** The request never left this process. */
  | { readonly kind: 'not_sent' }
  /** It was sent and no readable answer came. */
  | { readonly kind: 'lost'; readonly reason: McpLossReason }

export type McpLossReason = 'timeout' | 'connection_lost' | 'malformed_answer'

export interface McpCall {
  readonly tool: string
  readonly arguments: Json
  readonly timeout_ms: number
}

/** One running upstream, of the era that its manifest pins. */
export interface McpClient {
  /** Starts the upstream and reads what it offers. Throws `ConnectorFault` when it cannot. */
  start(): Promise<McpServer>
  /** Reads the list of tools again. Throws `ConnectorFault`. */
  refresh(): Promise<McpServer>
  /** Never throws. A call that times out ends the upstream: nobody can tell what it still does. */
  call(call: McpCall): Promise<McpCallOutcome>
  stop(): Promise<void>
}

export interface McpClientEvents {
  readonly onExit: () => void
  readonly onToolsChanged: () => void
}

export type ConnectorFaultCode =
  | 'connector_start_failed'
  | 'connector_malformed'
  | 'connector_lost'
  | 'connector_package_missing'

/** A connector that cannot do its work. The message holds no upstream text. */
export class ConnectorFault extends Error {
  readonly code: ConnectorFaultCode
  constructor(code: ConnectorFaultCode, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options)
    this.name = 'ConnectorFault'
    this.code = code
  }
}
