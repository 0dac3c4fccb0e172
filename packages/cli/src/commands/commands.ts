import type { Command } from '../command.ts'
import { AGENT_COMMANDS } from './agents.ts'
import { APPROVAL_COMMANDS } from './approvals/commands.ts'
import { AUDIT_COMMANDS } from './audit-commands.ts'
import { DEMO } from './demo.ts'
import { DOCTOR } from './doctor.ts'
import { FREEZE } from './freeze/freeze.ts'
import { FREEZE_LIST } from './freeze/list.ts'
import { THAW } from './freeze/thaw.ts'
import { INIT } from './init.ts'
import { KEY_COMMANDS } from './keys/commands.ts'
import { LOGIN_COMMANDS } from './login.ts'
import { MCP } from './mcp.ts'
import { PEOPLE_COMMANDS } from './people.ts'
import { PIN_COMMANDS } from './pins.ts'
import { POLICY_APPLY } from './policy/apply.ts'
import { POLICY_COMMANDS } from './policy/commands.ts'
import { POLICY_DELEGATE } from './policy/delegate.ts'
import { POLICY_SHOW } from './policy/show.ts'
import { SERVICE_COMMANDS } from './services.ts'
import { TOOL_ORDER_COMMANDS } from './tool-orders.ts'
import { TOOL_COMMANDS } from './tools.ts'
import { UP } from './up.ts'

/** Every command, in the order in which `--help` lists them. */
export const COMMANDS: readonly Command[] = [
  UP,
  INIT,
  DOCTOR,
  DEMO,
  ...AGENT_COMMANDS,
  ...TOOL_COMMANDS,
  ...TOOL_ORDER_COMMANDS,
  MCP,
  ...LOGIN_COMMANDS,
  ...APPROVAL_COMMANDS,
  ...POLICY_COMMANDS,
  POLICY_APPLY,
  POLICY_SHOW,
  POLICY_DELEGATE,
  ...AUDIT_COMMANDS,
  ...KEY_COMMANDS,
  ...PEOPLE_COMMANDS,
  ...PIN_COMMANDS,
  FREEZE,
  FREEZE_LIST,
  THAW,
  ...SERVICE_COMMANDS,
]
