import {
  type BusLink,
  executorCrossings,
  MemoryBroker,
  SeededRandom,
  silentLogger,
} from '@trustgw/runtime'
import type { Body, Kind, Party } from './body.ts'
import type { Chance } from './chance.ts'
import { SimDisk } from './disk.ts'
import { Durables } from './durables.ts'
import type { Faults } from './faults.ts'
import { Hub, Line } from './hub.ts'
import { AGENTS, AGENTS_ACCOUNT, EPOCH, PROFILE } from './installation.ts'
import { Life, type Skew } from './life.ts'
import type { Loop } from './loop.ts'
import type { Sabotage } from './sabotage.ts'
import { simLink } from './stores.ts'

/** The machine room of a world: bus and streams, disks and clocks, which outlive the processes. */
export interface Room {
  readonly seed: string
  readonly loop: Loop
  readonly faults: Faults
  readonly hub: Hub
  readonly broker: MemoryBroker
  readonly durables: Durables
  /** The operator's and the checks' way to the streams: takes no time and never fails. */
  readonly direct: BusLink
  readonly sabotage: Sabotage
}

export function openRoom(seed: string, loop: Loop, faults: Faults, sabotage: Sabotage): Room {
  const hub = new Hub(loop, faults)
  const broker = new MemoryBroker({ logger: silentLogger, profiles: [PROFILE] })
  const direct = broker.link()
  const durables = new Durables(hub, direct)
  return { seed, loop, faults, hub, broker, durables, direct, sabotage }
}

/** How soon the supervisor starts a process again, in milliseconds. */
const RESTART_MIN_MS = 100
const RESTART_MAX_MS = 5_000

/** A process and its supervisor: it is started, dies, and is started again. */
export class Process<P extends Party> {
  readonly name: string
  readonly kind: Kind
  readonly skew: Skew = { offset: 0 }
  readonly disk: SimDisk
  /** Undefined while it does not run, or is still starting. */
  party: P | undefined
  line: Line | undefined
  deaths = 0
  readonly #room: Room
  readonly #start: (body: Body) => Promise<P>
  #life: Life | undefined
  #runs = 0

  constructor(name: string, kind: Kind, room: Room, start: (body: Body) => Promise<P>) {
    this.name = name
    this.kind = kind
    this.#room = room
    this.#start = start
    this.disk = new SimDisk(room.faults)
  }

  start(): void {
    const { room, body } = { room: this.#room, body: this.#body() }
    const { life } = body
    this.#start(body).then(
      (party) => {
        if (!life.alive) return
        room.loop.say(`${this.name} runs`)
        this.party = party
      },
      (error: unknown) => {
        if (!life.alive) return
        room.loop.say(`${this.name} did not start: ${String(error)}`)
        life.kill()
      },
    )
  }

  kill(): void {
    this.#life?.kill()
  }

  /** Drains as on a signal; what does not end in time is killed. */
  async stop(): Promise<void> {
    const life = this.#life
    if (life?.alive !== true || this.party === undefined) return
    this.#room.loop.say(`${this.name} is to stop`)
    const { party } = this
    this.#room.loop.after(20_000, `${this.name} did not stop in time`, () => life.kill())
    // A process that fails while it stops is gone all the same.
    await party.stop().then(
      () => this.#room.loop.say(`${this.name} stopped`),
      (error: unknown) => this.#room.loop.say(`${this.name} failed to stop: ${String(error)}`),
    )
    life.kill()
  }

  #body(): Body {
    const { seed, loop, faults, hub, broker, durables, sabotage } = this.#room
    this.#runs += 1
    const life = new Life(this.name, {
      loop,
      chance: faults.chance,
      epoch: EPOCH,
      skew: this.skew,
      crashShare: () => faults.plan.crash,
    })
    const line = new Line(hub, life)
    const inner =
      this.kind === 'executor'
        ? broker.link({ crossings: executorCrossings(PROFILE) })
        : broker.link()
    const honest = simLink({ hub, line, inner, durables })
    const link = sabotage.link?.(this.kind, honest) ?? honest
    this.#life = life
    this.line = line
    life.onDeath(() => this.#died(faults.chance))
    const random = new SeededRandom(`${seed} ${this.name} ${this.#runs}`)
    return { life, link, disk: this.disk.mount(life), random }
  }

  #died(chance: Chance): void {
    this.deaths += 1
    this.party = undefined
    this.line = undefined
    // A killed process loses nothing that the system has; a machine that stops does.
    if (chance.happens(0.5)) this.disk.crash(chance)
    const pause = chance.between(RESTART_MIN_MS, RESTART_MAX_MS)
    this.#room.loop.after(pause, `${this.name} is started`, () => this.start())
  }
}

/** An agent's connection; agents do not die. */
export function agentLine(room: Room, index: number): Line {
  const agent = AGENTS[index]
  if (agent === undefined) throw new RangeError('no such agent')
  const life = new Life(agent.record.agent, {
    loop: room.loop,
    chance: room.faults.chance,
    epoch: EPOCH,
    skew: { offset: 0 },
    crashShare: () => 0,
  })
  return new Line(room.hub, life, { account: AGENTS_ACCOUNT, user: agent.user })
}
