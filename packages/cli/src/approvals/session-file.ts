import { rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import {
  canonicalize,
  integerShape,
  objectShape,
  oneOfShape,
  parsedShape,
  parseJsonObject,
  parseTenantId,
  readShape,
  type Shape,
  stringShape,
  type TenantId,
} from '@trustgw/protocol'
import {
  atomicWriteFile,
  FileFault,
  makePrivateDir,
  readSecretFile,
  SECRET_FILE_MODE,
} from '@trustgw/runtime'
import { CommandFault, type Invocation } from '../command.ts'

/** The session of this terminal, as it lies in its file. */
export interface TerminalSession {
  readonly v: 1
  /** Where it holds. */
  readonly origin: string
  readonly tenant: TenantId
  readonly person: string
  /** A secret: never on a command line, never in a log. */
  readonly token: string
  /** Unix milliseconds. */
  readonly expires_at: number
}

const text = stringShape({ min: 1, max: 4_096, characters: 'token' })

const sessionShape: Shape<TerminalSession> = objectShape({
  v: oneOfShape(1),
  origin: text,
  tenant: parsedShape(text, 'tenant', parseTenantId),
  person: text,
  token: text,
  expires_at: integerShape({ min: 0, max: Number.MAX_SAFE_INTEGER }),
})

/** In the person's own configuration folder: it belongs to them, not to an installation. */
export function sessionFileOf({ env }: Pick<Invocation, 'env'>): string {
  const base = env['XDG_CONFIG_HOME']
  const home = env['HOME'] ?? homedir()
  const folder = base === undefined || base === '' ? join(home, '.config') : base
  return join(folder, 'trustgw', 'terminal.json')
}

/** Undefined: nobody is signed in here. `FileFault` where others may read it. */
export async function findSession(invocation: Invocation): Promise<TerminalSession | undefined> {
  const file = sessionFileOf(invocation)
  const bytes = await readSecretFile(file).catch((error: unknown) => {
    if (error instanceof FileFault && error.code === 'file_missing') return undefined
    throw error
  })
  if (bytes === undefined) return undefined
  const parsed = parseJsonObject(bytes)
  const read = parsed.ok ? readShape(sessionShape, parsed.value) : parsed
  if (!read.ok) {
    throw new CommandFault('session_unreadable', `${file} is no session: run trustgw login again`)
  }
  return read.value
}

export async function sessionHere(invocation: Invocation): Promise<TerminalSession> {
  const session = await findSession(invocation)
  if (session === undefined) {
    throw new CommandFault('signed_out', 'nobody is signed in on this terminal: run trustgw login')
  }
  return session
}

export async function keepSession(
  invocation: Invocation,
  session: TerminalSession,
): Promise<string> {
  const file = sessionFileOf(invocation)
  await makePrivateDir(dirname(file))
  await atomicWriteFile(file, canonicalize({ ...session }), { mode: SECRET_FILE_MODE })
  return file
}

export async function forgetSession(invocation: Invocation): Promise<void> {
  await rm(sessionFileOf(invocation), { force: true })
}
