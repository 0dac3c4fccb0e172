import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import {
  readSettings,
  SETTINGS_FILE_VARIABLE,
  type Settings,
  type SettingsProblem,
} from '@trustgw/runtime'
import {
  type Command,
  type Context,
  EXIT_DONE,
  EXIT_FAILED,
  EXIT_USAGE,
  InputFault,
  type Invocation,
  UsageFault,
} from './command.ts'
import { allCommands, commandsOf } from './commands/commands.ts'
import { ROOT } from './root.ts'
import { openTerminal, type Terminal } from './terminal.ts'
import { VERSION } from './version.ts'

const SETTINGS_FILE = 'trustgw.toml'

/** Settings that are wrong, every problem at once. */
export class SettingsFault extends Error {
  readonly code = 'settings_refused'
  readonly problems: readonly SettingsProblem[]
  constructor(problems: readonly SettingsProblem[]) {
    super(problems.map((problem) => `${problem.where}: ${problem.message}`).join('\n'))
    this.name = 'SettingsFault'
    this.problems = problems
  }
}

/** Runs one command line; the exit code. Faults become one clear line each, never a stack trace. */
export async function runCommand(
  invocation: Invocation,
  terminal: Terminal = openTerminal(invocation.env),
): Promise<number> {
  const { argv } = invocation
  if (argv[0] === '--version') return say(terminal, VERSION)
  const command = await findCommand(argv)
  if (command === undefined) return await noCommand(argv, terminal)
  const words = command.name.split(' ').length
  const rest = argv.slice(words)
  if (rest.includes('--help')) return say(terminal, help(command, terminal))
  try {
    return await command.run(contextOf(invocation, terminal, command, rest))
  } catch (error) {
    return explain(error, { terminal, command, json: rest.includes('--json') })
  }
}

/** Help for all commands or for one group of them; else what was typed is no command. */
async function noCommand(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [first, second] = argv
  if (first === undefined || first === '--help' || first === 'help')
    return say(terminal, overview(await allCommands(), terminal))
  const group = (await commandsOf(first)).filter(({ name }) => name.startsWith(`${first} `))
  if (group.length > 0 && argv.includes('--help'))
    return say(terminal, groupHelp(first, group, terminal))
  const json = argv.includes('--json')
  const typed = argv.slice(0, 2).filter((word) => !word.startsWith('--'))
  if (group.length > 0 && (second === undefined || second.startsWith('--'))) {
    if (json) sayFault(terminal, 'usage', `which command of "${first}"?`)
    else terminal.err(groupHelp(first, group, terminal))
    return EXIT_USAGE
  }
  const message = `there is no command "${typed.join(' ')}"`
  const where = group.length > 0 ? `${first} --help` : '--help'
  if (json) sayFault(terminal, 'usage', message)
  else terminal.err(`trustgw: ${message}; see trustgw ${where}`)
  return EXIT_USAGE
}

/** A fault for machines: one line on stdout. */
function sayFault(terminal: Terminal, code: string, message: string): void {
  terminal.out(JSON.stringify({ error: { code, message } }))
}

function say(terminal: Terminal, text: string): number {
  terminal.out(text)
  return EXIT_DONE
}

async function findCommand([first = '', second]: readonly string[]): Promise<Command | undefined> {
  const group = await commandsOf(first)
  return (
    group.find((command) => command.name === `${first} ${second}`) ??
    group.find((command) => command.name === first)
  )
}

function contextOf(
  invocation: Invocation,
  terminal: Terminal,
  command: Command,
  args: readonly string[],
): Context {
  const options: Record<string, { type: 'string' | 'boolean' }> = { json: { type: 'boolean' } }
  for (const [name, flag] of Object.entries(command.flags ?? {}))
    options[name] = { type: flag.type }
  const { values, positionals } = parse(args, options)
  return {
    invocation,
    terminal,
    json: values['json'] === true,
    positionals,
    flags: values,
    settings: () => loadSettings(invocation),
    root: ROOT,
  }
}

function parse(
  args: readonly string[],
  options: Record<string, { type: 'string' | 'boolean' }>,
): { values: { [name: string]: string | boolean | undefined }; positionals: readonly string[] } {
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
    const values = Object.fromEntries(
      Object.entries(parsed.values).map(([name, value]) => [
        name,
        Array.isArray(value) ? undefined : value,
      ]),
    )
    return { values, positionals: parsed.positionals }
  } catch (error) {
    throw new UsageFault(error instanceof Error ? error.message : 'wrong arguments')
  }
}

async function loadSettings(invocation: Invocation): Promise<Settings> {
  const { env, cwd } = invocation
  const named = env[SETTINGS_FILE_VARIABLE]
  const stateDir = resolve(cwd, env['TRUSTGW_STATE_DIR'] ?? '.trustgw')
  const files =
    named === undefined
      ? [join(cwd, SETTINGS_FILE), join(stateDir, SETTINGS_FILE)]
      : [resolve(cwd, named)]
  const toml = await firstText(files, named !== undefined)
  const { TRUSTGW_API_KEY: _key, ...rest } = env
  const read = readSettings({ toml, env: rest, baseDir: cwd })
  if (!read.ok) throw new SettingsFault(read.problems)
  return read.settings
}

async function firstText(files: readonly string[], needed: boolean): Promise<string | undefined> {
  for (const file of files) {
    try {
      return await readFile(file, 'utf8')
    } catch (error) {
      if (needed)
        throw new UsageFault(`the settings file ${file} cannot be read (${codeOf(error)})`)
    }
  }
  return undefined
}

interface Shown {
  readonly terminal: Terminal
  readonly command: Command
  readonly json: boolean
}

/** One line, what is wrong and what to do; the detail is in the logs. */
function explain(error: unknown, { terminal, command, json }: Shown): number {
  const code = codeOf(error)
  if (code === 'unknown' || !(error instanceof Error)) throw error
  const usage =
    error instanceof UsageFault || error instanceof SettingsFault || error instanceof InputFault
  if (json) sayFault(terminal, code, lineOf(error, code))
  else if (error instanceof UsageFault)
    terminal.err(`trustgw ${command.name}: ${error.message}; see trustgw ${command.name} --help`)
  else if (error instanceof SettingsFault)
    for (const problem of error.problems)
      terminal.err(`trustgw: ${problem.where}: ${problem.message}`)
  else terminal.err(`trustgw ${command.name}: ${lineOf(error, code)}`)
  return usage ? EXIT_USAGE : EXIT_FAILED
}

function lineOf(error: Error, code: string): string {
  if (code === 'ENOENT' && 'path' in error && typeof error.path === 'string')
    return `there is no file ${error.path}`
  return `${error.message}${hint(error, code)}`
}

function hint(error: Error, code: string): string {
  switch (code) {
    case 'bus_unreachable':
      return '. Is it running? Start it with "trustgw up" (or npm start), and see "trustgw doctor".'
    case 'file_mode': {
      const file = error.message.replace(/^file_mode: /, '')
      return `. Others may touch it: chmod 600 ${file}, and chmod 700 ${dirname(file)}`
    }
    case 'EACCES':
    case 'ENOTDIR':
    case 'EPERM':
    case 'EROFS':
      return '. Make the folder writable, or choose another with TRUSTGW_STATE_DIR.'
    case 'ENOSPC':
      return '. The disk is full.'
    default:
      return ''
  }
}

function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return 'unknown'
}

function overview(commands: readonly Command[], terminal: Terminal): string {
  const { bold } = terminal.style
  return [
    `${bold('trustgw')} ${VERSION}: agents propose, the gateway decides, executors verify.`,
    '',
    'Usage: trustgw <command> [options] [--json]; every command has --help.',
    '',
    ...listOf(commands, terminal),
    '',
    'Settings: trustgw.toml in the working or state folder, TRUSTGW_* variables over it.',
    'Exit: 0 done, 1 failed or findings, 2 wrong usage; of tool run also 126 refused by policy',
    'or a person, 127 no such tool, 130 cancelled or expired.',
  ].join('\n')
}

function groupHelp(group: string, commands: readonly Command[], terminal: Terminal): string {
  return [
    `Usage: trustgw ${group} <command> [options] [--json]; every command has --help.`,
    '',
    ...listOf(commands, terminal),
  ].join('\n')
}

function listOf(commands: readonly Command[], terminal: Terminal): readonly string[] {
  const width = Math.max(...commands.map((command) => command.name.length))
  return commands.map(
    (command) => `  ${command.name.padEnd(width)}  ${terminal.style.dim(command.text)}`,
  )
}

function help(command: Command, terminal: Terminal): string {
  const { bold } = terminal.style
  const flags = Object.entries(command.flags ?? {}).map(([name, flag]) => {
    const shown = flag.type === 'string' ? `--${name} ${flag.value ?? 'VALUE'}` : `--${name}`
    return `  ${shown.padEnd(26)} ${flag.text}`
  })
  return [
    `${bold(`trustgw ${command.name}`)}: ${command.text}`,
    '',
    `Usage: trustgw ${command.usage.replace(/ \[--json\]$/, '')} [--json]`,
    '',
    ...flags,
    `  ${'--json'.padEnd(26)} machine-readable output`,
    '',
    'Examples:',
    ...command.examples.map((example) => `  ${example}`),
  ].join('\n')
}
