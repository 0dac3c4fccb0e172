import type { Clock } from '@trustgw/runtime'
import type { Chance } from './chance.ts'
import type { Loop } from './loop.ts'

/** How far a process's clock is from the world's, in milliseconds; outlives its restarts. */
export interface Skew {
  offset: number
}

export interface LifeDeps {
  readonly loop: Loop
  readonly chance: Chance
  /** The world's time at its beginning, Unix milliseconds. */
  readonly epoch: number
  readonly skew: Skew
  /** The share of awaits at which this process is killed. */
  readonly crashShare: () => number
}

/**
 * One run of a process, from its start to its end or death. Whatever it waits for goes through
 * {@link Life.wake}: dead, it is never woken again, so nothing that it still meant to do is done.
 */
export class Life {
  readonly name: string
  alive = true
  /** Milliseconds of the world. */
  diedAt: number = Number.POSITIVE_INFINITY
  readonly clock: Clock
  readonly #deps: LifeDeps
  readonly #onDeath: (() => void)[] = []

  constructor(name: string, deps: LifeDeps) {
    this.name = name
    this.#deps = deps
    this.clock = clockOf(this, deps)
  }

  /** Goes on with the process after `ms`, unless it is dead by then, or dies at that very await. */
  wake(ms: number, label: string, go: () => void): () => void {
    return this.#deps.loop.after(ms, `${this.name} ${label}`, () => {
      if (!this.alive) return
      const { chance, crashShare, loop } = this.#deps
      if (!chance.happens(crashShare())) {
        go()
        return
      }
      // Before this step of it, or right after: with the step's messages on their way or not.
      if (chance.happens(0.5)) {
        go()
        loop.after(0, `${this.name} dies after ${label}`, () => this.kill())
      } else {
        loop.say(`${this.name} dies before ${label}`)
        this.kill()
      }
    })
  }

  onDeath(handler: () => void): void {
    this.#onDeath.push(handler)
  }

  kill(): void {
    if (!this.alive) return
    this.alive = false
    this.diedAt = this.#deps.loop.now
    for (const handler of this.#onDeath) handler()
  }
}

function clockOf(life: Life, { loop, epoch, skew }: LifeDeps): Clock {
  const setTimer: Clock['setTimer'] = (ms, ring) => life.wake(ms, 'timer', ring)
  return {
    now: () => Math.floor(epoch + loop.now + skew.offset),
    uptime: () => loop.now,
    setTimer,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted()
      await new Promise<void>((resolve, reject) => {
        const stop = (): void => {
          cancel()
          const reason: unknown = signal?.reason
          reject(reason instanceof Error ? reason : new Error('aborted'))
        }
        const cancel = setTimer(ms, () => {
          signal?.removeEventListener('abort', stop)
          resolve()
        })
        signal?.addEventListener('abort', stop, { once: true })
      })
    },
  }
}
