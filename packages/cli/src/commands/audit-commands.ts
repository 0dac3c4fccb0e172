import { type Command, type Context, flagText, UsageFault } from '../command.ts'
import { assertHere } from '../install/install.ts'
import { layoutOf } from '../install/layout.ts'
import { type AuditOut, type AuditPaths, auditTail, auditVerify } from './audit.ts'

const tenantFlag = { type: 'string', value: 'TENANT', text: 'only the log of this tenant' } as const

export const AUDIT_COMMANDS: readonly Command[] = [
  {
    name: 'audit tail',
    text: 'show what happened, and go on showing it',
    usage: 'audit tail [--last N] [--no-follow] [--tenant TENANT]',
    flags: {
      last: { type: 'string', value: 'N', text: 'begin with the last N entries (default 20)' },
      'no-follow': { type: 'boolean', text: 'end after what is there' },
      tenant: tenantFlag,
    },
    examples: ['trustgw audit tail', 'trustgw audit tail --last 100 --no-follow --json'],
    run: tail,
  },
  {
    name: 'audit verify',
    text: "check every writer's chain and signature, and the signed tree",
    usage: 'audit verify [--tenant TENANT] [--known FILE]',
    flags: {
      tenant: tenantFlag,
      known: { type: 'string', value: 'FILE', text: 'a checkpoint that was kept elsewhere' },
    },
    examples: [
      'trustgw audit verify',
      'trustgw audit verify --tenant main --known main.checkpoint',
    ],
    run: verify,
  },
]

const LAST_DEFAULT = 20

async function tail(context: Context): Promise<number> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  const tenant = flagText(context, 'tenant')
  return auditTail(
    await pathsOf(context),
    {
      ...(tenant === undefined ? {} : { tenant }),
      last: countOf(flagText(context, 'last')),
      follow: context.flags['no-follow'] !== true,
      json: context.json,
      style: context.terminal.style,
      signal: stop.signal,
    },
    outOf(context),
  )
}

async function verify(context: Context): Promise<number> {
  const tenant = flagText(context, 'tenant')
  const known = flagText(context, 'known')
  return auditVerify(
    await pathsOf(context),
    {
      ...(tenant === undefined ? {} : { tenant }),
      ...(known === undefined ? {} : { known }),
      json: context.json,
      style: context.terminal.style,
    },
    outOf(context),
  )
}

async function pathsOf(context: Context): Promise<AuditPaths> {
  const settings = await context.settings()
  await assertHere(settings)
  const layout = layoutOf(settings)
  return { logDir: layout.log.dir, trustDir: layout.log.trust }
}

function outOf(context: Context): AuditOut {
  return { write: (text) => context.terminal.out(text.replace(/\n$/, '')) }
}

function countOf(text: string | undefined): number {
  if (text === undefined) return LAST_DEFAULT
  if (!/^\d{1,6}$/.test(text)) throw new UsageFault('--last takes a number')
  return Number(text)
}
