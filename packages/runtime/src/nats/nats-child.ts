import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface NatsExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** One run of a program that ends when this process ends, whatever way it ends. */
export interface BoundChild {
  /** The server's own process, once it is known. */
  readonly pid: () => number | undefined
  readonly exited: Promise<NatsExit>
  isAlive(): boolean
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
}

const GUARD = fileURLToPath(new URL('./nats-guard.js', import.meta.url))
const PROBE_TIMEOUT_MS = 5_000

/**
 * Starts `binary` in a process group of its own (a Ctrl-C in the terminal is the supervisor's to
 * handle), with an empty environment. The kernel ends it with its parent where `setpriv` is
 * there, else a guard process does.
 */
export function spawnBound(
  binary: string,
  args: readonly string[],
  options: { readonly searchPath: string; readonly onLine: (line: string) => void },
): BoundChild {
  const setpriv = findSetpriv(options.searchPath)
  const child = setpriv === undefined ? viaGuard(binary, args) : viaSetpriv(setpriv, binary, args)
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on('line', options.onLine)
  }
  return bound(child, setpriv === undefined)
}

function viaSetpriv(setpriv: string, binary: string, args: readonly string[]): ChildProcess {
  return spawn(setpriv, ['--pdeathsig', 'TERM', '--', binary, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: {},
  })
}

function viaGuard(binary: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [GUARD, binary, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
    env: {},
  })
}

function bound(child: ChildProcess, guarded: boolean): BoundChild {
  let serverPid = guarded ? undefined : child.pid
  child.on('message', (message) => {
    if (typeof message === 'object' && 'pid' in message && typeof message.pid === 'number') {
      serverPid = message.pid
    }
  })
  const isAlive = (): boolean => child.exitCode === null && child.signalCode === null
  const exited = new Promise<NatsExit>((resolve) => {
    child.once('error', () => resolve({ code: 1, signal: null }))
    child.once('exit', (code, signal) => {
      // A guard that was killed left its charge behind; one that exits has seen it end.
      if (guarded && signal !== null && serverPid !== undefined) send(serverPid, 'SIGKILL')
      resolve({ code, signal })
    })
  })
  return {
    exited,
    isAlive,
    pid: () => serverPid,
    kill: (signal) => {
      if (!isAlive()) return
      if (signal === 'SIGKILL' && serverPid !== undefined) send(serverPid, signal)
      else child.kill(signal)
    },
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended already, which is what was wanted.
  }
}

/** A `setpriv` that knows `--pdeathsig`; the one of small systems does not. */
function findSetpriv(searchPath: string): string | undefined {
  const places = searchPath.split(path.delimiter).filter((dir) => path.isAbsolute(dir))
  return places.map((dir) => path.join(dir, 'setpriv')).find(knowsDeathSignal)
}

function knowsDeathSignal(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
  } catch {
    return false
  }
  const probe = spawnSync(file, ['--pdeathsig', 'TERM', '--', file, '--version'], {
    stdio: 'ignore',
    timeout: PROBE_TIMEOUT_MS,
    env: {},
  })
  return probe.status === 0
}
