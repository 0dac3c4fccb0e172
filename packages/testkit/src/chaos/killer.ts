import { setTimeout as sleep } from 'node:timers/promises'
import { SeededRandom } from '@trustgw/runtime'
import { crash } from '../process-table.ts'
import type { RunningSystem } from '../system.ts'

/** One kind of process, and the names of those of it. */
export interface Kind {
  readonly kind: string
  readonly names: readonly string[]
}

export const KINDS: readonly Kind[] = [
  { kind: 'gateway', names: ['gateway', 'gateway-2'] },
  { kind: 'executor', names: ['executor', 'executor-2'] },
  { kind: 'nats-server', names: ['nats-server', 'nats-server-2', 'nats-server-3'] },
  { kind: 'host', names: ['host'] },
  { kind: 'log', names: ['log'] },
]

const PAUSE_MIN_MS = 300
const PAUSE_RANGE_MS = 1_500
/** A server that is back catches up with the others before another one goes. */
const CATCH_UP_MS = 3_000

/** Kills processes of a running system with SIGKILL, never two of a kind at once. */
export class Killer {
  readonly killed: Map<string, number> = new Map()
  readonly #system: RunningSystem
  readonly #random: SeededRandom
  readonly #down = new Map<string, Promise<void>>()

  constructor(system: RunningSystem, seed: number) {
    this.#system = system
    this.#random = new SeededRandom(String(seed))
  }

  /** Each kind at least once, then at random while `goOn`, told how many there were, says so. */
  async run(goOn: (count: number) => boolean): Promise<void> {
    let left = KINDS
    for (let count = 0; left.length > 0 || goOn(count); count += 1) {
      const first = left[this.#below(left.length)]
      const next = first ?? KINDS[this.#below(KINDS.length)]
      left = left.filter((one) => one !== first)
      if (next !== undefined) await this.#kill(next)
      await sleep(PAUSE_MIN_MS + this.#below(PAUSE_RANGE_MS))
    }
    await Promise.all(this.#down.values())
  }

  async #kill({ kind, names }: Kind): Promise<void> {
    await this.#down.get(kind)
    const name = names[this.#below(names.length)]
    if (name === undefined) return
    const back = await crash(this.#system, name)
    this.killed.set(name, (this.killed.get(name) ?? 0) + 1)
    this.#down.set(
      kind,
      back().then(() => (kind === 'nats-server' ? sleep(CATCH_UP_MS) : undefined)),
    )
  }

  #below(bound: number): number {
    const [a = 0, b = 0] = this.#random.bytes(2)
    return bound === 0 ? 0 : (a * 256 + b) % bound
  }
}
