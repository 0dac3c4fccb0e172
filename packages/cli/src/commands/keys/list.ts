import { BusFault, type KeyBook, type Settings, viewKeySet } from '@trustgw/runtime'
import { type Command, type Context, EXIT_DONE } from '../../command.ts'
import { assertHere } from '../../install/install.ts'
import { KeyAdmin, operatorBook } from '../../keys/key-admin.ts'
import { table, visible } from '../../terminal.ts'

export const KEYS_LIST: Command = {
  name: 'keys list',
  text: 'list the keys that are believed, and those that are history',
  usage: 'keys list',
  examples: ['trustgw keys list', 'trustgw keys list --json'],
  run: list,
}

async function list(context: Context): Promise<number> {
  const { terminal } = context
  const settings = await context.settings()
  await assertHere(settings)
  const { book, live, close } = await bookOf(settings)
  try {
    const { epoch, signed_by, keys } = viewKeySet(book, Date.now())
    if (context.json) {
      terminal.out(JSON.stringify({ epoch, signed_by, live, keys }))
      return EXIT_DONE
    }
    const rows = keys.map(({ kid, role, component, status, since, until, fingerprint }) => [
      visible(kid),
      role,
      visible(component),
      status.replace('_', ' '),
      dateOf(since),
      until === null ? '' : dateOf(until),
      fingerprint,
    ])
    const head = ['KEY', 'ROLE', 'COMPONENT', 'STATUS', 'SINCE', 'UNTIL', 'FINGERPRINT']
    terminal.out(table([head, ...rows]))
    const where = live ? '' : ', as last known here: the bus does not answer'
    terminal.out(terminal.style.dim(`Key set ${epoch}, signed by the ${signed_by}${where}.`))
    return EXIT_DONE
  } finally {
    await close()
  }
}

/** By the bus where it answers, else by the operator's own folder. */
async function bookOf(settings: Settings): Promise<{
  readonly book: KeyBook
  readonly live: boolean
  readonly close: () => Promise<void>
}> {
  try {
    const admin = await KeyAdmin.open(settings)
    return { book: admin.book, live: true, close: () => admin.close() }
  } catch (error) {
    if (!(error instanceof BusFault)) throw error
    return {
      book: await operatorBook(settings),
      live: false,
      close: () => Promise.resolve(),
    }
  }
}

const dateOf = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').slice(0, 16)
