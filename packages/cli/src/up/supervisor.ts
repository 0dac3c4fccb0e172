import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { atomicWriteFile, type NatsServer, type Settings } from '@trustgw/runtime'
import { busNodes, instanceName, instancesUpTo } from '../install/instances.ts'
import { layoutOf } from '../install/layout.ts'
import type { PolicyFilesMessage } from '../processes/policy-files-message.ts'
import { VERSION } from '../version.ts'
import { startBus } from './bus.ts'
import { Child, type ChildSpec, type ChildStatus, endOf } from './child.ts'
import type { Isolation } from './isolation.ts'
import { PolicyFollower, type PolicyOutcome } from './policy-follower.ts'
import { RotatingLog } from './rotating-log.ts'

/** One child: what it is called, and how it is started. */
interface ServiceSpec {
  readonly name: string
  readonly args: readonly string[]
}

function several(name: string, count: number): readonly ServiceSpec[] {
  return instancesUpTo(count).map((instance) => ({
    name: instanceName(name, instance),
    args: instance === 1 ? [name] : [name, '--instance', String(instance)],
  }))
}

function services({ gateway, executor }: Settings): readonly ServiceSpec[] {
  return [
    ...several('log', 1),
    ...several('gateway', gateway.instances),
    ...several('host', 1),
    ...several('executor', executor.instances),
  ]
}

/** Those of a kind stop together, each kind when the one before it has: what is told is still heard. */
const STOP_ORDER: readonly string[] = ['executor', 'host', 'gateway', 'log', 'shop']
/** Before a nats-server that did not start again is tried again. */
const SERVER_PAUSE_MS = 1_000

/** The service that records and shows that policy files do not load. */
const DECIDER = 'gateway'

export interface SupervisorOptions {
  readonly settings: Settings
  /** The command's own script, started again with the service's name. */
  readonly script: string
  readonly cwd: string
  /** The environment of the services: no more than they need. */
  readonly env: Readonly<Record<string, string>>
  readonly searchPath: string | undefined
  readonly cacheDir: string
  /** The example shop beside it, for development. */
  readonly shop: { readonly script: string; readonly port: number } | undefined
  readonly isolation: readonly Isolation[]
  readonly progress: (step: string) => void
  /** What became of the policy files, at the start and whenever they change. */
  readonly onPolicy: (outcome: PolicyOutcome) => void
  readonly onMessage: (from: string, message: unknown) => void
}

/** One nats-server as it stands. */
interface Node {
  readonly name: string
  readonly server: NatsServer
  startedAt: number
  restarts: number
  lastEnd: string | null
}

const isOf = (kind: string, name: string): boolean => name === kind || name.startsWith(`${kind}-`)
const isDecider = (name: string): boolean => isOf(DECIDER, name)

/** One supervisor over nats-server and every plane, each its own process. */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #children: Child[] = []
  readonly #nodes: Node[] = []
  #busVersion: string | null = null
  #follower: PolicyFollower | undefined
  #policyWord: PolicyFilesMessage | undefined
  #stopping = false
  #starting: Promise<void> | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(options: SupervisorOptions) {
    this.#options = options
  }

  /** Starts everything; what was started is stopped again when a part of it fails. */
  async start(): Promise<void> {
    this.#starting = this.#startAll()
    try {
      await this.#starting
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /**
   * Stops in `STOP_ORDER`: executors end what they run, the bus goes last. Also while it starts:
   * what comes up meanwhile is stopped as well.
   */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#stopParts()
    await this.#starting?.catch(() => undefined)
    await this.#stopParts()
    await this.#writing
  }

  async #stopParts(): Promise<void> {
    await this.#follower?.stop()
    for (const kind of STOP_ORDER) {
      const those = this.#children.filter(({ status }) => isOf(kind, status.name))
      await Promise.all(those.map((child) => child.stop()))
    }
    await Promise.all(this.#nodes.map(({ server }) => server.stop()))
  }

  async #startAll(): Promise<void> {
    await this.#startServer()
    if (this.#stopping) return
    await this.#beginPolicy()
    const shop = this.#options.shop
    if (shop !== undefined) {
      await this.#startChild('shop', shop.script, this.#shopArgs(shop.port), 'line')
    }
    if (this.#stopping) return
    this.#options.progress('starting log, gateway, host and executor')
    await Promise.all(
      services(this.#options.settings).map(({ name, args }) =>
        this.#startChild(name, this.#options.script, args, 'message'),
      ),
    )
    await this.#publish()
    this.#follower?.follow()
  }

  /** What was in force goes on; without it, files that do not load end the start. */
  async #beginPolicy(): Promise<void> {
    const follower = new PolicyFollower({
      settings: this.#options.settings,
      told: (outcome) => this.#hearPolicy(outcome),
    })
    const outcome = await follower.begin()
    this.#follower = follower
    this.#hearPolicy(outcome)
  }

  #hearPolicy(outcome: PolicyOutcome): void {
    this.#options.onPolicy(outcome)
    const lines = outcome.kind === 'refused' ? outcome.lines : []
    this.#policyWord = { kind: 'policy_files', lines }
    for (const child of this.#children) {
      if (isDecider(child.status.name)) child.tell(this.#policyWord)
    }
  }

  get statuses(): readonly ChildStatus[] {
    return this.#children.map((child) => child.status)
  }

  async #startServer(): Promise<void> {
    const { settings, searchPath, cacheDir, progress } = this.#options
    progress('starting nats-server')
    const names = busNodes(settings).map(({ name }) => name)
    const { logs } = layoutOf(settings)
    const files = new Map(names.map((name) => [name, new RotatingLog(join(logs, `${name}.log`))]))
    const { servers, version } = await startBus({
      settings,
      searchPath,
      cacheDir,
      onLine: (name, line) => files.get(name)?.write(`${line}\n`),
    })
    this.#busVersion = version
    for (const [index, server] of servers.entries()) {
      const node = {
        name: names[index] ?? '',
        server,
        startedAt: Date.now(),
        restarts: 0,
        lastEnd: null,
      }
      this.#nodes.push(node)
      this.#watchServer(node)
    }
  }

  /** A server that dies is started again; services reconnect by themselves. */
  #watchServer(node: Node): void {
    void node.server.exited().then(async (exit) => {
      if (this.#stopping) return
      node.restarts += 1
      node.lastEnd = endOf(exit)
      if (!(await this.#restarted(node.server))) return
      node.startedAt = Date.now()
      this.#watchServer(node)
      await this.#publish()
    })
  }

  /** False when everything is to stop before it runs: its port may be taken for a while. */
  async #restarted(server: NatsServer): Promise<boolean> {
    while (!this.#stopping) {
      try {
        await server.restart()
        return true
      } catch (error) {
        this.#options.progress(`nats-server: ${error instanceof Error ? error.message : 'ended'}`)
        await sleep(SERVER_PAUSE_MS)
      }
    }
    return false
  }

  #shopArgs(port: number): readonly string[] {
    const { dir, keyFile } = layoutOf(this.#options.settings).shop
    return ['--port', String(port), '--state', dir, '--key-file', keyFile]
  }

  async #startChild(
    name: string,
    script: string,
    args: readonly string[],
    readyBy: ChildSpec['readyBy'],
  ): Promise<void> {
    if (this.#stopping) return
    const { settings, cwd, env } = this.#options
    const child = new Child({
      name,
      script,
      args,
      readyBy,
      cwd,
      env,
      logFile: join(layoutOf(settings).logs, `${name}.log`),
      onMessage: (message) => this.#options.onMessage(name, message),
      onChange: () => {
        void this.#publish()
      },
    })
    this.#children.push(child)
    if (isDecider(name) && this.#policyWord !== undefined) child.tell(this.#policyWord)
    await child.start()
  }

  /** The status file that the portal's installation page and `doctor` read. */
  #publish(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write())
    return this.#writing
  }

  async #write(): Promise<void> {
    const { settings, isolation } = this.#options
    const processes = [
      ...this.#nodes.map(({ name, server, startedAt, restarts, lastEnd }) => ({
        name,
        pid: server.pid() ?? null,
        state: server.isRunning() ? 'ready' : 'stopped',
        started_at: startedAt,
        restarts,
        last_end: lastEnd,
        version: this.#busVersion,
      })),
      ...this.statuses.map((status) => ({ ...status, version: VERSION })),
    ]
    const document = {
      mode: settings.mode,
      processes,
      bus: {
        version: this.#busVersion,
        port: settings.nats.port,
        connected: this.#nodes.some(({ server }) => server.isRunning()),
        websocket_port: settings.nats.websocket_port,
      },
      isolation,
      versions: { trustgw: VERSION, node: process.versions.node },
      state_dir: settings.state_dir,
    }
    await atomicWriteFile(
      layoutOf(settings).installation,
      `${JSON.stringify(document, null, 2)}\n`,
      { mode: 0o644 },
    )
  }
}
