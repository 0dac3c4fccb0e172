import type { Chance } from './chance.ts'

/** How bad a world is; shares are of all messages, calls or awaits. */
export interface FaultPlan {
  /** Requests and answers that get lost on the way. */
  readonly loss: number
  /** Requests that arrive twice. */
  readonly twice: number
  /** Messages that take seconds, so that later ones overtake them. */
  readonly slow: number
  /** Calls to a store that fail: nothing stored, or stored and the caller never learns it. */
  readonly store: number
  /** Writes, syncs and opens of files that fail. */
  readonly disk: number
  /** Awaits at which a process is killed. */
  readonly crash: number
  /** Whether each stream has a leader of its own, as on three nodes: else they fail together. */
  readonly cluster: boolean
  /** Connections cut for a while, in all. */
  readonly cuts: number
  /** Steps of clocks, in all, and how far they go in milliseconds. */
  readonly steps: number
  readonly stepMs: number
}

export const NO_FAULTS: FaultPlan = {
  loss: 0,
  twice: 0,
  slow: 0,
  store: 0,
  disk: 0,
  crash: 0,
  cluster: false,
  cuts: 0,
  steps: 0,
  stepMs: 0,
}

/** A plan from a seed: each kind of fault is in some worlds only, and rare or frequent there. */
export function drawFaults(chance: Chance): FaultPlan {
  const share = (of: number, rare: number, often: number): number =>
    chance.happens(of) ? chance.pick([rare, often]) : 0
  return {
    loss: share(0.5, 0.01, 0.08),
    twice: share(0.4, 0.02, 0.15),
    slow: share(0.5, 0.01, 0.08),
    store: share(0.5, 0.005, 0.04),
    disk: share(0.2, 0.005, 0.03),
    crash: share(0.7, 0.001, 0.006),
    cluster: chance.happens(0.5),
    cuts: share(0.5, 1, 5),
    steps: share(0.4, 1, 4),
    stepMs: chance.pick([1_000, 1_000, 10_000, 90_000]),
  }
}

/** The faults that are in force now, and the choices that they take. */
export class Faults {
  readonly chance: Chance
  plan: FaultPlan

  constructor(chance: Chance, plan: FaultPlan) {
    this.chance = chance
    this.plan = plan
  }

  /** From here on everything works. */
  end(): void {
    this.plan = { ...NO_FAULTS, cluster: this.plan.cluster }
  }

  lost(): boolean {
    return this.chance.happens(this.plan.loss)
  }

  /** How long a message is on its way, in milliseconds. */
  latency(): number {
    if (this.chance.happens(this.plan.slow)) return this.chance.between(50, 9_000)
    return this.chance.between(0.1, 1.5)
  }
}
