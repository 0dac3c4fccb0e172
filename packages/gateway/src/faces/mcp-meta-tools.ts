import type { McpTool } from './mcp-tools.ts'

const QUIET = { readOnlyHint: true, destructiveHint: false, idempotentHint: true }

/** The constant surface of `/v1/mcp` (spec/protocol.md §8); never listed inside one context. */
export const DISCOVERY_TOOLS: readonly McpTool[] = [
  {
    name: 'list_bundles',
    title: 'List bundles',
    description:
      'Lists the bundles of tools that you may use. Start here, then call switch_context with the bundle that you need.',
    inputSchema: { type: 'object', properties: {}, additionalProperties: false },
    annotations: QUIET,
  },
  {
    name: 'switch_context',
    title: 'Switch context',
    description:
      'Opens a bundle: returns a context handle, when it expires, and the tools of the bundle with their schemas. Use the handle in call_tool.',
    inputSchema: {
      type: 'object',
      properties: { bundle: { type: 'string', description: 'A bundle from list_bundles' } },
      required: ['bundle'],
      additionalProperties: false,
    },
    annotations: QUIET,
  },
  {
    name: 'call_tool',
    title: 'Call a tool',
    description:
      'Calls a tool of an opened context. Some calls wait for the approval of a person: then the answer has status "pending_approval" and an action_id; do not repeat the call, ask get_action_status.',
    inputSchema: {
      type: 'object',
      properties: {
        context: { type: 'string', description: 'The context handle from switch_context' },
        tool: { type: 'string', description: 'The name of a tool of that context' },
        arguments: { type: 'object', description: "Arguments as the tool's schema asks" },
      },
      required: ['context', 'tool', 'arguments'],
      additionalProperties: false,
    },
    annotations: { readOnlyHint: false, destructiveHint: true },
  },
]

/** Also inside a context: without it a pending call would have no end there. */
export const STATUS_TOOL: McpTool = {
  name: 'get_action_status',
  title: 'Get action status',
  description:
    'Returns the outcome of an earlier call by its action_id, waiting up to 25 seconds for it. While it is still pending, call this again; do not repeat the original call.',
  inputSchema: {
    type: 'object',
    properties: { action_id: { type: 'string', description: 'The action_id of the earlier call' } },
    required: ['action_id'],
    additionalProperties: false,
  },
  annotations: QUIET,
}
