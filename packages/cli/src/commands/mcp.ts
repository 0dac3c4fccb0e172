import { readFile } from 'node:fs/promises'
import { type Command, type Context, EXIT_DONE, flagText, UsageFault } from '../command.ts'
import { bridgeMcpStdio } from '../mcp-stdio.ts'

export const MCP: Command = {
  name: 'mcp',
  text: 'an MCP server on stdio that bridges to the gateway',
  usage: 'mcp [--url URL | --bundle NAME] [--key-file FILE]',
  flags: {
    url: { type: 'string', value: 'URL', text: 'MCP endpoint; else that of the settings' },
    bundle: { type: 'string', value: 'NAME', text: 'one bundle as a plain MCP server' },
    'key-file': {
      type: 'string',
      value: 'FILE',
      text: 'file with the agent key; else TRUSTGW_API_KEY',
    },
  },
  examples: [
    'TRUSTGW_API_KEY=tgk_… trustgw mcp',
    'trustgw mcp --bundle files --key-file agent.key',
  ],
  run: runBridge,
}

async function runBridge(context: Context): Promise<number> {
  const apiKey = await keyOf(context)
  const url = await endpointOf(context)
  const { err } = context.terminal
  await bridgeMcpStdio({
    url,
    apiKey,
    input: process.stdin,
    output: process.stdout,
    report: (text) => err(`trustgw mcp: ${text}`),
  })
  return EXIT_DONE
}

async function keyOf(context: Context): Promise<string> {
  const file = flagText(context, 'key-file')
  const key =
    file === undefined ? context.invocation.env['TRUSTGW_API_KEY'] : await readFile(file, 'utf8')
  if (key !== undefined && key.trim() !== '') return key.trim()
  throw new UsageFault('an agent key is needed: set TRUSTGW_API_KEY or give --key-file')
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

async function endpointOf(context: Context): Promise<string> {
  const given = flagText(context, 'url')
  const bundle = flagText(context, 'bundle')
  if (given !== undefined && bundle !== undefined) {
    throw new UsageFault('--url and --bundle exclude each other')
  }
  const base = given ?? `${(await context.settings()).gateway.public_url}/v1/mcp`
  const url = bundle === undefined ? base : `${base}/c/${encodeURIComponent(bundle)}`
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const safe =
    parsed?.protocol === 'https:' ||
    (parsed?.protocol === 'http:' && LOOPBACK.test(parsed.hostname))
  // The key goes with every message.
  if (!safe) throw new UsageFault('the endpoint must be https, or http on this machine')
  return url
}
