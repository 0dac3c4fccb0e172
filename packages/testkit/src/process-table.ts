import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { RunningSystem } from './system.ts'

const run = promisify(execFile)
const RESTART_TIMEOUT_MS = 20_000
const POLL_MS = 25

/** A process as the supervisor's status file shows it. */
export interface ProcessStatus {
  readonly name: string
  readonly pid: number | null
  readonly state: string
  readonly restarts: number
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
    return {
      name: typeof name === 'string' ? name : '',
      pid: typeof pid === 'number' ? pid : null,
      state: typeof state === 'string' ? state : '',
      restarts: typeof restarts === 'number' ? restarts : 0,
    }
  })
}

/**
 * Kills a process of the system with SIGKILL, as a crash would. Resolves with a function that waits
 * until the supervisor has it running again.
 */
export async function crash(system: RunningSystem, name: string): Promise<() => Promise<void>> {
  const before = (await processes(system)).find((process) => process.name === name)
  const pid = name.startsWith('nats-server') ? await natsPid(system, name) : before?.pid
  if (before === undefined || typeof pid !== 'number') throw new Error(`no process ${name}`)
  process.kill(pid, 'SIGKILL')
  return () =>
    until(`${name} runs again`, async () => {
      const now = (await processes(system)).find((process) => process.name === name)
      return now !== undefined && now.restarts > before.restarts && now.state === 'ready'
    })
}

/** Asks until it is so; throws, naming what was waited for, after `timeoutMs`. */
export async function until(
  what: string,
  holds: () => Promise<boolean> | boolean,
  timeoutMs: number = RESTART_TIMEOUT_MS,
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
