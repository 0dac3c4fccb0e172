import { base64urlEncode, signKeyDelegation } from '@trustgw/protocol'
import {
  atomicWriteFile,
  createSigningKeyFile,
  keyIdOf,
  loadSigningKey,
  type Passphrase,
  type SigningKey,
} from '@trustgw/runtime'
import { type Command, type Context, EXIT_DONE, flagText, UsageFault } from '../../command.ts'
import { exists } from '../../install/exists.ts'
import { assertHere } from '../../install/install.ts'
import { layoutOf } from '../../install/layout.ts'
import { KeyAdmin } from '../../keys/key-admin.ts'
import { passphraseOf } from '../../keys/passphrase.ts'
import { rootSigner } from '../../keys/signers.ts'
import { delegationFile } from '../../policy/sealer.ts'

const DAYS_DEFAULT = 90
const DAYS_MAX = 366
const DAY_MS = 86_400_000
const DELEGATION_MODE = 0o644

export const KEYS_DELEGATE: Command = {
  name: 'keys delegate',
  text: 'let the host rotate grant keys by the clock, for a time',
  usage: 'keys delegate [--days N] [--out FILE]',
  flags: {
    days: {
      type: 'string',
      value: 'N',
      text: `how long it may: 1 to ${DAYS_MAX}; default ${DAYS_DEFAULT}`,
    },
    out: {
      type: 'string',
      value: 'FILE',
      text: 'where the rotation key is or goes; default: the host’s own',
    },
  },
  examples: ['trustgw keys delegate', 'trustgw keys delegate --days 30'],
  run: delegate,
}

async function delegate(context: Context): Promise<number> {
  const days = daysOf(context)
  const settings = await context.settings()
  await assertHere(settings)
  const file = flagText(context, 'out') ?? layoutOf(settings).host.rotationKey
  const root = await rootSigner(settings)
  const admin = await KeyAdmin.open(settings)
  try {
    const key = await keyIn(file, await passphraseOf(settings))
    const now = Date.now()
    const not_after = now + days * DAY_MS
    const kid = keyIdOf('rotation', key.publicKey)
    const public_key = base64urlEncode(key.publicKey)
    const token = signKeyDelegation(
      { kid, public_key, roles: ['grant'], not_before: now, not_after },
      root,
    )
    await atomicWriteFile(delegationFile(file), `${token}\n`, { mode: DELEGATION_MODE })
    // What it may change is counted from the newest set of the root: that is this one.
    await admin.publisher.publish(({ set }) => ({ keys: set.keys }), root)
    report(context, { file, kid, until: new Date(not_after).toISOString() })
    return EXIT_DONE
  } finally {
    await admin.close()
  }
}

/** The same key for longer, where there is one. */
async function keyIn(file: string, passphrase: Passphrase): Promise<SigningKey> {
  return (await exists(file))
    ? await loadSigningKey(file, passphrase)
    : await createSigningKeyFile(file, passphrase)
}

function report(
  context: Context,
  made: { readonly file: string; readonly kid: string; readonly until: string },
): void {
  const { out, style } = context.terminal
  if (context.json) {
    out(JSON.stringify(made))
    return
  }
  out(`${style.good('Delegated')} to ${made.file} until ${made.until}`)
  out('  The host rotates with it from its next start on.')
}

function daysOf(context: Context): number {
  const text = flagText(context, 'days') ?? String(DAYS_DEFAULT)
  const days = /^[1-9][0-9]{0,2}$/.test(text) ? Number(text) : Number.NaN
  if (days <= DAYS_MAX) return days
  throw new UsageFault(`--days takes a number from 1 to ${DAYS_MAX}`)
}
