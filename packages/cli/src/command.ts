import type { Settings } from '@trustgw/runtime'
import type { Terminal } from './terminal.ts'

/** What a command needs of its surroundings; only `main.ts` touches the process. */
export interface Invocation {
  readonly argv: readonly string[]
  readonly env: { readonly [name: string]: string | undefined }
  readonly cwd: string
  /** The script that was started, to be started again for each service. */
  readonly script: string
}

export interface Context {
  readonly invocation: Invocation
  readonly terminal: Terminal
  readonly json: boolean
  readonly positionals: readonly string[]
  readonly flags: { readonly [name: string]: string | boolean | undefined }
  /** Reads settings; a fault with every problem when they are wrong. */
  readonly settings: () => Promise<Settings>
  /** The project folder: examples, portal, caches. */
  readonly root: string
}

export interface Flag {
  readonly type: 'string' | 'boolean'
  readonly value?: string
  readonly text: string
}

export interface Command {
  /** As typed: `audit verify`. */
  readonly name: string
  readonly text: string
  readonly usage: string
  readonly flags?: { readonly [name: string]: Flag }
  readonly examples: readonly string[]
  /** The exit code. */
  readonly run: (context: Context) => Promise<number>
}

export const EXIT_DONE = 0
export const EXIT_FAILED = 1
export const EXIT_USAGE = 2

/** Wrong words on the command line. */
export class UsageFault extends Error {
  readonly code = 'usage'
}

/** Input that cannot be read, or is not what the command takes; it ends with {@link EXIT_USAGE}. */
export class InputFault extends Error {
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'InputFault'
    this.code = code
  }
}

/** What a command could not do, said in one line; it ends with {@link EXIT_FAILED}. */
export class CommandFault extends Error {
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CommandFault'
    this.code = code
  }
}

export function flagText(context: Context, name: string): string | undefined {
  const value = context.flags[name]
  return typeof value === 'string' ? value : undefined
}

export function requiredFlag(context: Context, name: string): string {
  const value = flagText(context, name)
  if (value === undefined || value === '') throw new UsageFault(`--${name} is missing`)
  return value
}
