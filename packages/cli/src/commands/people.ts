import { createEnrolment, EnrolmentFault } from '@trustgw/host/enrolment'
import { nodeRandom } from '@trustgw/runtime'
import { type Command, type Context, EXIT_DONE, flagText, UsageFault } from '../command.ts'
import { assertHere, tenantOf } from '../install/install.ts'
import { layoutOf } from '../install/layout.ts'

export const PEOPLE_COMMANDS: readonly Command[] = [
  {
    name: 'people enrol',
    text: 'make the one-time link by which a person makes passkeys',
    usage: 'people enrol PERSON [--role NAMES]',
    flags: {
      role: { type: 'string', value: 'NAMES', text: 'their roles, separated by commas' },
    },
    examples: ['trustgw people enrol grace --role approver,finance'],
    run: enrol,
  },
]

/** On the host's machine: the link is a file of the host's until it is used, or a day has passed. */
async function enrol(context: Context): Promise<number> {
  const [person, ...more] = context.positionals
  if (person === undefined || more.length > 0) throw new UsageFault('which person, in one word?')
  const settings = await context.settings()
  await assertHere(settings)
  const made = await createEnrolment({
    folder: layoutOf(settings).host.enrolments,
    tenant: tenantOf(settings),
    person,
    roles: (flagText(context, 'role') ?? '').split(',').filter((role) => role !== ''),
    now: Date.now(),
    random: nodeRandom,
  }).catch((error: unknown) => {
    if (error instanceof EnrolmentFault) throw new UsageFault(`${person}: ${error.message}`)
    throw error
  })
  const link = `${settings.host.origin}/enrol#${made.token}`
  const { out } = context.terminal
  if (context.json) out(JSON.stringify({ person, link, expires_at: made.expiresAt }))
  else {
    out(link)
    out('  Works once, for a day. Hand it over where only they can read it.')
    out('  Then compare the fingerprint, and have it pinned: the page People of the portal.')
  }
  return EXIT_DONE
}
