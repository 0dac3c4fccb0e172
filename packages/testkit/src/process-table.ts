import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { RunningSystem } from './system.ts'

const run = promisify(execFile)
const RESTART_TIMEOUT_MS = 30_000
const UNTIL_TIMEOUT_MS = 20_000
const POLL_MS = 25

/** A process as the supervisor's status file shows it. */
export interface ProcessStatus {
  readonly name: string
  readonly pid: number | null
  readonly state: string
  readonly restarts: number
  /** How its last process ended: `exit 0`, `SIGKILL`. */
  readonly lastEnd: string | null
}

/** What the supervisor says of its processes. */
export async function processes(system: RunningSystem): Promise<readonly ProcessStatus[]> {
  const file = join(system.stateDir, 'public', 'installation.json')
  const value: unknown = JSON.parse(await readFile(file, 'utf8'))
  const list: unknown = member(value, 'processes')
  return (Array.isArray(list) ? list : []).map((item: unknown) => {
    const name = member(item, 'name')
    const pid = member(item, 'pid')
    const state = member(item, 'state')
    const restarts = member(item, 'restarts')
    const lastEnd = member(item, 'last_end')
    return {
      name: typeof name === 'string' ? name : '',
      pid: typeof pid === 'number' ? pid : null,
      state: typeof state === 'string' ? state : '',
      restarts: typeof restarts === 'number' ? restarts : 0,
      lastEnd: typeof lastEnd === 'string' ? lastEnd : null,
    }
  })
}

/**
 * Kills a process of the system with SIGKILL, as a crash would. Resolves with a function that waits
 * until the supervisor has it running again.
 */
export async function crash(system: RunningSystem, name: string): Promise<() => Promise<void>> {
  const ended = await signal(system, name, 'SIGKILL')
  return async () => {
    await ended()
  }
}

/**
 * Sends a signal to a process of the system. Resolves with a function that waits until the supervisor
 * has a new one running, and says how the old one ended.
 */
export async function signal(
  system: RunningSystem,
  name: string,
  kind: NodeJS.Signals,
): Promise<() => Promise<string | null>> {
  const before = await processOf(system, name)
  process.kill(await pidOf(system, name), kind)
  return async () => {
    await until(
      `${name} runs again`,
      async () => {
        const now = await processOf(system, name)
        return now.restarts > before.restarts && now.state === 'ready'
      },
      RESTART_TIMEOUT_MS,
    )
    return (await processOf(system, name)).lastEnd
  }
}

/** The process itself: of nats-server the one under its guard. */
export async function pidOf(system: RunningSystem, name: string): Promise<number> {
  const isServer = name.startsWith('nats-server')
  const pid = isServer ? await natsPid(system, name) : (await processOf(system, name)).pid
  if (typeof pid !== 'number') throw new Error(`no process ${name}`)
  return pid
}

async function processOf(system: RunningSystem, name: string): Promise<ProcessStatus> {
  const found = (await processes(system)).find((one) => one.name === name)
  if (found === undefined) throw new Error(`no process ${name}`)
  return found
}

/** Asks until it is so; throws, naming what was waited for, after `timeoutMs`. */
export async function until(
  what: string,
  holds: () => Promise<boolean> | boolean,
  timeoutMs: number = UNTIL_TIMEOUT_MS,
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** The server's own process: the one that has this system's configuration on its command line. */
async function natsPid(system: RunningSystem, name: string): Promise<number | undefined> {
  const { stdout } = await run('ps', ['-axww', '-o', 'pid=,command='])
  const folder = join(system.stateDir, name.replace('nats-server', 'bus'), 'nats.conf')
  const pids = stdout.split('\n').flatMap((line) => {
    const [, pid, command = ''] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? []
    const isServer = /^\S*nats-server\S*\s/.test(command) && command.includes(folder)
    return isServer && pid !== undefined ? [Number(pid)] : []
  })
  return pids[0]
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined
}
