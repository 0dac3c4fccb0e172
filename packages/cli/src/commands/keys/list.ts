import { base64urlDecode, type KeyEntry } from '@trustgw/protocol'
import { BusFault, type KeyBook, keyFingerprint, type Settings } from '@trustgw/runtime'
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

type Standing = 'active' | 'not yet' | 'ended' | 'revoked'

interface Line {
  readonly kid: string
  readonly role: string
  readonly component: string
  readonly status: Standing
  readonly since: number
  readonly until: number | null
  readonly fingerprint: string
}

async function list(context: Context): Promise<number> {
  const { terminal } = context
  const settings = await context.settings()
  await assertHere(settings)
  const { book, live, close } = await bookOf(settings)
  try {
    const { set, by } = book.newest
    const lines = set.keys.map((entry) => lineOf(entry, book, Date.now()))
    if (context.json) {
      terminal.out(JSON.stringify({ epoch: set.epoch, signed_by: by, live, keys: lines }))
      return EXIT_DONE
    }
    const rows = lines.map(({ kid, role, component, status, since, until, fingerprint }) => [
      visible(kid),
      role,
      visible(component),
      status,
      dateOf(since),
      until === null ? '' : dateOf(until),
      fingerprint,
    ])
    const head = ['KEY', 'ROLE', 'COMPONENT', 'STATUS', 'SINCE', 'UNTIL', 'FINGERPRINT']
    terminal.out(table([head, ...rows]))
    const where = live ? '' : ', as last known here: the bus does not answer'
    terminal.out(terminal.style.dim(`Key set ${set.epoch}, signed by the ${by}${where}.`))
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

function lineOf(entry: KeyEntry, book: KeyBook, now: number): Line {
  const { kid, role, component, not_before, not_after, public_key } = entry
  const revoked = entry.status === 'revoked' ? entry.since : book.revokedSince(kid)
  const fingerprint = keyFingerprint(base64urlDecode(public_key) ?? new Uint8Array())
  const until = revoked ?? not_after
  return {
    kid,
    role,
    component,
    status: revoked === undefined ? standingOf(entry, now) : 'revoked',
    since: not_before,
    until,
    fingerprint,
  }
}

function standingOf({ not_before, not_after }: KeyEntry, now: number): Standing {
  if (now < not_before) return 'not yet'
  return not_after !== null && now >= not_after ? 'ended' : 'active'
}

const dateOf = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').slice(0, 16)
