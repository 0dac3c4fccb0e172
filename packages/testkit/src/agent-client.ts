import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { JsonObject } from '@trustgw/protocol'

/** Protocol era that the client speaks: the stateless one, or sessions. */
export type McpEra = '2026-07-28' | 'legacy'

/** What a tool answered, as a model sees it. */
export interface ToolAnswer {
  /** All text blocks, joined by line feeds. */
  readonly text: string
  readonly structured: Readonly<Record<string, unknown>>
  readonly isError: boolean
}

export interface OpenedContext {
  readonly handle: string
  /** Names of the bundle's tools. */
  readonly tools: readonly string[]
}

/** A scripted agent: a real MCP client over Streamable HTTP, doing what a model would ask it to. */
export class AgentClient {
  readonly #client: Client

  private constructor(client: Client) {
    this.#client = client
  }

  static async connect(
    mcpUrl: string,
    apiKey: string,
    era: McpEra = '2026-07-28',
  ): Promise<AgentClient> {
    const versionNegotiation =
      era === 'legacy' ? ({ mode: 'legacy' } as const) : ({ mode: { pin: era } } as const)
    const client = new Client({ name: 'scripted-agent', version: '1.0.0' }, { versionNegotiation })
    const transport = new StreamableHTTPClientTransport(new URL(mcpUrl), {
      requestInit: { headers: { authorization: `Bearer ${apiKey}` } },
    })
    await client.connect(transport)
    return new AgentClient(client)
  }

  async toolNames(): Promise<readonly string[]> {
    const { tools } = await this.#client.listTools()
    return tools.map(({ name }) => name)
  }

  async bundles(): Promise<readonly string[]> {
    const { structured } = await this.call('list_bundles', {})
    return texts(structured['bundles'], 'bundle')
  }

  async switchContext(bundle: string): Promise<OpenedContext> {
    const answer = await this.call('switch_context', { bundle })
    const handle = answer.structured['context']
    if (typeof handle !== 'string') throw new Error(`no context for ${bundle}: ${answer.text}`)
    return { handle, tools: texts(answer.structured['tools'], 'name') }
  }

  callTool(context: OpenedContext, tool: string, args: JsonObject): Promise<ToolAnswer> {
    return this.call('call_tool', { context: context.handle, tool, arguments: args })
  }

  status(actionId: string): Promise<ToolAnswer> {
    return this.call('get_action_status', { action_id: actionId })
  }

  /** Any tool by its name. */
  async call(name: string, args: JsonObject): Promise<ToolAnswer> {
    const result = await this.#client.callTool({ name, arguments: { ...args } })
    const text = texts(result.content, 'text').join('\n')
    return {
      text,
      structured: recordOf(result.structuredContent),
      isError: result.isError === true,
    }
  }

  async close(): Promise<void> {
    await this.#client.close()
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

/** The texts under a name, of a list of objects. */
function texts(list: unknown, name: string): readonly string[] {
  const items: readonly unknown[] = Array.isArray(list) ? list : []
  return items.flatMap((item) => {
    const value = recordOf(item)[name]
    return typeof value === 'string' ? [value] : []
  })
}
