import type {
  CallToolResult,
  InputRequiredResult,
  Tool,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server'
import type { McpToolResult } from './mcp-result.ts'
import type { McpTool } from './mcp-tools.ts'

/** A session of the older era. */
export interface McpSession {
  readonly transport: WebStandardStreamableHTTPServerTransport
  /** The bundle that the session switched to. */
  narrowed: string | null
  close(): Promise<void>
}

/** Our results in the SDK's (mutable) types. */
export function toCallToolResult(result: McpToolResult): CallToolResult | InputRequiredResult {
  const { content, structuredContent, isError, _meta } = result
  return {
    content: content.map((block) => ({ ...block })),
    ...(structuredContent === undefined ? {} : { structuredContent: { ...structuredContent } }),
    ...(isError === undefined ? {} : { isError }),
    ...(_meta === undefined ? {} : { _meta: { ..._meta } }),
  }
}

export function toTools(tools: readonly McpTool[]): Tool[] {
  // Contracts come out of the strict parser, so that a schema is JSON; the SDK's type says so by name.
  return tools.map((tool) => ({ ...tool, inputSchema: { ...tool.inputSchema } }))
}
