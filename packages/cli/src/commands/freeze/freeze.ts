import { type FreezeScope, freezeScopeShape, readShape } from '@trustgw/protocol'
import { atomicWriteFile, BusFault, SECRET_FILE_MODE, type Settings } from '@trustgw/runtime'
import {
  type Command,
  CommandFault,
  type Context,
  EXIT_DONE,
  flagText,
  requiredFlag,
  UsageFault,
} from '../../command.ts'
import { FreezeAdmin, operatorFreeze, type Sealed } from '../../freeze/freeze-admin.ts'
import { scopeWords } from '../../freeze/scope-words.ts'
import { assertHere } from '../../install/install.ts'
import { layoutOf } from '../../install/layout.ts'

const NAMED = ['tool', 'agent', 'key', 'profile', 'credential'] as const

export const FILE_FLAG = {
  type: 'string',
  value: 'FILE',
  text: "write it to a file instead, for an executor's folder freezes/in",
} as const

export const FREEZE: Command = {
  name: 'freeze',
  text: 'let nothing new start, at once, until a thaw',
  usage:
    'freeze [--tool TOOL | --agent AGENT | --key KEY_ID | --profile PROFILE | --credential NAME] --reason TEXT [--for-good]',
  flags: {
    reason: { type: 'string', value: 'TEXT', text: 'why, for everyone who is stopped by it' },
    tool: { type: 'string', value: 'TOOL', text: 'only this tool' },
    agent: { type: 'string', value: 'AGENT', text: 'only what this agent proposed' },
    key: { type: 'string', value: 'KEY_ID', text: 'only what came by this key of an agent' },
    profile: { type: 'string', value: 'PROFILE', text: 'only executors of this profile' },
    credential: { type: 'string', value: 'NAME', text: 'only what acts with this credential' },
    'for-good': { type: 'boolean', text: 'revoke it: no thaw ends this freeze' },
    file: FILE_FLAG,
  },
  examples: [
    'trustgw freeze --reason "strange refunds since noon"',
    'trustgw freeze --agent support-bot --reason "prompt injection suspected"',
    'trustgw freeze --tool shop.export --reason "withdrawn" --for-good',
    'trustgw freeze --reason "bus is down" --file executor/freezes/in/stop.json',
  ],
  run: freeze,
}

async function freeze(context: Context): Promise<number> {
  const scope = scopeOf(context)
  const reason = requiredFlag(context, 'reason')
  const final = context.flags['for-good'] === true
  if (final && scope.kind === 'tenant') {
    throw new UsageFault('everything for good: name a tool, an agent or a key with --for-good')
  }
  const settings = await context.settings()
  await assertHere(settings)
  const file = flagText(context, 'file')
  if (file !== undefined) {
    const made = await operatorFreeze(settings, { scope, reason, counter: 0, final })
    await writeNotice(file, made)
    report(context, { scope, made, final, file })
    return EXIT_DONE
  }
  const admin = await openBus(settings)
  try {
    const counter = (await admin.list()).length + 1
    const made = await operatorFreeze(settings, { scope, reason, counter, final })
    await admin.store(made)
    report(context, { scope, made, final })
    return EXIT_DONE
  } finally {
    await admin.close()
  }
}

function scopeOf(context: Context): FreezeScope {
  if (context.positionals.length > 0) throw new UsageFault('freeze takes no name: see --tool')
  const given = NAMED.flatMap((kind) => {
    const name = flagText(context, kind)
    return name === undefined ? [] : [{ kind, name }]
  })
  const [scope = { kind: 'tenant' }, second] = given
  if (second !== undefined) throw new UsageFault('one scope a freeze: make a second one')
  const read = readShape(freezeScopeShape, scope)
  if (!read.ok) throw new UsageFault(`no name: ${read.detail ?? ''}`)
  return read.value
}

/** `CommandFault` that says what still works when no bus answers. */
export async function openBus(settings: Settings): Promise<FreezeAdmin> {
  try {
    return await FreezeAdmin.open(settings)
  } catch (error) {
    if (!(error instanceof BusFault)) throw error
    const { freezeInbox } = layoutOf(settings).executor
    const help = `the bus does not answer; with --file ${freezeInbox}/NAME.json the executor hears it all the same`
    throw new CommandFault(error.code, help)
  }
}

/** Only its owner may touch it, else the executor does not read it. */
export async function writeNotice(file: string, { bytes }: Sealed): Promise<void> {
  await atomicWriteFile(file, bytes, { mode: SECRET_FILE_MODE, fresh: true })
}

interface Done {
  readonly scope: FreezeScope
  readonly made: Sealed
  readonly final: boolean
  readonly file?: string
}

function report(context: Context, { scope, made, final, file }: Done): void {
  const { out, style } = context.terminal
  const { hash } = made.unverified
  if (context.json) {
    out(JSON.stringify({ freeze: hash, scope, final, file: file ?? null }))
    return
  }
  out(
    `${style.warn(final ? 'Revoked for good' : 'Frozen')}: ${scopeWords(scope)}. ${file === undefined ? '' : `In ${file}.`}`,
  )
  out('  What has started already runs on. Nothing new starts.')
  if (!final) out(`  To end it: trustgw thaw ${hash}`)
}
