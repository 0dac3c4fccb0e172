import { type Hash, parseHash } from '@trustgw/protocol'
import type { Settings } from '@trustgw/runtime'
import {
  type Command,
  CommandFault,
  type Context,
  EXIT_DONE,
  flagText,
  UsageFault,
} from '../../command.ts'
import { operatorThaw } from '../../freeze/freeze-admin.ts'
import { assertHere } from '../../install/install.ts'
import { visible } from '../../terminal.ts'
import { FILE_FLAG, openBus, writeNotice } from './freeze.ts'

export const THAW: Command = {
  name: 'thaw',
  text: 'end a freeze',
  usage: 'thaw HASH | --all [--reason TEXT]',
  flags: {
    all: { type: 'boolean', text: 'end every freeze that stands' },
    reason: { type: 'string', value: 'TEXT', text: 'why, for the record' },
    file: FILE_FLAG,
  },
  examples: [
    'trustgw thaw sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    'trustgw thaw --all --reason "cause found and mended"',
  ],
  run: thaw,
}

async function thaw(context: Context): Promise<number> {
  const [text] = context.positionals
  const isAll = context.flags['all'] === true
  if ((text === undefined) !== isAll) throw new UsageFault('one freeze, or --all')
  const settings = await context.settings()
  await assertHere(settings)
  const file = flagText(context, 'file')
  const done =
    file === undefined
      ? await onBus(context, settings, text)
      : await inFile(context, settings, { text, file })
  const { out, style } = context.terminal
  if (context.json) out(JSON.stringify({ thawed: done, file: file ?? null }))
  else if (done.length === 0) out('Nothing is frozen.')
  else for (const hash of done) out(`${style.good('Thawed')} ${hash}`)
  return EXIT_DONE
}

async function onBus(
  context: Context,
  settings: Settings,
  text: string | undefined,
): Promise<readonly Hash[]> {
  const admin = await openBus(settings)
  try {
    const standing = (await admin.list()).filter((freeze) => freeze.thaw === null)
    const named = standing.filter(({ hash }) => text === undefined || hash === text)
    const wanted = named.filter(({ final }) => !final)
    if (text !== undefined && named.length > wanted.length) {
      throw new CommandFault('revoked_for_good', `${visible(text)} is for good: no thaw ends it`)
    }
    if (text !== undefined && wanted.length === 0) {
      throw new CommandFault('freeze_unknown', `no freeze ${visible(text)} stands`)
    }
    for (const { hash } of wanted) {
      await admin.store(await operatorThaw(settings, hash, flagText(context, 'reason') ?? ''))
    }
    return wanted.map(({ hash }) => hash)
  } finally {
    await admin.close()
  }
}

async function inFile(
  context: Context,
  settings: Settings,
  { text, file }: { readonly text: string | undefined; readonly file: string },
): Promise<readonly Hash[]> {
  const hash = parseHash(text ?? '')
  if (!hash.ok) throw new UsageFault('with --file, the whole sha256:… of one freeze')
  await writeNotice(
    file,
    await operatorThaw(settings, hash.value, flagText(context, 'reason') ?? ''),
  )
  return [hash.value]
}
