import { NEWEST_BUNDLE_KEY } from '@trustgw/protocol'
import type { RecordStore } from '@trustgw/runtime'
import { bundleBytes, sealBundleOf } from '../seal-policy.ts'
import { Agents } from './agents.ts'
import type { Body, Party } from './body.ts'
import { Chance } from './chance.ts'
import { checkWorld } from './check-world.ts'
import { drawFaults, Faults } from './faults.ts'
import type { Finding } from './findings.ts'
import { Operator } from './freezing.ts'
import { AGENTS, agentBytes, EPOCH, ORDERS, policyText, signer, TENANT } from './installation.ts'
import { Loop } from './loop.ts'
import { watchWebCrypto } from './outside.ts'
import {
  type HostParty,
  startExecutorParty,
  startGatewayParty,
  startHostParty,
  startLogParty,
} from './parties.ts'
import { People } from './people.ts'
import { openRoom, Process, type Room } from './processes.ts'
import type { Sabotage } from './sabotage.ts'
import { Shop } from './shop.ts'
import { isResting, readStates, type States } from './states.ts'
import type { World } from './world-parts.ts'

/** How long agents propose and faults happen, milliseconds of the world. */
const BUSY_MS = 40_000
/** After the last fault everything has come to rest within this. */
const REST_MS = 45 * 60_000
/** Longer than any call that began among the faults. */
const QUIET_MS = 16_000
/** How often a world is looked at whether it rests. */
const LOOK_MS = 2_000
/** Two clocks that step by at most this are within the skew of 2 s that executors allow. */
const CLOCK_STEP_MAX_MS = 1_000
const CALLS_MIN = 3
/** How often the stock changes by others, at most. */
const SALES_MAX = 12
const CALLS_MAX = 9

export interface WorldOptions {
  /** Keeps what happened in words. */
  readonly trace?: boolean
  readonly sabotage?: Sabotage
  /** What has not come to rest within this after the last fault never does; default 45 minutes of the world. */
  readonly restMs?: number
}

export interface WorldReport {
  readonly seed: string
  readonly findings: readonly Finding[]
  /** Hash of everything that happened; the same for the same seed. */
  readonly digest: string
  readonly events: number
  readonly accepted: number
  readonly effects: number
  readonly deaths: number
  /** Actions that ran and ended otherwise, where a clock was far off. */
  readonly late: number
  /** How many actions came to which state. */
  readonly states: States['counts']
  readonly lines: readonly string[]
}

/** Runs one world from its seed to its end and checks it. */
export async function runWorld(seed: string, options: WorldOptions = {}): Promise<WorldReport> {
  const loop = new Loop(watchWebCrypto(), options.trace === true)
  const choices = new Chance(`${seed} choices`)
  const faults = new Faults(new Chance(`${seed} faults`), drawFaults(choices))
  const room = openRoom(seed, loop, faults, options.sabotage ?? {})
  const world = makeWorld(room, choices)
  loop.say(`faults ${JSON.stringify(faults.plan)}`)
  const unhandled: string[] = []
  const hear = (error: unknown): void => {
    unhandled.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  process.on('unhandledRejection', hear)
  try {
    await begin(world, choices)
    await loop.run(BUSY_MS, () => false)
    heal(world)
    await untilRest(world, options.restMs ?? REST_MS)
  } finally {
    process.off('unhandledRejection', hear)
  }
  const states = await readStates(room)
  const checked = await checkWorld(world)
  const findings = [
    ...unhandled.map((detail) => ({ invariant: 'nothing fails unseen', detail }) as const),
    ...checked.findings,
  ]
  return {
    seed,
    findings,
    digest: loop.digest(),
    events: loop.events,
    accepted: world.agents.accepted.length,
    effects: world.shop.ledger.length,
    deaths: world.processes.reduce((sum, { deaths }) => sum + deaths, 0),
    late: checked.late,
    states: states.counts,
    lines: loop.lines ?? [],
  }
}

function makeWorld(room: Room, choices: Chance): World {
  const shop = new Shop(room.loop, room.faults)
  const of = <P extends Party>(
    kind: Process<P>['kind'],
    count: number,
    start: ConstructorParameters<typeof Process<P>>[3],
  ): readonly Process<P>[] =>
    Array.from({ length: count }, (_, index) => {
      const name = `${kind}-${index + 1}`
      return new Process<P>(name, kind, room, start)
    })
  const some = (): number => (choices.happens(0.5) ? 1 : 2)
  const { sabotage } = room
  const gateways = of('gateway', some(), (body) => startGatewayParty(body, sabotage))
  const executors = of('executor', some(), (body) => {
    const honest = (own: Body): Promise<Party> => startExecutorParty(own, shop, sabotage)
    return sabotage.executor?.(body, shop, honest) ?? honest(body)
  })
  const hosts = of<HostParty>('host', 1, startHostParty)
  const logs = of('log', 1, startLogParty)
  return {
    room,
    shop,
    agents: new Agents(room, choices),
    people: new People(room, choices, hosts),
    operator: new Operator(room),
    processes: [...gateways, ...executors, ...hosts, ...logs],
    published: [],
    clocksAgree: room.faults.plan.steps === 0 || room.faults.plan.stepMs <= CLOCK_STEP_MAX_MS,
  }
}

async function begin(world: World, choices: Chance): Promise<void> {
  const { room, shop, agents, people, operator, processes } = world
  const { loop, faults, direct } = room
  const records = direct.records({ home: 'data', bucket: 'agents' })
  for (const agent of AGENTS) {
    await put(records, `${TENANT}.${agent.record.key_id}`, agentBytes(agent))
  }
  await publishPolicy(world, 1)
  for (const process of processes) {
    loop.after(choices.between(0, 500), `${process.name} is started`, () => process.start())
  }
  agents.begin(CALLS_MIN + choices.below(CALLS_MAX - CALLS_MIN + 1), BUSY_MS - 5_000)
  people.begin(BUSY_MS + 120_000)
  const sales = choices.below(SALES_MAX + 1)
  for (let index = 0; index < sales; index += 1) {
    const order = `ord_${choices.below(ORDERS)}`
    loop.after(choices.between(0, 2 * BUSY_MS), `somebody takes one of ${order}`, () => {
      shop.take(order)
    })
  }
  if (choices.happens(0.25)) operator.plan(choices, BUSY_MS)
  const epochs = choices.happens(0.3) ? 1 + choices.below(2) : 0
  for (let epoch = 2; epoch < 2 + epochs; epoch += 1) {
    const at = choices.between(5_000, BUSY_MS) * ((epoch - 1) / epochs)
    loop.after(at, `the operator publishes epoch ${epoch}`, () => {
      void publishPolicy(world, epoch)
    })
  }
  const { plan } = faults
  for (let index = 0; index < plan.cuts; index += 1) {
    const process = choices.pick(processes)
    const ms = choices.between(20, 12_000)
    loop.after(choices.between(0, BUSY_MS), `${process.name} is cut off`, () => {
      process.line?.cut(ms)
    })
  }
  for (let index = 0; index < plan.steps; index += 1) {
    const process = choices.pick(processes)
    const offset = choices.between(-plan.stepMs, plan.stepMs)
    loop.after(choices.between(0, BUSY_MS), `the clock of ${process.name} steps`, () => {
      process.skew.offset = offset
    })
  }
  if (choices.happens(0.2)) {
    const process = choices.pick(processes)
    loop.after(choices.between(2_000, BUSY_MS), `${process.name} is told to stop`, () => {
      void process.stop()
    })
  }
}

/** The faults are over: clocks are set, and who had a bad disk is started anew. */
function heal({ room, processes }: World): void {
  const { faults, loop } = room
  const hadBadDisks = faults.plan.disk > 0
  loop.say('the faults are over')
  faults.end()
  for (const process of processes) {
    process.skew.offset = 0
    if (hadBadDisks) process.kill()
  }
}

/** Twice in a row: what was stored just now may not be on record yet. */
async function untilRest(world: World, restMs: number): Promise<void> {
  const { loop } = world.room
  const end = loop.now + restMs
  let looksAtRest = 0
  const look = (): void => {
    void isResting(world.room).then((isSo) => {
      looksAtRest = isSo && loop.now > BUSY_MS + QUIET_MS ? looksAtRest + 1 : 0
    })
    loop.after(LOOK_MS, 'somebody looks whether all rests', look)
  }
  look()
  await loop.run(end, () => looksAtRest === 2)
}

async function publishPolicy(world: World, epoch: number): Promise<void> {
  const { direct, durables, loop } = world.room
  const operatorKey = signer('operator')
  const issuedAt = EPOCH + Math.floor(loop.now)
  const sealed = sealBundleOf([{ text: policyText(epoch) }], {
    tenant: TENANT,
    epoch,
    issuedAt,
    operatorKey,
  })
  const records = direct.records({ home: 'data', bucket: 'policies' })
  const revision = await put(records, `${TENANT}.${NEWEST_BUNDLE_KEY}`, bundleBytes(sealed))
  world.published.push(loop.now)
  await durables.appended('KV_policies', revision)
}

async function put(store: RecordStore, key: string, value: Uint8Array): Promise<number> {
  const found = await store.get(key)
  const written =
    found === undefined
      ? await store.create(key, value)
      : await store.replace(key, value, found.revision)
  if (!written.ok) throw new Error(`${key} was not stored`)
  return written.revision
}
