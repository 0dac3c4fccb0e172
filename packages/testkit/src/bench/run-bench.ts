import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, loadavg } from 'node:os'
import { dirname, join } from 'node:path'
import { asObject, isJsonArray, parseJsonObject } from '@trustgw/protocol'
import { type RunningSystem, startSystem } from '../system.ts'
import { type Arm, openArms } from './arms.ts'
import { startFloor } from './floor.ts'
import { runSlot, type SlotLimits } from './load.ts'
import { startPeer } from './peer.ts'
import { cpuOf, descendantsOf, machineTime, peakBytesOf } from './processes.ts'
import { CLIENT_PROCESS, type Measured, type Ratio, type Row, ratios, summarize } from './report.ts'
import { rotated } from './stats.ts'

export interface BenchOptions {
  readonly quick: boolean
  /** The script of `mcp-proxy`. */
  readonly peer: string
  /** Variables over the system's settings, such as `TRUSTGW_NATS_SYNC_INTERVAL`. */
  readonly env: Readonly<Record<string, string>>
  readonly progress: (text: string) => void
  readonly signal: AbortSignal
}

export interface BenchReport {
  readonly at: string
  readonly node: string
  readonly cpus: number
  readonly cpu_model: string
  readonly sync_interval: string
  readonly rows: readonly Row[]
  readonly ratios: readonly Ratio[]
  readonly peak_rss_bytes: Readonly<Record<string, number>>
  /** What the machine did beside this run: the share of all cores. */
  readonly load: {
    readonly before: readonly number[]
    readonly after: readonly number[]
    readonly busy_share: number | null
    readonly others_share: number | null
  }
}

const TOOL = 'list_allowed_directories'
const BUNDLE = 'files'
const EXPECT = 'Allowed directories'
const PACKAGE = '@modelcontextprotocol/server-filesystem'
const CLIENTS = [1, 16]
/** For work that goes on after an answer: records, news, clearing up. It belongs to the calls. */
const SETTLE_MS = 250
const WARM_UP: SlotLimits = { calls: 150, max_ms: 3_000 }

interface Plan {
  readonly rounds: number
  readonly limits: Readonly<Record<number, SlotLimits>>
  /** No round begins after this. */
  readonly max_ms: number
}

const FULL: Plan = {
  rounds: 7,
  limits: { 1: { calls: 200, max_ms: 3_000 }, 16: { calls: 800, max_ms: 4_000 } },
  max_ms: 300_000,
}
const QUICK: Plan = {
  rounds: 3,
  limits: { 1: { calls: 80, max_ms: 1_500 }, 16: { calls: 320, max_ms: 2_000 } },
  max_ms: 90_000,
}

/** Runs every arm in turn, again and again, on one machine and at one time. Cleans up after itself. */
export async function runBench(options: BenchOptions): Promise<BenchReport> {
  const { progress } = options
  const cleanUp: (() => Promise<void> | void)[] = []
  try {
    progress('starting the system')
    const system = await startSystem({ env: options.env })
    cleanUp.push(() => system.remove())
    const server = bareServer(system)
    progress('starting mcp-proxy and the floor')
    const peer = await startPeer({ script: options.peer, server, tool: TOOL, expect: EXPECT })
    cleanUp.push(() => peer.stop())
    const floor = await startFloor(system, { server, tool: TOOL })
    cleanUp.push(() => floor.stop())
    const parts = {
      system,
      peer,
      floor,
      governed_tool: `${BUNDLE}.${TOOL}`,
      bare_tool: TOOL,
      bundle: BUNDLE,
      expect: EXPECT,
    }
    const processes = findProcesses(system, [
      ['mcp-proxy', peer.pid],
      ['floor front', floor.front_pid],
      ['floor back', floor.back_pid],
    ])
    const byClients = new Map<number, readonly Arm[]>()
    for (const clients of CLIENTS) byClients.set(clients, await openArms(parts, clients))
    cleanUp.push(() => {
      for (const arm of [...byClients.values()].flat()) arm.close()
    })
    return await measureAll(options, byClients, processes)
  } finally {
    for (const step of cleanUp.toReversed()) await step()
  }
}

/** The very server that the executor's connector runs, as a command line. */
function bareServer(system: RunningSystem): readonly string[] {
  const manifest = createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`)
  const entry = join(dirname(manifest), 'dist', 'index.js')
  return [process.execPath, entry, join(system.stateDir, 'files')]
}

type Named = readonly (readonly [name: string, pid: number])[]

/** Every process that may serve a call, with the servers below them. */
export function findProcesses(system: RunningSystem, others: Named): Named {
  const services = readServices(system)
  const bus = descendantsOf(system.supervisorPid).find(({ command }) =>
    /(^|\/)nats-server\s/.test(command),
  )
  const owners: Named = [...services, ...others]
  const servers = owners.flatMap(([name, pid]) =>
    descendantsOf(pid)
      .filter(({ command }) => command.includes('server-filesystem'))
      .map((found) => [`files server (${name})`, found.pid] as const),
  )
  return [
    ...services,
    ...(bus === undefined ? [] : [['nats-server', bus.pid] as const]),
    ...others,
    ...servers,
  ]
}

function readServices(system: RunningSystem): Named {
  const parsed = parseJsonObject(readFileSync(join(system.stateDir, 'public', 'installation.json')))
  const list = parsed.ok ? parsed.value['processes'] : undefined
  if (list === undefined || !isJsonArray(list)) return []
  return list.flatMap((item) => {
    const { name, pid } = asObject(item) ?? {}
    return typeof name === 'string' && typeof pid === 'number' ? [[name, pid] as const] : []
  })
}

async function measureAll(
  options: BenchOptions,
  byClients: ReadonlyMap<number, readonly Arm[]>,
  processes: Named,
): Promise<BenchReport> {
  const plan = options.quick ? QUICK : FULL
  const { progress, signal } = options
  progress('warming up')
  for (const arms of byClients.values()) for (const arm of arms) await runSlot(arm.clients, WARM_UP)
  await settle()
  const before = loadavg()
  const machine = machineTime()
  const own = totalCpu(processes)
  const start = performance.now()
  const measured: Measured[] = []
  for (let round = 0; round < plan.rounds; round += 1) {
    // A busy machine gets fewer rounds, never half of one.
    if (round > 0 && performance.now() - start > plan.max_ms) break
    progress(`round ${round + 1} of ${plan.rounds}`)
    for (const { arm, clients } of turnsOf(byClients, round)) {
      signal.throwIfAborted()
      const limits = plan.limits[clients] ?? WARM_UP
      measured.push(await measure(arm, { round, clients, limits, processes }))
    }
  }
  const after = machineTime()
  return {
    at: new Date().toISOString(),
    node: process.version,
    cpus: cpus().length,
    cpu_model: cpus()[0]?.model ?? '',
    sync_interval: options.env['TRUSTGW_NATS_SYNC_INTERVAL'] ?? 'as in development',
    rows: summarize(measured),
    ratios: ratios(measured),
    peak_rss_bytes: Object.fromEntries(
      processes.flatMap(([name, pid]) => {
        const bytes = peakBytesOf(pid)
        return bytes === undefined ? [] : [[name, bytes]]
      }),
    ),
    load: {
      before,
      after: loadavg(),
      ...shares(machine, after, totalCpu(processes) - own),
    },
  }
}

function turnsOf(
  byClients: ReadonlyMap<number, readonly Arm[]>,
  round: number,
): readonly { readonly arm: Arm; readonly clients: number }[] {
  return [...byClients].flatMap(([clients, arms]) =>
    rotated(arms, round).map((arm) => ({ arm, clients })),
  )
}

interface Slot {
  readonly round: number
  readonly clients: number
  readonly limits: SlotLimits
  readonly processes: Named
}

async function measure(arm: Arm, slot: Slot): Promise<Measured> {
  const { round, clients, limits, processes } = slot
  const before = sample(processes)
  const client = process.cpuUsage()
  const result = await runSlot(arm.clients, limits)
  const used = process.cpuUsage(client)
  await settle()
  const after = sample(processes)
  if (result.calls === 0) throw new Error(`${arm.title}: ${result.first_error ?? 'no call'}`)
  const cpu_us: Record<string, number> = {}
  for (const [name, us] of after) {
    const delta = us - (before.get(name) ?? 0)
    if (delta > 0) cpu_us[name] = delta
  }
  if (after.size > 0) cpu_us[CLIENT_PROCESS] = used.user + used.system
  return { arm: arm.id, title: arm.title, clients, round, slot: result, cpu_us }
}

function sample(processes: Named): ReadonlyMap<string, number> {
  return new Map(
    processes.flatMap(([name, pid]) => {
      const us = cpuOf(pid)
      return us === undefined ? [] : [[name, us] as const]
    }),
  )
}

function totalCpu(processes: Named): number {
  const { user, system } = process.cpuUsage()
  return [...sample(processes).values()].reduce((sum, us) => sum + us, user + system)
}

type Machine = ReturnType<typeof machineTime>

function shares(
  before: Machine,
  after: Machine,
  own_us: number,
): { busy_share: number | null; others_share: number | null } {
  if (before === undefined || after === undefined) return { busy_share: null, others_share: null }
  const total = Math.max(after.total_us - before.total_us, 1)
  const busy = after.busy_us - before.busy_us
  return { busy_share: busy / total, others_share: Math.max(busy - own_us, 0) / total }
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
}
