import {
  type Command,
  CommandFault,
  type Context,
  EXIT_DONE,
  flagText,
  UsageFault,
} from '../../command.ts'
import { assertHere, tenantOf } from '../../install/install.ts'
import { filesOf, type KnownBundle, PolicyAdmin } from '../../policy/policy-admin.ts'
import { table, visible } from '../../terminal.ts'

/** What is in force, who sealed it, and what was before. */
export const POLICY_SHOW: Command = {
  name: 'policy show',
  text: 'show the policy in force, or an earlier one, and who sealed it',
  usage: 'policy show [--epoch N] [--text]',
  flags: {
    epoch: { type: 'string', value: 'N', text: 'an earlier bundle; without it the newest' },
    text: { type: 'boolean', text: 'print the policy files themselves' },
  },
  examples: ['trustgw policy show', 'trustgw policy show --epoch 3 --text'],
  run: show,
}

async function show(context: Context): Promise<number> {
  const settings = await context.settings()
  await assertHere(settings)
  const wanted = epochOf(context)
  const admin = await PolicyAdmin.open(settings, tenantOf(settings))
  try {
    const history = await admin.history()
    const known =
      wanted === undefined ? history[0] : history.find(({ bundle }) => bundle.epoch === wanted)
    if (known === undefined) {
      const what = wanted === undefined ? 'no policy was sealed yet' : `no epoch ${wanted}`
      throw new CommandFault('no_policy', `${what}: seal one with trustgw policy apply`)
    }
    if (context.json) printJson(known, context)
    else if (context.flags['text'] === true) printText(known, context)
    else printTable(known, history, context)
    return EXIT_DONE
  } finally {
    await admin.close()
  }
}

function epochOf(context: Context): number | undefined {
  const text = flagText(context, 'epoch')
  if (text === undefined) return undefined
  if (!/^[1-9][0-9]{0,14}$/.test(text)) throw new UsageFault('--epoch takes a number from 1 on')
  return Number(text)
}

function printJson({ bundle, bundle_hash, by }: KnownBundle, { terminal }: Context): void {
  const { epoch, issued_at } = bundle
  const policies = filesOf(bundle)
  terminal.out(JSON.stringify({ epoch, bundle_hash, issued_at, sealed_by: by, policies }))
}

function printText({ bundle }: KnownBundle, { terminal }: Context): void {
  for (const { layer, scope, file, text } of filesOf(bundle)) {
    terminal.out(`# ${layer}${scope === null ? '' : ` ${visible(scope)}`} · ${visible(file)}`)
    terminal.out(text.split('\n').map(visible).join('\n'))
  }
}

function printTable(
  { bundle, bundle_hash, by }: KnownBundle,
  history: readonly KnownBundle[],
  { terminal }: Context,
): void {
  const { out, style } = terminal
  const at = new Date(bundle.issued_at).toISOString()
  out(`${style.bold(`Epoch ${bundle.epoch}`)}, sealed by ${visible(by)} at ${at}`)
  out(`  ${style.dim(bundle_hash)}`)
  const rows = filesOf(bundle).map(({ layer, scope, file, text }) => [
    layer,
    visible(scope ?? '-'),
    visible(file),
    `${text.split('\n').length} lines`,
  ])
  out(table([['LAYER', 'FOR', 'FILE', 'LENGTH'], ...rows]))
  const older = history.filter((one) => one.bundle.epoch !== bundle.epoch)
  if (older.length === 0) return
  const shown = older
    .slice(0, HISTORY_SHOWN)
    .map((one) => `${one.bundle.epoch} (${visible(one.by)})`)
  out(style.dim(`Also sealed: ${shown.join(', ')}${older.length > HISTORY_SHOWN ? ', …' : ''}`))
}

const HISTORY_SHOWN = 10
