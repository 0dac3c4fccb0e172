import { base64urlEncode, signDelegation } from '@trustgw/protocol'
import { atomicWriteFile, createSigningKeyFile, keyIdOf } from '@trustgw/runtime'
import {
  type Command,
  type Context,
  EXIT_DONE,
  flagText,
  requiredFlag,
  UsageFault,
} from '../../command.ts'
import { assertHere, tenantOf } from '../../install/install.ts'
import { passphraseOf } from '../../keys/passphrase.ts'
import { delegationFile, operatorSealer } from '../../policy/sealer.ts'

const DAYS_DEFAULT = 90
const DAYS_MAX = 366
const DAY_MS = 86_400_000
const DELEGATION_MODE = 0o644

/** A key of its own for sealing policies, so that the operator's can be locked away. */
export const POLICY_DELEGATE: Command = {
  name: 'policy delegate',
  text: 'make a key that may seal policies of this tenant for a time',
  usage: 'policy delegate --out FILE [--days N]',
  flags: {
    out: { type: 'string', value: 'FILE', text: 'where the key goes; FILE.delegation beside it' },
    days: {
      type: 'string',
      value: 'N',
      text: `how long it may seal: 1 to ${DAYS_MAX}; default ${DAYS_DEFAULT}`,
    },
  },
  examples: ['trustgw policy delegate --out policy.key', 'trustgw policy apply --key policy.key'],
  run: delegate,
}

async function delegate(context: Context): Promise<number> {
  const out = requiredFlag(context, 'out')
  const days = daysOf(context)
  const settings = await context.settings()
  await assertHere(settings)
  const operator = await operatorSealer(settings)
  const key = await createSigningKeyFile(out, await passphraseOf(settings))
  const now = Date.now()
  const not_after = now + days * DAY_MS
  const kid = keyIdOf('policy', key.publicKey)
  const public_key = base64urlEncode(key.publicKey)
  const tenant = tenantOf(settings)
  const token = signDelegation({ tenant, kid, public_key, not_before: now, not_after }, operator)
  await atomicWriteFile(delegationFile(out), `${token}\n`, { mode: DELEGATION_MODE })
  const until = new Date(not_after).toISOString()
  if (context.json) context.terminal.out(JSON.stringify({ key: out, kid, until }))
  else {
    context.terminal.out(`${context.terminal.style.good('Delegated')} to ${out} until ${until}`)
    context.terminal.out('  Seal with it: trustgw policy apply --key ' + out)
  }
  return EXIT_DONE
}

function daysOf(context: Context): number {
  const text = flagText(context, 'days') ?? String(DAYS_DEFAULT)
  const days = /^[1-9][0-9]{0,2}$/.test(text) ? Number(text) : Number.NaN
  if (days <= DAYS_MAX) return days
  throw new UsageFault(`--days takes a number from 1 to ${DAYS_MAX}`)
}
