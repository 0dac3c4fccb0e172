import type { Command } from '../command.ts'
import { AGENT_COMMANDS } from './agents.ts'
import { INIT } from './init.ts'
import { SERVICE_COMMANDS } from './services.ts'
import { UP } from './up.ts'

/** Every command, in the order in which `--help` lists them. */
export const COMMANDS: readonly Command[] = [UP, INIT, ...AGENT_COMMANDS, ...SERVICE_COMMANDS]
