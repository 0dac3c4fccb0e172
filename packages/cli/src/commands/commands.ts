import type { Command } from '../command.ts'

type Load = () => Promise<readonly Command[]>

const login: Load = async () => (await import('./login.ts')).LOGIN_COMMANDS
const services: Load = async () => (await import('./services.ts')).SERVICE_COMMANDS

/**
 * By the first word of their names, in the order in which `--help` lists them. Each is loaded when it is
 * asked for, so that a command and each service begins sooner.
 */
const GROUPS: Readonly<Record<string, Load>> = {
  up: async () => [(await import('./up.ts')).UP],
  init: async () => [(await import('./init.ts')).INIT],
  doctor: async () => [(await import('./doctor.ts')).DOCTOR],
  demo: async () => [(await import('./demo.ts')).DEMO],
  agents: async () => (await import('./agents.ts')).AGENT_COMMANDS,
  tool: async () => {
    const [{ TOOL_COMMANDS }, { TOOL_ORDER_COMMANDS }] = await Promise.all([
      import('./tools.ts'),
      import('./tool-orders.ts'),
    ])
    return [...TOOL_COMMANDS, ...TOOL_ORDER_COMMANDS]
  },
  mcp: async () => [(await import('./mcp.ts')).MCP],
  login,
  logout: login,
  approvals: async () => (await import('./approvals/commands.ts')).APPROVAL_COMMANDS,
  policy: async () => {
    const [{ POLICY_COMMANDS }, { POLICY_APPLY }, { POLICY_SHOW }, { POLICY_DELEGATE }] =
      await Promise.all([
        import('./policy/commands.ts'),
        import('./policy/apply.ts'),
        import('./policy/show.ts'),
        import('./policy/delegate.ts'),
      ])
    return [...POLICY_COMMANDS, POLICY_APPLY, POLICY_SHOW, POLICY_DELEGATE]
  },
  audit: async () => (await import('./audit-commands.ts')).AUDIT_COMMANDS,
  keys: async () => (await import('./keys/commands.ts')).KEY_COMMANDS,
  people: async () => (await import('./people.ts')).PEOPLE_COMMANDS,
  pins: async () => (await import('./pins.ts')).PIN_COMMANDS,
  freeze: async () => {
    const [{ FREEZE }, { FREEZE_LIST }] = await Promise.all([
      import('./freeze/freeze.ts'),
      import('./freeze/list.ts'),
    ])
    return [FREEZE, FREEZE_LIST]
  },
  thaw: async () => [(await import('./freeze/thaw.ts')).THAW],
  gateway: services,
  host: services,
  executor: services,
  log: services,
}

/** The commands whose names begin with this word; none for a word that begins no command. */
export async function commandsOf(word: string): Promise<readonly Command[]> {
  const load = Object.hasOwn(GROUPS, word) ? GROUPS[word] : undefined
  const loaded = (await load?.()) ?? []
  return loaded.filter(({ name }) => name === word || name.startsWith(`${word} `))
}

/** Every command, in the order in which `--help` lists them. */
export async function allCommands(): Promise<readonly Command[]> {
  return (await Promise.all(Object.keys(GROUPS).map(commandsOf))).flat()
}
