import { readFile } from 'node:fs/promises'
import { addPin, pinFingerprint, pinShape, readPins, revokePin } from '@trustgw/executor'
import { parseJson, readShape } from '@trustgw/protocol'
import { systemClock } from '@trustgw/runtime'
import {
  type Command,
  CommandFault,
  type Context,
  EXIT_DONE,
  requiredFlag,
  UsageFault,
} from '../command.ts'
import { assertHere } from '../install/install.ts'
import { layoutOf } from '../install/layout.ts'
import { tellRevoked } from '../keys/revoke-pin.ts'
import { table, visible } from '../terminal.ts'

const LOCK_TRIES = 20
const LOCK_PAUSE_MS = 100

export const PIN_COMMANDS: readonly Command[] = [
  {
    name: 'pins list',
    text: 'list the approvers whom the executor trusts',
    usage: 'pins list',
    examples: ['trustgw pins list', 'trustgw pins list --json'],
    run: listPins,
  },
  {
    name: 'pins add',
    text: 'pin an approver from a file that the portal gave out',
    usage: 'pins add FILE',
    examples: ['trustgw pins add alice.pin.json'],
    run: addFromFile,
  },
  {
    name: 'pins revoke',
    text: 'stop trusting a credential, for good',
    usage: 'pins revoke CREDENTIAL_ID [--everywhere --reason TEXT]',
    flags: {
      everywhere: { type: 'boolean', text: 'also tell every other executor, by the bus' },
      reason: { type: 'string', value: 'TEXT', text: 'why, for the record' },
    },
    examples: [
      'trustgw pins revoke 3q2-7w',
      'trustgw pins revoke 3q2-7w --everywhere --reason "key lost"',
    ],
    run: revoke,
  },
]

async function pinsFile(context: Context): Promise<string> {
  const settings = await context.settings()
  await assertHere(settings)
  return layoutOf(settings).executor.pins
}

async function listPins(context: Context): Promise<number> {
  const { terminal } = context
  const file = await pinsFile(context)
  const read = await readPins(file)
  if (!read.ok) throw new CommandFault(read.reason, `${file} is refused (${read.reason})`)
  const { pins, revoked } = read.value
  if (context.json) {
    terminal.out(
      JSON.stringify({
        pins: pins.map((pin) => ({ ...pin, fingerprint: pinFingerprint(pin) })),
        revoked,
      }),
    )
  } else if (pins.length === 0)
    terminal.out('Nobody is pinned yet: enrol by the link that trustgw up prints.')
  else {
    const rows = pins.map((pin) => [
      visible(pin.person),
      pin.roles.join(','),
      pinFingerprint(pin),
      pin.credential_id,
    ])
    terminal.out(table([['PERSON', 'ROLES', 'FINGERPRINT', 'CREDENTIAL'], ...rows]))
  }
  return EXIT_DONE
}

async function addFromFile(context: Context): Promise<number> {
  const [file] = context.positionals
  if (file === undefined) throw new UsageFault('which file?')
  const json = parseJson(await readFile(file))
  const pin = json.ok ? readShape(pinShape, json.value) : json
  if (!pin.ok) throw new UsageFault(`${file} is not a pin (${pin.reason} ${pin.detail ?? ''})`)
  const added = await addPin(await pinsFile(context), pin.value)
  if (!added.ok) throw refused(added.reason)
  context.terminal.out(
    context.json
      ? JSON.stringify({ fingerprint: added.value })
      : `${visible(pin.value.person)}: ${added.value}`,
  )
  return EXIT_DONE
}

function refused(reason: string): CommandFault {
  return new CommandFault(reason, `refused (${reason})`)
}

/** The executor's follower may be writing the very same. */
async function revokeHere(file: string, id: string): ReturnType<typeof revokePin> {
  for (let tries = 1; ; tries += 1) {
    const done = await revokePin(file, id)
    if (done.ok || done.reason !== 'pins_locked' || tries === LOCK_TRIES) return done
    await systemClock.sleep(LOCK_PAUSE_MS)
  }
}

async function revoke(context: Context): Promise<number> {
  const [id] = context.positionals
  if (id === undefined) throw new UsageFault('which credential? see trustgw pins list')
  const { terminal } = context
  const isEverywhere = context.flags['everywhere'] === true
  if (isEverywhere) await tellRevoked(await context.settings(), id, requiredFlag(context, 'reason'))
  const result = await revokeHere(await pinsFile(context), id)
  // Its own follower may have been faster.
  if (!result.ok && !(isEverywhere && result.reason === 'pin_unknown')) throw refused(result.reason)
  terminal.out(
    context.json
      ? JSON.stringify({ revoked: id })
      : `${visible(id)} is revoked; it will never be pinned again.`,
  )
  return EXIT_DONE
}
