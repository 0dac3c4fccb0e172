import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BoundChild, type NatsExit, spawnBound } from './nats-child.ts'
import { NatsError } from './nats-error.ts'
import { writePrivateFile } from './private-file.ts'

export interface BusPorts {
  readonly client: number
  readonly websocket: number
}

export interface NatsServerOptions {
  readonly binary: string
  /** Absolute folder of the server: configuration, streams, accounts. Made with mode 700. */
  readonly dir: string
  /** The wanted ports; -1 picks a free one, which later restarts keep. */
  readonly ports: BusPorts
  /** The configuration for these ports. */
  readonly config: (ports: BusPorts) => string
  /** Gets each line that the server writes. */
  readonly onLine: (line: string) => void
  /** What `PATH` says; where `setpriv` is looked for. Default the usual system folders. */
  readonly searchPath?: string
  /** Default `READY_TIMEOUT_MS`. */
  readonly readyTimeoutMs?: number
}

/** A nats-server that runs as long as this process does. */
export interface NatsServer {
  readonly ports: BusPorts
  /** `nats://127.0.0.1:<port>` */
  readonly url: string
  /** `ws://127.0.0.1:<port>` */
  readonly websocketUrl: string
  isRunning(): boolean
  /** The process of the present run, once it is known. */
  pid(): number | undefined
  /** Resolves when the present run ends, wanted or not. */
  exited(): Promise<NatsExit>
  /** Ends it gracefully, forcibly after `STOP_TIMEOUT_MS`. */
  stop(): Promise<void>
  /** Ends it at once, as a crash would; what was stored stays. */
  kill(): Promise<void>
  /** Stops it if it runs and starts it again on the same ports with a fresh configuration. */
  restart(): Promise<void>
}

export const READY_TIMEOUT_MS = 15_000
export const STOP_TIMEOUT_MS = 10_000
const READY_POLL_MS = 10
const LINES_KEPT = 20
const DIR_MODE = 0o700
const SYSTEM_PATH = '/usr/local/bin:/usr/bin:/bin'
const IN_USE = /listen tcp \S*:(\d+): bind: address already in use/

/**
 * Starts nats-server and resolves when it listens. `NatsError` `port_in_use`, `server_exited` with
 * its last words, or `server_not_ready`.
 */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  mkdirSync(options.dir, { recursive: true, mode: DIR_MODE })
  let run = await startRun(options, options.ports)
  const { ports } = run
  return {
    ports,
    url: `nats://127.0.0.1:${ports.client}`,
    websocketUrl: `ws://127.0.0.1:${ports.websocket}`,
    isRunning: () => run.child.isAlive(),
    pid: () => run.child.pid(),
    exited: () => run.child.exited,
    stop: () => stopRun(run.child),
    kill: async () => {
      run.child.kill('SIGKILL')
      await run.child.exited
    },
    restart: async () => {
      await stopRun(run.child)
      run = await startRun(options, ports)
    },
  }
}

interface Run {
  readonly child: BoundChild
  readonly ports: BusPorts
}

async function startRun(options: NatsServerOptions, wanted: BusPorts): Promise<Run> {
  const config = path.join(options.dir, 'nats.conf')
  writePrivateFile(config, options.config(wanted), { replace: true })
  const portsDir = mkdtempSync(path.join(options.dir, 'ports-'))
  const lines: string[] = []
  const child = spawnBound(options.binary, ['-c', config, '--ports_file_dir', portsDir], {
    searchPath: options.searchPath ?? SYSTEM_PATH,
    onLine: (line) => {
      lines.push(line)
      if (lines.length > LINES_KEPT) lines.shift()
      options.onLine(line)
    },
  })
  // The server removes its file from there when it ends, so the folder stays until then.
  const cleaned = child.exited.then(() => rmSync(portsDir, { recursive: true, force: true }))
  try {
    const ports = await awaitPorts(child, portsDir, options.readyTimeoutMs ?? READY_TIMEOUT_MS)
    if (ports !== undefined) return { child, ports }
  } catch (error) {
    child.kill('SIGKILL')
    await cleaned
    throw error
  }
  await cleaned
  throw startFault(lines)
}

async function stopRun(child: BoundChild): Promise<void> {
  child.kill('SIGTERM')
  const force = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  await child.exited
  clearTimeout(force)
}

/** The real ports once the server listens, `undefined` when it ended before. */
async function awaitPorts(
  child: BoundChild,
  dir: string,
  timeoutMs: number,
): Promise<BusPorts | undefined> {
  const deadline = performance.now() + timeoutMs
  while (child.isAlive()) {
    const ports = readPorts(dir)
    if (ports !== undefined) return ports
    if (performance.now() > deadline) {
      throw new NatsError('server_not_ready', `nats-server did not listen within ${timeoutMs} ms`)
    }
    await sleep(READY_POLL_MS)
  }
  return undefined
}

function readPorts(dir: string): BusPorts | undefined {
  const file = readdirSync(dir).find((name) => name.endsWith('.ports'))
  if (file === undefined) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(path.join(dir, file), 'utf8'))
  } catch {
    // The file appears before its content does.
    return undefined
  }
  const client = portOf(parsed, 'nats')
  const websocket = portOf(parsed, 'websocket')
  return client === undefined || websocket === undefined ? undefined : { client, websocket }
}

function portOf(parsed: unknown, kind: string): number | undefined {
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const urls: unknown = Object.entries(parsed).find(([name]) => name === kind)?.[1]
  const first: unknown = Array.isArray(urls) ? urls[0] : undefined
  return typeof first === 'string' && URL.canParse(first) ? Number(new URL(first).port) : undefined
}

function startFault(lines: readonly string[]): NatsError {
  const port = lines.map((line) => IN_USE.exec(line)?.[1]).find((found) => found !== undefined)
  if (port !== undefined) {
    return new NatsError(
      'port_in_use',
      `port ${port} is in use: stop what listens there, or set another port for the bus`,
    )
  }
  const told = lines.filter((line) => /\[(?:FTL|ERR)\]|^nats-server:/.test(line)).join('; ')
  return new NatsError('server_exited', `nats-server ended at start: ${told || lines.join('; ')}`)
}
