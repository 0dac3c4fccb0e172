/** Allowed calls of an agent on the bus, beside the floor of their parts, on a whole system. */
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { JsonObject } from '@trustgw/protocol'
import { connectNats, nodeRandom, readCredsFile, silentLogger } from '@trustgw/runtime'
import type { AgentOnBus } from '../attacks-agent.ts'
import { type RunningSystem, startSystem } from '../system.ts'
import { floorCall } from './arms.ts'
import { type Floor, startFloor } from './floor.ts'
import { HttpCaller } from './http-caller.ts'
import { runSlot, type SlotLimits, type SlotResult } from './load.ts'
import type { Call } from './mcp-calls.ts'
import { openAgent, propose, proposePending } from './pending-calls.ts'
import { peakBytesOf } from './processes.ts'
import { findProcesses } from './run-bench.ts'

export interface GrantSystemOptions {
  readonly in_flight: readonly number[]
  readonly limits: SlotLimits
  readonly rounds: number
  /** So many actions that wait for a person, one size after the other. */
  readonly pending: readonly number[]
  /** Grants used before the last measurement. */
  readonly nonces: number
  readonly progress: (text: string) => void
  readonly signal: AbortSignal
}

export interface CallRow {
  /** `governed` or `floor`. */
  readonly arm: 'governed' | 'floor'
  readonly state: string
  readonly executors: number
  readonly in_flight: number
  readonly slots: readonly SlotResult[]
}

export interface GrantSystem {
  readonly rows: readonly CallRow[]
  /** Largest resident sizes so far, by process, when all was measured. */
  readonly peak_rss_bytes: Readonly<Record<string, number>>
}

const TOOL = 'list_allowed_directories'
const EXPECT = 'Allowed directories'
const PACKAGE = '@modelcontextprotocol/server-filesystem'
const WAIT_MS = 10_000
const WARM_UP: SlotLimits = { calls: 150, max_ms: 3_000 }
const FILL_IN_FLIGHT = 128
const READY_TIMEOUT_MS = 20_000

export async function measureGrantSystem(options: GrantSystemOptions): Promise<GrantSystem> {
  const cleanUp: (() => Promise<unknown> | void)[] = []
  try {
    options.progress('starting the system and the floor')
    const system = await startSystem()
    cleanUp.push(() => system.remove())
    const manifest = createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`)
    const entry = join(dirname(manifest), 'dist', 'index.js')
    const server = [process.execPath, entry, join(system.stateDir, 'files')]
    const floor = await startFloor(system, { server, tool: TOOL })
    cleanUp.push(() => floor.stop())
    const agent = await openAgent(system)
    cleanUp.push(() => agent.close())
    const bench = new Bench({ system, floor, agent, options })
    const rows = await bench.run(cleanUp)
    const sizes = findProcesses(system, []).flatMap(([name, pid]) => {
      const bytes = peakBytesOf(pid)
      return bytes === undefined ? [] : [[name, bytes] as const]
    })
    return { rows, peak_rss_bytes: Object.fromEntries(sizes) }
  } finally {
    for (const step of cleanUp.toReversed()) await step()
  }
}

interface Parts {
  readonly system: RunningSystem
  readonly floor: Floor
  readonly agent: AgentOnBus
  readonly options: GrantSystemOptions
}

class Bench {
  readonly #parts: Parts
  readonly #rows: CallRow[] = []
  #executors = 1
  #proposed = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async run(cleanUp: (() => Promise<unknown> | void)[]): Promise<readonly CallRow[]> {
    const { options, system } = this.#parts
    const { progress, pending, nonces, in_flight } = options
    progress('a second executor')
    // Before the stream is long: a new chain is looked for in its last 4 096 events.
    const stopSecond = await startSecond(system)
    cleanUp.push(stopSecond)
    this.#executors = 2
    await runSlot(this.#governed(8), WARM_UP)
    await this.#measure('two executors', in_flight)
    await stopSecond()
    this.#executors = 1
    await runSlot(this.#governed(8), WARM_UP)
    const [few = 1] = in_flight
    await this.#measure('one executor', in_flight)
    for (const size of pending) {
      progress(`${size} actions waiting`)
      await proposePending(system, size - this.#proposed, options.signal)
      this.#proposed = size
      await this.#measure(`${size} pending`, [few])
    }
    if (nonces > 0) {
      progress(`${nonces} grants used`)
      await fillNonces(system, nonces)
      await this.#measure(`${nonces} nonces`, [few])
    }
    return this.#rows
  }

  async #measure(state: string, counts: readonly number[]): Promise<void> {
    const { options, floor } = this.#parts
    for (const in_flight of counts) {
      const http = new HttpCaller(floor.url, in_flight)
      const arms = [
        ['governed', this.#governed(in_flight)],
        ['floor', Array.from({ length: in_flight }, () => floorCall(http, EXPECT))],
      ] as const
      const slots: Record<'governed' | 'floor', SlotResult[]> = { governed: [], floor: [] }
      for (let round = 0; round < options.rounds; round += 1) {
        options.progress(`${state}, ${in_flight} in flight, round ${round + 1}`)
        for (const [arm, clients] of round % 2 === 0 ? arms : arms.toReversed()) {
          options.signal.throwIfAborted()
          slots[arm].push(await runSlot(clients, options.limits))
        }
      }
      http.close()
      const executors = this.#executors
      this.#rows.push({ arm: 'governed', state, executors, in_flight, slots: slots.governed })
      this.#rows.push({ arm: 'floor', state, executors: 1, in_flight, slots: slots.floor })
    }
  }

  #governed(count: number): readonly Call[] {
    const { agent } = this.#parts
    const body: JsonObject = { tool: `files.${TOOL}`, arguments: {}, wait_ms: WAIT_MS }
    return Array.from({ length: count }, () => async () => {
      await propose(agent, body, ['succeeded'])
    })
  }
}

/** As many used grants as asked for, as an executor of the profile would have left them. */
async function fillNonces(system: RunningSystem, count: number): Promise<void> {
  const link = await connectNats({
    servers: [system.nats],
    creds: readCredsFile(join(system.stateDir, 'executor', 'bus.creds')),
    logger: silentLogger,
    random: nodeRandom,
  })
  const nonces = link.claims({ home: 'exd', bucket: 'grant_nonces' })
  let left = count
  const one = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      const attempt = randomBytes(16).toString('hex')
      await nonces.claim(`main.jti-5f${attempt}`, { attempt })
    }
  }
  try {
    await Promise.all(Array.from({ length: FILL_IN_FLIGHT }, one))
  } finally {
    await link.bus.drain()
  }
}

/** Gives how to stop it. */
async function startSecond(system: RunningSystem): Promise<() => Promise<void>> {
  const file = fileURLToPath(new URL('second-executor.js', import.meta.url))
  const child = fork(file, [], { env: {}, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await ended
  }
  child.send(JSON.stringify({ nats: system.nats, state_dir: system.stateDir }))
  const started = new Promise<boolean>((resolve) => child.once('message', () => resolve(true)))
  const late = AbortSignal.timeout(READY_TIMEOUT_MS)
  const tooLate = new Promise<boolean>((resolve) => {
    late.addEventListener('abort', () => resolve(false))
  })
  if (await Promise.race([started, tooLate, ended.then(() => false)])) return stop
  await stop()
  throw new Error('the second executor did not start')
}
