import { readFile } from 'node:fs/promises'
import { addPin, type Pin, pinFingerprint, pinShape, readPins, revokePin } from '@trustgw/executor'
import { parseJson, readShape } from '@trustgw/protocol'
import { type Command, type Context, EXIT_DONE, EXIT_FAILED, UsageFault } from '../command.ts'
import { layoutOf } from '../install/layout.ts'
import { table, visible } from '../terminal.ts'

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
    usage: 'pins revoke CREDENTIAL_ID',
    examples: ['trustgw pins revoke 3q2-7w'],
    run: revoke,
  },
]

async function pinsFile(context: Context): Promise<string> {
  return layoutOf(await context.settings()).executor.pins
}

async function listPins(context: Context): Promise<number> {
  const { terminal } = context
  const file = await pinsFile(context)
  const read = await readPins(file)
  if (!read.ok) {
    terminal.err(`trustgw pins list: ${file} is refused (${read.reason})`)
    return EXIT_FAILED
  }
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
  return report(context, 'add', await addPin(await pinsFile(context), pin.value), pin.value)
}

function report(
  context: Context,
  verb: string,
  result:
    | { readonly ok: true; readonly value: string }
    | { readonly ok: false; readonly reason: string },
  pin: Pin,
): number {
  const { terminal } = context
  if (!result.ok) {
    terminal.err(`trustgw pins ${verb}: refused (${result.reason})`)
    return EXIT_FAILED
  }
  terminal.out(
    context.json
      ? JSON.stringify({ fingerprint: result.value })
      : `${visible(pin.person)}: ${result.value}`,
  )
  return EXIT_DONE
}

async function revoke(context: Context): Promise<number> {
  const [id] = context.positionals
  if (id === undefined) throw new UsageFault('which credential? see trustgw pins list')
  const { terminal } = context
  const result = await revokePin(await pinsFile(context), id)
  if (!result.ok) {
    terminal.err(`trustgw pins revoke: refused (${result.reason})`)
    return EXIT_FAILED
  }
  terminal.out(
    context.json
      ? JSON.stringify({ revoked: id })
      : `${visible(id)} is revoked; it will never be pinned again.`,
  )
  return EXIT_DONE
}
