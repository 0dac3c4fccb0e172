import { type Command, type Context, EXIT_DONE } from '../../command.ts'
import type { KnownFreeze } from '../../freeze/freeze-admin.ts'
import { scopeWords } from '../../freeze/scope-words.ts'
import { assertHere } from '../../install/install.ts'
import { table, visible } from '../../terminal.ts'
import { openBus } from './freeze.ts'

export const FREEZE_LIST: Command = {
  name: 'freeze list',
  text: 'list the freezes, those that stand first',
  usage: 'freeze list',
  examples: ['trustgw freeze list', 'trustgw freeze list --json'],
  run: list,
}

async function list(context: Context): Promise<number> {
  const { terminal } = context
  const settings = await context.settings()
  await assertHere(settings)
  const admin = await openBus(settings)
  try {
    const found = await admin.list()
    const freezes = found.toSorted(
      (left, right) => Number(left.thaw !== null) - Number(right.thaw !== null),
    )
    if (context.json) terminal.out(JSON.stringify({ freezes: freezes.map(asJson) }))
    else if (freezes.length === 0) terminal.out('Nothing is frozen, and nothing ever was.')
    else terminal.out(table([HEAD, ...freezes.map(asRow)]))
    return EXIT_DONE
  } finally {
    await admin.close()
  }
}

const HEAD = ['STATUS', 'WHAT', 'BY', 'SINCE', 'WHY', 'FREEZE']

function asRow({ hash, statement, reason, final, thaw }: KnownFreeze): readonly string[] {
  const { scope, by, at } = statement
  const status = final ? 'for good' : thaw === null ? 'stands' : 'thawed'
  return [status, scopeWords(scope), visible(by), new Date(at).toISOString(), visible(reason), hash]
}

function asJson({ hash, statement, reason, vouched, final, thaw }: KnownFreeze): object {
  const { scope, by, at, counter } = statement
  return { freeze: hash, scope, by, at, counter, reason, vouched, final, thaw }
}
