import {
  Client,
  type ClientCapabilities,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import type { JsonObject } from '@trustgw/protocol'
import { type Era, type ToolAnswer, type ToolCaller, texts, toolAnswer } from './tool-caller.ts'

const CAPABILITIES_WITH_PAGES: ClientCapabilities = { elicitation: { url: {} } }

export interface PageToOpen {
  readonly mode: unknown
  readonly url: unknown
  readonly message: unknown
}

export interface SdkOptions {
  readonly era: Era
  /** Says that the client can show pages; called with each one that it shall show. */
  readonly onPage?: (page: PageToOpen) => Promise<'accept' | 'decline'> | 'accept' | 'decline'
}

export interface StdioServer {
  readonly command: string
  readonly args: readonly string[]
  /** The child's whole environment. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** The official client over HTTP, with the headers that its user configured. */
export async function connectHttp(
  url: string,
  headers: Readonly<Record<string, string>>,
  options: SdkOptions,
): Promise<ToolCaller> {
  const requestInit = { headers: { ...headers } }
  return SdkCaller.connect(
    new StreamableHTTPClientTransport(new URL(url), { requestInit }),
    options,
  )
}

/** The official client over a server process on stdio: `trustgw mcp`, or a bridge of others. */
export async function connectStdio(server: StdioServer, options: SdkOptions): Promise<ToolCaller> {
  const { command, args, env, cwd } = server
  const transport = new StdioClientTransport({
    command,
    args: [...args],
    env: { ...env },
    stderr: 'ignore',
    ...(cwd === undefined ? {} : { cwd }),
  })
  return SdkCaller.connect(transport, options)
}

class SdkCaller implements ToolCaller {
  readonly #client: Client

  private constructor(client: Client) {
    this.#client = client
  }

  static async connect(
    transport: Parameters<Client['connect']>[0],
    { era, onPage }: SdkOptions,
  ): Promise<SdkCaller> {
    const client = new Client(
      { name: 'testkit', version: '1.0.0' },
      {
        versionNegotiation: { mode: era === 'legacy' ? 'legacy' : { pin: '2026-07-28' } },
        capabilities: onPage === undefined ? {} : CAPABILITIES_WITH_PAGES,
      },
    )
    if (onPage !== undefined) {
      client.setRequestHandler('elicitation/create', async ({ params }) => {
        const { mode, message } = params
        return { action: await onPage({ mode, message, url: 'url' in params ? params.url : null }) }
      })
    }
    await client.connect(transport)
    return new SdkCaller(client)
  }

  async tools(): Promise<readonly string[]> {
    return texts((await this.#client.listTools()).tools, 'name')
  }

  async call(name: string, args: JsonObject): Promise<ToolAnswer> {
    return toolAnswer(await this.#client.callTool({ name, arguments: { ...args } }))
  }

  async close(): Promise<void> {
    await this.#client.close()
  }
}
