import { join } from 'node:path'
import { atomicWriteFile, type Settings } from '@trustgw/runtime'
import { type Command, type Context, EXIT_DONE } from '../command.ts'
import { exists } from '../install/exists.ts'
import { assertNotOfDevelopment, install } from '../install/install.ts'
import { layoutOf } from '../install/layout.ts'

/** Makes keys and settings for one server. */
export const INIT: Command = {
  name: 'init',
  text: 'make keys, identities and settings for one server',
  usage: 'init',
  examples: [
    'trustgw init',
    'TRUSTGW_STATE_DIR=/var/lib/trustgw TRUSTGW_HOST_ORIGIN=https://trust.example TRUSTGW_HOST_RP_ID=trust.example trustgw init',
  ],
  run: async (context) => {
    const settings = await context.settings()
    await assertNotOfDevelopment(settings)
    const layout = await install(settings)
    const file = join(layout.state, 'trustgw.toml')
    if (!(await exists(file))) await atomicWriteFile(file, settingsText(settings), { mode: 0o600 })
    report(context, settings, file)
    return EXIT_DONE
  },
}

function report(context: Context, settings: Settings, file: string): void {
  const layout = layoutOf(settings)
  const { out, style } = context.terminal
  if (context.json) {
    out(
      JSON.stringify({
        state_dir: layout.state,
        settings: file,
        policy: layout.policy,
        trust: layout.operatorTrust,
      }),
    )
    return
  }
  out(`${style.good('Keys and settings are in')} ${layout.state}`)
  out(`  settings    ${file}`)
  out(`  policy      ${layout.policy}`)
  out(`  connectors  ${layout.connectors}`)
  out('')
  out('Next: read the policy, name your connectors and credentials, then start it with trustgw up.')
  out(`${layout.operator} holds the keys over everything else: back it up, and let nobody read it.`)
}

function settingsText(settings: Settings): string {
  return `# Settings of every process; TRUSTGW_* variables stand over them. See docs/guides/configuration.md.
mode = "${settings.mode}"
tenant = "${settings.tenant}"

[host]
origin = "${settings.host.origin}"
rp_id = "${settings.host.rp_id}"
`
}
