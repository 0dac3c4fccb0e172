import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url))
const SCRIPT = join(ROOT, 'packages/cli/bin/trustgw.mjs')
const READY_TIMEOUT_MS = 40_000
const STOP_TIMEOUT_MS = 60_000

export interface SystemOptions {
  /** Variables over the settings; ports and state folder are chosen here. */
  readonly env?: Readonly<Record<string, string>>
  /** What lies in the state folder before the first start, by its path there. */
  readonly files?: Readonly<Record<string, string>>
  /** How many of each; default one. */
  readonly gateways?: number
  readonly executors?: number
  readonly nodes?: 1 | 3
}

/** What `trustgw up --json` says, and the ports that were chosen for it. */
export interface SystemAddresses {
  readonly portal: string
  readonly gateway: string
  /** Each gateway by its own address. */
  readonly gateways: readonly string[]
  readonly mcp: string
  readonly nats: string
  readonly websocket: string
  readonly shop: string
  readonly stateDir: string
  readonly apiKey: string | null
  readonly enrolmentLink: string | null
}

/** The whole system as `npm start` runs it: every plane its own process, on free ports. */
export interface RunningSystem extends SystemAddresses {
  readonly supervisorPid: number
  /** The environment with which other commands find this system. */
  readonly env: Readonly<Record<string, string>>
  /** Waits for a JSON line of the supervisor in which the member is there. */
  line(member: string, timeoutMs?: number): Promise<Readonly<Record<string, unknown>>>
  /** Runs another command of `trustgw` against it. */
  command(args: readonly string[], options?: CommandOptions): Promise<CommandOutcome>
  /** Stops it as Ctrl-C does; the exit code. The state stays until `remove`. */
  stop(): Promise<number | null>
  /** Starts it again on the same state and ports. */
  restart(): Promise<RunningSystem>
  remove(): Promise<void>
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
}

export interface CommandOutcome {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A port that was free a moment ago may be taken by the time it is wanted, also by a test beside this one. */
const PORT_TRIES = 3
const PORT_TAKEN = /is in use|EADDRINUSE|address already in use/

/** Starts a system in a temporary folder in development mode; about three seconds. */
export async function startSystem(options: SystemOptions = {}): Promise<RunningSystem> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(options)
    } catch (error) {
      const isTaken = error instanceof Error && PORT_TAKEN.test(error.message)
      if (!isTaken || attempt === PORT_TRIES) throw error
    }
  }
}

async function startOnce(options: SystemOptions): Promise<RunningSystem> {
  const { gateways = 1, executors = 1, nodes = 1 } = options
  const [nats, websocket, cluster, gateway, host, shop] = await portsInRows([
    nodes,
    nodes,
    nodes,
    gateways,
    1,
    1,
  ])
  const dir = await mkdtemp(join(tmpdir(), 'trustgw-'))
  const stateDir = join(dir, '.trustgw')
  const env: Record<string, string> = {
    ...inherited(),
    TRUSTGW_MODE: 'development',
    XDG_CONFIG_HOME: join(dir, 'config'),
    TRUSTGW_STATE_DIR: stateDir,
    TRUSTGW_NATS_PORT: String(nats),
    TRUSTGW_NATS_WEBSOCKET_PORT: String(websocket),
    TRUSTGW_NATS_CLUSTER_PORT: String(cluster),
    TRUSTGW_NATS_NODES: String(nodes),
    TRUSTGW_GATEWAY_INSTANCES: String(gateways),
    TRUSTGW_EXECUTOR_INSTANCES: String(executors),
    TRUSTGW_GATEWAY_LISTEN: `127.0.0.1:${gateway}`,
    TRUSTGW_HOST_LISTEN: `127.0.0.1:${host}`,
    TRUSTGW_HOST_ORIGIN: `http://localhost:${host}`,
    TRUSTGW_EXAMPLE_SHOP_PORT: String(shop),
    ...options.env,
  }
  try {
    await writeFiles(stateDir, options.files ?? {})
    return await run({
      dir,
      env,
      ports: {
        nats: Number(nats),
        websocket: Number(websocket),
        shop: Number(env['TRUSTGW_EXAMPLE_SHOP_PORT']),
      },
    })
  } catch (error) {
    await rm(dir, { recursive: true, force: true })
    throw error
  }
}

async function writeFiles(
  stateDir: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    const file = join(stateDir, path)
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await writeFile(file, text, { mode: 0o600 })
  }
}

interface Plan {
  readonly dir: string
  readonly env: Readonly<Record<string, string>>
  readonly ports: { readonly nats: number; readonly websocket: number; readonly shop: number }
}

async function run(plan: Plan): Promise<RunningSystem> {
  const child = spawn(process.execPath, [SCRIPT, 'up', '--json'], {
    cwd: plan.dir,
    env: plan.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines = new Lines(child)
  const ready = await lines.next('ready', READY_TIMEOUT_MS).catch(async (error: unknown) => {
    await end(child)
    throw error
  })
  const text = (name: string): string => {
    const value = ready[name]
    if (typeof value !== 'string') throw new Error(`the supervisor did not say ${name}`)
    return value
  }
  const optional = (name: string): string | null =>
    typeof ready[name] === 'string' ? text(name) : null
  const stop = (): Promise<number | null> => end(child)
  const nats = `nats://127.0.0.1:${plan.ports.nats}`
  return {
    portal: text('portal'),
    gateway: text('gateway'),
    gateways: textsOf(ready['gateways']),
    mcp: text('mcp'),
    nats,
    websocket: `ws://localhost:${plan.ports.websocket}`,
    shop: `http://127.0.0.1:${plan.ports.shop}`,
    stateDir: text('state_dir'),
    apiKey: optional('api_key'),
    enrolmentLink: optional('enrolment_link'),
    supervisorPid: child.pid ?? 0,
    env: plan.env,
    line: (member, timeoutMs = READY_TIMEOUT_MS) => lines.next(member, timeoutMs),
    command: (args, options = {}) => command(plan, args, options),
    stop,
    restart: async () => {
      await stop()
      return run(plan)
    },
    remove: async () => {
      await stop()
      await rm(plan.dir, { recursive: true, force: true })
    },
  }
}

/** JSON lines of a process; each is handed out to whoever waits for a member of it. */
class Lines {
  readonly #seen: Readonly<Record<string, unknown>>[] = []
  readonly #waiting = new Set<() => void>()
  #errors = ''
  #ended = false

  constructor(child: ChildProcess) {
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const value = parse(line)
        if (value !== undefined) this.#seen.push(value)
        this.#wake()
      })
    }
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString('utf8')).slice(-8_192)
    })
    child.on('exit', () => {
      this.#ended = true
      this.#wake()
    })
  }

  async next(member: string, timeoutMs: number): Promise<Readonly<Record<string, unknown>>> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const found = this.#seen.find((line) => member in line)
      if (found !== undefined) return found
      if (this.#ended || Date.now() > deadline) {
        throw new Error(`the system did not say "${member}":\n${this.#errors}`)
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(deadline - Date.now(), 1))
        this.#waiting.add(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }
}

function command(
  plan: Plan,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandOutcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [SCRIPT, ...args], {
      cwd: plan.dir,
      env: { ...plan.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? READY_TIMEOUT_MS)
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString('utf8')
    })
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString('utf8')
    })
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, out, err })
    })
  })
}

async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  child.kill('SIGINT')
  const insist = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  const code = await ended
  clearTimeout(insist)
  return code
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

const ROW_TRIES = 50
const ROW_FIRST = 20_000
const ROW_RANGE = 12_000

/** For each length the first of as many ports in a row that were free a moment ago. */
async function portsInRows(lengths: readonly number[]): Promise<readonly number[]> {
  const total = lengths.reduce((sum, length) => sum + length, 0)
  for (let attempt = 0; attempt < ROW_TRIES; attempt += 1) {
    const first = ROW_FIRST + randomInt(ROW_RANGE)
    const free = await Promise.all(Array.from({ length: total }, (_, i) => isFree(first + i)))
    if (free.includes(false)) continue
    let next = first
    return lengths.map((length) => {
      const port = next
      next += length
      return port
    })
  }
  throw new Error('no free ports in a row')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ host: '127.0.0.1', port, exclusive: true }, () =>
      probe.close(() => resolve(true)),
    )
  })
}

/** Ports that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer()
          server.once('error', reject)
          server.listen({ host: '127.0.0.1', port: 0 }, () => resolve(server))
        }),
    ),
  )
  const ports = servers.map((server) => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  })
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

function inherited(): Record<string, string> {
  const names = ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'NATS_SERVER', 'NODE_EXTRA_CA_CERTS']
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}

function parse(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? { ...value }
      : undefined
  } catch {
    return undefined
  }
}
