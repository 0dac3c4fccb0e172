import { compilePolicy, diffPolicies, findingText, parsePolicy } from '@trustgw/core'
import type { BundleSealer } from '@trustgw/protocol'
import { atomicWriteFile, SECRET_FILE_MODE, type Settings, sha256 } from '@trustgw/runtime'
import {
  type Command,
  CommandFault,
  type Context,
  EXIT_DONE,
  EXIT_FAILED,
  flagText,
} from '../../command.ts'
import { assertHere, tenantOf } from '../../install/install.ts'
import { passphraseOf } from '../../keys/passphrase.ts'
import { filesOf, holdsFiles, type KnownBundle, PolicyAdmin } from '../../policy/policy-admin.ts'
import {
  isLenient,
  type PolicyFile,
  policyFindings,
  readPolicyFiles,
  readPolicyText,
} from '../../policy/policy-files.ts'
import { delegateSealer, operatorSealer } from '../../policy/sealer.ts'
import { visible } from '../../terminal.ts'

/** Seals the installation's policy files and puts them in force. */
export const POLICY_APPLY: Command = {
  name: 'policy apply',
  text: 'seal the policy files (or FILE as the platform policy) and put them in force',
  usage: 'policy apply [FILE] [--yes] [--dry-run] [--key FILE]',
  flags: {
    yes: { type: 'boolean', text: 'also when it permits more than before; do not ask' },
    'dry-run': { type: 'boolean', text: 'say what would change, and change nothing' },
    key: { type: 'string', value: 'FILE', text: 'seal with a key of trustgw policy delegate' },
  },
  examples: [
    'trustgw policy apply --dry-run',
    'trustgw policy apply',
    'trustgw policy apply policies/payments.toml --yes',
  ],
  run: apply,
}

async function apply(context: Context): Promise<number> {
  const settings = await context.settings()
  await assertHere(settings)
  const [given] = context.positionals
  const installed = await readPolicyFiles(settings)
  const files =
    given === undefined ? installed : withPlatform(installed, given, await readPolicyText(given))
  const findings = policyFindings(files, isLenient(settings))
  if (findings.length > 0) {
    if (context.json) context.terminal.out(JSON.stringify({ applied: false, findings }))
    else for (const finding of findings) context.terminal.err(findingText(finding))
    return EXIT_FAILED
  }
  const admin = await PolicyAdmin.open(settings, tenantOf(settings))
  try {
    return await applyFiles(files, admin, context)
  } finally {
    await admin.close()
  }
}

async function applyFiles(
  files: readonly PolicyFile[],
  admin: PolicyAdmin,
  context: Context,
): Promise<number> {
  const [newest] = await admin.history()
  if (newest !== undefined && holdsFiles(newest.bundle, files)) return unchanged(context, newest)
  const widenings = newest === undefined ? [] : wideningsOf(filesOf(newest.bundle), files)
  if (!context.json) printWidenings(widenings, context)
  if (context.flags['dry-run'] === true) {
    if (context.json) context.terminal.out(JSON.stringify({ applied: false, widenings }))
    return widenings.length > 0 ? EXIT_FAILED : EXIT_DONE
  }
  if (widenings.length > 0 && !(await isMeant(context))) {
    throw new CommandFault('widens', 'nothing was applied: it permits more, and --yes is missing')
  }
  const settings = await context.settings()
  const sealed = await admin.publish(files, await sealerOf(settings, context))
  if (context.positionals.length > 0) await putInPlace(settings, files)
  report(context, sealed, widenings)
  return EXIT_DONE
}

async function sealerOf(settings: Settings, context: Context): Promise<BundleSealer> {
  const key = flagText(context, 'key')
  return key === undefined
    ? operatorSealer(settings)
    : delegateSealer(key, await passphraseOf(settings))
}

/** The file that was given becomes the installation's own, or the next start would undo it. */
async function putInPlace(settings: Settings, files: readonly PolicyFile[]): Promise<void> {
  const platform = files.find(({ layer }) => layer === 'platform')
  if (platform === undefined) return
  await atomicWriteFile(settings.policy.file, platform.text, { mode: SECRET_FILE_MODE })
}

function withPlatform(
  installed: readonly PolicyFile[],
  file: string,
  text: string,
): readonly PolicyFile[] {
  const others = installed.filter(({ layer }) => layer !== 'platform')
  return [{ layer: 'platform', scope: null, file, text }, ...others]
}

/** What the new files permit and the old ones did not, layer by layer, one line each. */
function wideningsOf(
  before: readonly PolicyFile[],
  after: readonly PolicyFile[],
): readonly string[] {
  const lines: string[] = []
  for (const old of before) {
    const now = after.find((one) => one.layer === old.layer && one.scope === old.scope)
    const name = old.scope === null ? old.layer : `${old.layer} ${old.scope}`
    if (now === undefined) lines.push(`${name}: the whole layer is gone`)
    else if (now.text !== old.text) lines.push(...widened(old, now).map((it) => `${name}: ${it}`))
  }
  return lines
}

function widened(old: PolicyFile, now: PolicyFile): readonly string[] {
  const compiled = [old, now].map(({ text, file, layer }) => {
    // Development's leniency is no matter here: what is compared was in force or is to be.
    const parsed = parsePolicy(text, { file, layer, development: true })
    return parsed.ok ? compilePolicy(parsed.value, sha256, { layer }) : undefined
  })
  const [before, after] = compiled
  if (before === undefined || after === undefined) return ['it cannot be compared']
  const { widens, doubts } = diffPolicies(before, after)
  return [
    ...widens.map(({ before: was, after: is, example }) => {
      const shown = visible(JSON.stringify(example))
      return `${was.effect} by ${was.rule_id} becomes ${is.effect} by ${is.rule_id}, for example ${shown}`
    }),
    ...doubts.map(({ why }) => `may permit more: ${why}`),
  ]
}

function printWidenings(widenings: readonly string[], { terminal }: Context): void {
  if (widenings.length === 0) return
  terminal.err(terminal.style.warn('This permits more than the policy in force:'))
  for (const line of widenings) terminal.err(`  ${line}`)
}

async function isMeant(context: Context): Promise<boolean> {
  if (context.flags['yes'] === true) return true
  const { ask } = context.terminal
  if (ask === undefined || context.json) return false
  return (await ask('Put it in force all the same? Type yes: ')).trim() === 'yes'
}

function unchanged(context: Context, newest: KnownBundle): number {
  const { epoch } = newest.bundle
  if (context.json) context.terminal.out(JSON.stringify({ applied: false, epoch, unchanged: true }))
  else context.terminal.out(`Nothing to do: epoch ${epoch} is in force and says the same.`)
  return EXIT_DONE
}

function report(context: Context, sealed: KnownBundle, widenings: readonly string[]): void {
  const { terminal } = context
  const { bundle, bundle_hash, by } = sealed
  if (context.json) {
    const { epoch } = bundle
    terminal.out(JSON.stringify({ applied: true, epoch, bundle_hash, sealed_by: by, widenings }))
    return
  }
  terminal.out(`${terminal.style.good(`Epoch ${bundle.epoch} is sealed`)} by the ${by}`)
  terminal.out(`  ${bundle_hash}`)
  terminal.out('  Gateway and executors take it up within a second: trustgw policy show')
}
