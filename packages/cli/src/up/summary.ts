import type { Settings } from '@trustgw/runtime'
import type { Terminal } from '../terminal.ts'

export interface Summary {
  readonly settings: Settings
  /** The first is the one that clients use. */
  readonly gatewayUrls: readonly string[]
  readonly enrolment: { readonly link: string; readonly expires_at: number } | undefined
  /** Only right after it was made; it is stored nowhere. */
  readonly apiKey: string | undefined
  readonly shop: boolean
  readonly seconds: number
}

const KEY_PLACEHOLDER = '<your agent key>'

/** The calm end of a start: where things are, what to do next, how to stop. */
export function printSummary(summary: Summary, terminal: Terminal): void {
  const { settings } = summary
  const [gatewayUrl = '', ...others] = summary.gatewayUrls
  const { out, style } = terminal
  const { bold, dim, accent, warn, good } = style
  const key = summary.apiKey ?? KEY_PLACEHOLDER
  const mcp = `${gatewayUrl}/v1/mcp`
  const rows = (name: string, value: string): void => out(`  ${bold(name.padEnd(10))} ${value}`)
  out('')
  out(`${good('Trust Gateway is running')} ${dim(`(started in ${summary.seconds.toFixed(1)} s)`)}`)
  if (settings.mode === 'development') {
    out(warn('Development mode: keys were made for you and lie on this disk. Not for production.'))
  }
  out('')
  rows('Portal', accent(settings.host.origin))
  if (summary.enrolment !== undefined) {
    rows('Enrol', accent(summary.enrolment.link))
    out(
      `             ${dim('Open it once, in this browser, to make your passkeys. Works once, for 24 hours.')}`,
    )
  }
  rows('MCP', accent(mcp))
  for (const url of others) rows('and', accent(`${url}/v1/mcp`))
  if (summary.apiKey !== undefined) {
    rows('Agent key', accent(summary.apiKey))
    out(
      `             ${dim('Shown only now; revoke it with: npx trustgw agents list, then npx trustgw agents revoke KEY_ID')}`,
    )
  } else {
    const make = 'npx trustgw agents add --name my-agent'
    const shown = settings.mode === 'development'
    rows(
      'Agent key',
      dim(
        shown ? `shown at the first start; make another with: ${make}` : `make one with: ${make}`,
      ),
    )
  }
  out('')
  for (const line of clientConfigurations(mcp, key)) out(line === '' ? '' : `  ${line}`)
  out('')
  out(`  ${bold('Or with curl')}`)
  for (const line of curlLines(gatewayUrl, key)) out(`  ${line}`)
  out('')
  if (summary.shop) {
    out(
      dim(
        '  Try: read a file of the bundle "files" (allowed), then ask for a refund of 250.00 EUR in "shop" (asks you).',
      ),
    )
  }
  rows('State', settings.state_dir)
  rows('Audit', `npx trustgw audit tail ${dim('·')} npx trustgw audit verify`)
  rows('Stop', 'Ctrl-C: everything is kept and goes on at the next start')
  out('')
}

/** Ready to paste, for each client in its own form. */
export function clientConfigurations(mcp: string, key: string): readonly string[] {
  const header = `Authorization: Bearer ${key}`
  return [
    'Claude Code',
    `  claude mcp add --transport http trust-gateway ${mcp} --header "${header}"`,
    '',
    'Claude Desktop (claude_desktop_config.json)',
    '  { "mcpServers": { "trust-gateway": { "command": "npx",',
    `      "args": ["-y", "mcp-remote", "${mcp}", "--header", "Authorization:\${AUTH_HEADER}"],`,
    `      "env": { "AUTH_HEADER": "Bearer ${key}" } } } }`,
    '',
    'Cursor (.cursor/mcp.json)',
    `  { "mcpServers": { "trust-gateway": { "url": "${mcp}",`,
    `      "headers": { "Authorization": "Bearer ${key}" } } } }`,
    '',
    'VS Code (.vscode/mcp.json)',
    `  { "servers": { "trust-gateway": { "type": "http", "url": "${mcp}",`,
    `      "headers": { "Authorization": "Bearer ${key}" } } } }`,
  ]
}

function curlLines(gatewayUrl: string, key: string): readonly string[] {
  return [
    `  curl -s ${gatewayUrl}/v1/actions/propose -H 'Authorization: Bearer ${key}' \\`,
    "    -H 'Content-Type: application/json' \\",
    '    -d \'{"tool":"files.list_allowed_directories","arguments":{}}\'',
  ]
}
