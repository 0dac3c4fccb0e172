import { isGatewayGrant, type KeyEntry } from '@trustgw/protocol'
import { isInUse, withRevoked } from '@trustgw/runtime'
import {
  type Command,
  CommandFault,
  type Context,
  EXIT_DONE,
  requiredFlag,
  UsageFault,
} from '../../command.ts'
import { assertHere } from '../../install/install.ts'
import { KeyAdmin } from '../../keys/key-admin.ts'
import { visible } from '../../terminal.ts'
import { KEY_FLAG, signerOf } from './signer-flag.ts'

export const KEYS_REVOKE: Command = {
  name: 'keys revoke',
  text: 'make what a key signs from now on void, for good',
  usage: 'keys revoke KID --reason TEXT [--key FILE]',
  flags: {
    reason: { type: 'string', value: 'TEXT', text: 'why, for the record' },
    key: KEY_FLAG,
  },
  examples: [
    'trustgw keys revoke grant-0123456789abcdef --reason "laptop stolen"',
    'trustgw keys revoke grant-0123456789abcdef --reason leaked --key host/rotation.key',
  ],
  run: revoke,
}

async function revoke(context: Context): Promise<number> {
  const [kid] = context.positionals
  if (kid === undefined) throw new UsageFault('which key? see trustgw keys list')
  const reason = requiredFlag(context, 'reason')
  const settings = await context.settings()
  await assertHere(settings)
  const signer = await signerOf(context, settings)
  const admin = await KeyAdmin.open(settings)
  try {
    const entry = admin.book.newest.set.keys.find((key) => key.kid === kid)
    if (entry === undefined) throw new CommandFault('key_unknown', `no key ${visible(kid)}`)
    // At once, and on record with its reason; the set says it to who comes later.
    if (isGatewayGrant(entry) && signer.delegation === null)
      await admin.tellRevoked(kid, reason, signer)
    const newest = await admin.publisher.publish(({ set }) => {
      const keys = withRevoked(set.keys, kid, Math.max(Date.now(), set.issued_at))
      return isRevoked(set.keys, kid) ? undefined : { keys }
    }, signer)
    const { epoch, keys } = newest.set
    report(context, { kid, epoch, isLast: !keys.some(isInUse) })
    return EXIT_DONE
  } finally {
    await admin.close()
  }
}

function isRevoked(keys: readonly KeyEntry[], kid: string): boolean {
  return keys.some((entry) => entry.kid === kid && entry.status === 'revoked')
}

function report(
  context: Context,
  done: { readonly kid: string; readonly epoch: number; readonly isLast: boolean },
): void {
  const { out, style } = context.terminal
  const { kid, epoch, isLast } = done
  if (context.json) {
    out(JSON.stringify({ revoked: kid, epoch, grants: !isLast }))
    return
  }
  out(`${style.good('Revoked')} ${visible(kid)}; key set ${epoch} is on the bus.`)
  if (isLast) {
    out(style.warn('No gateway has a grant key now, so nothing runs.'))
    out('  Once the gateway is yours again: trustgw keys rotate')
  }
}
