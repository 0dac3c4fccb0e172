import type { KeyEntry } from '@trustgw/protocol'
import { isInUse, KEY_LEAD_MS, type OpenOffer, withRotated } from '@trustgw/runtime'
import { type Command, CommandFault, type Context, EXIT_DONE } from '../../command.ts'
import { assertHere } from '../../install/install.ts'
import { KeyAdmin } from '../../keys/key-admin.ts'
import { visible } from '../../terminal.ts'
import { KEY_FLAG, signerOf } from './signer-flag.ts'

export const KEYS_ROTATE: Command = {
  name: 'keys rotate',
  text: 'put the grant keys that gateways offer in the place of those that sign now',
  usage: 'keys rotate [--key FILE]',
  flags: { key: KEY_FLAG },
  examples: ['trustgw keys rotate', 'trustgw keys rotate --key host/rotation.key --json'],
  run: rotate,
}

async function rotate(context: Context): Promise<number> {
  const settings = await context.settings()
  await assertHere(settings)
  const signer = await signerOf(context, settings)
  const admin = await KeyAdmin.open(settings)
  try {
    const open = await admin.publisher.offers()
    let taken: readonly OpenOffer[] = []
    const overlapMs = settings.keys.overlap
    const newest = await admin.publisher.publish(({ set }) => {
      taken = open.filter(({ offer }) => isWanted(offer.replaces, set.keys))
      if (taken.length === 0) return undefined
      const now = Date.now()
      const keys = taken.reduce(
        (all, { offer }) => withRotated(all, offer, { now, overlapMs }),
        set.keys,
      )
      return { keys, offers: taken.map(({ token }) => token) }
    }, signer)
    if (taken.length === 0) {
      throw new CommandFault('key_not_offered', 'no gateway offers a key: is one running?')
    }
    report(context, newest.set.epoch, taken)
    return EXIT_DONE
  } finally {
    await admin.close()
  }
}

/** From a key in use, or of a gateway that has none. */
function isWanted(replaces: string | null, keys: readonly KeyEntry[]): boolean {
  return replaces === null || keys.some((entry) => entry.kid === replaces && isInUse(entry))
}

function report(context: Context, epoch: number, taken: readonly OpenOffer[]): void {
  const { out, style } = context.terminal
  const keys = taken.map(({ offer: { kid, replaces } }) => ({ kid, replaces }))
  if (context.json) {
    out(JSON.stringify({ epoch, keys }))
    return
  }
  for (const { kid, replaces } of keys) {
    const from = replaces === null ? '' : `, in the place of ${visible(replaces)}`
    out(`${style.good(visible(kid))} signs from in ${KEY_LEAD_MS / 1000} s on${from}`)
  }
  out(style.dim(`Key set ${epoch} is on the bus.`))
}
