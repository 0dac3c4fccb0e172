import {
  type Command,
  CommandFault,
  type Context,
  EXIT_DONE,
  flagText,
  requiredFlag,
  UsageFault,
} from '../command.ts'
import { FreezeAdmin, operatorFreeze } from '../freeze/freeze-admin.ts'
import { AgentAdmin } from '../install/agents.ts'
import { assertHere, tenantOf } from '../install/install.ts'
import { table, visible } from '../terminal.ts'

async function withAdmin<T>(context: Context, task: (admin: AgentAdmin) => Promise<T>): Promise<T> {
  const settings = await context.settings()
  await assertHere(settings)
  const admin = await AgentAdmin.open(settings, tenantOf(settings))
  try {
    return await task(admin)
  } finally {
    await admin.close()
  }
}

export const AGENT_COMMANDS: readonly Command[] = [
  {
    name: 'agents add',
    text: 'register an agent and show its key once',
    usage:
      'agents add --name NAME [--title TEXT] [--for PERSON] [--role NAMES] [--scope NAMES] [--skill-level NAME] [--bus-creds FILE]',
    flags: {
      name: { type: 'string', value: 'NAME', text: 'how policy and people know it' },
      title: { type: 'string', value: 'TEXT', text: 'what people read' },
      for: {
        type: 'string',
        value: 'PERSON',
        text: 'on whose behalf it acts; that person never approves for it',
      },
      role: {
        type: 'string',
        value: 'NAMES',
        text: 'roles that policy may go by, separated by commas',
      },
      scope: {
        type: 'string',
        value: 'NAMES',
        text: 'scopes that policy may go by, separated by commas',
      },
      'skill-level': {
        type: 'string',
        value: 'NAME',
        text: 'the skill level that policy may go by',
      },
      'bus-creds': {
        type: 'string',
        value: 'FILE',
        text: 'make an identity on the bus instead of an API key',
      },
    },
    examples: [
      'trustgw agents add --name support-bot --for alice',
      'trustgw agents add --name clerk-bot --role clerk,night-shift --skill-level senior',
      'trustgw agents add --name worker --bus-creds worker.creds',
    ],
    run: addAgent,
  },
  {
    name: 'agents list',
    text: 'list registered agents',
    usage: 'agents list',
    examples: ['trustgw agents list --json'],
    run: listAgents,
  },
  {
    name: 'agents revoke',
    text: 'revoke an agent, or one credential of it, for good',
    usage: 'agents revoke KEY_ID | --name NAME [--reason TEXT]',
    flags: {
      name: { type: 'string', value: 'NAME', text: 'the agent with all its keys' },
      reason: { type: 'string', value: 'TEXT', text: 'why, for the record' },
    },
    examples: [
      'trustgw agents revoke abcdefghijklmnop',
      'trustgw agents revoke --name support-bot --reason "prompt injection"',
    ],
    run: revokeAgent,
  },
]

function namesOf(context: Context, flag: string): readonly string[] | undefined {
  const text = flagText(context, flag)
  return text === '' ? [] : text?.split(',')
}

async function addAgent(context: Context): Promise<number> {
  const agent = requiredFlag(context, 'name')
  const roles = namesOf(context, 'role')
  const scopes = namesOf(context, 'scope')
  const skill_level = flagText(context, 'skill-level')
  const wish = {
    agent,
    title: flagText(context, 'title') ?? agent,
    on_behalf_of: flagText(context, 'for') ?? null,
    // What was not said of an agent is not known of it, which is not the same as none.
    ...(roles === undefined ? {} : { roles }),
    ...(scopes === undefined ? {} : { scopes }),
    ...(skill_level === undefined ? {} : { skill_level }),
  }
  const file = flagText(context, 'bus-creds')
  const { out, style } = context.terminal
  return withAdmin(context, async (admin) => {
    if (file !== undefined) {
      const { record, inbox_prefix } = await admin.addOnBus(wish, file)
      out(
        context.json
          ? JSON.stringify({ key_id: record.key_id, creds: file, inbox_prefix })
          : `${record.agent} (${record.key_id}): identity written to ${file}\nInbox prefix: ${inbox_prefix}`,
      )
      return EXIT_DONE
    }
    const { record, api_key } = await admin.addWithKey(wish)
    if (context.json) out(JSON.stringify({ key_id: record.key_id, agent: record.agent, api_key }))
    else
      out(
        `${style.bold(api_key)}\n${style.dim(`Key ${record.key_id} of ${record.agent}; shown only now.`)}`,
      )
    return EXIT_DONE
  })
}

function listAgents(context: Context): Promise<number> {
  return withAdmin(context, async (admin) => {
    const own = (await admin.list()).map((record) => ({ record, by: 'operator' }))
    const records = [...own, ...(await admin.registered())]
    const shown = records.map(({ record: { secret_hash: _hash, ...rest }, by }) => ({
      ...rest,
      by,
    }))
    if (context.json) context.terminal.out(JSON.stringify({ agents: shown }))
    else if (records.length === 0)
      context.terminal.out('No agents yet: trustgw agents add --name my-agent')
    else {
      const rows = records.map(({ record: r, by }) => [
        r.key_id,
        visible(r.agent),
        r.status,
        visible(r.on_behalf_of ?? '-'),
        new Date(r.created_at).toISOString(),
        visible(by),
      ])
      context.terminal.out(table([['KEY', 'AGENT', 'STATUS', 'FOR', 'CREATED', 'BY'], ...rows]))
    }
    return EXIT_DONE
  })
}

/** Gateways refuse the credential at once, and executors what was granted to it. */
async function revokeAgent(context: Context): Promise<number> {
  const [keyId] = context.positionals
  const agent = flagText(context, 'name')
  if ((keyId === undefined) === (agent === undefined)) {
    throw new UsageFault('one key, or --name AGENT; see trustgw agents list')
  }
  const name = keyId ?? agent ?? ''
  if (keyId !== undefined) {
    await withAdmin(context, async (admin) => {
      const isThere =
        (await admin.revoke(keyId)) ||
        (await admin.registered()).some(({ record }) => record.key_id === keyId)
      if (!isThere) throw new CommandFault('no_such_key', `there is no active key ${visible(name)}`)
    })
  }
  const settings = await context.settings()
  await assertHere(settings)
  const freezes = await FreezeAdmin.open(settings)
  try {
    const scope = { kind: keyId === undefined ? 'agent' : 'key', name } as const
    const counter = (await freezes.list()).length + 1
    const reason = flagText(context, 'reason') ?? 'revoked by the operator'
    await freezes.store(await operatorFreeze(settings, { scope, reason, counter, final: true }))
  } finally {
    await freezes.close()
  }
  context.terminal.out(context.json ? JSON.stringify({ revoked: name }) : `${name} is revoked.`)
  return EXIT_DONE
}
