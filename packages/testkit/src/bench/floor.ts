import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseJsonObject } from '@trustgw/protocol'
import { type BusRole, issueUser, loadBusKeys } from '@trustgw/runtime'
import type { RunningSystem } from '../system.ts'

const READY_TIMEOUT_MS = 15_000
const FLOOR_TENANT = 'bench-floor'
const MS_PER_S = 1_000

/** Two processes that do what cannot be left out of an allowed call, on the system's own bus. */
export interface Floor {
  readonly url: string
  readonly front_pid: number
  readonly back_pid: number
  stop(): void
}

/** Starts both, with identities of the same accounts and rights as gateway and executor have. */
export async function startFloor(
  system: RunningSystem,
  target: { readonly server: readonly string[]; readonly tool: string },
): Promise<Floor> {
  const settingsFor = (role: BusRole): string => {
    const keys = loadBusKeys(join(system.stateDir, 'operator', 'bus'))
    const issuedAt = Math.floor(Date.now() / MS_PER_S)
    const { creds, text } = issueUser(keys, role, { issuedAt })
    return JSON.stringify({
      nats: system.nats,
      creds: text,
      inbox_prefix: creds.inboxPrefix,
      tenant: FLOOR_TENANT,
      dir: join(system.stateDir, 'bench-floor'),
      server: target.server,
      tool: target.tool,
    })
  }
  const back = start('floor-back.js')
  const front = start('floor-front.js')
  const stop = (): void => {
    front.kill('SIGKILL')
    back.kill('SIGTERM')
  }
  try {
    await ready(back, settingsFor({ kind: 'executor', profile: 'connector' }))
    const port = await ready(front, settingsFor({ kind: 'gateway' }))
    const url = `http://127.0.0.1:${port}`
    return { url, front_pid: front.pid ?? 0, back_pid: back.pid ?? 0, stop }
  } catch (error) {
    stop()
    throw error
  }
}

function start(script: string): ChildProcess {
  const file = fileURLToPath(new URL(script, import.meta.url))
  return fork(file, [], { env: {}, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
}

/** Sends the settings; resolves to the port that it listens on, 0 for none. */
async function ready(child: ChildProcess, settings: string): Promise<number> {
  const message = await new Promise<unknown>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error('a process of the floor did not start')),
      READY_TIMEOUT_MS,
    )
    const settle = (end: () => void): void => {
      clearTimeout(timer)
      end()
    }
    child.once('message', (said) => settle(() => resolve(said)))
    child.once('exit', () => settle(() => reject(new Error('a process of the floor ended'))))
    child.send(settings)
  })
  const parsed = typeof message === 'string' ? parseJsonObject(message) : undefined
  const port = parsed?.ok === true ? parsed.value['port'] : undefined
  return typeof port === 'number' ? port : 0
}
